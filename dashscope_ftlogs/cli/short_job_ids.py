"""Which job a short name means: the beginning or the end of its id, `@last` or `@running`."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

from dashscope_ftlogs import FTLogsError, InvalidArgumentError, Job, NotFoundError, checks
from dashscope_ftlogs.archive.object_store.url import KINDS
from dashscope_ftlogs.archive.store import label
from dashscope_ftlogs.cli.exit_codes import UnaskedError
from dashscope_ftlogs.cli.key_in_messages import without_key
from dashscope_ftlogs.cli.run_command import complain
from dashscope_ftlogs.models import runs
from dashscope_ftlogs.text import counted, excerpt, shown

if TYPE_CHECKING:
    from dashscope_ftlogs import LogSession

T = TypeVar("T")
Named = tuple[str, str]
"""A job by its profile, which is empty where none is named, and its id."""

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
    scheme = word.partition("://")[0]
    if not found and scheme.lower() not in {"http", "https"}:
        known = ", ".join(f"{kind}://" for kind in KINDS)
        raise InvalidArgumentError(f"{excerpt(word)!r} is a URL of another kind than {known}")
    if len(found) != 1:
        raise InvalidArgumentError(
            f"{excerpt(word)!r} names {'no job' if not found else 'several jobs'}: paste the job's id "
            "alone, such as ft-202410291653-1c7f"
        )
    return found[0]


_TYPED: Final = MappingProxyType[str, str]({})


def refuse_key(names: Sequence[str], places: Mapping[str, str] = _TYPED) -> None:
    """Refuse names of which one is a key, before anything is sent.

    Raises:
        InvalidArgumentError: one is.
    """
    together = "\n".join(names)
    if without_key(together) != together:
        keys = (name for name in names if without_key(name) != name)
        where = next((places[name] for name in keys if name in places), "a job id")
        raise InvalidArgumentError(f"{where}: that looks like an API key; nothing was sent")


def is_short(name: str) -> bool:
    """Whether the listing has to tell which job is meant.

    >>> [is_short(name) for name in ("be8c", "@last", "ft-20251207", "ft-202512070912-be8c")]
    [True, True, True, False]
    """
    return _WHOLE.fullmatch(name) is None


async def whole_jobs(
    sessions: "Mapping[str, LogSession]",
    names: Sequence[str],
    failed: list[FTLogsError] | None = None,
    lost: dict[str, FTLogsError] | None = None,
    places: Mapping[str, str] = _TYPED,
) -> list[list[Named]]:
    """Return for each name the jobs that it means, each by its profile and its id.

    That is one, or for `@running` all that there are. `PROFILE/NAME` is one of that profile; any other
    name may be one of any.

    A name that is no short one stands for itself. Where there is a list for what `failed`, a name that
    fits no id stands for none, and so does whatever is wrong with one that was read at one of the
    `places`: nobody typed all those, and the others go on. A profile of several that could not be asked
    is `lost`, if that is given, and so is one of several jobs whose id is refused. What failed is in the
    order of the names.

    Raises:
        NoneFitsError: one that is short fits no id.
        InvalidArgumentError: more than one job fits; there is none to be the last, or running; or a name
            can be no part of an id.
    """
    wrong: dict[str, FTLogsError] = {}

    def fail(word: str, error: InvalidArgumentError | NoneFitsError) -> None:
        place = places.get(word)
        if failed is None or (place is None and not isinstance(error, NoneFitsError)):
            raise error
        wrong[word] = error if place is None else _at(place, error)

    refuse_key(names, places)
    try:
        return await _jobs_meant(sessions, names, fail, lost)
    finally:
        if failed is not None:
            failed += [wrong[word] for word in dict.fromkeys(names) if word in wrong]


async def _jobs_meant(
    sessions: "Mapping[str, LogSession]",
    names: Sequence[str],
    fail: Callable[[str, InvalidArgumentError | NoneFitsError], None],
    lost: dict[str, FTLogsError] | None,
) -> list[list[Named]]:
    """Return for each name what it means, see `whole_jobs`; nothing where something has to `fail`."""
    split: list[tuple[Sequence[str], str]] = []
    for word in names:
        try:
            split.append(_split(out_of_url(word), sessions))
        except InvalidArgumentError as error:
            fail(word, error)
            split.append(((), ""))
    of = {profile for profiles, name in split if is_short(name) for profile in profiles}
    listed = await _asked(sessions, [profile for profile in sessions if profile in of], _listing, lost)
    meant: list[list[Named]] = []
    for word, (profiles, name) in zip(names, split, strict=True):
        try:
            if not profiles:
                meant.append([])
            elif is_short(name):
                among = [(one, job) for one in profiles for job in listed.get(one, ())]
                meant.append(_to_ask_for(_meant(name, among), lost))
            elif len(profiles) == 1:
                meant.append([(profiles[0], name)])
            else:
                known = await _asked(sessions, profiles, partial(_known, job_id=name), lost)
                meant.append(_only(name, [(one, name) for one, is_known in known.items() if is_known]))
        except (InvalidArgumentError, NoneFitsError) as error:
            fail(word, error)
            meant.append([])
    return meant


def _at(place: str, error: InvalidArgumentError | NoneFitsError) -> FTLogsError:
    """Return an error that says where the name was read that it is about."""
    if isinstance(error, NoneFitsError):
        return NoneFitsError(error.status, error.code, f"{place}: {error.message}")
    return InvalidArgumentError(f"{place}: {error.summary()}")


def _to_ask_for(found: list[Named], lost: dict[str, FTLogsError] | None) -> list[Named]:
    """Return jobs that were listed without those, of several, whose ids are refused: they are `lost`.

    Where there is nothing for these, they stay: whoever takes them tells what becomes of each.

    Raises:
        InvalidArgumentError: it is the only one, or all are such.
    """
    good: list[Named] = []
    for profile, job_id in found:
        try:
            checks.job_id(job_id)
        except InvalidArgumentError as error:
            if lost is None:
                return found
            if (profile, job_id) == found[-1] and not good:
                raise
            lost[label(profile, shown(job_id))] = UnaskedError(error.summary())
        else:
            good.append((profile, job_id))
    return good


def _split(name: str, sessions: "Mapping[str, LogSession]") -> tuple[list[str], str]:
    """Return the profiles of which one may have a job, and its name there."""
    profile, slash, rest = name.partition("/")
    profiles = list(sessions)
    if slash and "" not in sessions:
        if profile not in sessions:
            raise InvalidArgumentError(
                f"{excerpt(name)!r}: --profile names {', '.join(sessions)}, and not {excerpt(profile)!r}"
            )
        profiles, name = [profile], rest
    if not name.startswith("@"):
        checks.job_id(name)
    return profiles, name


async def _asked(
    sessions: "Mapping[str, LogSession]",
    profiles: Sequence[str],
    ask: "Callable[[LogSession], Awaitable[T]]",
    lost: dict[str, FTLogsError] | None,
) -> dict[str, T]:
    """Return what each profile answers; those of several that could not be asked are `lost`."""
    answers = await asyncio.gather(*(ask(sessions[one]) for one in profiles), return_exceptions=True)
    found: dict[str, T] = {}
    for profile, answer in zip(profiles, answers, strict=True):
        if not isinstance(answer, BaseException):
            found[profile] = answer
        elif lost is None or len(profiles) == 1 or not isinstance(answer, FTLogsError):
            raise answer
        else:
            lost[profile] = answer
    if lost and profiles and not found:
        raise lost.pop(profiles[-1])
    return found


async def _listing(session: "LogSession") -> list[Job]:
    return [job async for job in session.jobs()]


async def _known(session: "LogSession", job_id: str) -> bool:
    try:
        await session.job(job_id)
    except NotFoundError:
        return False
    return True


async def whole_job(
    sessions: "Mapping[str, LogSession]", name: str, lost: dict[str, FTLogsError] | None = None
) -> str:
    """Return the only job that is meant, as `label` names it; see `whole_jobs`.

    Raises:
        InvalidArgumentError: there is more than one, or none to be the last, or running.
    """
    ((first, *others),) = await whole_jobs(sessions, [name], lost=lost)
    if others:
        raise InvalidArgumentError(f"{name} stands for {_all([first, *others])}: name one")
    return label(*first)


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


def _meant(name: str, jobs: Sequence[tuple[str, Job]]) -> list[Named]:
    if name.startswith("@"):
        return _by_word(name, jobs)
    ids = {(profile, job.job_id) for profile, job in jobs}
    whole = sorted(one for one in ids if one[1] == name)
    fitting = whole or sorted(one for one in ids if one[1].startswith(name) or one[1].endswith(name))
    if not fitting:
        among = f"of {counted(len(ids), 'job')}, none" if ids else "the workspace has no job, so none"
        called = sorted({(profile, job.job_id) for profile, job in jobs if job.job_name == name})
        is_called = f"; that is the name of {_all(called)}" if called else ""
        raise NoneFitsError(404, "", f"{among} has an id that begins or ends with {name!r}{is_called}")
    only = _only(name, fitting)
    if not only[0][1].endswith(name):
        complain(f"{name!r} is the beginning of {label(*only[0])}")
    return only


def _only(name: str, fitting: list[Named]) -> list[Named]:
    if not fitting:
        raise NoneFitsError(404, "", f"no profile has a job {name!r}")
    if len(fitting) > 1:
        more = "say whose, as PROFILE/JOB" if fitting[0][0] else "say more of the id"
        raise InvalidArgumentError(f"{name!r} fits {_all(fitting)}: {more}")
    return fitting


def _by_word(word: str, jobs: Sequence[tuple[str, Job]]) -> list[Named]:
    if word == RUNNING:
        if running := [(profile, job.job_id) for profile, job in jobs if runs(job)]:
            return running
        raise InvalidArgumentError(f"{RUNNING}: no job is running")
    if word != LAST:
        raise InvalidArgumentError(f"{word!r}: of such words there are {LAST} and {RUNNING}")
    if not jobs:
        raise InvalidArgumentError(f"{LAST}: the workspace has no job")
    profile, last = max(jobs, key=lambda one: (one[1].create_time or "", one[1].job_id, one[0]))
    return [(profile, last.job_id)]


def _all(fitting: Sequence[Named]) -> str:
    ids = [label(profile, job_id) for profile, job_id in fitting]
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    count = "" if len(ids) == 1 else f"{len(ids)} jobs, "
    return f"{count}{', '.join(ids[:_SHOWN])}{more}"
