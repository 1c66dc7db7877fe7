"""What `tail` shows on a terminal: colours, the line at the bottom, nothing harmful."""

import asyncio
import logging
import signal
from datetime import datetime
from typing import Any

import attrs
import pytest
from live_jobs import FAST, JOB, LINES, grow
from rich.cells import cell_len

from dashscope_ftlogs import Followed, Job, LogPage
from dashscope_ftlogs.cli.tail.line_format import Lines, When
from dashscope_ftlogs.cli.tail.status import Outage, Point, Status
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Reset
from dashscope_ftlogs.metrics.live.live_points import LivePoint


async def test_a_terminal_gets_colours_a_status_line_and_nothing_that_could_harm_it(
    start_ftlogs: Any, terminal: Any
) -> None:
    lines = [
        "{'eval_accuracy': 0.5, 'eval_loss': 'unknown'}",
        *(f"{{'loss': 0.{n}, 'global_step/max_steps': '{n}/9'}}" for n in range(1, 9)),
        "evil \x1b[2J\x1b]0;title\x07",
        " 10%\r 20%",
    ]
    jobs = [EmulatedJob("ft-a", status="RUNNING"), EmulatedJob("ft-b", status="RUNNING")]
    async with Emulator(jobs) as emulator:
        async with terminal() as screen, asyncio.TaskGroup() as growing:
            words = ("tail", "-f", "-n", "all", "ft-a", "ft-b", *FAST, "--highlight", "evil")
            environ = {"TERM": "xterm-256color", "COLUMNS": "60"}
            process = await start_ftlogs(words, emulator, environ, stdout=screen.end, stderr=screen.end)
            for job in jobs:
                growing.create_task(grow(emulator, job, lines))
            assert await process.wait() == 0
    assert "ft-a RUNNING step 3/9 loss 0.3" in screen.shown
    assert "\x1b[2K" in screen.shown
    assert "evil\x1b[0m \\x1b[2J\\x1b]0;title\\x07" in screen.shown
    assert "\x1b[2J" not in screen.shown
    assert "\x1b]0" not in screen.shown
    assert " 10%" not in screen.shown
    assert "2 jobs: ft-a" in screen.shown  # too much for one line of this width
    assert screen.shown.endswith("lines\r\n")


async def test_the_line_at_the_bottom_has_step_and_loss_or_reward_whatever_trains(
    start_ftlogs: Any, terminal: Any
) -> None:
    lines = {
        "ft-a": [
            " iteration 10/ 100 | learning rate: 4.0E-05 | lm loss: 2.500000E+00 | grad norm: 1.250 |"
        ],
        "ft-b": [
            "step:7 - actor/entropy:0.5 - critic/rewards/mean:0.375 - training/global_step:7",
            "step:7 - val-core/a/reward/mean@1:0.25",
        ],
    }
    jobs = [EmulatedJob(job_id, status="RUNNING") for job_id in lines]
    async with Emulator(jobs) as emulator:
        async with terminal() as screen, asyncio.TaskGroup() as growing:
            words = ("tail", "-f", "-n", "all", *lines, *FAST)
            environ = {"TERM": "xterm-256color", "COLUMNS": "200"}
            process = await start_ftlogs(words, emulator, environ, stdout=screen.end, stderr=screen.end)
            for job in jobs:
                growing.create_task(grow(emulator, job, [*lines[job.job_id], "words"]))
            assert await process.wait() == 0
    assert "ft-a RUNNING step 10/100 lm loss 2.5" in screen.shown
    assert "ft-b RUNNING step 7 critic/rewards/mean 0.375" in screen.shown
    assert "reward/mean@1 0.25" not in screen.shown


@pytest.mark.posix
async def test_the_line_at_the_bottom_says_when_there_is_no_answer(
    start_ftlogs: Any, terminal: Any
) -> None:
    async with Emulator([EmulatedJob(JOB, LINES, status="RUNNING")]) as emulator:
        async with terminal() as screen:
            words = ("tail", "-f", JOB, *FAST, "--max-tries", "1")
            environ = {"TERM": "xterm-256color"}
            process = await start_ftlogs(words, emulator, environ, stdout=screen.end, stderr=screen.end)
            while not emulator.journal:
                await asyncio.sleep(0.01)
            emulator.faults = [Fault(Reset(), endpoint="any")]
            failed = len(emulator.journal)
            while len(emulator.journal) < failed + 20:
                await asyncio.sleep(0.01)
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130
    assert f"{JOB} no answer" in screen.shown


async def test_no_color_is_honoured(start_ftlogs: Any, terminal: Any) -> None:
    async with Emulator([EmulatedJob(JOB, LINES)]) as emulator:
        async with terminal() as screen:
            words = ("tail", JOB, "--prefix", "always", "--highlight", "line")
            process = await start_ftlogs(words, emulator, {"NO_COLOR": "1"}, stdout=screen.end)
            assert await process.wait() == 0
    assert "\x1b" not in screen.shown


def followed(count: int) -> dict[str, Followed]:
    ids = [f"ft-20241029165{n}-1c7{n}" for n in range(count)]
    return {job_id: Followed(job_id) for job_id in ids}


