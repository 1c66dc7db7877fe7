"""The logs of an archive one by one, for engines that read many at the same time."""

import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from dashscope_ftlogs import ArchiveError, InvalidArgumentError, LogSession, metrics
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

Connect = Callable[..., LogSession]
JOBS = [
    EmulatedJob("ft-1", ["{'loss': 2.5, 'epoch': 0.5}", "{'eval_loss': 1.5}"], model="qwen3-8b"),
    EmulatedJob("ft-2", ["Training start!", "{'loss': 3.5, 'lr': 'auto'}"]),
    EmulatedJob("ft-3", []),
]


@pytest.fixture
async def archive(connect: Connect, tmp_path: Path) -> Path:
    async with Emulator(JOBS) as emulator, connect(emulator) as session:
        await session.download(session.jobs(), tmp_path / "logs", settle=0)
    return tmp_path / "logs"


def test_there_is_one_for_each_log_with_what_is_known_of_its_job(archive: Path) -> None:
    found = metrics.partitions(archive)
    assert [one.job_id for one in found] == ["ft-1", "ft-2", "ft-3"]
    assert found[0].job is not None
    assert found[0].job.model == "qwen3-8b"
    assert "{'loss'" not in repr(found)


def test_each_is_read_as_the_log_that_it_is(archive: Path) -> None:
    tables = list(map(metrics.read, metrics.partitions(str(archive))))
    assert list(tables[0].rows()) == [
        {"source": "ft-1", "offset": 0, "segment": 0, "kind": "train", "epoch": 0.5, "loss": 2.5},
        {"source": "ft-1", "offset": 1, "segment": 0, "kind": "eval", "eval_loss": 1.5},
    ]
    assert [len(table) for table in tables] == [2, 1, 0]


@pytest.mark.covered
def test_they_are_pickled_without_their_lines_and_read_by_other_processes(archive: Path) -> None:
    found = metrics.partitions(archive)
    assert pickle.loads(pickle.dumps(found)) == found
    assert b"loss" not in pickle.dumps(found)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        assert [len(table) for table in pool.map(metrics.read, found)] == [2, 1, 0]


@pytest.mark.covered
def test_those_of_one_s_own_form_are_read_by_patterns_in_other_processes_too(tmp_path: Path) -> None:
    (tmp_path / "odd.log").write_text("it=1 | L=2.5\nheld out: 2.75\n")
    found = metrics.partitions(tmp_path / "odd.log")
    read = partial(metrics.read, pattern=[r"L=(?P<loss>\S+)", r"out: (?P<val_loss>\S+)"])
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        (table,) = pool.map(read, found)
    assert (table["loss"], table["val_loss"]) == ([2.5, None], [None, 2.75])
    for wrong in ("L", "(", ["(?P<loss>.)", "L"], 5):
        with pytest.raises(InvalidArgumentError, match="pattern"):
            metrics.read(found[0], pattern=wrong)  # type: ignore[arg-type]


def test_a_log_that_lies_in_no_archive_is_one_too(tmp_path: Path) -> None:
    (tmp_path / "train.log").write_text("{'loss': 1.5}\n")
    (only,) = metrics.partitions(tmp_path / "train.log")
    assert (only.job_id, only.job, metrics.read(only)["loss"]) == ("train.log", None, [1.5])


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no archive"):
        metrics.partitions(tmp_path)


@pytest.mark.parametrize("wrong", [None, "ft-1", 3])
def test_what_is_no_partition_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="Partition"):
        metrics.read(wrong)


def test_another_name_is_no_part_of_the_room() -> None:
    with pytest.raises(AttributeError, match="nothing_there"):
        metrics.nothing_there  # noqa: B018
