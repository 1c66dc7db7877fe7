"""`ftlogs tail` as a process of its own: what is printed, what is said, and how it ends."""

import asyncio
import json
import os
import re
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from live_jobs import FAST, JOB, LINES, grow, live

from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Refuse, Reset, Schedule


async def test_without_follow_the_last_lines_are_printed_and_only_they_are_fetched(ftlogs: Any) -> None:
    lines = [str(n) for n in range(5000)]
    async with Emulator([EmulatedJob(JOB, lines, status="RUNNING")]) as emulator:
        ended = await ftlogs("tail", JOB, "-n", "3", emulator=emulator)
        assert (ended.code, ended.out, ended.err) == (0, b"4997\n4998\n4999\n", "")
        assert sum(exchange.lines for exchange in emulator.journal) <= 4
        ended = await ftlogs("tail", JOB, emulator=emulator)
        assert ended.out.split() == [b"%d" % n for n in range(4990, 5000)]
        ended = await ftlogs("tail", f"{JOB}:4999", emulator=emulator)
        assert ended.out == b"4999\n"
        ended = await ftlogs("tail", "-n", "all", JOB, emulator=emulator)
        assert ended.out.decode().split() == lines
        ended = await ftlogs("tail", "-n", "0", JOB, emulator=emulator)
        assert (ended.code, ended.out) == (0, b"")


@pytest.mark.parametrize("follow", [(), ("-f",)])
async def test_an_offset_beyond_the_end_prints_nothing_and_says_so(
    ftlogs: Any, follow: tuple[str, ...]
) -> None:
    async with Emulator([EmulatedJob(JOB, LINES)]) as emulator:
        ended = await ftlogs("tail", *follow, f"{JOB}:50", emulator=emulator)
    assert (ended.code, ended.out) == (2, b"")
    assert ended.err.endswith(f"offset 50: the log of {JOB} has only 20 lines.\n")


async def test_several_jobs_are_told_apart_by_a_prefix(ftlogs: Any) -> None:
    jobs = [EmulatedJob("ft-a", ["one"]), EmulatedJob("ft-b", ["two"])]
    async with Emulator(jobs) as emulator:
        ended = await ftlogs("tail", "ft-a", "ft-b", emulator=emulator)
        assert ended.out == b"[ft-a] one\n[ft-b] two\n"
        ended = await ftlogs("tail", "ft-a", "ft-b", "--prefix", "never", emulator=emulator)
        assert ended.out == b"one\ntwo\n"
        words = ("tail", "ft-a", "--prefix", "always", "--color", "always")
        first = await ftlogs(*words, emulator=emulator)
        again = await ftlogs(*words, emulator=emulator)
        assert first.out == again.out
        assert re.fullmatch(rb"\x1b\[\d+m\[ft-a\]\x1b\[0m one\n", first.out)


@pytest.mark.covered
@pytest.mark.parametrize(("status", "code"), [("SUCCEEDED", 0), ("FAILED", 7), ("CANCELED", 8)])
async def test_a_followed_job_s_end_is_the_exit_code(ftlogs: Any, status: str, code: int) -> None:
    async with Emulator([live(LINES, status=status)]) as emulator:
        ended = await ftlogs("tail", "-f", "-n", "all", JOB, *FAST, emulator=emulator)
    assert ended.code == code
    assert ended.out.decode().splitlines() == LINES
    said = f"ftlogs: {JOB}: finished: {status}, 20 lines"
    if status == "FAILED":
        said += "; the service says InternalError: Internal server error!; "
        said += f"`ftlogs show {JOB}` looks into its log"
    assert ended.err == f"{said}\n"


async def test_one_failed_job_among_many_decides(ftlogs: Any) -> None:
    jobs = [
        live(LINES, job_id="ft-a"),
        live(LINES, job_id="ft-b", status="FAILED"),
        live(LINES, job_id="ft-c", status="CANCELED"),
    ]
    async with Emulator(jobs) as emulator:
        ended = await ftlogs("tail", "-f", "ft-a", "ft-b", "ft-c", "--stats", *FAST, emulator=emulator)
    assert ended.code == 7
    for job in jobs:
        mine = [line for line in ended.out.decode().splitlines() if line.startswith(f"[{job.job_id}]")]
        assert mine[-1] == f"[{job.job_id}] line 19"
    assert "LAG, MEDIAN" in ended.err
    assert re.search(r"\d+ requests, \d+ at once at most; lags are estimates", ended.err)


