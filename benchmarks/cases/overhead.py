"""What retry, pacing and validation add to a request that simply succeeds."""

import json
import subprocess
import sys
from typing import Any

from measure import Effort, spread
from report import Figure
from servers.serving import BENCHMARKS

NAME = "overhead"
TITLE = "What a request costs, when there is no network"


def measure(effort: Effort) -> dict[str, Any]:
    command = [
        *(sys.executable, "-m", "one_request"),
        *(str(effort.of(20_000, least=100)), str(2 * effort.rounds)),
    ]
    done = subprocess.run(command, cwd=BENCHMARKS, check=True, stdout=subprocess.PIPE)
    return {"case": NAME, "title": TITLE, "rounds": json.loads(done.stdout)}


def figures(result: dict[str, Any]) -> list[Figure]:
    added = [one["page()"]["microseconds"] - one["bare"]["microseconds"] for one in result["rounds"]]
    return [
        Figure("retry, pacing and validation, a request", spread(added), most=12, digits=1, unit=" µs")
    ]
