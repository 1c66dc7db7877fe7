"""What is said of a download while it goes, frame by frame, on a clock that needs no waiting."""

import asyncio
import io
import os
import pty
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from virtual_time import VirtualTimeLoop

from dashscope_ftlogs import LogSession, Progress
from dashscope_ftlogs.cli.terminal.download_progress import Run, watched


def watch(
    every: float, *steps: Callable[[Progress], None], each_frame: Callable[[], object] = int
) -> None:
    """Let a download come on by one step each second, while it is watched."""

    async def main() -> None:
        progress = Progress()
        session = LogSession("sk-1", base_url="http://127.0.0.1:1")
        async with watched([Run("", session, progress)], every):
            for step in steps:
                step(progress)
                for _ in range(10):
                    await asyncio.sleep(0.1)
                    each_frame()  # a terminal that nobody reads takes little

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(main())


def begin(progress: Progress) -> None:
    progress.lines = 500
    progress.reading["ft-1"] = (500, 1_000)


def count(progress: Progress) -> None:
    progress.jobs = 2


def end(progress: Progress) -> None:
    progress.lines = 1_000
    progress.reading.clear()
    progress.jobs_done = 1


def test_off_a_terminal_a_plain_line_comes_every_so_often(capsys: pytest.CaptureFixture[str]) -> None:
    watch(0.95, begin, count, end)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("ftlogs: 0 jobs, 500 lines, ")
    assert not lines[0].endswith("left"), "how many jobs there are is not known yet"
    assert lines[1].startswith("ftlogs: 0 of 2 jobs, 500 lines, ")
    assert lines[1].endswith("left")
    assert lines[2].startswith("ftlogs: 1 of 2 jobs, 1,000 lines, ")


def test_of_several_profiles_each_has_its_line_until_it_has_ended(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def main() -> None:
        runs = [Run(name, LogSession("sk-1", base_url="http://127.0.0.1:1")) for name in ("a", "b")]
        async with watched(runs, 0.95):
            await asyncio.sleep(1)
            runs[0].ended = True
            await asyncio.sleep(1)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(main())
    lines = capsys.readouterr().err.splitlines()
    assert [line[:18] for line in lines] == [
        "ftlogs: a: 0 jobs,",
        "ftlogs: b: 0 jobs,",
        "ftlogs: b: 0 jobs,",
    ]


@contextmanager
def a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int = 100) -> Iterator[Callable[[], str]]:
    """Make stderr one, and yield what returns all that was shown there."""
    master, end = pty.openpty()
    os.set_blocking(master, False)
    seen = io.BytesIO()

    def shown() -> str:
        while True:
            try:
                seen.write(os.read(master, 65536))
            except BlockingIOError:
                return seen.getvalue().decode()

    with os.fdopen(end, "w") as stderr, monkeypatch.context() as patch:
        patch.setenv("TERM", "xterm")
        patch.setenv("COLUMNS", str(columns))
        patch.setattr(sys, "stderr", stderr)
        yield shown
    os.close(master)


@pytest.mark.posix
def test_on_a_terminal_a_job_has_a_bar_from_its_first_page_to_its_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    with a_terminal(monkeypatch) as shown:

        def look(_: Progress) -> None:
            before = "".join(told)
            told.append(shown()[len(before) :])

        watch(1.0, count, look, begin, look, end, look, each_frame=shown)
        look(Progress())
    waiting, reading, done, gone = told
    assert "0/2" in waiting
    assert "ft-1" not in waiting
    assert "ft-1" in reading
    assert "500/1,000" in reading
    assert "1/2" in done
    assert "ft-1" not in gone


@pytest.mark.posix
def test_of_many_jobs_only_some_have_a_bar_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def many(progress: Progress) -> None:
        progress.jobs = 9
        progress.reading = {f"ft-{n}": (1, 10) for n in range(9)}

    with a_terminal(monkeypatch) as shown:
        watch(1.0, many, each_frame=shown)
        assert "ft-4" in shown()
        assert "ft-5" not in shown()


@pytest.mark.posix
@pytest.mark.parametrize("columns", [60, 80, 200])
def test_on_a_narrow_terminal_ids_are_told_apart_and_the_time_left_is_whole(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    def far(progress: Progress) -> None:
        progress.jobs, progress.jobs_done = 3_000, progress.jobs_done + 100
        progress.lines += 1_234_567
        progress.reading = {f"ft-20251206202{n}-1213": (1_000, 10_000) for n in range(5)}
        progress.reading["a-very-long-name-" * 5 + "1"] = (1_000, 10_000)
        progress.reading.pop("ft-202512062024-1213")

    with a_terminal(monkeypatch, columns) as shown:
        watch(1.0, far, far, far, each_frame=shown)
        frames = shown()
    last = frames[frames.rindex("300/3,000") :]
    assert re.search(r"\d:\d\d left", last)
    assert ("requests/s" in last) is (columns == 200)
    for n in range(4):
        assert f"ft-20251206202{n}-1213" in last
    assert "long-name-1" in last