async def test_a_reader_that_has_seen_enough_ends_it_at_once(start_ftlogs: Any) -> None:
    lines = [*LINES, "finetune-job succeeded"]
    job = EmulatedJob(JOB, lines, status="RUNNING", schedule=Schedule([0.02 * n for n in range(21)]))
    async with Emulator([job]) as emulator:
        process = await asyncio.create_subprocess_shell(
            f"'{sys.executable}' -m dashscope_ftlogs tail -f -n all {JOB} --shortest-poll 0.05"
            " | grep -m1 succeeded",
            env={**os.environ, **emulator.environ},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        # The job never ends, and no line comes after the one that is looked for.
        out, err = await asyncio.wait_for(process.communicate(), 20)
    assert (process.returncode, out, err) == (0, b"finetune-job succeeded\n", b"")


async def test_lines_come_through_a_pipe_one_by_one(start_ftlogs: Any) -> None:
    job = EmulatedJob(JOB, ["first"], status="RUNNING")
    async with Emulator([job]) as emulator:
        process = await start_ftlogs(("tail", "-f", JOB, *FAST), emulator)
        for n in range(5):
            assert await process.stdout.readline() == (b"first\n" if n == 0 else b"%d\n" % n)
            job.append(str(n + 1))
        job.finish("SUCCEEDED")
        await process.communicate()
        assert process.returncode == 0


@pytest.mark.posix
async def test_ctrl_c_says_that_the_job_goes_on_and_how_to_resume(
    start_ftlogs: Any, ftlogs: Any
) -> None:
    jobs = [EmulatedJob(job_id, LINES, status="RUNNING") for job_id in ("ft-a", "ft-b")]
    async with Emulator(jobs) as emulator:
        process = await start_ftlogs(("tail", "-f", "-n", "2", "ft-a", "ft-b:15", *FAST), emulator)
        for _ in range(7):
            await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
        assert process.returncode == 130
        resume = f"ftlogs tail -f ft-a:20 ft-b:20 {' '.join(FAST)}"
        assert err.decode() == f"ftlogs: the jobs go on; resume with: {resume}\n"
        jobs[0].append("more")
        jobs[0].finish("SUCCEEDED")
        ended = await ftlogs("tail", "-f", "ft-a:20", *FAST, emulator=emulator)
        assert ended.out == b"more\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((JOB,), "interrupted"),
        (("-f", JOB), "the job goes on; resume with: ftlogs tail -f ft-1"),
        (("--all-running",), "stopped; resume with: ftlogs tail -f --all-running"),
    ],
)
@pytest.mark.posix
async def test_an_interrupt_before_the_first_answer_is_quiet(
    start_ftlogs: Any, words: Any, said: str
) -> None:
    async with Emulator([EmulatedJob(JOB, LINES)], latency=60) as emulator:
        process = await start_ftlogs(("tail", *words), emulator)
        while not emulator.in_flight:
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert process.returncode == 130
    assert err.decode() == f"ftlogs: {said}\n"


async def test_lines_can_be_chosen(ftlogs: Any) -> None:
    lines = [
        "2025-12-06 20:26:57,402 - INFO - start",
        "{'loss': 1.0}",
        "2025-12-06 20:26:58,402 - WARNING - careful",
        "  which goes on here",
        "2025-12-06 20:26:59,402 - ERROR - broken",
        "Traceback (most recent call last):",
        "2025-12-06 20:27:00,402 - INFO - end",
    ]
    async with Emulator([EmulatedJob(JOB, lines)]) as emulator:

        async def chosen(*words: str) -> list[int]:
            ended = await ftlogs("tail", JOB, *words, emulator=emulator)
            assert ended.code == 0
            return [lines.index(line) for line in ended.out.decode().splitlines()]

        assert await chosen("--level", "warning") == [2, 3, 4, 5]
        assert await chosen("--level", "ERROR") == [4, 5]
        assert await chosen("-f", *FAST, "--level", "CRITICAL") == []
        assert await chosen("--grep", "loss|start") == [0, 1]
        assert await chosen("--exclude", "^2025") == [1, 3, 5]
        assert await chosen("--grep", "2025", "--exclude", "INFO") == [2, 4]
        assert await chosen("--grep", "loss", "--grep", "start") == [0, 1]
        assert await chosen("--exclude", "^2025", "--exclude", "loss") == [3, 5]
        ended = await ftlogs(
            "tail", JOB, "--highlight", "l.ss|$", "--color", "always", emulator=emulator
        )
        assert b"{'\x1b[1;7mloss\x1b[0m': 1.0}\n" in ended.out


