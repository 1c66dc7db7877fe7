"""`ftlogs plot -f`: curves that are drawn anew as lines come."""

import asyncio
import copy
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_jobs import JOB, Impatient, read_to_the_end
from plots import ANSI, log, losses
from rich.cells import cell_len

from dashscope_ftlogs.cli.commands.plot import Drawing
from dashscope_ftlogs.cli.log_sources import Log
from dashscope_ftlogs.cli.reading_processes import PointsRead, ReadPoints
from dashscope_ftlogs.cli.tail.line_format import Lines
from dashscope_ftlogs.cli.tail.live_curves import LiveCurves
from dashscope_ftlogs.cli.tail.status import Status
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

LONG_AGO = "2024-10-29 17:11:26"


def read(*lines: str, name: str = JOB) -> Log[PointsRead]:
    reader = ReadPoints(name, None)
    reader.read(list(enumerate(lines)))
    return Log(name, None, reader.end())


@pytest.mark.covered
@pytest.mark.parametrize(("status", "code"), [("SUCCEEDED", 0), ("FAILED", 7), ("CANCELED", 8)])
async def test_without_a_terminal_it_is_drawn_once_and_the_code_tells_the_end(
    ftlogs: Any, status: str, code: int
) -> None:
    async with Emulator(
        [EmulatedJob(JOB, losses(3, 2, 1), status=status, end_time=LONG_AGO)]
    ) as emulator:
        once = await ftlogs("plot", JOB, emulator=emulator)
        ended = await ftlogs("plot", "-f", JOB, emulator=emulator)
    assert (ended.code, ended.out) == (code, once.out)
    assert b"\x1b" not in ended.out
    assert ended.err.startswith(f"ftlogs: {JOB}: finished: {status}, 3 lines")


@pytest.mark.posix
async def test_on_a_terminal_it_is_drawn_as_lines_come_and_stays_when_interrupted(
    start_ftlogs: Any, terminal: Any
) -> None:
    job = EmulatedJob(JOB, status="RUNNING")
    words = ("plot", "-f", JOB, "--metric", "eval_loss")
    environ = {"TERM": "xterm", "COLUMNS": "60", "LINES": "20", "NO_COLOR": "1"}
    async with Emulator([job]) as emulator, terminal() as screen:

        async def shown(text: str) -> None:
            while text not in screen.shown:
                await asyncio.sleep(0.01)

        process = await start_ftlogs(words, emulator, environ, stdout=screen.end, stderr=screen.end)
        await shown("no metrics so far\r\n")
        job.append("{'loss': 2.5, 'step': 1}")
        await shown("so far, --metric 'eval_loss': no log has it; they have loss.")
        job.append("{'eval_loss': 2.25, 'step': 1}")
        await shown(f"*  {JOB}")
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 130
    *_, last = screen.shown.split("\x1b[J")
    rows = last.replace("\r\x1b[2K", "").splitlines()
    assert rows[0] == "eval_loss"
    assert any("*" in row for row in rows[1:-3])
    assert rows[-2:] == [f"*  {JOB}", f"{JOB} RUNNING step 1 loss 2.5ftlogs: interrupted"]
    assert len(rows) <= 19, "with a line for the prompt"


async def test_what_is_not_the_services_is_refused(ftlogs: Any, tmp_path: Path) -> None:
    path = log(tmp_path, "a.log", *losses(1))
    ended = await ftlogs("plot", "-f", path)
    said = f"ftlogs: -f is for jobs of the service, and {path} is none.\n"
    assert (ended.code, ended.out, ended.err) == (2, b"", said)


async def test_a_job_that_is_not_there_is_no_chart(ftlogs: Any) -> None:
    async with Emulator([]) as emulator:
        ended = await ftlogs("plot", "-f", "ft-202410291653-1c7f", emulator=emulator)
    assert (ended.code, ended.out) == (4, b"")
    assert "no metrics" not in ended.err


class Live:
    """A live chart that is no chart: it tells how many points there are, and when it does so."""

    def __init__(
        self, emulator: Emulator, environ: pytest.MonkeyPatch, each: Callable[[], None]
    ) -> None:
        environ.setenv("DASHSCOPE_API_KEY", emulator.api_key)
        self.counts: list[int] = []
        self.ended: list[int] = []
        self._each = each
        self.curves = LiveCurves(
            connection=Impatient(base_url=emulator.base_url),
            offsets={JOB: None},
            count=None,
            view=Lines().view(several=False),
            alarms=(),
            pattern=None,
            polls=(0.02, 0.1),
            settle=0.1,
            drawn=self._drawn,
            finish=self._finish,
        )

    def _drawn(self, logs: Any, _size: os.terminal_size) -> str:
        count = sum(len(log.read.points) for log in logs)
        if count:
            self.counts.append(count)
            self._each()
        return f"{count} points\n"

    def _finish(self, logs: Any) -> int:
        self.ended.append(sum(len(log.read.points) for log in logs))
        return 0


