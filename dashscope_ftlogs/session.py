"""The session: what an application opens. All that is asked of the service, and what is made of it."""

import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self, TypeVar

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.client.fed_iterators import Stream, stream
from dashscope_ftlogs.client.many_jobs.fetch_many import Jobs
from dashscope_ftlogs.client.service import Service
from dashscope_ftlogs.errors import FTLogsError, InvalidArgumentError
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.text import Position

if TYPE_CHECKING:
    from dashscope_ftlogs.archive.manifest import Compression, Format
    from dashscope_ftlogs.archive.outcomes import Downloaded, Progress
    from dashscope_ftlogs.follow.events import FollowEvent
    from dashscope_ftlogs.follow.follower import LogFollower
    from dashscope_ftlogs.metrics.point_columns import PointColumns
    from dashscope_ftlogs.metrics.table import MetricsTable
    from dashscope_ftlogs.reading.own_pattern import OwnPattern

T = TypeVar("T")


class LogSession(Service):
    """A connection to the service, for all that one application asks of it.

    Use it as ``async with LogSession() as session:``, once for the whole application, or close it by
    `aclose`; its methods may be awaited from any number of tasks. What is under way when it is closed
    ends with `SessionStateError`. What is not given is looked for where the vendor's SDK looks:
    environment variables, then `~/.dashscope`.

    Args:
        api_key: The API key; it belongs to one region.
        base_url: The endpoint, up to and with `/api/v1`.
        region: Chooses the endpoint by region, such as `cn-beijing`; default `ap-southeast-1`.
        workspace: A workspace id, if not the key's own.
        profile: A name under which `~/.dashscope/config.toml` holds key, region, workspace and the like,
            in a table `[profiles.NAME]`; they go before environment variables.
        retry: Which failures are retried, and how patiently.
        concurrency: The most requests in flight at once, over all tasks; at least 1. None learns it from
            how long answers take, up to 32, and from their size: see the attribute.
        timeout: Seconds that one request may take, from connecting to its last byte; default 60. The
            wait for its turn comes before.
        max_answer: The largest answer that is read, in bytes after decompression; default 16 MiB. What
            would take more than four times as much memory is refused like a larger one. Of a page of
            jobs, and of one job, 4 MiB are read at most; of an error 64 KiB, and the rest is cut off.
        max_rate: The most requests a second, over all tasks; None leaves it to the service.
        allow_http: Send the key over plain http to other machines than this one.
        proxy: The URL of an HTTP proxy, which passes on what it can't read; `"none"` for none. None
            leaves it to `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`. Over plain http none is used: it
            could read the key.
        ca_file: A PEM file of certificates to trust besides the system's: a company's own.
        client_session: An aiohttp session to use instead of an own one; it is not closed. Its proxy
            and TLS settings hold.
        on_request: Is told of each request when it has ended, retries included, unless it was cancelled.
            It is called where the requests are sent, so it should be quick. What it raises ends the read
            or the call that the request was for, as it is.

    Raises:
        ConfigError: no key was found, or a setting is unusable.
        InvalidArgumentError: a number is out of its range.
    """

    async def download(
        self,
        jobs: Jobs,
        directory: str | os.PathLike[str],
        *,
        format: "Format | None" = None,  # noqa: A002  (the word that users know from the command)
        compression: "Compression | None" = None,
        settle: float | None = None,
        recheck: bool = False,
        progress: "Progress | None" = None,
    ) -> "list[Downloaded]":
        """Bring the logs of many jobs to disk, or up to date; fetch only what is missing.

        Each log becomes `JOB_ID.log` (or `.jsonl`) in the directory, with `JOB_ID.manifest.json`, which
        proves what is there; on object storage, objects and commits take their place. What has arrived
        is committed every second, there every minute or 8 MiB, and when this is cancelled; a
        download that was killed goes on from there. One failed job leaves the others alone. So does one
        whose log is in doubt, since an answer contradicts what is there: it is asked for again, for as
        long as machines of the service may lag, before it counts as rewritten.

        Args:
            jobs: Job ids or jobs, from any iterable or async iterable; repeated ones are done once. The
                `job` of one that was followed to its end says since when: that is not waited for again.
            directory: The archive; it is created if need be. Or the URL of one on object storage, as
                `s3://bucket/logs`, for which the extra `object-store` is needed. A session of a profile
                writes to a folder of that name in it, and whoever reads the archive reads all of them.
            format: `text` (a line and a newline; the default) or `jsonl` (lossless), of logs that are
                new: one that is there goes on as it began. `Downloaded.file` tells.
            compression: `gzip` or None, of logs that are new, too.
            settle: A job that ended just now is looked at once more, at the end of the run, so many
                seconds after its end was heard; default the retry policy's `lag`. With 0 the next run
                does that.
            recheck: Ask for the totals of complete logs, too, and go on with those that have changed;
                read all that is here of any log, and fetch anew what is damaged. Else of a log that
                goes on only the last 16 MiB or less are read again, until it is complete.
            progress: Is kept up to date while this runs.

        Returns:
            What became of each job, in the order in which they were done.

        Raises:
            ArchiveError: another download writes to the directory, or it can't be used.
            ArchiveStoreError: object storage can't be reached, or refuses.
            AuthenticationError: the key is not accepted.
            SessionStateError: the session was closed meanwhile. What has arrived is committed.
            ArchiveWriteError: the disk is full or broken; what was committed is whole.
        """
        with _loading():  # most sessions never download
            from dashscope_ftlogs.archive.download import Download  # noqa: PLC0415
            from dashscope_ftlogs.archive.outcomes import Progress  # noqa: PLC0415
            from dashscope_ftlogs.archive.where import store_at  # noqa: PLC0415

        checks.jobs(jobs)
        download = Download(
            self,
            store_at(directory, self.profile or ""),
            form=format,
            compression=compression,
            settle=settle,
            recheck=recheck,
            progress=Progress() if progress is None else progress,
        )
        return await download.run(jobs)

    def follow(
        self,
        jobs: Jobs,
        *more: object,
        offset: int | Mapping[str, int] = 0,
        at: Position | Mapping[str, Position] | None = None,
        tail: int | None = None,
        shortest_poll: float = 1.0,
        longest_poll: float = 15.0,
        give_up_after: float | None = None,
        settle: float | None = None,
        on_event: "Callable[[FollowEvent], None] | None" = None,
    ) -> "LogFollower":
        """Return an async iterator over the lines of live jobs, as they come, until all have ended.

        A job has ended when the service says so, and a read that began `settle` seconds after that has
        found nothing new; where it ended more than a day ago, one read is enough.
        How often it is read follows the rhythm in which its lines come. Faults cost no line and no
        place; what is worth telling goes to `on_event`.

        Args:
            jobs: Job ids or jobs. An async iterable may add further ones at any time.
            more: Nothing; several jobs are one list.
            offset: The first line wanted, from 0; or for each job its own, as a mapping by id.
            at: Where jobs were left, `Followed.position` by id, or one for one job, not `offset`.
                A log that is another one by now is announced, and read from its first line.
            tail: Begin with the last so many lines that are there already; a job that has an offset of
                its own begins there all the same.
            shortest_poll: Seconds from one look at a log to the next, at least.
            longest_poll: The most seconds. A line that comes regularly is waited for up to four times
                as long.
            give_up_after: Give a job up on an error that lasts for so many seconds, or up to a quarter
                longer; None goes on for ever. It is told of (`EventKind.FAILED`), the others go on, and
                the error, whose `outlasted` is true, is raised when all have ended. While jobs may come,
                as from `running_jobs`, it is not: raise it from `on_event` to end there. No request is
                retried for longer than a quarter of it, or may take longer than all of it, whatever the
                session's own patience.
            settle: For how many seconds after a job's end lines may still appear; default the retry
                policy's `lag`. With 0, the first read after the end that finds nothing new is the last
                one.
            on_event: Is told of what happens between the lines; default: the logger `dashscope_ftlogs`.

        Raises:
            InvalidArgumentError: an argument is out of its range.
        """
        with _loading():  # few follow
            from dashscope_ftlogs.follow.events import FollowOptions  # noqa: PLC0415
            from dashscope_ftlogs.follow.follower import LogFollower  # noqa: PLC0415

        if more:
            raise InvalidArgumentError("several jobs are given as one: session.follow([job, ...])")
        options = FollowOptions(
            offset=offset,
            at=at,
            tail=tail,
            shortest_poll=shortest_poll,
            longest_poll=longest_poll,
            give_up_after=give_up_after,
            settle=self.lag if settle is None else settle,
        )
        service = self if give_up_after is None else self._impatient(give_up_after)
        return LogFollower(service, checks.jobs(jobs), options, checks.function("on_event", on_event))

    def _impatient(self, seconds: float) -> Self:
        """Return a session whose requests leave it to whoever follows to give up after so long."""
        retry, timeout = self._transport.retry, self._transport.time_limit.seconds
        transport = self._transport.with_options(
            attrs.evolve(retry, deadline=min(retry.deadline, seconds / 4)), min(timeout, seconds)
        )
        # What was silent for all its time is not sent again for as long: whoever follows does that.
        transport.is_hasty = True
        other = self.with_options()
        vars(other).update(_transport=transport)
        other.tasks = self.tasks  # it was this one that was asked: so it owns them, and ends them
        return other

    def running_jobs(
        self,
        *,
        every: float = 30.0,
        until: Callable[[Sequence[Job]], object] | None = None,
        give_up_after: float | None = None,
    ) -> Stream[Job]:
        """Return an async iterator over the jobs that run, and over others once they do, each once.

        A job that begins and ends between two looks comes when it has ended, as does any that had not
        ended at the first look; those that had do not, unless they run again. Nor does one that ended
        more than a day ago, though the first look did not list it.

        `follow` takes it: `session.follow(session.running_jobs())`. It goes on until it is closed, which
        whatever took it does when it is left. Faults are waited out, as by `follow`.

        Args:
            every: Seconds between two looks at the list of jobs.
            until: Is told after each look which jobs run, once the new ones were taken; where it returns
                something true, no more come: `lambda running: not running` ends with the last job.
            give_up_after: Raise an error of the list of jobs that lasts for so many seconds, or up to a
                quarter longer; None goes on for ever. `follow` has one of its own, for each job.

        Raises:
            InvalidArgumentError: an argument is out of its range.
        """
        with _loading():  # few follow
            from dashscope_ftlogs.follow.running_jobs import running_jobs  # noqa: PLC0415

        if give_up_after is not None:
            checks.seconds("give_up_after", give_up_after)
        service = self if give_up_after is None else self._impatient(give_up_after)
        jobs = running_jobs(
            service, checks.seconds("every", every), checks.function("until", until), give_up_after
        )
        return stream(self.tasks, jobs, "running jobs were looked for")

    async def metrics(
        self, job_id: str | Job, *, pattern: str | Iterable[str] | None = None
    ) -> "MetricsTable":
        r"""Return the metrics of a job's log, as far as it has come, as a table.

        If that fails, what was read so far is lost, so a long log is better downloaded first.

        Args:
            job_id: The job.
            pattern: A regular expression for lines that no known form fits, whose named groups are
                metrics, or `step`, `total_steps` and `epoch`: `at (?P<step>\d+): (?P<loss>\S+)`. Or
                several, for lines of several forms: each is read by the first that fits. A known form
                comes before all of them, unless it is one over several lines, such as a table.

        Raises:
            FTLogsError: the log could not be read to its end.
            InvalidArgumentError: a pattern is none, or has no group for a metric.
        """
        with _loading():  # most never ask for one
            from dashscope_ftlogs.metrics.table import table_of  # noqa: PLC0415
            from dashscope_ftlogs.reading.own_pattern import own_pattern  # noqa: PLC0415

        job_id, own = checks.job_id(job_id), None if pattern is None else own_pattern(pattern)
        reading = read_points(self, job_id, lambda points: table_of([(job_id, points)]), own)
        return await self.tasks.run(reading, "metrics were read")


async def read_points(
    session: Service,
    job_id: str,
    end: "Callable[[PointColumns], T]",
    pattern: "OwnPattern | None" = None,
) -> T:
    """Return what `end` makes of the points of a job's log. Others have their turn meanwhile."""
    with _loading():  # most sessions never ask for them
        from dashscope_ftlogs.archive.threads import Thread  # noqa: PLC0415
        from dashscope_ftlogs.metrics.points import LogPoints  # noqa: PLC0415

    log = LogPoints(pattern)
    # What a page means can take a second to find out, and one line may be the whole page.
    with Thread(patience=0) as thread:
        async with session.lines(job_id).pages() as pages:
            async for page in pages:
                await thread.run(log.read_all, page.lines, page.offset)
        return await thread.run(lambda: end(log.columns()))


@contextmanager
def _loading() -> Generator[None]:
    """Tell in our words why a module can't be loaded: no descriptor is left, say."""
    try:
        yield
    except OSError as error:
        told = FTLogsError(f"cannot load {error.filename}: {error.strerror}")
        told.advice = "Raise the limit of open files (ulimit -n), if that was reached, and try again."
        raise told from None