async def test_rows_hold_the_line_and_where_it_is_from(ftlogs: Any) -> None:
    nasty = ["a\rb", '"quoted"', "\x1b[2J", "half \ud83d"]
    async with Emulator([EmulatedJob(JOB, nasty)]) as emulator:
        ended = await ftlogs("tail", JOB, "--format", "jsonl", "--timestamps", emulator=emulator)
        bare = await ftlogs("tail", JOB, "--format", "jsonl", emulator=emulator)
    rows = [json.loads(row) for row in ended.out.splitlines()]
    assert [row["line"] for row in rows] == nasty
    assert [row["offset"] for row in rows] == [0, 1, 2, 3]
    assert {row["job_id"] for row in rows} == {JOB}
    assert [json.loads(row) for row in bare.out.splitlines()] == [
        {"job_id": JOB, "offset": n, "line": line} for n, line in enumerate(nasty)
    ]
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", row["received"]) for row in rows)


async def test_redraws_are_collapsed_and_lines_stamped_where_asked_for(ftlogs: Any) -> None:
    async with Emulator([EmulatedJob(JOB, [" 10%\r 20%\r", "\r", "plain"])]) as emulator:
        ended = await ftlogs("tail", JOB, "--collapse", "--timestamps", emulator=emulator)
        as_is = await ftlogs("tail", JOB, emulator=emulator)
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "
    assert re.fullmatch(f"{stamp} 20%\n{stamp}\n{stamp}plain\n", ended.out.decode())
    assert as_is.out == b" 10%\r 20%\r\n\r\nplain\n"


@pytest.mark.parametrize(("option", "code"), [("--fail-on", 9), ("--until", 0)])
async def test_a_condition_that_is_met_ends_it_with_its_line(
    ftlogs: Any, option: str, code: int
) -> None:
    lines = ["{'loss': 0.9}", "{'loss': 0.6}", "{'loss': 0.4}", "{'loss': 0.3}"]
    async with Emulator([EmulatedJob(JOB, lines, status="RUNNING")]) as emulator:
        words = (*FAST, option, "loss<0.5", "--grep", "lo ss|loss", "--prefix", "never")
        ended = await ftlogs("tail", "-f", JOB, *words, emulator=emulator)
    assert ended.code == code
    assert ended.out.decode().splitlines() == lines[:3]
    said, _, resume = ended.err.partition("; the job goes on; resume with: ftlogs ")
    assert said == f"ftlogs: loss<0.5: {JOB} line 3: {{'loss': 0.4}}"
    first, *others = shlex.split(resume.removeprefix(f"tail -f {JOB}:3 "))
    pairs = dict(zip([first, *others][::2], others[::2], strict=True))
    assert pairs == dict(zip(words[::2], words[1::2], strict=True))


async def test_nan_and_stalls_are_noticed(ftlogs: Any) -> None:
    lines = ["{'loss': 0.9}", "nan in words", "{'loss': nan, 'epoch': 1.0}"]
    async with Emulator([EmulatedJob(JOB, lines, status="RUNNING")]) as emulator:
        ended = await ftlogs("tail", "-f", JOB, *FAST, "--fail-on", "nan", emulator=emulator)
        assert ended.code == 9
        assert "line 3: {'loss': nan" in ended.err
        words = ("--fail-on", "stall=1s", "--fail-on", "loss>99")
        ended = await ftlogs("tail", "-f", JOB, *FAST, *words, emulator=emulator)
        assert ended.code == 9
        assert re.search(r"stall=1s: ft-1: no line for \ds after line 3; the job goes on", ended.err)


