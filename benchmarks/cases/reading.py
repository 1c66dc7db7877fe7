"""How fast points are found in lines at hand, against ten lines of a user's own and `re` alone."""

import json
import subprocess
import sys
from typing import Any

from measure import Effort, ratio
from report import Figure
from servers.serving import BENCHMARKS

NAME = "reading"
TITLE = "Lines at hand to points"


def measure(effort: Effort) -> dict[str, Any]:
    count = effort.of(200_000, least=2000)
    command = [sys.executable, "-m", "one_reading", str(count), str(effort.rounds)]
    done = subprocess.run(command, cwd=BENCHMARKS, check=True, stdout=subprocess.PIPE)
    return {"case": NAME, "title": TITLE, "lines": count, "rounds": json.loads(done.stdout)}


def figures(result: dict[str, Any]) -> list[Figure]:
    rounds = result["rounds"]
    return [
        Figure(f"{text}, times the speed of {other}", ratio(rounds, peer, f"{log} metrics", "seconds"))
        for log, text in (("mixed", "a log as jobs have it"), ("metric_lines", "nothing but metrics"))
        for other, peer in (
            ("literal_eval", f"{log} literal_eval"),
            ("re.findall alone", f"{log} findall"),
        )
    ]