def test_five_jobs_have_short_names_at_the_bottom_and_leave_no_ghosts_when_it_is_resized(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = Status()
    status.at_bottom = True
    monkeypatch.setenv("COLUMNS", "100")
    status.draw(followed(5))
    told = "5 jobs: " + "  ".join(f"…1c7{n} looked up" for n in range(5))
    assert capsys.readouterr().err == f"\r\x1b[2K{told}"
    status.draw({f"team/{job_id}": one for job_id, one in followed(5).items()})
    assert "5 jobs: team/…1c70 looked up  team/…1c71" in capsys.readouterr().err
    status.draw(followed(5))
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", "40")
    status.draw(followed(1))
    assert capsys.readouterr().err.startswith("\r\x1b[2K" + 2 * "\x1b[1A\x1b[2K" + "ft-20241029")
    status.clear()
    status.clear()
    assert capsys.readouterr().err == "\r\x1b[2K"


def test_a_job_that_has_ended_is_not_called_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    status, job = Status(), Job("ft-1", "RUNNING")
    status.at_bottom = True
    status.draw({"ft-1": attrs.evolve(Followed("ft-1"), job=job, silence=20.0)})
    assert "ft-1 RUNNING quiet for 20 s" in capsys.readouterr().err
    job = Job("ft-1", "SUCCEEDED")
    status.draw({"ft-1": attrs.evolve(Followed("ft-1"), job=job, silence=20.0, settling=True)})
    assert capsys.readouterr().err.endswith("ft-1 SUCCEEDED, waits for late lines")


@pytest.mark.parametrize("columns", [2, 10, 24, 40, 62, 63, 80])
def test_the_line_at_the_bottom_and_the_sign_of_ctrl_c_stay_on_one_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    status = Status()
    status.at_bottom = True
    status.learn(next(iter(followed(1))), LivePoint({"训练损失 loss": 1.5}))
    monkeypatch.setenv("COLUMNS", str(columns))
    for count in (1, 2):
        status.draw(followed(count))
        shown = capsys.readouterr().err.rpartition("\x1b[2K")[2]
        assert 0 < cell_len(shown) < max(2, columns - len("^C"))


def test_no_two_jobs_have_the_same_colour_as_long_as_there_are_others() -> None:
    view = Lines(colour=When.ALWAYS, prefix=When.ALWAYS).view(several=True)
    now = datetime.now().astimezone()
    heads = [view.shown(LogPage(f"ft-{n}", 0, ("x",), 1), now).partition(b"[ft")[0] for n in range(13)]
    assert len(set(heads[:12])) == 12
    assert heads[12] in heads[:12]
    assert view.shown(LogPage("ft-0", 1, ("x",), 2), now).startswith(heads[0])


def retry(attempt: int, seconds: float, what: str = "page") -> logging.LogRecord:
    facts = {"what": what, "job_id": "ft-1", "offset": 5, "attempt": attempt}
    record = logging.makeLogRecord({f"ftlogs_{name}": value for name, value in facts.items()})
    record.msg, record.relativeCreated = f"HTTP 503, try {attempt}", seconds * 1000
    return record


def test_an_outage_is_told_after_a_few_seconds_and_once() -> None:
    said: list[str] = []
    outage = Outage(said.append)
    outage.emit(logging.makeLogRecord({"msg": "something else"}))
    for attempt, seconds in ((1, 10.0), (2, 11.0), (3, 13.5), (4, 17.0)):
        outage.emit(retry(attempt, seconds))
    outage.emit(retry(2, 18.0, "job"))
    assert said == ["no answer for 4 s: HTTP 503, try 3"]
    outage.over()
    for attempt, seconds in ((1, 20.0), (2, 22.0), (3, 24.0)):
        outage.emit(retry(attempt, seconds))
    assert said[1:] == ["no answer for 4 s: HTTP 503, try 3"]


async def test_off_a_terminal_the_wait_for_late_lines_is_told_once(start_ftlogs: Any) -> None:
    job = EmulatedJob(JOB, LINES, status="RUNNING")
    async with Emulator([job]) as emulator:
        words = ("tail", "-f", JOB, "--shortest-poll", "0.02", "--longest-poll", "0.1", "--settle", "3")
        process = await start_ftlogs(words, emulator)
        await process.stdout.readline()
        job.finish("SUCCEEDED")
        _, err = await process.communicate()
    assert err.decode().splitlines() == [
        f"ftlogs: {JOB}: has ended; lines that come late are waited for, for up to 3s",
        f"ftlogs: {JOB}: finished: SUCCEEDED, 20 lines",
    ]


def test_a_step_that_each_epoch_has_is_told_with_its_epoch_once_that_is_known() -> None:
    point = Point()
    shown: list[str] = []
    for epoch, step in ((1, 4), (1, 9), (2, 4), (2, 9)):
        point.learn(LivePoint({"loss": 1.5}, step=step, total_steps=10, epoch=float(epoch)))
        shown.append(point.step)
    point.learn(LivePoint({"val_loss": 1.5}, "eval", 9, 10, 2.0))
    assert shown == [" step 4/10", " step 9/10", " epoch 2 step 4/10", " epoch 2 step 9/10"]
    assert point.step == " epoch 2 step 9/10"


@pytest.mark.parametrize(("count", "told"), [(1, "1 job: "), (2, "2 jobs: ")])
def test_a_line_that_is_too_narrow_counts_jobs_as_people_do(
    count: int, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "12")
    status = Status()
    status.at_bottom = True
    status.draw(followed(count))
    assert told in capsys.readouterr().err