async def test_conditions_see_a_log_from_its_first_line_unless_n_says_less(ftlogs: Any) -> None:
    lines = ["{'loss': nan}", *(f"{{'loss': {n}.0}}" for n in range(40))]
    async with Emulator([EmulatedJob(JOB, lines)]) as emulator:
        words = ("tail", "-f", JOB, *FAST, "--fail-on", "nan")
        ended = await ftlogs(*words, emulator=emulator)
        assert (ended.code, ended.out.decode().splitlines()) == (9, lines[:1])
        ended = await ftlogs(*words, "-n", "5", emulator=emulator)
        assert (ended.code, ended.out.decode().splitlines()) == (0, lines[-5:])


async def test_a_condition_on_what_no_line_has_is_told_of_in_the_end(ftlogs: Any) -> None:
    lines = ["{'loss': 1.5, 'elapsed': 'long', 'epoch': 1.0}", "words"]
    many = ["{'loss': 1.0, " + ", ".join(f"'m{n}': 1.0" for n in range(22)) + "}"]
    async with Emulator([EmulatedJob(JOB, lines), EmulatedJob("ft-2", many)]) as emulator:

        async def told(job_id: str, *conditions: str) -> list[str]:
            words = [word for one in conditions for word in ("--until", one)]
            ended = await ftlogs("tail", "-f", job_id, *FAST, *words, emulator=emulator)
            assert ended.code == 10
            _, *said, unmet = ended.err.splitlines()
            assert unmet == f"ftlogs: {job_id}: SUCCEEDED, never met {' or '.join(conditions)}"
            return [line.removeprefix("ftlogs: ") for line in said]

        assert await told(JOB, "LOSS<9", "loss<1", "nan", "stall=1h", "step>3") == [
            f"{condition}: no line that was watched has {name}; they have loss, epoch"
            for condition, name in (("LOSS<9", "LOSS"), ("step>3", "step"))
        ]
        (said,) = await told("ft-2", "lossy<1")
        assert said.endswith("they have loss, " + "".join(f"m{n}, " for n in range(19)) + "and 3 more")


@pytest.mark.parametrize("follow", [(), ("-f", *FAST)], ids=str)
@pytest.mark.parametrize(
    ("job_id", "words", "told"),
    [
        ("ft-words", (), "they have nothing; what no known form fits is read by --pattern"),
        ("ft-words", ("--pattern", r"(?P<b>\d+)"), "they have nothing; --pattern finds nothing either"),
        ("ft-words", ("-n", "1"), "they have nothing; without -n, all lines are looked at"),
        ("ft-both", ("-n", "1"), "they have nothing; without -n, all lines are looked at"),
        ("ft-both", ("-n", "2"), "they have loss; without -n, all lines are looked at"),
        ("ft-both", (), "they have loss"),
        (
            "ft-both",
            ("-n", "0"),
            "no line was watched, so none has a; without -n, all lines are looked at",
        ),
        ("ft-empty", (), "no line was watched, so none has a"),
    ],
    ids=str,
)
async def test_it_is_said_why_no_line_has_what_a_condition_is_about(
    ftlogs: Any, job_id: str, words: tuple[str, ...], told: str, follow: tuple[str, ...]
) -> None:
    jobs = {"ft-words": ["words", "more words"], "ft-both": ["{'loss': 1.5}", "words"], "ft-empty": []}
    async with Emulator([EmulatedJob(name, lines) for name, lines in jobs.items()]) as emulator:
        ended = await ftlogs("tail", *follow, job_id, *words, "--until", "a<1", emulator=emulator)
    assert ended.code == 10
    said = ended.err.splitlines()[-2].removeprefix("ftlogs: a<1: ")
    assert said.removeprefix("no line that was watched has a; ") == told


async def test_where_no_job_runs_nothing_is_said_of_lines(ftlogs: Any) -> None:
    async with Emulator([EmulatedJob(JOB, LINES)]) as emulator:
        ended = await ftlogs("tail", "--all-running", "--until", "loss<0", emulator=emulator)
    assert (ended.code, ended.out, ended.err) == (10, b"", "ftlogs: no job is running\n")


