"""The bundled emulator with a limit of its own and ten jobs of so many pages, until its input is closed.

Prints where it is at first, and in the end what it was asked: how many requests, how many of them it
refused, and how many seconds passed from the first to the last.

    cd benchmarks && python -m servers.emulated --key sk-a --pages 40 --per-second 20
"""

import argparse
import json
import sys

from dashscope_ftlogs.emulator import EmulatedJob, Emulator, RateLimit
from servers.lean import BURST

JOBS = 10


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--key", required=True)
    parser.add_argument("--pages", type=int, required=True)
    parser.add_argument("--per-second", type=float, required=True)
    options = parser.parse_args()
    long_ago = {"create_time": "2024-10-29 16:53:53", "end_time": "2024-10-29 17:53:53"}
    log = ["{'loss': 0.5, 'epoch': 1.0}"] * (1000 * options.pages)
    jobs = [EmulatedJob(f"ft-202410291653-{number:04x}", log, **long_ago) for number in range(JOBS)]
    limit = RateLimit(options.per_second, BURST)
    with Emulator(jobs, api_key=options.key, rate_limit=limit, latency=0.01) as emulator:
        print(emulator.base_url, flush=True)
        sys.stdin.read()
        journal = emulator.journal
    refused = sum(one.status == 429 for one in journal)
    seconds = journal[-1].at - journal[0].at
    print(json.dumps({"requests": len(journal), "refused": refused, "seconds": seconds}))


if __name__ == "__main__":
    main()
