"""Run one peer, and print as JSON what it cost this process.

cd benchmarks && python -m peers bare http://127.0.0.1:8000/api/v1 --jobs 1 --concurrency 8
"""

import argparse
import asyncio
import inspect
import json
import re
import resource
import time
from importlib import import_module
from pathlib import Path

from peers import PEERS

parser = argparse.ArgumentParser()
parser.add_argument("peer", choices=PEERS)
parser.add_argument("base_url")
parser.add_argument("--jobs", type=int, default=1)
parser.add_argument("--concurrency", type=int, default=8)
options = parser.parse_args()


def peak_mib() -> float:
    """Return the peak memory of this program.

    What getrusage tells on Linux may be that of the process which started this one.
    """
    status = Path("/proc/self/status")
    if status.exists() and (peak := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(peak[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


lines = 0
error = None


def got(count: int) -> None:
    global lines  # noqa: PLW0603  (there is one run in a process)
    lines += count


read = import_module(f"peers.{options.peer}").read
jobs = [f"ft-202410291653-{number:04x}" for number in range(options.jobs)]
before = resource.getrusage(resource.RUSAGE_SELF)
begin = time.perf_counter()
try:
    reading = read(options.base_url, jobs, options.concurrency, got)
    if inspect.iscoroutine(reading):
        asyncio.run(reading)
except Exception as failure:
    error = f"{type(failure).__name__}: {failure}".splitlines()[0][:60]
seconds = time.perf_counter() - begin
after = resource.getrusage(resource.RUSAGE_SELF)
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(
    json.dumps(
        {
            "lines": lines,
            "seconds": seconds,
            "cpu_seconds": cpu,
            "peak_mib": peak_mib(),
            "error": error,
        }
    )
)
