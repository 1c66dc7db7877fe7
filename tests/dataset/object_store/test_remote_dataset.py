"""Datasets on object storage: each row once, at any instant, whoever writes and whatever dies."""

import asyncio
import io
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from small_store import SmallStore

from dashscope_ftlogs import ArchivePathError, ArchiveStoreError, ManifestError, metrics
from dashscope_ftlogs.archive.object_store.bucket import Bucket
from dashscope_ftlogs.archive.object_store.chain import GIVEN_UP_AFTER
from dashscope_ftlogs.archive.object_store.url import store_url
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.dataset.object_store.dataset_commits import PART_BYTES
from dashscope_ftlogs.dataset.object_store.parts import LogRows, rows_of
from dashscope_ftlogs.dataset.object_store.remote_dataset import RemoteDataset
from dashscope_ftlogs.models import Job

pytestmark = pytest.mark.extras


class Lines:
    """A log of so many losses."""

    where = "nowhere"

    def __init__(
        self, name: str, losses: Sequence[float], month: str = "11", more: str = "", profile: str = ""
    ) -> None:
        self.name = name
        self.profile = profile
        self.version = f"{losses}"
        self.job = Job(job_id="x", status="SUCCEEDED", create_time=f"2026-{month}-01 00:00:00")
        self.read = [f"{{'loss': {loss}{more}}}" for loss in losses]

    def size(self) -> int:
        return 0

    def glance(self) -> None:
        pass

    def lines(self) -> Any:
        return enumerate(self.read)


def log(job_id: str, *losses: float, month: str = "11", more: str = "") -> LogRows:
    return rows_of(None, job_id, Lines(job_id, losses, month, more))


@pytest.fixture
def open_dataset(store: SmallStore) -> Any:
    with Thread() as thread:

        async def one(**options: Any) -> RemoteDataset:
            dataset = RemoteDataset(Bucket(store_url(store.url)), thread, **options)
            await dataset.look()
            return dataset

        yield one


def rows(store: SmallStore) -> list[tuple[str, float]]:
    """Who takes the files that count sees these."""
    import pyarrow.parquet as pq

    found: list[tuple[str, float]] = []
    for url in metrics.dataset_files(store.url):
        data = store.objects[url.removeprefix("s3://")].data
        found += [(row["job_id"], row["loss"]) for row in pq.read_table(io.BytesIO(data)).to_pylist()]
    return sorted(found)


def parts(store: SmallStore) -> list[str]:
    return store.names("_parts/")


@pytest.mark.covered
async def test_rows_of_a_month_are_one_part_and_a_log_is_replaced_in_it(
    open_dataset: Any, store: SmallStore
) -> None:
    dataset = await open_dataset()
    await dataset.add([log("ft-1", 1.5, 1.25), log("ft-2", 2.5), log("ft-9", 9.5, month="10")])
    assert rows(store) == [("ft-1", 1.25), ("ft-1", 1.5), ("ft-2", 2.5), ("ft-9", 9.5)]
    assert len(metrics.dataset_files(store.url)) == 2
    await dataset.add([log("ft-3", 3.5, more=", 'grad_norm': 1"), log("ft-1", 1.125)])
    assert rows(store) == [("ft-1", 1.125), ("ft-2", 2.5), ("ft-3", 3.5), ("ft-9", 9.5)]
    assert len(metrics.dataset_files(store.url)) == 2
    assert len(parts(store)) == 3, "what was replaced stays a while, for those who read"
    again = await open_dataset()
    assert again.head == dataset.head
    assert set(again.head.logs) == {"ft-1", "ft-2", "ft-3", "ft-9"}


async def test_a_log_without_rows_is_known_and_one_whose_month_changes_is_in_one(
    open_dataset: Any, store: SmallStore
) -> None:
    dataset = await open_dataset()
    await dataset.add([log("ft-1", month="10")])
    assert set(dataset.head.logs) == {"ft-1"}
    assert metrics.dataset_files(store.url) == []
    await dataset.add([log("ft-2", 2.5, month="10")])
    await dataset.add([log("ft-1", 1.5, month="11")])
    assert rows(store) == [("ft-1", 1.5), ("ft-2", 2.5)]
    await dataset.add([log("ft-2", 2.5, month="11")])
    assert rows(store) == [("ft-1", 1.5), ("ft-2", 2.5)]
    assert len(metrics.dataset_files(store.url)) == 1


