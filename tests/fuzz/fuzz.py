"""Fuzz for so many seconds: `fuzz.py SECONDS`, or `fuzz.py SECONDS --coverage-guided` with atheris.

By itself Hypothesis, with another seed each time round. Guided by coverage, each target in turn, in a
process of its own; an input that breaks a promise is left in build/fuzz.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent


def by_hypothesis(seconds: float) -> int:
    """Run the tests until the time is over; return the exit code of the first failure."""
    end, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        seed = f"--hypothesis-seed={time.monotonic_ns()}"
        words = ("-m", "pytest", str(HERE), "-q", "-x", "--hypothesis-profile=fuzz", seed)
        if code := subprocess.run([sys.executable, *words], check=False).returncode:
            return code
        rounds += 1
    print(f"{rounds} rounds, nothing found")
    return 0


def by_coverage(seconds: float) -> int:
    """Give each target its share of the time; return 1 if one failed."""
    from seeds import SEEDS
    from targets import TARGETS

    found = Path("build/fuzz")
    found.mkdir(parents=True, exist_ok=True)
    codes = []
    for name in TARGETS:
        with tempfile.TemporaryDirectory() as corpus:
            for number, seed in enumerate(SEEDS[name]):
                (Path(corpus) / str(number)).write_bytes(seed)
            share = f"-max_total_time={max(1, round(seconds / len(TARGETS)))}"
            options = (share, f"-artifact_prefix={found}/{name}-", "-max_len=4096", "-rss_limit_mb=2048")
            words = (str(HERE / "fuzz.py"), "--target", name, *options, corpus)
            codes.append(subprocess.run([sys.executable, *words], check=False).returncode)
    return int(any(codes))


def one_target(name: str) -> None:
    """Hand the process over to atheris."""
    import atheris

    with atheris.instrument_imports(include=["dashscope_ftlogs"]):
        from targets import TARGETS

    atheris.Setup([sys.argv[0], *sys.argv[3:]], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--target"]:
        one_target(sys.argv[2])
    seconds = float(sys.argv[1]) if sys.argv[1:] else 30.0
    sys.exit(by_coverage(seconds) if "--coverage-guided" in sys.argv else by_hypothesis(seconds))
