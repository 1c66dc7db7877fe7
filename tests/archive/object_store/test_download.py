"""A download to object storage: what is there after it, whoever else writes, and what it costs."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from small_store import SmallStore

from dashscope_ftlogs import (
    ArchiveBusyError,
    ArchiveError,
    ArchivePathError,
    ArchiveStoreError,
    Downloaded,
    LogGoneError,
    LogSession,
    Progress,
    verify_archive,
)
from dashscope_ftlogs.archive.download import Download
from dashscope_ftlogs.archive.manifest import Manifest
from dashscope_ftlogs.archive.object_store.bucket import Bucket
from dashscope_ftlogs.archive.object_store.chain import Chain, uptime
from dashscope_ftlogs.archive.object_store.commits import (
    commit_name,
    decode,
    encode,
    following,
    number_of,
)
from dashscope_ftlogs.archive.object_store.object_log import ObjectLog, Shared
from dashscope_ftlogs.archive.object_store.remote_logs import remote_logs
from dashscope_ftlogs.archive.object_store.remote_store import RemoteStore
from dashscope_ftlogs.archive.object_store.url import store_url
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

pytestmark = pytest.mark.extras

Connect = Callable[..., LogSession]


def lines_of(count: int, what: str = "line") -> list[str]:
    return [f"{what} {number}" for number in range(count)]


def kept(store: SmallStore, job_id: str = "ft-1") -> list[str]:
    (log,) = [log for log in remote_logs(store.url) if log.name == job_id]
    return [line for _, line in log.lines()]


def states(store: SmallStore) -> dict[str, str]:
    return {verdict.file: verdict.state for verdict in verify_archive(store.url)}


def commits(store: SmallStore, job_id: str = "ft-1") -> list[dict[str, Any]]:
    """What the commits of a log say, the newest first."""
    names = [name for name in store.objects if f"/{job_id}/commit-" in name]
    return [json.loads(store.objects[name].data) for name in sorted(names)]


@pytest.fixture
def download(connect: Connect, store: SmallStore) -> Callable[..., Any]:
    async def run(emulator: Emulator, *jobs: str, **options: Any) -> list[Downloaded]:
        async with connect(emulator) as session:
            return await session.download(jobs or ("ft-1",), store.url, **{"settle": 0.1, **options})

    return run


@pytest.mark.parametrize("form", ["text", "jsonl"])
@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_a_finished_job_is_one_object_and_one_commit(
    store: SmallStore, download: Any, form: str, compression: str | None
) -> None:
    job = EmulatedJob("ft-1", [*lines_of(2500), "", "日志\ttab"])
    with Emulator([job]) as emulator:
        (outcome,) = await download(emulator, format=form, compression=compression)
    suffix = (".log" if form == "text" else ".jsonl") + (".gz" if compression else "")
    assert (outcome.state, outcome.lines, outcome.file) == ("complete", 2502, f"ft-1{suffix}")
    commit, data = store.names("ft-1/")
    assert commit == "commit-9999999998-0000000001.json"
    assert data.endswith(suffix)
    assert kept(store) == job.lines
    assert states(store) == {f"ft-1{suffix}": "ok"}
    stored = store.objects[store.path("ft-1/data")].data
    assert (gzip.decompress(stored) if compression else stored).count(b"\n") == 2502


async def test_a_finished_job_without_lines_is_one_commit(store: SmallStore, download: Any) -> None:
    with Emulator([EmulatedJob("ft-1", [])]) as emulator:
        (outcome,) = await download(emulator)
    assert (outcome.state, kept(store), len(store.names())) == ("complete", [], 1)


async def test_a_job_that_goes_on_is_gone_on_with(store: SmallStore, download: Any) -> None:
    job = EmulatedJob("ft-1", lines_of(10), status="RUNNING")
    with Emulator([job]) as emulator:
        for count in (10, 25, 25, 2000):
            job.append(*lines_of(count)[len(job.lines) :])
            (outcome,) = await download(emulator)
            assert (outcome.state, outcome.lines) == ("running", count)
            assert kept(store) == lines_of(count)
    # The look that found nothing new committed nothing.
    assert [commit["number"] for commit in commits(store)] == [3, 2, 1]
    assert states(store) == {"ft-1.log": "incomplete"}


async def test_a_place_that_is_called_as_no_profile_can_be_is_looked_at_by_nobody(
    store: SmallStore, connect: Connect
) -> None:
    with Emulator([EmulatedJob("ft-1", lines_of(10))]) as emulator:
        async with connect(emulator) as session:
            (outcome,) = await session.download("ft-1", "s3://bucket/my.logs", settle=0)
    assert outcome.lines == 10
    assert not any(".ftlogs-profile" in path for _, path in store.requests)


async def test_what_is_complete_costs_two_requests_and_nothing_is_asked(
    store: SmallStore, download: Any
) -> None:
    with Emulator([EmulatedJob("ft-1", lines_of(10))]) as emulator:
        await download(emulator)
        asked, before = len(emulator.journal), len(store.requests)
        (outcome,) = await download(emulator)
        assert outcome.state == "skipped"
        assert len(emulator.journal) == asked
    whose, there, mark, *others = store.requests[before:]
    assert (whose[0], there[0], mark[0]) == ("GET", "GET", "PUT")
    assert [method for method, _ in others] == ["GET", "GET"]


@pytest.mark.unmeasured
async def test_a_resume_costs_the_same_however_long_the_chain_is(
    store: SmallStore, download: Any
) -> None:
    job = EmulatedJob("ft-1", lines_of(10), status="RUNNING")
    costs: list[int] = []
    with Emulator([job]) as emulator:
        for more in (0, 1, 2_500):
            if more:
                go_on(store, more)
            job.append(*lines_of(10))
            before = len(store.requests)
            await download(emulator)
            costs.append(len(store.requests) - before)
    assert len(store.names("ft-1/commit")) == 2_504
    # Whose folder it is, whether it is marked, the mark, a list, the newest commit, an object, a commit.
    # The first looks what else is there, marks twice, and reads none.
    assert costs == [8, 7, 7]
    assert kept(store) == job.lines


def go_on(store: SmallStore, count: int) -> None:
    """Add so many commits of no lines to a chain."""
    newest = min(name for name in store.objects if "/commit-" in name)
    stored = store.objects[newest]
    head = decode(stored.data, "ft-1", number_of(newest.rpartition("/")[2]) or 0)
    for _ in range(count):
        data, head = encode(following(head, head.manifest, ()))
        store.objects[f"bucket/logs/ft-1/{commit_name(head.number)}"] = attrs.evolve(stored, data=data)


async def test_what_is_long_is_committed_bit_by_bit_and_compacted_when_it_ends(
    store: SmallStore, download: Any
) -> None:
    job = EmulatedJob("ft-1", ["x" * 9_999] * 2_000)
    with Emulator([job]) as emulator:
        (outcome,) = await download(emulator)
    assert (outcome.state, outcome.lines) == ("complete", 2_000)
    newest, *older = commits(store)
    assert len(older) >= 2
    # The first was committed while the log was still being read.
    assert older[-1]["log"]["lines"] < 2_000 == older[-1]["log"]["total"]
    assert older[-1]["log"]["job"]["status"] == "SUCCEEDED"
    assert (newest["number"], newest["first"]) == (len(older) + 1, len(older) + 1)
    assert [(one["from_line"], one["to_line"]) for one in newest["objects"]][-1][1] == 2_000
    assert all(one["bytes"] < 2**24 for one in newest["objects"])
    assert store.counted("PUT", "/data-") == len(newest["objects"]), "none was written anew"
    assert kept(store) == job.lines
    assert states(store) == {"ft-1.log": "ok"}


@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_many_small_commits_become_one_and_are_swept_a_day_later(
    store: SmallStore, download: Any, compression: str | None
) -> None:
    job = EmulatedJob("ft-1", [], status="RUNNING")
    with Emulator([job]) as emulator:
        for _ in range(5):
            job.append(*lines_of(10))
            await download(emulator, compression=compression)
        (before,) = remote_logs(store.url)
        reading = before.lines()
        next(reading)
        job.finish("SUCCEEDED")
        (outcome,) = await download(emulator, compression=compression)
        assert outcome.state == "complete"
        newest = commits(store)[0]
        assert newest["first"] == newest["number"] > 5
        (one,) = newest["objects"]
        assert (one["from_line"], one["to_line"]) == (0, 50)
        # Who began to read before goes on.
        assert len(list(reading)) == 49
        there = len(store.names("ft-1/"))
        assert there == newest["number"] + 6
        for hours, left in ((0, there), (23, there), (25, 2)):
            store.shifted = timedelta(hours=hours)
            await download(emulator, compression=compression)
            assert len(store.names("ft-1/")) == left, hours
    assert kept(store) == job.lines
    assert set(states(store).values()) == {"ok"}
    # And who comes too late is told why.
    with pytest.raises(Exception, match="has gone"):
        list(before.lines())


async def test_what_a_killed_download_left_is_swept_a_day_later_and_nothing_else(
    store: SmallStore, download: Any
) -> None:
    with Emulator([EmulatedJob("ft-1", lines_of(10))]) as emulator:
        await download(emulator)
        (data,) = (name for name in store.objects if "/data-" in name)
        left = data[:-8] + "0" * 4 + data[-4:]
        store.objects[left] = store.objects[data]
        store.objects["bucket/logs/ft-1/notes.txt"] = store.objects[data]
        store.objects["bucket/logs/elsewhere"] = store.objects[data]
        await download(emulator)
        assert left in store.objects
        store.shifted = timedelta(hours=25)
        await download(emulator)
    assert left not in store.objects
    assert store.names("ft-1/notes") == [".txt"]
    assert states(store)["ft-1.log"] == "ok"


async def test_a_rewritten_log_begins_a_new_generation_and_the_old_one_is_kept(
    store: SmallStore, download: Any
) -> None:
    job = EmulatedJob("ft-1", lines_of(30), status="RUNNING")
    with Emulator([job]) as emulator:
        await download(emulator)
        job.append("line 30")
        await download(emulator)
        for number, what in enumerate(["other", "again"], 1):
            job.rewrite(lines_of(40, what))
            (outcome,) = await download(emulator)
            assert outcome.set_aside == (f"ft-1.rewritten-{number}.log",)
            assert (outcome.lines, outcome.new_lines) == (40, 40)
        job.finish("SUCCEEDED")
        await download(emulator)
        store.shifted = timedelta(days=3)
        await download(emulator)
    assert kept(store) == lines_of(40, "again")
    assert {name[:4] for name in store.names("ft-1/data-")} == {"0000", "0001", "0002"}
    assert states(store) == {
        "ft-1.rewritten-1.log": "superseded",
        "ft-1.rewritten-2.log": "superseded",
        "ft-1.log": "ok",
    }
    for name, lines in (("rewritten-1.log", lines_of(31)), ("rewritten-2.log", lines_of(40, "other"))):
        (older,) = remote_logs(f"{store.url}/ft-1.{name}")
        assert [line for _, line in older.lines()] == lines
        assert older.where == f"{store.url}/ft-1.{name}"
    for name in ("ft-1.rewritten-3.log", "ft-2.log", "ft-1.jsonl"):
        with pytest.raises(ArchivePathError, match=f"holds no log {name}"):
            remote_logs(f"{store.url}/{name}")


async def test_a_damaged_log_is_fetched_anew_when_that_is_asked_for(
    store: SmallStore, download: Any
) -> None:
    job = EmulatedJob("ft-1", lines_of(30))
    with Emulator([job]) as emulator:
        await download(emulator)
        store.objects[store.path("ft-1/data")].data = b"x" * 200
        assert states(store) == {"ft-1.log": "damaged"}
        (outcome,) = await download(emulator)
        assert outcome.state == "skipped"
        (outcome,) = await download(emulator, recheck=True)
        assert (outcome.state, outcome.set_aside) == ("complete", ("ft-1.damaged-1.log",))
        (outcome,) = await download(emulator, recheck=True)
        assert outcome.state == "skipped"
    assert kept(store) == job.lines
    assert states(store) == {"ft-1.log": "ok"}


async def test_a_log_that_goes_on_is_checked_whole_where_that_is_asked_for(
    store: SmallStore, download: Any
) -> None:
    job = EmulatedJob("ft-1", lines_of(30), status="RUNNING")
    with Emulator([job]) as emulator:
        for _ in range(2):
            await download(emulator)
            job.append(*lines_of(5))
        (outcome,) = await download(emulator, recheck=True)
        assert (outcome.lines, outcome.set_aside) == (40, ())
        del store.objects[min(name for name in store.objects if "ft-1/data" in name)]
        (outcome,) = await download(emulator, recheck=True)
        assert (outcome.lines, outcome.set_aside) == (40, ("ft-1.damaged-1.log",))
    assert kept(store) == job.lines


@pytest.mark.parametrize("what", ["commit", "data"])
@pytest.mark.parametrize("harm", ["gone", "other"])
async def test_what_is_damaged_when_a_log_is_compacted_is_fetched_anew(
    store: SmallStore, download: Any, what: str, harm: str
) -> None:
    job = EmulatedJob("ft-1", lines_of(5), status="RUNNING")
    with Emulator([job]) as emulator:
        for _ in range(3):
            await download(emulator)
            job.append(*lines_of(5))
        job.finish("SUCCEEDED")
        name = max(name for name in store.objects if f"ft-1/{what}" in name)
        if harm == "gone":
            del store.objects[name]
        else:
            store.objects[name].data = b"other"
        (outcome,) = await download(emulator)
        assert (outcome.state, outcome.lines) == ("complete", 20)
        assert outcome.set_aside == ("ft-1.damaged-1.log",)
    assert kept(store) == job.lines
    assert states(store) == {"ft-1.log": "ok"}


async def test_what_can_not_be_compacted_later_is_left_to_verify(
    store: SmallStore, download: Any
) -> None:
    job = EmulatedJob("ft-1", lines_of(5))
    with Emulator([job]) as emulator:
        await download(emulator)
        go_on(store, 2)
        store.objects[store.path("ft-1/data")].data = b"other"
        (outcome,) = await download(emulator)
        assert outcome.state == "skipped"
        assert states(store) == {"ft-1.log": "damaged"}
        await download(emulator, recheck=True)
    assert states(store) == {"ft-1.log": "ok"}


async def test_a_log_that_is_removed_while_it_settles_is_told(
    store: SmallStore, connect: Connect
) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    progress = Progress()
    with Emulator([EmulatedJob("ft-1", lines_of(5), end_time=now)]) as emulator:
        async with connect(emulator) as session:
            run = asyncio.create_task(session.download("ft-1", store.url, settle=0.5, progress=progress))
            while progress.waiting is None:
                await asyncio.sleep(0.01)
            for name in [name for name in store.objects if "/ft-1/" in name]:
                del store.objects[name]
            (outcome,) = await run
    assert isinstance(outcome.error, LogGoneError)
    assert f"{store.url}/ft-1.log has gone" in str(outcome.error)


async def test_a_complete_log_that_grew_is_gone_on_with_by_a_recheck(
    store: SmallStore, download: Any
) -> None:
    job = EmulatedJob("ft-1", lines_of(30))
    with Emulator([job]) as emulator:
        await download(emulator)
        job.append(*lines_of(5))
        (outcome,) = await download(emulator, recheck=True)
    assert (outcome.state, outcome.new_lines) == ("complete", 5)
    assert kept(store) == job.lines
    assert states(store) == {"ft-1.log": "ok"}


async def test_a_log_whose_beginning_is_another_one_by_now_is_noticed(
    store: SmallStore, download: Any
) -> None:
    job = EmulatedJob("ft-1", lines_of(30), status="RUNNING")
    with Emulator([job]) as emulator:
        for _ in range(2):
            await download(emulator)
            job.append(*lines_of(5))
        job.rewrite(["another", *job.lines[1:]])
        job.finish("SUCCEEDED")
        (outcome,) = await download(emulator)
    assert (outcome.state, outcome.set_aside) == ("complete", ("ft-1.rewritten-1.log",))
    assert kept(store) == job.lines


async def test_a_log_of_another_form_goes_on_in_it(store: SmallStore, download: Any) -> None:
    job = EmulatedJob("ft-1", lines_of(3), status="RUNNING")
    with Emulator([job]) as emulator:
        (first,) = await download(emulator)
        job.append(*lines_of(5)[3:])
        (outcome,) = await download(emulator, format="jsonl", compression="gzip")
        assert (outcome.error, outcome.file, outcome.lines) == (None, first.file, 5)
    assert kept(store) == job.lines


async def test_four_writers_at_once_cost_work_and_never_truth(
    store: SmallStore, connect: Connect
) -> None:
    jobs = [EmulatedJob(f"ft-{n}", lines_of(500 * n, f"job {n}"), status="RUNNING") for n in range(1, 5)]
    ids = [job.job_id for job in jobs]

    async def one(emulator: Emulator) -> None:
        async with connect(emulator, concurrency=3) as session:
            for _ in range(6):
                await session.download(ids, store.url, settle=0.05)

    async def growing() -> None:
        for _ in range(10):
            for job in jobs:
                job.append(*(f"more {len(job.lines)}" for _ in range(50)))
            await asyncio.sleep(0.05)
        for job in jobs:
            job.finish("SUCCEEDED")

    with Emulator(jobs) as emulator:
        await asyncio.gather(growing(), *(one(emulator) for _ in range(4)))
        await one(emulator)
    assert states(store) == dict.fromkeys((f"{job_id}.log" for job_id in ids), "ok")
    for job in jobs:
        assert kept(store, job.job_id) == job.lines
        for commit in commits(store, job.job_id):
            assert commit["number"] >= commit["first"]


async def test_who_was_overtaken_goes_on_from_there(store: SmallStore, download: Any) -> None:
    job = EmulatedJob("ft-1", lines_of(30))
    with Emulator([job]) as emulator:
        await download(emulator)
        others = dict(store.objects)
        store.objects.clear()

        def first(method: str, path: str) -> None:
            if (
                method == "PUT"
                and "/commit-" in path
                and not any("/commit-" in one for one in store.objects)
            ):
                store.objects.update(others)

        store.fault = first
        (outcome,) = await download(emulator)
    assert (outcome.state, outcome.lines) == ("skipped", 30)
    assert len(store.names("ft-1/commit")) == 1
    assert kept(store) == job.lines


async def test_who_is_overtaken_again_and_again_gives_up(store: SmallStore, download: Any) -> None:
    job = EmulatedJob("ft-1", lines_of(3), status="RUNNING")
    with Emulator([job]) as emulator:
        await download(emulator)

        def faster(method: str, path: str) -> None:
            if method == "PUT" and "/commit-" in path:
                go_on(store, 1)

        store.fault = faster
        job.append("line 3")
        (outcome,) = await download(emulator)
    assert isinstance(outcome.error, ArchiveBusyError)
    assert kept(store) == lines_of(3)


async def test_an_answer_that_is_lost_is_no_other_writer(store: SmallStore, download: Any) -> None:
    lost: list[str] = []

    def lose(method: str, path: str) -> Any:
        if method == "PUT" and path not in lost:
            lost.append(path)
            return "lose the answer"
        return None

    store.fault = lose
    with Emulator([EmulatedJob("ft-1", lines_of(30))]) as emulator:
        (outcome,) = await download(emulator)
    assert len(lost) == 3
    assert (outcome.state, outcome.lines) == ("complete", 30)
    assert len(store.names("ft-1/commit")) == 1
    assert kept(store) == lines_of(30)


async def test_a_cancelled_download_commits_what_has_arrived(
    store: SmallStore, connect: Connect
) -> None:
    job = EmulatedJob("ft-1", lines_of(20_000))
    progress = Progress()
    with Emulator([job], latency=0.01) as emulator:
        async with connect(emulator, concurrency=2) as session:
            download = asyncio.create_task(session.download("ft-1", store.url, progress=progress))
            while progress.lines < 3_000:
                await asyncio.sleep(0.001)
            download.cancel()
            with pytest.raises(asyncio.CancelledError):
                await download
            assert 3_000 <= len(kept(store)) < 20_000
            (outcome,) = await session.download("ft-1", store.url)
    assert (outcome.state, outcome.lines) == ("complete", 20_000)
    assert kept(store) == job.lines


@pytest.mark.unmeasured
@pytest.mark.parametrize(("form", "compression"), [("text", None), ("jsonl", "gzip")])
async def test_a_last_line_that_grows_at_every_look_is_whole_and_nothing_is_set_aside(
    store: SmallStore, download: Any, form: Any, compression: Any
) -> None:
    job = EmulatedJob("ft-1", [*lines_of(30), "bar |"], status="RUNNING")
    with Emulator([job]) as emulator:
        await download(emulator, format=form, compression=compression)
        for look in range(1, 40):
            # Each line goes on at two looks, and then has others behind it.
            more = [*lines_of(look % 2), "bar |"] if look % 3 == 0 else []
            job.rewrite([*job.lines[:-1], f"{job.lines[-1]}#", *more])
            before = len(emulator.journal)
            (outcome,) = await download(emulator)
            assert (outcome.state, outcome.lines) == ("running", len(job.lines))
            assert (outcome.new_lines, outcome.set_aside) == (len(more), ())
            assert sum(exchange.lines for exchange in emulator.journal[before:]) <= 5 + len(more)
            assert kept(store) == job.lines
        assert set(states(store).values()) == {"incomplete"}
        assert len(commits(store)[0]["objects"]) + len(commits(store)[1]["objects"]) < 40
        job.finish("SUCCEEDED")
        (outcome,) = await download(emulator)
    assert outcome.state == "complete"
    assert kept(store) == job.lines
    assert set(states(store).values()) == {"ok"}


@pytest.mark.parametrize("more", [[], ["next"]])
async def test_killed_before_any_request_while_a_last_line_grew_it_is_whole_all_the_same(
    store: SmallStore, download: Any, more: list[str]
) -> None:
    job = EmulatedJob("ft-1", [*lines_of(9), "bar |"], status="RUNNING")
    with Emulator([job]) as emulator:
        await download(emulator)
        begun = dict(store.objects)
        old = list(job.lines)
        job.rewrite([*lines_of(9), "bar |#", *more])
        for dies_at in range(1, 99):
            store.objects = dict(begun)
            dead = len(store.requests) + dies_at
            store.fault = lambda _method, _path, dead=dead: 403 if len(store.requests) >= dead else None
            with suppress(ArchiveStoreError):
                await download(emulator)
            died = len(store.requests) >= dead
            store.fault = lambda _method, _path: None
            assert kept(store) in (old, old[:-1], job.lines)
            assert states(store) == {"ft-1.log": "incomplete"}
            (outcome,) = await download(emulator)
            assert (outcome.error, outcome.set_aside) == (None, ())
            assert kept(store) == job.lines
            if not died:
                break
        assert dies_at > 6


@pytest.mark.parametrize("name", ["team", "team.logs"])
def test_a_place_without_logs_is_no_archive_whatever_it_is_called(store: SmallStore, name: str) -> None:
    with pytest.raises(ArchiveError, match=f"{name} holds no commit"):
        remote_logs(f"{store.url}/{name}")


@asynccontextmanager
async def looked_at(store: SmallStore) -> AsyncIterator[tuple[Chain, Manifest]]:
    """The chain of a log that is there."""
    with Thread() as thread:
        chain = Chain("ft-1", Bucket(store_url(store.url)), thread)
        manifest = await chain.look()
        assert manifest is not None
        yield chain, manifest


async def test_a_last_line_that_is_not_what_is_kept_is_not_taken_back(
    store: SmallStore, download: Any
) -> None:
    with Emulator([EmulatedJob("ft-1", ["one", "two"], status="RUNNING")]) as emulator:
        await download(emulator)
    async with looked_at(store) as (chain, manifest):
        assert await chain.take_back(manifest, b"three\n") is None
    assert kept(store) == ["one", "two"]


async def test_a_log_begins_with_what_it_holds_and_with_nothing_longer(
    store: SmallStore, download: Any
) -> None:
    with Emulator([EmulatedJob("ft-1", ["one", "two"], status="RUNNING")]) as emulator:
        await download(emulator)
    async with looked_at(store) as (chain, _):
        begins = dict.fromkeys((b"", b"one\n", b"one\ntwo\n"), True)
        begins |= dict.fromkeys((b"one\ntwo\nx\n", b"two\n"), False)
        for data, does in begins.items():
            assert await chain.begins_with(data) == does


async def test_nothing_is_swept_that_a_chain_of_several_commits_needs(
    store: SmallStore, download: Any
) -> None:
    job = EmulatedJob("ft-1", ["one"], status="RUNNING")
    with Emulator([job]) as emulator:
        await download(emulator)
        job.append("two")
        await download(emulator)
    store.shifted = timedelta(days=3)
    with Thread() as thread:
        for job_id in ("ft-1", "ft-none"):
            chain = Chain(job_id, Bucket(store_url(store.url)), thread)
            await chain.look()
            await chain.sweep()
    assert kept(store) == job.lines


async def test_a_line_that_goes_on_leaves_the_other_objects_as_they_are_where_they_are_few(
    store: SmallStore, download: Any
) -> None:
    job = EmulatedJob("ft-1", ["one"], status="RUNNING")
    with Emulator([job]) as emulator:
        for line in ("two", "three"):
            await download(emulator)
            job.append(line)
        await download(emulator)
        there = {one["name"] for commit in commits(store) for one in commit["objects"]}
        job.rewrite(["one", "two", "three and more"])
        await download(emulator)
    (begin,) = (one for one in commits(store) if one["number"] == one["first"] > 1)
    assert len(begin["objects"]) == 2
    assert {one["name"] for one in begin["objects"]} < there


async def test_a_line_that_goes_on_in_a_log_of_many_small_objects_makes_few_of_them(
    store: SmallStore, download: Any
) -> None:
    lines = ["line 0"]
    job = EmulatedJob("ft-1", lines, status="RUNNING")
    with Emulator([job]) as emulator:
        for number in range(1, 40):
            await download(emulator)
            lines = [*lines, f"line {number}"]
            job.rewrite(lines)
        await download(emulator)
        job.rewrite([*lines[:-1], lines[-1] + " and more"])
        (outcome,) = await download(emulator)
        assert (outcome.error, outcome.set_aside) == (None, ())
    assert kept(store) == job.lines
    async with looked_at(store) as (chain, _):
        assert chain.head is not None
        assert len(store.names("ft-1")) > 40
        assert chain.head.number - chain.head.first < 5, "it is a chain of its own, and short"
        before = len(store.requests)
        await chain.check()
        assert len(store.requests) == before + 3, "the other commit, and two objects"


@pytest.mark.parametrize("what", ["list-type", "/data-", "/commit-", ".ftlogs-archive"])
async def test_every_wait_for_the_storage_can_be_cancelled(
    store: SmallStore, connect: Connect, what: str
) -> None:
    hung = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(_method: str, path: str) -> Any:
        if what not in path:
            return None
        loop.call_soon_threadsafe(hung.set)
        return "hang"

    store.fault = hang
    with Emulator([EmulatedJob("ft-1", lines_of(30))]) as emulator:
        async with connect(emulator) as session:
            to = RemoteStore(Bucket(store_url(store.url)), patience=0.05)
            run = downloading(session, to)
            download = asyncio.create_task(run.run("ft-1"))
            await hung.wait()
            download.cancel()
            with pytest.raises(asyncio.CancelledError):
                await download
            assert not len(session.tasks)
        store.fault = lambda _method, _path: None
        async with connect(emulator) as session:
            (outcome,) = await session.download("ft-1", store.url)
    assert outcome.lines == 30
    assert kept(store) == lines_of(30)


def downloading(session: LogSession, store: RemoteStore) -> Download:
    return Download(
        session, store, form=None, compression=None, settle=0.1, recheck=False, progress=Progress()
    )


async def test_a_commit_that_took_an_hour_is_given_up(store: SmallStore) -> None:
    times = iter([0.0, 3600.0, 5000.0, 8601.0])
    manifest = Manifest(job_id="ft-1", endpoint="https://x")
    with Thread() as thread:
        found = Chain("ft-1", Bucket(store_url(store.url)), thread, times.__next__)
        await found.commit(manifest)
        with pytest.raises(ArchiveStoreError, match="took more than an hour"):
            await found.commit(manifest)
    assert len(store.names()) == 1


def test_a_clock_goes_on_that_nobody_sets() -> None:
    before = uptime()
    assert 0 < before <= uptime() < before + 3600


def test_many_logs_at_once_are_held_in_smaller_parts() -> None:
    def log(waiting: int) -> ObjectLog:
        found = ObjectLog(
            Chain("ft-1", None, Thread()),  # type: ignore[arg-type]
            Manifest(job_id="ft-1", endpoint="https://x"),
            Shared(1.0, waiting),
            whole=False,
        )
        found.append(["x" * 2**20])
        return found

    assert not log(0).is_due
    assert log(64 * 2**20).is_due


async def test_who_writes_over_what_is_only_to_be_created_is_refused(
    storage: Callable[..., SmallStore], connect: Connect
) -> None:
    for dialect in ("naive", "versioned"):
        store = storage(dialect)
        with Emulator([EmulatedJob("ft-1", lines_of(3))]) as emulator:
            async with connect(emulator) as session:
                with pytest.raises(
                    ArchivePathError, match="writes over objects that are only to be created"
                ):
                    await session.download("ft-1", store.url)
        assert not store.names()
        assert not emulator.journal


async def test_the_dialect_of_oss_is_spoken_whatever_is_said_of_s3(
    storage: Callable[..., SmallStore], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = storage("oss")
    said = {"ENDPOINT_URL": "http://127.0.0.1:1", "ENDPOINT_URL_S3": "http://127.0.0.1:1", "REGION": "x"}
    said |= {"ACCESS_KEY_ID": "other", "SECRET_ACCESS_KEY": "other", "SESSION_TOKEN": "other"}
    said |= {"SKIP_SIGNATURE": "true", "VIRTUAL_HOSTED_STYLE_REQUEST": "true"}
    for name, value in said.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    job = EmulatedJob("ft-1", lines_of(30), status="RUNNING")
    with Emulator([job]) as emulator:
        async with connect(emulator) as session:
            for _ in range(3):
                await session.download("ft-1", store.url)
                job.append(*lines_of(30))
            job.finish("SUCCEEDED")
            (outcome,) = await session.download("ft-1", store.url, settle=0.05)
    assert (outcome.state, outcome.lines) == ("complete", 120)
    assert kept(store) == job.lines
    assert states(store) == {"ft-1.log": "ok"}
    assert not [
        name for headers in store.headers for name in headers if "security-token" in name.lower()
    ]
