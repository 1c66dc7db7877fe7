"""Measure: every case, or those that are named; print what came out, and keep the raw figures.

    python benchmarks [NAME ...] [--quick] [--out FOLDER]

Client and server are processes of their own, on loopback. The peers take turns, several rounds, so
figures compare within one run only: machines differ, and are noisy.
"""

import argparse
from pathlib import Path

from cases import CASES
from measure import FULL, QUICK, write
from report import print_table


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=", ".join(CASES))
    parser.add_argument("names", nargs="*", metavar="NAME", help="a case; default all")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, two rounds")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    if unknown := set(options.names) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    for name in options.names or CASES:
        case = CASES[name]
        print(f"\n{case.TITLE}  [{name}]", flush=True)
        result = case.measure(QUICK if options.quick else FULL)
        write(result, options.out)
        if "lines" in next(iter(result["rounds"][0].values())):
            print_table(result["rounds"])
        for figure in case.figures(result):
            print(f"  {figure}", flush=True)


if __name__ == "__main__":
    main()
