"""What `tail -f` says when it is stopped, and what the command that it names prints from there."""

import asyncio
import shlex
import signal
from typing import Any

import attrs
import pytest
from live_jobs import FAST, grow

from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Refuse, Reply, Stall
from dashscope_ftlogs.emulator.answers import Page

FIRST = {"ft-a": [f"a {n}" for n in range(38)], "ft-b": [f"b {n}" for n in range(30)]}
LATER = {job_id: [*lines, f"{job_id[-1]} last"] for job_id, lines in FIRST.items()}


def hint(err: str) -> list[str]:
    said, _, command = err.strip().rpartition("; resume with: ftlogs ")
    assert said.startswith("ftlogs: ")
    return shlex.split(command)


@pytest.mark.unmeasured
@pytest.mark.posix
@pytest.mark.parametrize("silent", ["status", "log", "nothing"])
@pytest.mark.parametrize(
    ("begin", "expected"),
    [
        (("-n", "all", "ft-a", "ft-b"), {"ft-a": 0, "ft-b": 0}),
        (("-n", "3", "ft-a", "ft-b:7"), {"ft-a": 35, "ft-b": 7}),
        (("-n", "3", "ft-a", "ft-b"), {"ft-a": 35, "ft-b": 27}),
        (("-n", "all", "--all-running"), {"ft-a": 0, "ft-b": 0}),
        (("-n", "0", "--all-running"), {"ft-a": 38, "ft-b": 30}),
    ],
    ids=str,
)
async def test_what_is_printed_before_a_stop_and_after_it_is_what_one_run_prints(
    start_ftlogs: Any,
    begin: tuple[str, ...],
    expected: dict[str, int],
    silent: str,
) -> None:
    """The one job was printed when it stops; of the other, this much was heard."""
    jobs = [EmulatedJob(job_id, lines, status="RUNNING") for job_id, lines in FIRST.items()]
    faults = {
        "status": [Fault(Stall(60), endpoint="job", job_id="ft-b")],
        "log": [Fault(Stall(60), endpoint="logs", job_id="ft-b")],
        "nothing": [],
    }[silent]
    async with Emulator(jobs, faults=faults) as emulator:
        process = await start_ftlogs(("tail", "-f", *begin, *FAST, "--prefix", "always"), emulator)
        first = b""
        for _ in range(len(FIRST["ft-a"]) - expected["ft-a"]):
            first += await process.stdout.readline()
        while not heard(emulator, "ft-a", "logs") or not (
            heard(emulator, "ft-b", "logs") if silent == "nothing" else hangs(emulator)
        ):
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        rest, err = await process.communicate()
        emulator.faults = []
        words = hint(err.decode())
        assert ("--all-running" in words) == ("--all-running" in begin)
        before = len(emulator.journal)
        often = ("--look-every", "0.1") if "--all-running" in words else ()
        resumed = await start_ftlogs((*words, *often), emulator)
        while not all(heard(emulator, job_id, "logs", before) for job_id in expected):
            await asyncio.sleep(0.01)
        for job_id, job in emulator.jobs.items():
            await grow(emulator, job, LATER[job_id][-1:])
        again, _ = await resumed.communicate()
    printed = (first + rest + again).decode().splitlines()
    for job_id, at in expected.items():
        mine = [line for line in printed if line.startswith(f"[{job_id}]")]
        assert mine == [f"[{job_id}] {line}" for line in LATER[job_id][at:]]


def heard(emulator: Emulator, job_id: str, endpoint: str, since: int = 0) -> bool:
    return any(
        exchange.job_id == job_id and exchange.endpoint == endpoint and exchange.status == 200
        for exchange in emulator.journal[since:]
    )


def hangs(emulator: Emulator) -> bool:
    return any(exchange.fault == "Stall" for exchange in emulator.journal)


@pytest.mark.posix
async def test_a_job_that_has_ended_is_named_until_all_of_it_was_read(start_ftlogs: Any) -> None:
    jobs = [EmulatedJob("ft-a", ["a 0"]), EmulatedJob("ft-b", ["b 0"])]
    async with Emulator(jobs, faults=[Fault(Stall(60), job_id="ft-b", on=[2, 3])]) as emulator:
        process = await start_ftlogs(("tail", "-f", "ft-a", "ft-b", *FAST), emulator)
        told = await process.stderr.readline()
        while not hangs(emulator):
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert told == b"ftlogs: ft-a: finished: SUCCEEDED, 1 line\n"
    assert err.decode().startswith("ftlogs: stopped; resume with: ftlogs tail -f ft-b:0 --")


@pytest.mark.posix
async def test_flags_and_what_a_terminal_could_take_for_orders_are_repeated_harmlessly(
    start_ftlogs: Any,
) -> None:
    async with Emulator([EmulatedJob("ft-a", ["a"], status="RUNNING")]) as emulator:
        until = ("--until", "loss<1", "--until", "step>9")
        words = ("--no-collapse", "--raw", "--grep", "a|\x1b2J", *until)
        process = await start_ftlogs(("tail", "-f", "ft-a", *words), emulator)
        assert await process.stdout.readline() == b"a\n"
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert b"\x1b" not in err
    resume = hint(err.decode())
    assert resume[:3] == ["tail", "-f", "ft-a:1"]
    assert {"--no-collapse", "--raw", "loss<1", "step>9"} < set(resume)
    assert b"--grep $'a|\\0332J'" in err