async def test_parts_that_are_large_stay_as_they_are(
    open_dataset: Any, store: SmallStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "dashscope_ftlogs.dataset.object_store.dataset_commits"
    monkeypatch.setattr(f"{module}.PART_BYTES", 100)
    dataset = await open_dataset()
    await dataset.add([log("ft-1", 1.5)])
    await dataset.add([log("ft-2", 2.5)])
    assert len(metrics.dataset_files(store.url)) == 2
    await dataset.add([log("ft-1", 1.25)])
    assert rows(store) == [("ft-1", 1.25), ("ft-2", 2.5)]


async def test_two_writers_at_once_cost_work_and_never_truth(
    open_dataset: Any, store: SmallStore
) -> None:
    writers = [await open_dataset() for _ in range(4)]
    await asyncio.gather(
        *(one.add([log("ft-0", n), log(f"ft-{n}", n)]) for n, one in enumerate(writers, 1))
    )
    found = rows(store)
    assert [job for job, _ in found] == [f"ft-{n}" for n in range(5)]
    assert [loss for _, loss in found[1:]] == [1, 2, 3, 4]
    await asyncio.gather(*(one.add([log(f"ft-{n}", n / 2)]) for n, one in enumerate(writers, 1)))
    assert [loss for _, loss in rows(store)[1:]] == [0.5, 1, 1.5, 2]
    same = await open_dataset(), await open_dataset()
    await asyncio.gather(*(one.add([log("ft-7", 7.5)]) for one in same))
    assert [job for job, _ in rows(store)].count("ft-7") == 1


async def test_a_commit_whose_answer_was_lost_is_our_own(open_dataset: Any, store: SmallStore) -> None:
    lost: list[str] = []

    def fault(method: str, path: str) -> Any:
        if method == "PUT" and "/_commits/" in path and not lost:
            lost.append(path)
            return "lose the answer"
        return None

    store.fault = fault
    await (await open_dataset()).add([log("ft-1", 1.5)])
    assert lost
    assert rows(store) == [("ft-1", 1.5)]


@pytest.mark.parametrize("harm", ["gone", "flipped"])
async def test_a_damaged_part_is_told_and_nothing_is_made_of_it(
    open_dataset: Any, store: SmallStore, harm: str
) -> None:
    dataset = await open_dataset()
    await dataset.add([log("ft-1", 1.5)])
    before = dataset.head
    key = store.path("_parts/")
    if harm == "gone":
        del store.objects[key]
    else:
        store.objects[key].data = store.objects[key].data[:-9] + b"x" * 9
    with pytest.raises(ManifestError, match=r"part-.* is gone, or not what was committed.*made anew"):
        await dataset.add([log("ft-2", 2.5)])
    assert (await open_dataset()).head == before


async def test_a_commit_that_took_an_hour_is_given_up(open_dataset: Any, store: SmallStore) -> None:
    times = iter([0.0, GIVEN_UP_AFTER + 1])
    dataset = await open_dataset(clock=lambda: next(times))
    with pytest.raises(ArchiveStoreError, match="more than an hour"):
        await dataset.add([log("ft-1", 1.5)])
    assert not store.names("_commits/")


async def test_storage_that_writes_over_objects_is_refused(
    storage: Callable[..., SmallStore], open_dataset: Any
) -> None:
    store = storage("naive")
    with Thread() as thread:
        dataset = RemoteDataset(Bucket(store_url(store.url)), thread)
        await dataset.look()
        with pytest.raises(ArchivePathError, match="writes over objects"):
            await dataset.add([log("ft-1", 1.5)])


async def test_what_nobody_needs_is_deleted_a_day_later_and_nothing_else(
    open_dataset: Any, store: SmallStore
) -> None:
    dataset = await open_dataset()
    await dataset.add([log("ft-1", 1.5)])
    store.objects[store.path("_parts/").rpartition("/")[0] + "/part-" + 32 * "0"] = store.objects[
        store.path("_parts/")
    ]
    orphan = store.names("_parts/")[0]
    (first,) = metrics.dataset_files(store.url)
    store.shifted += timedelta(hours=23)
    await dataset.add([log("ft-2", 2.5)])
    (second,) = metrics.dataset_files(store.url)
    await dataset.sweep()
    assert len(parts(store)) == 3
    store.shifted += timedelta(hours=2)
    await dataset.sweep()
    left = {name.rpartition("/")[2] for name in parts(store)}
    assert orphan.rpartition("/")[2] not in left
    assert left == {first.rpartition("/")[2], second.rpartition("/")[2]}, "it was replaced an hour ago"
    await dataset.add([log("ft-1", 1.25)])
    (third,) = metrics.dataset_files(store.url)
    store.shifted += timedelta(hours=23)
    await dataset.sweep()
    assert {name.rpartition("/")[2] for name in parts(store)} == {
        url.rpartition("/")[2] for url in (second, third)
    }
    store.shifted += timedelta(hours=25)
    await dataset.sweep()
    assert len(parts(store)) == len(store.names("_commits/")) == 1
    assert rows(store) == [("ft-1", 1.25), ("ft-2", 2.5)]
    await (await open_dataset()).add([log("ft-3", 3.5)])
    assert {one.since for one in (await open_dataset()).head.superseded} == {3, 4}, "but not 2"


async def test_rows_wait_until_they_are_worth_a_part(open_dataset: Any, store: SmallStore) -> None:
    one = log("ft-1", 1.5)
    dataset = await open_dataset(at_once=2 * len(one.data))
    await dataset.end()
    assert not store.objects
    await dataset.take(one)
    assert not store.objects
    await dataset.take(log("ft-2", 2.5))
    await dataset.take(log("ft-3", 3.5))
    assert rows(store) == [("ft-1", 1.5), ("ft-2", 2.5)]
    await dataset.end()
    assert rows(store) == [("ft-1", 1.5), ("ft-2", 2.5), ("ft-3", 3.5)]


async def test_groups_of_rows_are_large(open_dataset: Any, store: SmallStore) -> None:
    import pyarrow.parquet as pq

    dataset = await open_dataset()
    many = [log(f"ft-{n}", *map(float, range(30_000))) for n in range(5)]
    await dataset.add(many)
    (url,) = metrics.dataset_files(store.url)
    file = pq.ParquetFile(io.BytesIO(store.objects[url.removeprefix("s3://")].data))
    assert [file.metadata.row_group(n).num_rows for n in range(2)] == [120_000, 30_000]
    assert 0 < sum(len(one.data) for one in many) < PART_BYTES


def test_where_there_is_no_dataset_that_is_told(store: SmallStore, tmp_path: Any) -> None:
    with pytest.raises(
        ArchivePathError, match=r"no dataset\. Name one that `ftlogs metrics -o` wrote\.$"
    ):
        metrics.dataset_files(store.url)
    with pytest.raises(
        ArchivePathError, match=r"no dataset\. Name one that `ftlogs metrics -o` wrote\.$"
    ):
        metrics.dataset_files(tmp_path)
