"""What does keeping a log cost, and how are many shared out? Ratios within one run.

1. A log to disk, against reading it only; peak memory for a short and a long one.
2. A thousand short logs and one long one behind 50 ms, 16 in flight: against the ideal, and when the
   short ones are done.

    python benchmarks/download.py [--quick] [--out results.json]
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from read_log import serving

from dashscope_ftlogs import Job, LogSession, Progress
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

LATENCY = 0.05
IN_FLIGHT = 16


def child(*words: str) -> dict[str, Any]:
    """Run one measurement in a process of its own."""
    command = [sys.executable, __file__, *words]
    result: dict[str, Any] = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    )
    return result


async def one(way: str, base_url: str) -> dict[str, Any]:
    """Read one log, or bring it to disk."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(LogSession("sk-benchmark", base_url=base_url))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        begin = time.perf_counter()
        if way == "read":
            async for _ in session.lines("ft-benchmark"):
                pass
        else:
            (done,) = await session.download(Job("ft-benchmark", "SUCCEEDED"), folder)
            assert done.state == "complete", done
        seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "peak_mib": peak}


async def serve_many(short: int, long_lines: int) -> None:
    """Serve many logs until standard input ends."""
    jobs = [EmulatedJob(f"ft-{n}", ["x" * 80] * 200) for n in range(short)]
    jobs.append(EmulatedJob("ft-long", ["x" * 80] * long_lines))
    async with Emulator(jobs, latency=LATENCY, compress=False) as emulator:
        print(json.dumps([emulator.base_url, emulator.api_key]), flush=True)
        await asyncio.to_thread(sys.stdin.read)


async def many(base_url: str, api_key: str, short: int, long_lines: int) -> dict[str, Any]:
    """Download them all; note when the short ones were done, and how far the long one was then."""
    progress = Progress()
    async with LogSession(api_key, base_url=base_url, concurrency=IN_FLIGHT) as session:
        with tempfile.TemporaryDirectory() as folder:
            ids = ["ft-long", *(f"ft-{n}" for n in range(short))]
            begin = time.perf_counter()
            download = asyncio.create_task(session.download(ids, folder, progress=progress))
            while progress.jobs_done < 0.95 * short:  # noqa: ASYNC110  (a plain object tells it)
                await asyncio.sleep(0.005)
            reached = progress.reading.get("ft-long", (0, 0))[0]
            outcomes = await download
            seconds = time.perf_counter() - begin
    assert {outcome.state for outcome in outcomes} == {"complete"}
    # A job's facts and its lines are two requests; the long log is read at the pace of its pages.
    ideal = LATENCY * (2 * (short + 1) + long_lines / 1_000) / IN_FLIGHT
    return {"seconds": seconds, "ideal": ideal, "long_when_95_percent_done": reached / long_lines}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of the lines")
    parser.add_argument("--out", type=Path, help="write the raw figures here, as JSON")
    parser.add_argument("child", nargs="*")
    options = parser.parse_args()
    match options.child:
        case ["one", way, base_url]:
            print(json.dumps(asyncio.run(one(way, base_url))))
            return
        case ["serve", short, long_lines]:
            asyncio.run(serve_many(int(short), int(long_lines)))
            return
        case ["many", base_url, api_key, short, long_lines]:
            print(json.dumps(asyncio.run(many(base_url, api_key, int(short), int(long_lines)))))
            return
    size = 100_000 if options.quick else 1_000_000
    results: dict[str, Any] = {"lines": size}
    with serving(size, 0) as base_url:
        rounds = [{way: child("one", way, base_url) for way in ("read", "disk")} for _ in range(4)][1:]
    results["rounds"] = rounds
    ratio = sorted(r["read"]["seconds"] / r["disk"]["seconds"] for r in rounds)[1]
    print(f"{size:,} lines to disk: {ratio:.2f} of the speed of reading them only")
    for lines in (100_000, 5 * size):
        with serving(lines, 0) as base_url:
            peak = child("one", "disk", base_url)["peak_mib"]
        results[f"peak_mib_{lines}"] = peak
        print(f"peak memory for {lines:,} lines: {peak:.1f} MiB")

    short, long_lines = (200, 100_000) if options.quick else (1_000, 500_000)
    command = [sys.executable, __file__, "serve", str(short), str(long_lines)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        base_url, api_key = json.loads(server.stdout.readline())
        shared = child("many", base_url, api_key, str(short), str(long_lines))
        server.communicate("")
    results["shared"] = shared
    print(
        f"{short:,} logs of 200 lines and one of {long_lines:,}: "
        f"{shared['seconds'] / shared['ideal']:.2f} times the ideal {shared['ideal']:.2f} s; when 95 % "
        f"of the short ones were done, the long one was {shared['long_when_95_percent_done']:.0%} done"
    )
    if options.out:
        options.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
