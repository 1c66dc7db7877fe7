"""What does it cost to import the library, and to start the command?

python benchmarks/start_up.py
"""

import statistics
import subprocess
import sys
import time

CASES = {
    "python": ("-c", "pass"),
    "import aiohttp": ("-c", "import aiohttp"),
    "import dashscope_ftlogs": ("-c", "import dashscope_ftlogs"),
    "... and LogSession": ("-c", "from dashscope_ftlogs import LogSession"),
    "ftlogs --version": ("-m", "dashscope_ftlogs", "--version"),
    "ftlogs cat --help": ("-m", "dashscope_ftlogs", "cat", "--help"),
}
ROUNDS = 15


def seconds(arguments: tuple[str, ...]) -> float:
    """Run one process to its end."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> None:
    rounds = [{name: seconds(words) for name, words in CASES.items()} for _ in range(ROUNDS)]
    medians = {name: statistics.median(times[name] for times in rounds) for name in CASES}
    print(f"{'':26}{'ms':>8}{'of import aiohttp':>20}")
    for name, median in medians.items():
        print(f"{name:26}{median * 1000:8.0f}{median / medians['import aiohttp']:20.2f}")


if __name__ == "__main__":
    main()
