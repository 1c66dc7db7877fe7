"""Logs of which every line can be told from its number: nothing has to be kept to check them."""

from collections.abc import Sequence
from typing import Any

FOLLOWED, FINISHED = 40, 260
RATE = 20.0
"""Lines a second of each job that runs."""
RUNNING = tuple(f"ft-live-{number}" for number in range(FOLLOWED))
LENGTHS = {f"ft-done-{number}": (number * 37) % 2_500 for number in range(FINISHED)}


def line(job_id: str, number: int) -> str:
    return f"{job_id} {number} {'x' * (number * 7 % 90)}\r\x1b[{number % 8}m\u2028"


class Log(Sequence[str]):
    def __init__(self, job_id: str, length: int) -> None:
        self._job_id, self._length = job_id, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return [line(self._job_id, number) for number in range(*key.indices(self._length))]
        return line(self._job_id, range(self._length)[key])


class Times(Sequence[float]):
    """When lines appear, if the job had been running for `age` seconds when the server started."""

    def __init__(self, age: float, length: int) -> None:
        self._age, self._length = age, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, number: Any) -> Any:
        return number / RATE - self._age