async def test_jobs_can_be_named_beside_all_that_run(start_ftlogs: Any) -> None:
    jobs = [
        EmulatedJob("ft-a", ["a 0", "a 1"], status="RUNNING"),
        EmulatedJob("ft-b", ["b 0", "b 1"], status="RUNNING"),
    ]
    async with Emulator([*jobs, EmulatedJob("ft-c", ["c 0"])]) as emulator:
        words = ("tail", "ft-a:1", "ft-c", "--all-running", "-n", "all", "--look-every", "0.1", *FAST)
        process = await start_ftlogs(words, emulator)
        # However long the command takes to begin, they run until then.
        printed = [await process.stdout.readline() for _ in range(4)]
        for job in jobs:
            job.status = "SUCCEEDED"
        more, _ = await process.communicate()
    assert (process.returncode, sorted(b"".join([*printed, more]).decode().splitlines())) == (
        0,
        ["[ft-a] a 1", "[ft-b] b 0", "[ft-b] b 1", "[ft-c] c 0"],
    )


@pytest.mark.posix
async def test_a_last_line_that_went_on_is_no_other_place(start_ftlogs: Any) -> None:
    job = EmulatedJob("ft-a", ["a", "b 10%"], status="RUNNING")
    async with Emulator([job]) as emulator:
        process = await start_ftlogs(("tail", "-f", "ft-a", *FAST), emulator)
        assert await process.stdout.readline() == b"a\n"
        assert await process.stdout.readline() == b"b 10%\n"
        job.rewrite(["a", "b 10% 20%"])
        told = await process.stderr.readline()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert told.startswith(b"ftlogs: ft-a: line 1 goes on")
    assert hint(err.decode())[2] == "ft-a:2"


def evaluations(*losses: float) -> list[str]:
    return [f"{{'eval_loss': {loss}, 'epoch': {number}}}" for number, loss in enumerate(losses)]


@pytest.mark.parametrize(
    ("condition", "before", "after", "code", "printed"),
    [
        ("eval_loss>best*1.2", (1.0, 1.1), (1.5, 1.0), 9, 1),
        ("eval_loss>1.2 for 3", (1.5, 1.5), (1.5, 1.0), 9, 1),
        ("eval_loss>1.2 for 3", (1.5, 1.5, 1.5), (1.0, 1.5), 0, 2),  # met before, and gone on with
        ("eval_loss>1.2", (1.5,), (1.0, 1.1), 0, 2),
    ],
)
async def test_a_watch_that_is_gone_on_with_decides_as_one_that_was_never_stopped(
    ftlogs: Any,
    condition: str,
    before: tuple[float, ...],
    after: tuple[float, ...],
    code: int,
    printed: int,
) -> None:
    lines = evaluations(*before, *after)
    async with Emulator([EmulatedJob("ft-1", lines)]) as emulator:
        watch = ("tail", "-f", f"ft-1:{len(before)}", "--fail-on", condition, "--settle", "0")
        ended = await ftlogs(*watch, emulator=emulator)
    assert ended.code == code
    assert ended.out.decode().splitlines() == lines[len(before) :][:printed]


@pytest.mark.posix
async def test_a_watch_that_is_stopped_before_anything_new_came_goes_on_from_its_place(
    start_ftlogs: Any,
) -> None:
    job = EmulatedJob("ft-1", evaluations(1.0, 1.1), status="RUNNING")
    async with Emulator([job]) as emulator:
        words = ("tail", "-f", "ft-1:2", "--fail-on", "eval_loss>best*1.2", *FAST)
        process = await start_ftlogs(words, emulator)
        while not heard(emulator, "ft-1", "logs", 2):
            await asyncio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert out == b""
    assert "ft-1:2" in hint(err.decode())


async def test_a_place_beyond_the_log_is_refused_where_conditions_remember_what_was_before(
    ftlogs: Any,
) -> None:
    async with Emulator([EmulatedJob("ft-1", evaluations(1.0))]) as emulator:
        ended = await ftlogs("tail", "-f", "ft-1:9", "--until", "eval_loss>best", emulator=emulator)
    assert (ended.code, ended.out) == (2, b"")


@pytest.mark.covered
@pytest.mark.parametrize("offset", [0, 1, 20, 21, 38])
@pytest.mark.parametrize("also", [(), ("--fail-on", "loss>best*9")], ids=str)
async def test_steps_that_bars_tell_are_known_wherever_a_watch_goes_on(
    ftlogs: Any, offset: int, also: tuple[str, ...]
) -> None:
    bar = " {}%|#  | {}/200 [00:10<01:00,  1.2s/it]"
    lines = [
        text
        for step in range(1, 31)
        for text in (bar.format(step // 2, step), f"{{'loss': 1.0, 'epoch': {step / 10}}}")
    ]
    async with Emulator([EmulatedJob("ft-1", lines)]) as emulator:
        watch = ("tail", "-f", f"ft-1:{offset}", "--until", "step>=20", *also, "--settle", "0")
        ended = await ftlogs(*watch, emulator=emulator)
    assert (ended.code, ended.out.decode().splitlines()) == (0, lines[offset:40])


@attrs.frozen
class Behind(Reply):
    """A machine that has heard of one line so far."""

    def alter_page(self, page: Page, /) -> Page:
        return attrs.evolve(page, lines=page.lines[:1], total=1)


async def test_an_outage_or_a_machine_that_lags_ends_no_watch_that_is_gone_on_with(ftlogs: Any) -> None:
    lines = evaluations(1.0, 1.1, 1.5)
    faults = [
        Fault(Refuse(503), endpoint="logs", on=range(1, 6)),
        Fault(Behind(), endpoint="logs", on={6}),
    ]
    job = EmulatedJob("ft-1", lines, status="RUNNING")
    async with Emulator([job], faults=faults) as emulator:
        words = ("tail", "-f", "ft-1:2", "--fail-on", "eval_loss>best*1.2", "--max-tries", "2", *FAST)
        ended = await ftlogs(*words, emulator=emulator)
    assert (ended.code, ended.out.decode().splitlines()) == (9, lines[2:])
