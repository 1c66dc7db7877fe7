"""Proof that logs on object storage are what their commits vouch for. Everything blocks."""

import attrs

from dashscope_ftlogs.archive.manifest import stem
from dashscope_ftlogs.archive.object_store.bucket import AlreadyThereError, Bucket
from dashscope_ftlogs.archive.object_store.commits import (
    DATA_NAMES,
    Commit,
    commit_name,
    encode,
    file_names,
    following,
)
from dashscope_ftlogs.archive.object_store.profile_folder import is_profiles, unmarked_folder
from dashscope_ftlogs.archive.object_store.remote_logs import (
    check_content,
    commit,
    look,
    newest,
)
from dashscope_ftlogs.archive.outcomes import Verdict, VerifyState, of_log, of_unmarked, of_unread
from dashscope_ftlogs.archive.store import DamagedError
from dashscope_ftlogs.archive.when_a_log_is_complete import stage
from dashscope_ftlogs.errors import ArchiveMismatchError, ManifestError


def judge(bucket: Bucket, folder: str) -> list[Verdict] | None:
    """Return what was found out about a log, and about its older generations, which come first.

    Of a folder that is a profile's, None.
    """
    try:
        head, listed = look(bucket, folder)
    except (ManifestError, ArchiveMismatchError) as error:
        return [of_unread(folder, error)]
    if head is None:
        if is_profiles(folder, listed):
            return None
        if any(DATA_NAMES.fullmatch(one.name) for one in listed):
            return [Verdict(job_id="", file=folder, state="incomplete", why="nothing was committed yet")]
        unmarked = unmarked_folder(bucket, folder, listed)
        return [] if unmarked is None else [of_unmarked(folder, unmarked)]  # or it is somebody else's
    found: list[Verdict] = []
    for older, name in file_names(head):
        if older is None:
            found.append(_verdict(bucket, folder, head, name))
        elif older.why == "rewritten":
            found.append(_older(bucket, folder, older.last, name))
    return found


def reopen(bucket: Bucket, stale: Verdict) -> None:
    """Let the next download go on with a log that is complete, and is stale."""
    folder = stem(stale.job_id)
    head = newest(bucket, folder)
    if head is not None and head.manifest.complete and head.manifest.lines == stale.lines:
        manifest = attrs.evolve(head.manifest, complete=False)
        data, made = encode(following(head, manifest, ()))
        try:
            bucket.create(f"{folder}/{commit_name(made.number)}", data)
        except AlreadyThereError:
            return  # by who goes on with it already


def _older(bucket: Bucket, folder: str, number: int, name: str) -> Verdict:
    try:
        last = commit(bucket, folder, number)
    except (ManifestError, ArchiveMismatchError) as error:
        return of_unread(name, error)
    found = _verdict(bucket, folder, last, name)
    return found if found.state == "damaged" else attrs.evolve(found, state="superseded", why="")


def _verdict(bucket: Bucket, folder: str, head: Commit, name: str) -> Verdict:
    manifest = head.manifest
    state: VerifyState
    try:
        check_content(bucket, folder, head)
    except DamagedError as error:
        state, why = "damaged", str(error)
    else:
        state, why = stage(manifest)
    return of_log(manifest, name, state, why)
