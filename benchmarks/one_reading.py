"""What it costs to find the metrics in lines at hand, by us and by ten lines of a user's own.

The limit is one search through the whole text by `re`, which reads no number and knows no step.
Prints the seconds of processor time of each as JSON, for so many lines and rounds: of a log as jobs have
it, and of one that is nothing but metrics.

    cd benchmarks && python -m one_reading 200000 5
"""

import ast
import json
import re
import sys
import time
from collections.abc import Callable, Sequence

from dashscope_ftlogs.emulator import generate_job
from dashscope_ftlogs.metrics.points import LogPoints

PAGE = 1000


def ours(lines: Sequence[str]) -> int:
    points = LogPoints()
    for offset in range(0, len(lines), PAGE):
        points.read_all(lines[offset : offset + PAGE], offset)
    return len(points.columns())


def literal_eval(lines: Sequence[str]) -> int:
    points = []
    for line in lines:
        begin = line.find("{")
        if begin >= 0 and "loss" in line:
            try:
                points.append(ast.literal_eval(line[begin : line.rindex("}") + 1]))
            except (ValueError, SyntaxError):
                continue
    return len(points)


def findall(lines: Sequence[str]) -> int:
    return len(re.findall(r"\{[^{}\n]*'loss'[^{}\n]*\}", "\n".join(lines)))


WAYS: dict[str, Callable[[Sequence[str]], int]] = {
    "metrics": ours,
    "literal_eval": literal_eval,
    "findall": findall,
}


def logs(count: int) -> dict[str, list[str]]:
    """Return the two logs that are read, each of so many lines, from the generator of the emulator."""
    mixed = list(generate_job(lines=count, seed=1).lines)
    metrics = [line for line in mixed if line.startswith("{'loss'")]
    return {"mixed": mixed, "metric_lines": (metrics * (count // len(metrics) + 1))[:count]}


def seconds(way: Callable[[Sequence[str]], int], lines: Sequence[str]) -> dict[str, float]:
    begin = time.process_time()
    points = way(lines)
    return {"seconds": time.process_time() - begin, "points": points}


if __name__ == "__main__":
    count, rounds = map(int, sys.argv[1:])
    read = logs(count)
    print(
        json.dumps(
            [
                {
                    f"{log} {name}": seconds(way, lines)
                    for log, lines in read.items()
                    for name, way in WAYS.items()
                }
                for _ in range(rounds)
            ]
        )
    )