async def test_an_outage_is_said_once_for_all_jobs_and_followed_through(start_ftlogs: Any) -> None:
    jobs = [EmulatedJob(f"ft-{n}", LINES, status="RUNNING") for n in range(5)]
    async with Emulator(jobs) as emulator:
        ids = [job.job_id for job in jobs]
        words = ("tail", "-f", "-n", "all", *ids, *FAST, "--max-tries", "1")
        process = await start_ftlogs(words, emulator)
        await process.stdout.readline()
        emulator.faults = [Fault(Reset(), endpoint="any")]
        # Until it is said: what fails once on a reused connection is sent again by aiohttp itself.
        told = await process.stderr.readline()
        emulator.faults = []
        for job in jobs:
            job.finish("SUCCEEDED")
        out, err = await process.communicate()
    assert process.returncode == 0
    assert out.count(b"\n") == 5 * 20 - 1
    assert (told + err).count(b"disconnected: no answer") == 1
    assert b"connected: again, after" in err


async def test_it_gives_up_after_the_time_it_was_given(ftlogs: Any) -> None:
    async with Emulator(
        [EmulatedJob(JOB, LINES)], faults=[Fault(Refuse(503), endpoint="any")]
    ) as emulator:
        words = ("--max-tries", "1", "--give-up-after", "2s")
        ended = await ftlogs("tail", "-f", JOB, *FAST, *words, emulator=emulator)
    assert ended.code == 5
    # A slow machine has given up by the time that the first answer comes.
    assert "HTTP 503" in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err


@pytest.mark.linux
async def test_output_that_finds_no_room_ends_it(start_ftlogs: Any) -> None:
    with Path("/dev/full").open("wb") as full:
        async with Emulator([EmulatedJob(JOB, LINES)]) as emulator:
            process = await start_ftlogs(("tail", "-f", JOB, *FAST), emulator, stdout=full)
            _, err = await process.communicate()
    assert process.returncode == 1
    assert err == b"ftlogs: cannot write the output: [Errno 28] No space left on device\n"


async def test_a_job_that_does_not_exist_is_said_once(ftlogs: Any) -> None:
    async with Emulator([live(LINES)]) as emulator:
        ended = await ftlogs("tail", "-f", "ft-gone", emulator=emulator)
        assert (ended.code, ended.out, ended.err.count("Not found!")) == (4, b"", 1)
        ended = await ftlogs("tail", "-f", "-n", "all", JOB, "ft-gone", *FAST, emulator=emulator)
        assert (ended.code, ended.err.count("Not found!")) == (4, 1)
        assert ended.out.decode().splitlines()[-1] == f"[{JOB}] line 19"
        emulator.api_key = "sk-other"
        ended = await ftlogs("tail", "-f", JOB, environ={
            "DASHSCOPE_API_KEY": "sk-wrong", "DASHSCOPE_BASE_URL": emulator.base_url
        })  # fmt: skip
        assert (ended.code, ended.out) == (3, b"")


