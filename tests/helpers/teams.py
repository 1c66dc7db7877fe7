"""Two accounts with a profile each, and jobs of which two have the same id."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from dashscope_ftlogs.emulator import EmulatedJob, Emulator

KEYS = {"a": "sk-of-team-a-1234567890", "b": "sk-of-team-b-1234567890"}
BOTH = ("--profile", "a", "--profile", "b")


def lines(loss: float, count: int = 3) -> list[str]:
    return [f"{{'loss': {loss}, 'epoch': {n}.0}}" for n in range(count)]


@attrs.frozen
class Teams:
    """Two accounts, each with a job of the same id and one of its own."""

    a: Emulator
    b: Emulator
    config: Path

    @property
    def environ(self) -> dict[str, str]:
        return {"DASHSCOPE_CONFIG": str(self.config)}

    def forget_key(self, profile: str) -> None:
        text = self.config.read_text("utf-8")
        self.config.write_text(text.replace(KEYS[profile], "sk-no-longer-valid-123"), "utf-8")


@contextmanager
def two_teams(folder: Path) -> Iterator[Teams]:
    """Serve them, and write the config file that knows them."""
    made = {"create_time": "2026-02-01 10:00:00"}
    jobs_a = [EmulatedJob("ft-1", lines(1.5)), EmulatedJob("ft-2", ["x"], status="RUNNING", **made)]
    jobs_b = [EmulatedJob("ft-1", lines(0.5, 4)), EmulatedJob("ft-3", lines(0.1))]
    with Emulator(jobs_a, api_key=KEYS["a"]) as a, Emulator(jobs_b, api_key=KEYS["b"]) as b:
        tables = (
            f"[profiles.{name}]\napi_key = {KEYS[name]!r}\nbase_url = {one.base_url!r}\n"
            for name, one in (("a", a), ("b", b))
        )
        config = folder / "config.toml"
        config.write_text("".join(tables), "utf-8")
        yield Teams(a, b, config)
