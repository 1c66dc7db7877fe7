"""What most people write with aiohttp."""

from collections.abc import Callable

import aiohttp

from peers import KEY


async def read(base_url: str, jobs: list[str], _concurrency: int, got: Callable[[int], None]) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:
        for job in jobs:
            offset, total = 0, 1
            while offset < total:
                async with session.get(
                    f"{base_url}/fine-tunes/{job}/logs", params={"offset": offset, "line": 1000}
                ) as answer:
                    output = (await answer.json())["output"]
                lines, total = output["logs"], output["total"]
                offset += len(lines)
                got(len(lines))
