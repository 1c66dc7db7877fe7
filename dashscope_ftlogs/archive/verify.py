"""Proof that an archive is what its manifests say, and how far the service has gone on since."""

import os
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from functools import partial
from itertools import chain, starmap
from typing import Final, Literal

import attrs

from dashscope_ftlogs import checks
from dashscope_ftlogs.archive.compare import COMPARABLE, Asking, ran_today
from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.archive.disk_failures import in_our_words
from dashscope_ftlogs.archive.local.disk import why_unwritten
from dashscope_ftlogs.archive.local.generations import announces, moved_to
from dashscope_ftlogs.archive.local.log_file_sha256 import check_file
from dashscope_ftlogs.archive.local.profile_folder import check_is_archive, profile_of, unmarked_folders
from dashscope_ftlogs.archive.manifest import LOG_NAMES, Manifest, log_name, manifest_name, stem, stem_of
from dashscope_ftlogs.archive.object_store.url import is_store_url, store_url
from dashscope_ftlogs.archive.outcomes import Verdict, VerifyState, of_log, of_unmarked, of_unread
from dashscope_ftlogs.archive.store import DamagedError, label
from dashscope_ftlogs.archive.threads import processors, side_by_side
from dashscope_ftlogs.archive.when_a_log_is_complete import stage
from dashscope_ftlogs.client.fed_iterators import Stream, stream
from dashscope_ftlogs.client.many_jobs.fetch_many import each
from dashscope_ftlogs.client.service import Service
from dashscope_ftlogs.errors import (
    ArchiveError,
    ArchivePathError,
    InvalidArgumentError,
)
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.text import shown

_NOT_HERE: Final = "the service lists its job, and no download has brought its log"
_UNVOUCHED: Final = "no manifest says what it should hold: it was lost, or this is another tool's file"


def verify_archive(directory: str | os.PathLike[str]) -> Iterator[Verdict]:
    """Read every log of an archive and yield whether it is what its manifest vouches for.

    Does not ask the service, changes nothing, and may run while a download goes on. As many logs are
    read at once as there are processors. Blocks: in an application, call it in a thread.

    Args:
        directory: The archive, or its URL.

    Raises:
        ArchiveError: the archive can't be read, or is none.
    """
    for _, verdicts in verified(directory):
        yield from verdicts


def verified(directory: str | os.PathLike[str]) -> Iterator[tuple[str, Iterator[Verdict]]]:
    """Yield what `verify_archive` does by profile, also where one has no log; read each before the next.

    What is in no profile's folder comes first, or, where the archive itself is one, as that profile's.
    """
    downloads: dict[tuple[str, str, str], str] = {}
    for profile, verdicts in _by_profile(directory):
        yield profile, map(partial(_unless_copied, downloads), verdicts)


def _unless_copied(downloads: dict[tuple[str, str, str], str], verdict: Verdict) -> Verdict:
    """Return the verdict, or that an earlier one is on a log of the very same download."""
    if verdict.state not in COMPARABLE or not verdict.first_request_id:
        return verdict
    # Emulators that begin alike give the same ids.
    download = (verdict.job_id, verdict.endpoint, verdict.first_request_id)
    first = downloads.setdefault(download, verdict.file)
    if first == verdict.file:
        return verdict
    why = f"the same download as {first}, so one of them is a copy in a folder that is not its own"
    return attrs.evolve(verdict, state="copied", why=why, running=False)


def _by_profile(directory: str | os.PathLike[str]) -> Iterator[tuple[str, Iterator[Verdict]]]:
    if isinstance(directory, str) and is_store_url(directory):
        yield from _on_object_storage(directory)
        return
    archive = Archive(directory)
    profiles, own = archive.profiles(), profile_of(archive.directory)
    unmarked = list(starmap(of_unmarked, unmarked_folders(archive)))
    if not unmarked:
        check_is_archive(archive)
    logs = _in_directory(archive)
    yield own, (attrs.evolve(verdict, profile=own) for verdict in chain(logs, unmarked))
    for profile in profiles:
        logs = _in_directory(archive.of(profile))
        yield profile, map(partial(_of_profile, profile), logs)


def _of_profile(profile: str, verdict: Verdict) -> Verdict:
    return attrs.evolve(verdict, profile=profile, file=f"{profile}/{verdict.file}")


