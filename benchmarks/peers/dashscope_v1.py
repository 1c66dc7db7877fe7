"""The vendor's SDK, first generation; its default `offset=1`, which loses a line, is corrected."""

from collections.abc import Callable

import dashscope

from peers import KEY


def read(base_url: str, jobs: list[str], _concurrency: int, got: Callable[[int], None]) -> None:
    dashscope.base_http_api_url = base_url
    for job in jobs:
        offset, total = 0, 1
        while offset < total:
            answer = dashscope.FineTunes.logs(job, offset=offset, line=1000, api_key=KEY)
            if answer.status_code != 200:
                raise RuntimeError(f"{answer.status_code} {answer.code}")
            lines, total = answer.output["logs"], answer.output["total"]
            offset += len(lines)
            got(len(lines))
