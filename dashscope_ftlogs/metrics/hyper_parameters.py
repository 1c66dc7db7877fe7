"""What jobs were given: the hyper-parameters that a chart of their losses should be read with."""

import math
from collections.abc import Mapping
from typing import Final

from dashscope_ftlogs.models import Job
from dashscope_ftlogs.text import excerpt, shown

_FACTS: Final = ("model", "training_type")
_HOW: Final = frozenset({"efficient", "full", "lora"})
"""Words of a training's type that say how many weights it moves, and leave its loss what it is."""
_FEW: Final = 3
"""So many still fit beside what else is told of jobs."""
_LONGEST: Final = 30
"""Characters of a value."""


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


def few_differing(jobs: Mapping[str, Job | None]) -> dict[str, list[object]]:
    """Return what `differing` does where that is little enough to name jobs by; else nothing.

    >>> rates = {rate: Job(rate, "RUNNING", hyper_parameters={"lr": rate}) for rate in ("1e-4", "1e-5")}
    >>> few_differing(rates)
    {'lr': ['1e-4', '1e-5']}
    """
    found = differing(jobs)
    return found if len(found) <= _FEW else {}


def objective(job: Job) -> str:
    """Return what a job is trained for: where that differs, losses are no measure of each other.

    >>> kinds = "efficient_sft", "dpo_lora", None
    >>> [objective(Job("ft-1", "RUNNING", training_type=kind)) for kind in kinds]
    ['sft', 'dpo', '']
    """
    words = (job.training_type or "").lower().split("_")
    return "_".join(word for word in words if word not in _HOW)


def brief_value(value: object) -> str | None:
    """Return what to show of a hyper-parameter, on a line with others; None if there is none."""
    if value is None or isinstance(value, str):
        return value and excerpt(value, _LONGEST)
    try:
        return excerpt(shown(value), _LONGEST)
    except RecursionError:
        return "nested too deeply to show"


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
        # NaN, which may be deep inside, equals nothing: only its text does.
        return _comparable(one) == _comparable(other) or repr(one) == repr(other)
    except (RecursionError, ValueError):  # nested too deeply to tell, or of too many digits
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
