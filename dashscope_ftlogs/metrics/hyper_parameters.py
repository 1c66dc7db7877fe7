"""What jobs were given: the hyper-parameters that a chart of their losses should be read with."""

import math
from collections.abc import Mapping
from typing import Final

from dashscope_ftlogs.models import Job

_FACTS: Final = ("model", "training_type")


def differing(jobs: Mapping[str, Job | None]) -> dict[str, list[object]]:
    """Return the hyper-parameters in which jobs differ, each with one value per job, in the jobs' order.

    The model and the type of the training count as such. `"1.6e-5"` and `0.000016` are the same. A value
    is None where a job has none; what is not known of a job differs from nothing.

    >>> one = Job("ft-1", "RUNNING", hyper_parameters={"n_epochs": 3, "batch_size": 16})
    >>> other = Job("ft-2", "RUNNING", hyper_parameters={"n_epochs": "3"})
    >>> differing({"ft-1": one, "file": None, "ft-2": other})
    {'batch_size': [16, None, None]}
    """
    known = {name: _facts(job) for name, job in jobs.items()}
    names = dict.fromkeys(name for facts in known.values() for name in facts)
    table: dict[str, list[object]] = {}
    for name in names:
        told = [
            facts.get(name)
            for job, facts in zip(jobs.values(), known.values(), strict=True)
            if _tells(job, name)
        ]
        if not all(_same(told[0], value) for value in told):
            table[name] = [facts.get(name) for facts in known.values()]
    return table


def shared(jobs: Mapping[str, Job | None]) -> dict[str, object]:
    """Return the hyper-parameters that are known, and are not among those in which jobs differ.

    >>> shared({"ft-1": Job("ft-1", "RUNNING", hyper_parameters={"n_epochs": 3})})
    {'n_epochs': 3}
    """
    apart = differing(jobs)
    found: dict[str, object] = {}
    for job in jobs.values():
        for name, value in _facts(job).items():
            if value is not None and name not in apart:
                found.setdefault(name, value)
    return found


def _facts(job: Job | None) -> dict[str, object]:
    if job is None:
        return {}
    facts: dict[str, object] = {name: getattr(job, name) for name in _FACTS}
    for name, value in (job.hyper_parameters or {}).items():
        facts.setdefault(name, value)
    return facts


def _tells(job: Job | None, name: str) -> bool:
    """Whether a job is known to have some value of a parameter, or none."""
    if job is None:
        return False
    return getattr(job, name) is not None if name in _FACTS else job.hyper_parameters is not None


def _same(one: object, other: object) -> bool:
    try:
        return _comparable(one) == _comparable(other)
    except RecursionError:  # nested too deeply to tell
        return False


def _comparable(value: object) -> object:
    """Return a number for what is one, in whatever form it was written."""
    if isinstance(value, str):
        for number in (int, float):
            try:
                found = number(value)
            except ValueError:
                continue
            # "1e999" is not the same as "inf" or "2e999".
            return found if math.isfinite(found) else value
    return value