async def test_each_drawing_takes_the_place_of_the_one_before_until_the_job_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = EmulatedJob(JOB, losses(3), status="RUNNING")
    more = iter([*losses(3, 2, 1)[1:], "SUCCEEDED"])

    def go_on() -> None:
        if (line := next(more, "")).startswith("{"):
            job.append(line)
        elif line:
            job.finish(line)

    async with Emulator([job]) as emulator:
        live = Live(emulator, monkeypatch, go_on)
        live.curves._status.at_bottom = True
        assert await live.curves._follow() == 0
    assert (live.counts, live.ended) == ([1, 2, 3], [3])
    err = capsys.readouterr().err
    assert f"\x1b[1A\r\x1b[J2 points\n{JOB} RUNNING step 1" in err
    assert f"\x1b[1A\r\x1b[J3 points\n{JOB} RUNNING step 2" in err
    assert err.endswith(f"\x1b[1A\r\x1b[Jftlogs: {JOB}: finished: SUCCEEDED, 3 lines\n")


async def test_a_log_that_was_rewritten_is_drawn_from_its_new_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = EmulatedJob(JOB, losses(4, 3, 2), status="RUNNING")
    async with Emulator([job]) as emulator, asyncio.timeout(30):
        live = Live(emulator, monkeypatch, lambda: None)
        following = asyncio.create_task(live.curves._follow())
        await read_to_the_end(emulator, job)
        job.rewrite(losses(9, 8))
        await read_to_the_end(emulator, job)
        job.finish("SUCCEEDED")
        assert await following == 0
    assert live.ended == [2]


def test_nothing_of_a_chart_is_left_on_a_terminal_of_another_size(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = Status()
    status.at_bottom = True
    for columns in (80, 40):
        monkeypatch.setenv("COLUMNS", str(columns))
        status.above, status.size_above = f"{columns}\n", os.terminal_size((columns, 24))
        status.draw({})
    assert capsys.readouterr().err == "\r\x1b[2K80\n\x1b[H\x1b[J40\n"
    status.draw({})
    assert capsys.readouterr().err == "\r\x1b[2K", "what stays is not written again"
    status.say("said")
    assert capsys.readouterr().err == "\x1b[1A\r\x1b[Jftlogs: said\n"
    status.draw({})
    status.leave()
    status.clear()
    assert capsys.readouterr().err == "\r\x1b[2K40\n"


ODD = ("\N{CJK UNIFIED IDEOGRAPH-8BAD}" * 30, "a" * 100, "b", "{'c': 1}")


@settings(max_examples=60)
@given(
    st.integers(1, 130),
    st.integers(1, 60),
    st.lists(st.sampled_from(ODD), min_size=1, max_size=30),
    st.lists(st.sampled_from(["loss", "grad_norm", "lr" * 40]), unique=True),
    st.booleans(),
)
def test_it_fits_on_any_terminal(
    columns: int, lines: int, names: list[str], metrics: list[str], coloured: bool
) -> None:
    values = {"loss": 2.5, "grad_norm": float("nan"), "lr" * 40: 1e300}
    logs = [
        read(str({**values, "step": 1}).replace("nan", "float('nan')"), str(values), name=name)
        for name in names
    ]
    drawing = Drawing(metrics, None, 0.6, None, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stderr.isatty", lambda: coloured)
        drawn = drawing.so_far(logs, os.terminal_size((columns, lines)))
    rows = ANSI.sub("", drawn).split("\n")
    assert rows.pop() == ""
    assert max(map(cell_len, rows)) <= columns
    assert len(rows) <= max(1, lines - 2)


PIECES = (
    *(
        "{'loss': 2.5, 'epoch': 0.1}",
        "{'eval_loss': 2.0, 'epoch': 0.1}",
        "{'loss': 2.25,",
        " 'step': 3}",
    ),
    *(" 10%|#  | 1/10 [00:01<00:09]", "{'loss': nan, 'step': 1}", "Traceback (most recent call last):"),
    *("ValueError: x", "Step\tLoss", "10\t2.5", "***** train metrics *****", "  train_loss = 0.5", ""),
)


@pytest.mark.covered
@given(st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6), max_size=6))
def test_what_is_drawn_of_a_log_so_far_is_what_would_be_drawn_if_it_ended_there(
    pages: list[list[str]],
) -> None:
    reader, lines = ReadPoints(JOB, None), list[str]()
    for page in pages:
        reader.read(list(enumerate(page, len(lines))))
        lines += page
        so_far = copy.deepcopy(reader).end().points
        whole = read(*lines).read.points
        assert list(so_far.values()) == list(whole.values()) or "nan" in str(lines)
        for column in ("offset", "step", "epoch", "kind", "segment"):
            ours, theirs = getattr(so_far, column), getattr(whole, column)
            assert ours.cells(0, len(whole)) == theirs.cells(0, len(whole))
