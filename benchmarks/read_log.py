"""How fast is a log read? Ours against the limit and against what most people write.

Server and client are processes of their own, on loopback. Each way is run in turn, several rounds; the
table shows medians. Figures compare only within one run: machines differ, and are noisy.

    python benchmarks/read_log.py [--quick] [--out results.json]
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Result = dict[str, Any]


@contextmanager
def serving(total: int, latency: float) -> Iterator[str]:
    """Run the server for the length of a block; give its base URL."""
    command = [sys.executable, str(HERE / "server.py"), f"--total={total}", f"--latency={latency}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/api/v1"
        server.communicate("")


def measure(way: str, base_url: str, concurrency: int) -> Result:
    """Run one client to its end."""
    command = [sys.executable, str(HERE / "client.py"), way, base_url, f"--concurrency={concurrency}"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: Result = json.loads(done.stdout)
    return result


def in_turn(
    ways: list[str], *, total: int, latency: float, concurrency: int, rounds: int
) -> list[Result]:
    """Run every way once a round, A B C A B C, so that a slow moment hits all of them."""
    results = []
    with serving(total, latency) as base_url:
        for number in range(rounds + 1):
            for way in ways:
                result = measure(way, base_url, concurrency)
                assert result["lines"] == total, result
                if number:  # round 0 warms up
                    results.append(result)
    return results


def median(results: list[Result], way: str, what: str) -> float:
    """Return the median of one figure of one way."""
    return statistics.median(result[what] for result in results if result["way"] == way)


def table(results: list[Result], limit: str) -> None:
    """Print the medians, with the speed as a share of the limit's."""
    print(f"{'':12}{'lines/s':>12}{'of limit':>10}{'CPU s/M':>10}{'peak MiB':>10}{'seconds':>10}")
    for way in dict.fromkeys(result["way"] for result in results):
        seconds = median(results, way, "seconds")
        count = median(results, way, "lines")
        print(
            f"{way:12}{count / seconds:12,.0f}{median(results, limit, 'seconds') / seconds:10.2f}"
            f"{median(results, way, 'cpu_seconds') / count * 1e6:10.2f}"
            f"{median(results, way, 'peak_mib'):10.0f}{seconds:10.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of the lines, fewer rounds")
    parser.add_argument("--out", type=Path, help="write the raw figures here, as JSON")
    options = parser.parse_args()
    size, rounds = (100_000, 3) if options.quick else (1_000_000, 5)

    print(f"{size:,} lines on loopback, 8 in flight: what a line costs")
    loopback = in_turn(["bare", "pages", "lines"], total=size, latency=0, concurrency=8, rounds=rounds)
    table(loopback, "bare")

    print("\n200 pages of 1,000 lines at 50 ms of latency, 8 in flight: what users feel")
    ideal = 0.05 * (1 + 199 / 8)
    far = in_turn(["pages", "lines", "sequential"], total=200_000, latency=0.05, concurrency=8, rounds=2)
    table(far, "pages")
    print(f"ideal {ideal:.3f} s; pages() takes {median(far, 'pages', 'seconds') / ideal:.2f} times that")

    print("\nten times the lines: memory must not grow")
    small = in_turn(["pages", "lines"], total=size // 10, latency=0, concurrency=8, rounds=1)
    for way in ("pages", "lines"):
        print(
            f"{way:12}{median(small, way, 'peak_mib'):6.1f} MiB for {size // 10:,} lines, "
            f"{median(loopback, way, 'peak_mib'):.1f} MiB for {size:,}"
        )
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        raw = {"loopback": loopback, "latency_50ms": far, "small": small}
        options.out.write_text(json.dumps(raw, indent=1) + "\n")


if __name__ == "__main__":
    main()
