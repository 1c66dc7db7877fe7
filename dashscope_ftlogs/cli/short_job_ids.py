"""Which job a short name means: the beginning or the end of its id, `@last` or `@running`."""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from dashscope_ftlogs import FTLogsError, InvalidArgumentError, Job, NotFoundError, checks
from dashscope_ftlogs.cli.key_in_messages import without_key
from dashscope_ftlogs.text import excerpt

if TYPE_CHECKING:
    from dashscope_ftlogs import LogSession

LAST: Final = "@last"
RUNNING: Final = "@running"
_WHOLE: Final = re.compile(r"ft-(?!\d{4,12}$|\d{12}-[0-9a-f]{0,3}$).+")
"""What is taken for a whole id: it begins as those of the service, and does not end before them."""
_SHOWN: Final = 8
_IN_URL: Final = re.compile(
    r"(?<![A-Za-z0-9])ft-\d{12}-[0-9a-f]+(?![A-Za-z0-9])|(?<=/fine-tunes/)[^/?#]+"
)


class NoneFitsError(NotFoundError):
    """No job of the listing is meant; the service was not asked for one."""

    advice = "`ftlogs jobs` lists them; check that key, workspace and region are those of the job."

    def summary(self) -> str:
        """Say what fits nothing."""
        return self.message


def out_of_url(word: str) -> str:
    """Return the job's id out of a URL, as people copy it; other words as they are.

    >>> out_of_url("https://dashscope.aliyuncs.com/api/v1/fine-tunes/ft-202410291653-1c7f/logs?line=9")
    'ft-202410291653-1c7f'

    Raises:
        InvalidArgumentError: it names no job, or several.
    """
    if "://" not in word:
        return word
    found = list(dict.fromkeys(match[0] for match in _IN_URL.finditer(word)))
    if len(found) != 1:
        raise InvalidArgumentError(
            f"{excerpt(word)!r} names {'no job' if not found else 'several jobs'}: paste the job's id "
            "alone, such as ft-202410291653-1c7f"
        )
    return found[0]


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


async def whole_job_ids(
    session: "LogSession", names: Sequence[str], failed: list[FTLogsError] | None = None
) -> list[list[str]]:
    """Return for each name the ids that it means: one, or for `@running` all that there are.

    A name that is no short one stands for itself. Where there is a list for what `failed`, a name that
    fits no id stands for none.

    Raises:
        NoneFitsError: one that is short fits no id.
        InvalidArgumentError: more than one job fits; there is none to be the last, or running; or a name
            can be no part of an id.
    """
    refuse_key(names)
    names = list(map(out_of_url, names))
    for name in names:
        if not name.startswith("@"):
            checks.job_id(name)
    jobs = [job async for job in session.jobs()] if any(map(is_short, names)) else []
    meant: list[list[str]] = []
    for name in names:
        try:
            meant.append(_meant(name, jobs) if is_short(name) else [name])
        except NoneFitsError as error:
            if failed is None:
                raise
            failed.append(error)
            meant.append([])
    return meant


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
    if name in ids:
        return [name]
    if not fitting:
        among = f"none of the {len(ids):,} jobs has" if ids else "the workspace has no job, so none has"
        raise NoneFitsError(404, "", f"{among} an id that begins or ends with {name!r}")
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
