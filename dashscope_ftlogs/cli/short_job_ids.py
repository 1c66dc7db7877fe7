"""Which job a short name means: the beginning or the end of its id, `@last` or `@running`."""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from dashscope_ftlogs import InvalidArgumentError, Job, checks
from dashscope_ftlogs.cli.key_in_messages import without_key

if TYPE_CHECKING:
    from dashscope_ftlogs import LogSession

LAST: Final = "@last"
RUNNING: Final = "@running"
_WHOLE: Final = re.compile(r"ft-(?!\d{4,12}$|\d{12}-[0-9a-f]{0,3}$).+")
"""What is taken for a whole id: it begins as those of the service, and does not end before them."""
_SHOWN: Final = 8


def refuse_key(names: Iterable[str]) -> None:
    """Refuse names of which one is a key, before anything is sent.

    Raises:
        InvalidArgumentError: one is.
    """
    together = "\n".join(names)
    if without_key(together) != together:
        raise InvalidArgumentError("a job id: that looks like an API key; nothing was sent")


def is_short(name: str) -> bool:
    """Whether the listing has to tell which job is meant.

    >>> [is_short(name) for name in ("be8c", "@last", "ft-20251207", "ft-202512070912-be8c")]
    [True, True, True, False]
    """
    return _WHOLE.fullmatch(name) is None


async def whole_job_ids(session: "LogSession", names: Sequence[str]) -> list[list[str]]:
    """Return for each name the ids that it means: one, or for `@running` all that there are.

    A name that is no short one, or that nothing in the listing fits, stands for itself.

    Raises:
        InvalidArgumentError: more than one job fits; there is none to be the last, or running; or a name
            can be no part of an id.
    """
    refuse_key(names)
    for name in names:
        if not name.startswith("@"):
            checks.job_id(name)
    jobs = [job async for job in session.jobs()] if any(map(is_short, names)) else []
    return [_meant(name, jobs) if is_short(name) else [name] for name in names]


async def whole_job_id(session: "LogSession", name: str) -> str:
    """Return the id of the only job that is meant.

    Raises:
        InvalidArgumentError: there is more than one, or none to be the last, or running.
    """
    ((first, *others),) = await whole_job_ids(session, [name])
    if others:
        raise InvalidArgumentError(f"{name} stands for {_all([first, *others])}: name one")
    return first


def one_place_each(named: Iterable[tuple[str, int | None]]) -> dict[str, int | None]:
    """Return where to begin with each job that is named, which may be more than once.

    Raises:
        InvalidArgumentError: one is named with two places.
    """
    places: dict[str, int | None] = {}
    for job_id, offset in named:
        if places.setdefault(job_id, offset) != offset:
            raise InvalidArgumentError(f"{job_id} is named twice, with two places to begin at")
    return places


def _meant(name: str, jobs: Sequence[Job]) -> list[str]:
    if name.startswith("@"):
        return _by_word(name, jobs)
    ids = {job.job_id for job in jobs}
    fitting = sorted(one for one in ids if one.startswith(name) or one.endswith(name))
    if name in ids or not fitting:
        return [name]
    if len(fitting) > 1:
        raise InvalidArgumentError(f"{name!r} fits {_all(fitting)}: say more of the id")
    return fitting


def _by_word(word: str, jobs: Sequence[Job]) -> list[str]:
    if word == RUNNING:
        if running := [job.job_id for job in jobs if job.status == "RUNNING"]:
            return running
        raise InvalidArgumentError(f"{RUNNING}: no job is running")
    if word != LAST:
        raise InvalidArgumentError(f"{word!r}: of such words there are {LAST} and {RUNNING}")
    if not jobs:
        raise InvalidArgumentError(f"{LAST}: the workspace has no job")
    return [max(jobs, key=lambda job: (job.create_time or "", job.job_id)).job_id]


def _all(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{len(ids)} jobs, {', '.join(ids[:_SHOWN])}{more}"
