"""What it costs to import the library, and to start the command."""

import subprocess
import sys
import time
from typing import Any

from measure import Effort, Round, spread
from peers import PEERS
from report import Figure

NAME = "start-up"
TITLE = "Import and start-up"
PROGRAMS = {
    "python": ("-c", "pass"),
    "import aiohttp": ("-c", "import aiohttp"),
    "import dashscope_ftlogs": ("-c", "import dashscope_ftlogs"),
    "... and LogSession": ("-c", "from dashscope_ftlogs import LogSession"),
    "ftlogs --version": ("-m", "dashscope_ftlogs", "--version"),
    "import dashscope": ("-c", "import dashscope"),
}


def measure(effort: Effort) -> dict[str, Any]:
    programs = dict(PROGRAMS)
    if not PEERS["dashscope_v1"].installed:
        del programs["import dashscope"]
    rounds: list[Round] = [
        {name: {"seconds": seconds(words)} for name, words in programs.items()}
        for _ in range(2 * effort.rounds)
    ]
    return {"case": NAME, "title": TITLE, "rounds": rounds}


def seconds(arguments: tuple[str, ...]) -> float:
    """Run one process to its end."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def figures(result: dict[str, Any]) -> list[Figure]:
    rounds = result["rounds"]
    return [
        Figure(name, spread([1000 * one[name]["seconds"] for one in rounds]), digits=0, unit=" ms")
        for name in rounds[0]
    ]
