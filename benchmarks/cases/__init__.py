"""What is measured: one case to a file.

Each has a `NAME`, a `TITLE`, `measure(effort)`, which runs the peers and returns what `measure.write`
keeps, and `figures(result)`, which reads the claims off that: what is said is always what was kept.
"""

from types import ModuleType

from cases import (
    cost_per_line,
    disk,
    growth,
    latency,
    learned,
    many_jobs,
    metrics,
    overhead,
    profiles,
    reading,
    slow_link,
    start_up,
    throttled,
)

CASES: dict[str, ModuleType] = {
    case.NAME: case
    for case in (
        *(cost_per_line, latency, learned, many_jobs, throttled, profiles, slow_link),
        *(growth, disk, metrics, reading, start_up, overhead),
    )
}
