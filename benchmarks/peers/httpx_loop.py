"""What most people write with httpx."""

from collections.abc import Callable

import httpx

from peers import KEY


async def read(base_url: str, jobs: list[str], _concurrency: int, got: Callable[[int], None]) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(headers=headers, timeout=60) as client:
        for job in jobs:
            offset, total = 0, 1
            while offset < total:
                answer = await client.get(
                    f"{base_url}/fine-tunes/{job}/logs", params={"offset": offset, "line": 1000}
                )
                answer.raise_for_status()
                output = answer.json()["output"]
                lines, total = output["logs"], output["total"]
                offset += len(lines)
                got(len(lines))