async def test_all_running_jobs_are_followed_until_none_runs(ftlogs: Any) -> None:
    jobs = [EmulatedJob(job_id, status="RUNNING") for job_id in ("ft-a", "ft-c")]
    over = EmulatedJob("ft-b", ["over"], status="SUCCEEDED")
    async with Emulator([*jobs, over]) as emulator:
        words = ("tail", "--all-running", "-n", "all", "--look-every", "0.3", *FAST)
        async with asyncio.TaskGroup() as growing:
            for job, status in zip(jobs, ("SUCCEEDED", "CANCELED"), strict=True):
                growing.create_task(grow(emulator, job, LINES, status))
            ended = await ftlogs(*words, emulator=emulator)
        assert ended.code == 8
        assert ended.out.count(b"[ft-a] line") == ended.out.count(b"[ft-c] line") == 20
        assert b"over" not in ended.out
        ended = await ftlogs("tail", "--all-running", emulator=emulator)
        assert (ended.code, ended.out, ended.err) == (0, b"", "ftlogs: no job is running\n")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "say which jobs: by id, or --all-running"),
        ((JOB, "--give-up-after", "1m"), "--give-up-after: only with -f"),
        ((JOB, "--settle", "0"), "--settle: only with -f"),
        ((JOB, "--stats"), "--stats: only with -f"),
        *(
            ((log, "--pattern", r"(?P<loss>\d+)"), "--pattern: names what --fail-on or --until looks at")
            for log in (JOB, "own.log", "-")
        ),
        (("../x",), "job id '../x'"),
        ((f"{JOB}:x",), "'ft-1:x': what follows the colon must be the number of a line, 0 or more"),
        ((f"{JOB}:",), "'ft-1:': what follows the colon"),
        ((JOB, f"{JOB}:3"), f"{JOB} is named twice, with two places to begin at"),
        ((f"{JOB}:1", f"{JOB}:3"), "is named twice"),
        (
            (JOB, "-f", "--settle", "nan"),
            "'--settle': 'nan': must be a duration such as 45s or 2m, or seconds, 0",
        ),
        (
            (JOB, "--timeout", "1e300"),
            "'--timeout': '1e300': must be a duration such as 45s or 2m, or seconds,",
        ),
        ((JOB, "-f", "--look-every", "0"), "'--look-every': '0': must be"),
        ((JOB, "-n", "many"), "-n 'many': must be a whole number, 0 or more, or all"),
        ((JOB, "--grep", "("), "--grep '('"),
        ((JOB, "--grep", "a{99999999999999999999}"), "--grep 'a{99999999999999999999}'"),
        ((JOB, "--highlight", "(" * 3000 + ")" * 3000), "--highlight '((("),
        ((JOB, "--exclude", "[a"), "--exclude '[a'"),
        ((JOB, "--highlight", "*"), "--highlight '*'"),
        ((JOB, "--level", "loud"), "'loud'"),
        ((JOB, "-f", "--fail-on", "loss"), "condition 'loss': must be nan, stall=DURATION"),
        ((JOB, "-f", "--until", "__import__('os')<1e"), "must be nan"),
        ((JOB, "-f", "--fail-on", "stall=soon"), "must be nan"),
        ((JOB, "-f", "--give-up-after", "1 week"), "must be a duration"),
        (
            (JOB, "-f", "--shortest-poll", "0"),
            "'--shortest-poll': '0': must be a duration such as",
        ),
        (
            (JOB, "-f", "--shortest-poll", "30"),
            "--longest-poll 15s: must be at least --shortest-poll, 30s",
        ),
    ],
    ids=str,
)
async def test_wrong_usage_is_refused_with_2_before_any_request(
    ftlogs: Any, words: tuple[str, ...], reason: str
) -> None:
    async with Emulator([EmulatedJob(JOB, LINES)]) as emulator:
        ended = await ftlogs("tail", *words, emulator=emulator)
        assert (ended.code, ended.out) == (2, b"")
        assert reason in ended.err
        assert "Traceback" not in ended.err
        assert emulator.journal == []


async def test_a_level_shows_its_messages_and_what_belongs_to_them_but_no_training(ftlogs: Any) -> None:
    quiet = [
        "2025-12-06 20:28:19,002 - INFO - start to fine-tune",
        "said on",
        *(f"{{'loss': {n}.5, 'epoch': {n}}}" for n in range(3)),
        " 10%|#  | 20/200 [00:10<01:00,  1.2s/it]",
        "DEBUG:asyncio:Using selector",
        "{'note': 'WARNING: none'}",
    ]
    loud = [
        "WARNING:root:the tokenizer is slow",
        "and more of it",
        "train.py:12: FutureWarning: torch.load is odd",
        "  torch.load(path)",
        "[WARNING|trainer.py:816] 2025-12-06 20:28:19,002 >> no label",
        "WARN: the disk is nearly full",
        "FATAL: gone",
    ]
    failure = [
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "Traceback (most recent call last):",
        '  File "train.py", line 3, in <module>',
        "    main()",
        "RuntimeError: boom",
    ]
    lines = [*quiet, *loud, *quiet, *failure, *quiet]
    async with Emulator([EmulatedJob(JOB, lines)]) as emulator:
        words = ("tail", "-n", "all", JOB, "--level")
        warnings = await ftlogs(*words, "warning", emulator=emulator)
        errors = await ftlogs(*words, "error", emulator=emulator)
        debug = await ftlogs(*words, "debug", emulator=emulator)
    assert warnings.out.decode().splitlines() == [*loud, *failure]
    assert errors.out.decode().splitlines() == ["FATAL: gone", *failure]
    assert debug.out.decode().splitlines() == lines
