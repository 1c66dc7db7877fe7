"""What `tail` shows on a terminal: colours, the line at the bottom, nothing harmful."""

import asyncio
import signal
from typing import Any

import pytest
from live_jobs import FAST, JOB, LINES, grow

from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Reset


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
