"""What most people write first."""

from collections.abc import Callable

import requests

from peers import KEY


def read(base_url: str, jobs: list[str], _concurrency: int, got: Callable[[int], None]) -> None:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {KEY}"
        for job in jobs:
            offset, total = 0, 1
            while offset < total:
                answer = session.get(
                    f"{base_url}/fine-tunes/{job}/logs",
                    params={"offset": offset, "line": 1000},
                    timeout=60,
                )
                answer.raise_for_status()
                output = answer.json()["output"]
                lines, total = output["logs"], output["total"]
                offset += len(lines)
                got(len(lines))
