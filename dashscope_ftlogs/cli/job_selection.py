"""Which jobs a command is about: ids, a file of ids, or those of the listing that fit."""

import fnmatch
import re
import sys
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256
from itertools import chain, product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Self

import attrs
import typer

from dashscope_ftlogs import FTLogsError, InvalidArgumentError, Job
from dashscope_ftlogs.archive.disk_failures import why_unread
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.checks import duration
from dashscope_ftlogs.cli.short_job_ids import whole_jobs
from dashscope_ftlogs.models import STATUSES, matches
from dashscope_ftlogs.text import excerpt, shown

if TYPE_CHECKING:
    from dashscope_ftlogs import LogSession

_DAYS: Final = {"today": 0, "yesterday": 1}
"""How long ago each began."""
_AGO: Final = re.compile(r"(\d{1,9}) (minute|hour|day|week)s? ago", re.ASCII | re.IGNORECASE)
NO_ZONE: Final = (
    "The service's times have no zone: a duration is counted from now in UTC, so that none is missed, "
    "and brings some hours more."
)
_SHARD: Final = re.compile(r"(\d{1,9})/(\d{1,9})", re.ASCII)


ShardOption = Annotated[
    str | None,
    typer.Option(
        metavar="N/OF", help="Only this share of them, such as 3/16: each machine takes another."
    ),
]


def complete_statuses(incomplete: str) -> list[str]:
    """Return the documented statuses that begin so, in the case in which they were begun."""
    known = (status.lower() if incomplete.islower() else status for status in STATUSES)
    return sorted(status for status in known if status.startswith(incomplete))


def complete_days(incomplete: str) -> list[str]:
    """Return the words for days that begin so."""
    return [word for word in _DAYS if word.startswith(incomplete)]


@attrs.frozen
class Filters:
    """Which jobs of the listing are meant."""

    status: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATUS",
            help="Only jobs with this status; repeat it for jobs with any of several.",
            autocompletion=complete_statuses,
        ),
    ] = None
    model: Annotated[
        list[str] | None,
        typer.Option(help="Only jobs that fine-tune this model; repeat it for any of several."),
    ] = None
    since: Annotated[
        str | None,
        typer.Option(
            metavar="DATE|DURATION",
            help="Only jobs created then or later, or not longer ago: 7d, '2 days ago', yesterday. "
            f"{NO_ZONE}",
            autocompletion=complete_days,
        ),
    ] = None
    match: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Only jobs whose id, name or model's name fits; repeat it for any of several.",
        ),
    ] = None

    @property
    def are_given(self) -> bool:
        """Whether there is any."""
        return any((self.status, self.model, self.since, self.match))

    async def jobs(self, session: "LogSession") -> AsyncGenerator[Job, None]:
        """Yield the jobs that fit, in the order of the listing.

        Raises:
            InvalidArgumentError: no job can fit: a status or a model is unknown, or a date is none.
        """
        since = None if self.since is None else earliest(self.since)
        statuses, models = set(STATUSES), set[str]()
        async for job in session.jobs():
            statuses.add(job.status.upper())
            models.update({job.model or "", job.base_model or ""})
            if self._fits(job, since):
                yield job
        for status in self.status or ():
            if status.upper() not in statuses:
                raise _none_has("--status", status, statuses)
        for model in self.model or ():
            if model not in models:
                raise _none_has("--model", model, models)

    def _fits(self, job: Job, since: str | None) -> bool:
        if not matches(job, self.status or (), self.model or ()):
            return False
        if since is not None and not created_since(job, since):
            return False
        names = (job.job_id, job.job_name or "", job.finetuned_output or "")
        return not self.match or any_fits(names, self.match)


class NoneHasItError(InvalidArgumentError):
    """No job has a status or model; of several profiles, another one may have some."""


def _none_has(option: str, word: str, known: Iterable[str]) -> InvalidArgumentError:
    told = ", ".join(excerpt(one, 40) for one in sorted(filter(None, known))[:20])
    return NoneHasItError(f"{option} {word}: no job has it; there are: {told or 'no jobs'}")


@attrs.frozen
class Shard:
    """One of several equal shares of all jobs, by hashes of their ids: the same on every machine."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `3/16`. Shares are counted from 1 or from 0, since 16/16 and 0/16 are the same one.

        Raises:
            InvalidArgumentError: it is no such.
        """
        found = _SHARD.fullmatch(text)
        number, of = map(int, found.groups()) if found else (0, 0)
        if not of or number > of:
            raise InvalidArgumentError(
                f"--shard {excerpt(text, 80)}: must be like 3/16, the third of sixteen; or from 0/16 to "
                "15/16"
            )
        return cls(number % of, of)

    def holds(self, job: str | Job) -> bool:
        """Whether a job is in this share.

        >>> [Shard.parse(f"{n}/3").holds("ft-202410291653-a1b2") for n in range(1, 4)]
        [True, False, False]
        """
        digest = sha256((job if isinstance(job, str) else job.job_id).encode("utf-8", "surrogatepass"))
        return int.from_bytes(digest.digest()[:8], "big") % self.of == self.number


