"""What `verify` tells of an archive on object storage."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from small_store import SmallStore

from dashscope_ftlogs import (
    ArchivePathError,
    DamagedLogError,
    LogSession,
    ManifestError,
    Verdict,
    verify_archive,
)
from dashscope_ftlogs.archive.manifest import sealed
from dashscope_ftlogs.archive.object_store.remote_logs import remote_logs
from dashscope_ftlogs.archive.verify import reopen_stale
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

pytestmark = pytest.mark.extras

LINES = [f"line {number}" for number in range(30)]


@pytest.fixture
def archive(store: SmallStore, connect: Callable[..., LogSession]) -> SmallStore:
    """One log in three commits, and an older generation of it in two."""
    job = EmulatedJob("ft-1", ["old"], status="RUNNING")

    async def main() -> None:
        with Emulator([job]) as emulator:
            async with connect(emulator) as session:

                async def look() -> None:
                    await session.download("ft-1", store.url, settle=0)

                await look()
                job.append("older")
                await look()
                for begin in range(0, 30, 10):
                    job.rewrite(LINES[: begin + 10]) if begin == 0 else job.append(
                        *LINES[begin : begin + 10]
                    )
                    await look()

    asyncio.run(main())
    return store


def verdicts(store: SmallStore) -> dict[str, Verdict]:
    return {verdict.file: verdict for verdict in verify_archive(store.url)}


def commit(store: SmallStore, number: int) -> str:
    return next(name for name in store.objects if name.endswith(f"-{number:010d}.json"))


def data(store: SmallStore, number: int) -> str:
    said = json.loads(store.objects[commit(store, number)].data)
    return f"bucket/logs/ft-1/{said['objects'][0]['name']}"


def test_what_is_whole_is_told_so(archive: SmallStore) -> None:
    found = verdicts(archive)
    assert {name: verdict.state for name, verdict in found.items()} == {
        "ft-1.rewritten-1.log": "superseded",
        "ft-1.log": "incomplete",
    }
    assert found["ft-1.log"].lines == 30
    assert found["ft-1.rewritten-1.log"].lines == 2


@pytest.mark.parametrize(
    ("number", "file"), [(1, "ft-1.rewritten-1.log"), (3, "ft-1.log"), (4, "ft-1.log"), (5, "ft-1.log")]
)
@pytest.mark.parametrize("harm", ["gone", "flipped", "other"])
@pytest.mark.parametrize("what", [commit, data], ids=["commit", "data"])
def test_each_object_of_the_chain_counts(
    archive: SmallStore, what: Callable[..., str], harm: str, number: int, file: str
) -> None:
    name = what(archive, number)
    if harm == "gone":
        if what is commit and number == 5:
            return  # then 4 is the newest one
        del archive.objects[name]
    elif harm == "flipped":
        found = archive.objects[name].data
        middle = len(found) // 2
        found = found[:middle] + bytes([found[middle] ^ 4]) + found[middle + 1 :]
        archive.objects[name] = attrs.evolve(archive.objects[name], data=found)
    else:
        archive.objects[name] = archive.objects[what(archive, 3 if number != 3 else 4)]
    found_out = verdicts(archive)
    if what is commit and number == 5:
        assert list(found_out) == ["ft-1"]
        assert found_out["ft-1"].state == "damaged"
        (log,) = remote_logs(archive.url)
        with pytest.raises(ManifestError, match="is not a commit as it was written"):
            list(log.lines())
        return
    assert [name for name, one in found_out.items() if one.state == "damaged"] == [file]
    (log,) = remote_logs(f"{archive.url}/{file}")
    with pytest.raises(DamagedLogError, match=r"cannot read s3://bucket/logs/ft-1\..*log: "):
        list(log.lines())


def test_an_older_generation_whose_last_commit_is_damaged_is_told(archive: SmallStore) -> None:
    archive.objects[commit(archive, 2)].data = b"{}"
    assert {name: one.state for name, one in verdicts(archive).items()} == {
        "ft-1.rewritten-1.log": "damaged",
        "ft-1.log": "incomplete",
    }


def test_a_compressed_object_that_is_broken_is_told_where_it_is_read(
    store: SmallStore, connect: Callable[..., LogSession]
) -> None:
    async def main() -> None:
        with Emulator([EmulatedJob("ft-1", LINES)]) as emulator:
            async with connect(emulator) as session:
                await session.download("ft-1", store.url, compression="gzip")

    asyncio.run(main())
    name = data(store, 1)
    store.objects[name].data = store.objects[name].data[:-9]
    (log,) = remote_logs(store.url)
    assert log.size() > 100
    with pytest.raises(DamagedLogError, match="cannot read"):
        list(log.lines())
    (verdict,) = verify_archive(store.url)
    assert (verdict.state, "broken" in verdict.why) == ("damaged", True)


def test_what_a_newer_version_made_is_no_damage(archive: SmallStore) -> None:
    name = commit(archive, 5)
    said = json.loads(archive.objects[name].data) | {"schema": 9}
    del said["checksum"]
    archive.objects[name] = attrs.evolve(archive.objects[name], data=sealed(said))
    (verdict,) = verify_archive(archive.url)
    assert (verdict.file, verdict.state) == ("ft-1", "newer")


def test_where_nothing_was_committed_yet_there_is_nothing_to_read(archive: SmallStore) -> None:
    for name in [name for name in archive.objects if "/commit-" in name]:
        del archive.objects[name]
    (verdict,) = verify_archive(archive.url)
    assert (verdict.file, verdict.state, verdict.lines) == ("ft-1", "incomplete", 0)
    with pytest.raises(ArchivePathError, match="holds no commit of a log yet"):
        remote_logs(archive.url)


def test_what_is_somebody_elses_is_no_log(archive: SmallStore) -> None:
    for name in ("photos/1.jpg", "ft-1/notes.txt", "notes.txt"):
        archive.objects[f"bucket/logs/{name}"] = archive.objects[commit(archive, 1)]
    assert set(verdicts(archive)) == {"ft-1.rewritten-1.log", "ft-1.log"}
    assert [log.name for log in remote_logs(archive.url)] == ["ft-1"]
    with pytest.raises(ArchivePathError, match="holds no commit"):
        list(verify_archive("s3://bucket/logs/photos"))


def test_an_archive_without_logs_is_one_and_what_is_none_is_told(
    store: SmallStore, connect: Any
) -> None:
    with pytest.raises(ArchivePathError, match="holds no commit, so it is no archive"):
        list(verify_archive(store.url))

    async def main() -> None:
        with Emulator([]) as emulator:
            async with connect(emulator) as session:
                await session.download([], store.url)

    asyncio.run(main())
    assert list(verify_archive(store.url)) == []


def test_a_stale_log_is_gone_on_with(store: SmallStore, connect: Callable[..., LogSession]) -> None:
    job = EmulatedJob("ft-1", LINES)

    async def download() -> str:
        with Emulator([job]) as emulator:
            async with connect(emulator) as session:
                (outcome,) = await session.download("ft-1", store.url, settle=0.05)
                return outcome.state

    assert asyncio.run(download()) == "complete"
    (verdict,) = verify_archive(store.url)
    reopen_stale(store.url, [attrs.evolve(verdict, lines=29), attrs.evolve(verdict, job_id="ft-2")])
    assert asyncio.run(download()) == "skipped"
    job.append("line 30")
    # Who goes on with it already does what is wanted.
    taken: list[str] = []

    def take(method: str, path: str) -> None:
        if method == "PUT" and not taken:
            taken.append(path)
            store.objects[path] = store.objects[commit(store, 1)]

    store.fault = take
    reopen_stale(store.url, [verdict])
    del store.objects[taken[0]]
    reopen_stale(store.url, [verdict])
    assert asyncio.run(download()) == "complete"
    (log,) = remote_logs(store.url)
    assert [line for _, line in log.lines()] == [*LINES, "line 30"]