def _folder(verdict: Verdict) -> str:
    """Return in which folder of what was verified a log is: in none, where that is its profile's own."""
    return verdict.file.rpartition("/")[0]


def _in_directory(archive: Archive) -> Iterator[Verdict]:
    def judge(log: tuple[str, Manifest | ArchiveError]) -> Verdict:
        log_stem, manifest = log
        verdict = _local(archive, log_stem, manifest)
        if verdict.state == "damaged":
            # A download that runs may have moved the log between our looks at manifest and file.
            verdict = _local(archive, log_stem, archive.at(log_stem) or manifest)
        return verdict

    yield from side_by_side(judge, archive.manifests(), processors())
    for name in archive.unvouched():
        yield Verdict(job_id="", file=name, state="unvouched", why=_UNVOUCHED)


def _on_object_storage(url: str) -> Iterator[tuple[str, Iterator[Verdict]]]:
    # Few archives are there.
    from dashscope_ftlogs.archive.object_store.bucket import AT_ONCE, Bucket  # noqa: PLC0415
    from dashscope_ftlogs.archive.object_store.profile_folder import profile_of  # noqa: PLC0415
    from dashscope_ftlogs.archive.object_store.remote_logs import check_is_archive  # noqa: PLC0415
    from dashscope_ftlogs.archive.object_store.verify_remote import judge  # noqa: PLC0415

    bucket = Bucket(store_url(url))
    folders, own, profiles = bucket.folders(), profile_of(bucket), list[str]()
    some = False

    def told(verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
        nonlocal some
        for verdict in verdicts:
            some = True
            yield verdict

    def outside_profiles() -> Iterator[Verdict]:
        judged = side_by_side(partial(judge, bucket), folders, AT_ONCE)
        for folder, verdicts in zip(folders, judged, strict=True):
            if verdicts is None:
                profiles.append(folder)
            else:
                yield from (attrs.evolve(verdict, profile=own) for verdict in verdicts)

    yield own, told(outside_profiles())
    for profile in profiles:
        inside = Bucket(bucket.url.folder(profile))
        judged = side_by_side(partial(judge, inside), inside.folders(), AT_ONCE)
        logs = chain.from_iterable(verdicts or () for verdicts in judged)
        yield profile, told(map(partial(_of_profile, profile), logs))
    if not some:
        check_is_archive(bucket, profiles)


def verify_remotely(
    session: Service,
    verdicts: Iterable[Verdict],
    *,
    every_job: bool | Callable[[Job], object] = False,
) -> Stream[Verdict]:
    """Return the verdicts, in any order, after asking the service for the end that each log has by now.

    As far as one answer tells: a machine that lags may contradict what is true.

    A log that is whole stays so where the service no longer knows its job: what is here may be all that
    is left. One that is not is `forgotten`.
    What is of another service than the session's is not asked for. One that can't be compared, while
    others can, is `unasked`.

    Args:
        session: Whose jobs these are.
        verdicts: Those of an archive, or of a profile's folder of it.
        every_job: List the jobs, too: each of which there is no log comes as `missing`; given a
            function, each for which that returns something true.

    Raises:
        FTLogsError: the service could not be asked, whichever log it is about; what came before counts.
    """

    async def all_of_them() -> AsyncGenerator[Verdict, None]:
        known = set[str]()
        profile = folder = session.profile or ""
        for verdict in verdicts:
            yield checks.kind_of("verdicts", verdict, Verdict)
            profile, folder = verdict.profile, _folder(verdict)
            if verdict.state != "superseded":
                known.add(_stem(verdict))
        if every_job:
            async with aclosing(session.jobs()) as jobs:
                async for job in jobs:
                    verdict = _missing(job, folder, profile)
                    if _stem(verdict) not in known and (every_job is True or every_job(job)):
                        yield verdict

    checks.many("verdicts", verdicts, "an iterable of Verdicts")
    checks.kind_of("session", session, Service)
    check = checks.function if callable(every_job) else checks.flag
    check("every_job", every_job)

    asked = each(
        all_of_them(), Asking(session).ask, at_once=lambda: session.concurrency, tasks=session.tasks
    )
    return stream(session.tasks, asked, "logs were compared")


def _stem(verdict: Verdict) -> str:
    """Return by which name a log is known, also where what vouches for it can't be read."""
    name = verdict.file.rpartition("/")[2]
    log = LOG_NAMES.fullmatch(name)
    return log["stem"] if log else stem_of(name) or name


def _missing(job: Job, folder: str, profile: str) -> Verdict:
    job_id, why = job.job_id, _NOT_HERE
    try:
        name = log_name(stem(job_id), "text", None)
    except InvalidArgumentError as error:  # so no download brings it, and no file has its name
        job_id, name, why = "", shown(job_id), str(error)
    return Verdict(
        job_id=job_id,
        file=label(folder, name),
        state="missing",
        why=why,
        profile=profile,
        running=ran_today(job),
    )


def reopen_stale(directory: str | os.PathLike[str], stale: Iterable[Verdict]) -> None:
    """Let the next download go on with logs that are stale, and that it would else take for complete.

    Blocks, as `verify_archive` does.

    Raises:
        ArchiveError: another process writes to the archive, or it can't be written to.
    """
    if isinstance(directory, str) and is_store_url(directory):
        from dashscope_ftlogs.archive.object_store.bucket import Bucket  # noqa: PLC0415
        from dashscope_ftlogs.archive.object_store.verify_remote import reopen  # noqa: PLC0415

        for verdict in stale:
            reopen(Bucket(store_url(directory).folder(_folder(verdict))), verdict)
        return
    by_folder: dict[str, list[Verdict]] = {}
    for verdict in stale:
        by_folder.setdefault(_folder(verdict), []).append(verdict)
    for folder, some in by_folder.items():
        _reopen(Archive(directory).of(folder), some)


def _reopen(archive: Archive, stale: Iterable[Verdict]) -> None:
    try:
        archive.lock()
        for verdict in stale:
            manifest = archive.manifest(verdict.job_id)
            if manifest is not None and manifest.complete and manifest.lines == verdict.lines:
                archive.put(attrs.evolve(manifest, complete=False))
    except OSError as error:
        raise why_unwritten(archive, error) from None
    finally:
        archive.unlock()


def _local(archive: Archive, log_stem: str, manifest: Manifest | ArchiveError) -> Verdict:
    if isinstance(manifest, ArchiveError):
        return of_unread(manifest_name(log_stem), manifest)
    name = log_name(log_stem, manifest.format, manifest.compression)
    verdict = of_log(manifest, name, *_found(archive, name, manifest))
    refused = _refused(archive, name) if verdict.state == "damaged" else ""
    if not refused:
        return verdict
    why = refused if verdict.why in refused else f"{verdict.why}; {refused}"
    return attrs.evolve(verdict, why=why, in_the_way=True)


def _refused(archive: Archive, name: str) -> str:
    """Return why a download would leave a file as it is, if it would, with what to do about it."""
    looks: tuple[tuple[Literal["read", "write to"], int], ...] = (
        ("read", os.O_RDONLY),
        ("write to", os.O_RDWR),
    )
    for doing, flags in looks:
        try:
            os.close(archive.open(name, flags))
        except FileNotFoundError:
            break
        except ArchivePathError as error:
            return str(error)
        except OSError as error:
            told = in_our_words(error, doing, archive.directory)
            return str(told) if isinstance(told, ArchivePathError) else ""
    return ""


def _found(archive: Archive, name: str, manifest: Manifest) -> tuple[VerifyState, str]:
    try:
        extra = check_file(archive, name, manifest)
    except FileNotFoundError:
        if manifest.file_bytes == 0:
            return "incomplete", "nothing was fetched yet"
        return _being_set_aside(archive, manifest) or ("damaged", "the file is gone")
    except DamagedError as error:
        return "damaged", str(error)
    except (ArchiveError, OSError) as error:
        told = (
            error if isinstance(error, ArchiveError) else in_our_words(error, "read", archive.directory)
        )
        return "damaged", told.summary()
    if extra > 0:
        return "incomplete", f"ends with {extra:,} bytes that were not committed"
    return stage(manifest)


def _being_set_aside(archive: Archive, manifest: Manifest) -> tuple[VerifyState, str] | None:
    """Return what a log without a file is if its setting aside was begun, and did not come to an end."""
    if not manifest.superseded:
        name = moved_to(archive, manifest)
        return ("incomplete", f"the log was rewritten, and what was here is {name}") if name else None
    try:
        now = archive.manifest(manifest.job_id)
    except ArchiveError:
        return None
    if now is None or not announces(manifest, now):
        return None
    return "superseded", f"it is to be set aside, and {now.file} still is this one"