@attrs.frozen(kw_only=True)
class Selection:
    """What the options say about it."""

    job_ids: tuple[str, ...]
    from_file: Path | None
    everything: bool
    filters: Filters
    shard: Shard | None = None

    def __attrs_post_init__(self) -> None:
        listed = self.everything or self.filters.are_given
        if listed and self.are_named:
            raise InvalidArgumentError(
                "jobs that are named, by id or --from-file, and --all, --status, --model, --since or "
                "--match exclude each other"
            )
        if not listed and not self.are_named:
            raise InvalidArgumentError(
                "say which jobs: by id or --from-file, or else by --all, --status, --model, --since or "
                "--match"
            )
        if self.filters.since is not None:
            earliest(self.filters.since)

    @property
    def are_named(self) -> bool:
        """Whether jobs are named one by one."""
        return bool(self.job_ids) or self.from_file is not None

    async def jobs(self, session: "LogSession", failed: list[FTLogsError]) -> list[str | Job]:
        """Return the jobs; those that were named stand as ids, see `whole_jobs`."""
        if self.are_named:
            named = (await self.by_profile({"": session}, failed)).get("", [])
            if failed and not named:
                raise failed[-1]
            return named
        async with aclosing(self.filters.jobs(session)) as listed:
            return [job async for job in listed if self.shard is None or self.shard.holds(job)]

    async def by_profile(
        self,
        sessions: "Mapping[str, LogSession]",
        failed: list[FTLogsError] | None = None,
        lost: dict[str, FTLogsError] | None = None,
    ) -> dict[str, list[str | Job]]:
        """Return the ids of the jobs that were named, by the profile of each: see `whole_jobs`."""
        with Thread(patience=0) as reading:  # a pipe may take its time, and Ctrl-C should not
            places = await reading.run(self._from_file)
        for name in self.job_ids:
            places.pop(name, None)
        names = [*self.job_ids, *places]
        found: dict[str, list[str | Job]] = {}
        meant = await whole_jobs(sessions, names, failed, lost, places)
        for profile, job_id in chain.from_iterable(meant):
            if self.shard is None or self.shard.holds(job_id):
                found.setdefault(profile, []).append(job_id)
        return found

    def _from_file(self) -> dict[str, str]:
        """Return where in the file each name stands first."""
        if self.from_file is None:
            return {}
        try:
            text = sys.stdin.read() if str(self.from_file) == "-" else self.from_file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = why_unread(error) if isinstance(error, OSError) else error
            raise InvalidArgumentError(f"--from-file {self.from_file}: {why}") from None
        places: dict[str, str] = {}
        # What else `splitlines` takes for a line's end is none to editors, which count lines too.
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
            if name := line.partition("#")[0].strip():
                places.setdefault(name, f"--from-file {self.from_file}, line {number:,}")
        return places


def any_fits(names: Iterable[str], globs: Iterable[str]) -> bool:
    """Whether one of these names fits one of the globs; upper and lower case are not the same."""
    return any(fnmatch.fnmatchcase(*pair) for pair in product(names, globs))


def created_since(job: Job, begin: str) -> bool:
    """Whether a job was created then or later."""
    return (job.create_time or "") >= begin


def earliest(since: str) -> str:
    """Return a date, with or without a time, or how long ago it was, as the service writes times.

    They carry no zone: a duration is counted from the time in UTC, which is behind that of China, and
    a date with a zone is told in UTC. Today and yesterday begin at midnight where this machine is.

    Raises:
        InvalidArgumentError: it is neither.
    """
    ago = duration(since)
    try:
        if (said := _AGO.fullmatch(since)) is not None:
            then = datetime.now(UTC) - timedelta(**{f"{said[2].lower()}s": int(said[1])})
        elif (days := _DAYS.get(since.lower())) is not None:
            day = datetime.now().astimezone().date() - timedelta(days=days)
            then = datetime.combine(day, time()).astimezone()
        elif ago is None:
            then = datetime.fromisoformat(since)
        else:
            then = datetime.now(UTC) - timedelta(seconds=ago)
        if then.tzinfo is not None:
            then = then.astimezone(UTC)
        return then.replace(tzinfo=None).isoformat(" ", "seconds")
    except (ValueError, OverflowError):  # longer ago than there are dates
        raise InvalidArgumentError(
            f"--since {shown(since)}: must be a date such as 2024-10-29 or '2024-10-29 16:53:53', as "
            "the service writes them, today, yesterday, or how long ago: 2w, 7d, 12h or '2 days ago'"
        ) from None
