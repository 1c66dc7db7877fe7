"""What most people write to get at the losses: each line that looks like a dict through literal_eval."""

import ast
from collections.abc import Callable

import aiohttp

from peers import KEY


async def read(base_url: str, jobs: list[str], _concurrency: int, got: Callable[[int], None]) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:
        for job in jobs:
            metrics, offset, total = [], 0, 1
            while offset < total:
                async with session.get(
                    f"{base_url}/fine-tunes/{job}/logs", params={"offset": offset, "line": 1000}
                ) as answer:
                    output = (await answer.json())["output"]
                lines, total = output["logs"], output["total"]
                metrics += [ast.literal_eval(line) for line in lines if line.startswith("{'")]
                offset += len(lines)
                got(len(lines))
