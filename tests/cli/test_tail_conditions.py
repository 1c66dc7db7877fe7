"""The conditions of `ftlogs tail`, `--fail-on` and `--until`, for one job and for many."""

import asyncio
import shlex
from pathlib import Path
from typing import Any

import pytest
from live_jobs import FAST, JOB, Impatient, read_to_the_end

from dashscope_ftlogs.cli.tail.following import Following
from dashscope_ftlogs.cli.tail.line_format import Lines
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Stall
from dashscope_ftlogs.metrics.fail_on_and_until_conditions import parse_alarm

STEPS = [f"{{'loss': {loss}, 'global_step/max_steps': '{n}/9'}}" for n, loss in enumerate([2.0] * 9)]
MEGATRON = [
    f" iteration {n}0/ 100 | consumed samples: {n}0 | learning rate: 4.0E-05 | lm loss: {loss}E+00 | "
    f"loss scale: 1.0 | grad norm: 1.250 | number of skipped iterations: {skipped} |"
    for n, loss, skipped in ((1, 2.5, 0), (2, 2.25, 0), (3, 1.75, 1))
]
VERL = [
    f"(TaskRunner pid=7) step:{n} - actor/pg_loss:-0.125 - actor/grad_norm:{norm} - actor/lr:1e-06 - "
    f"critic/rewards/mean:{reward}"
    for n, norm, reward in ((1, 1.25, 0.25), (2, "nan", 0.5), (3, "nan", 0.75))
]
OPTIONAL = [f"{{'loss': {1 / n}, 'rewards/optional/mean': nan}}" for n in range(1, 6)]


@pytest.mark.covered
@pytest.mark.parametrize(
    ("conditions", "lines", "met"),
    [
        (["step>=5"], STEPS, 5),
        (["epoch>1"], ["{'loss': 1.0, 'epoch': 1.0}", "{'loss': 1.0, 'epoch': 1.01}"], 1),
        (["step>=2"], [f"{n}%|█ | {n}/9 [00:01<00:09, 1.0s/it]{{'loss': 1.0}}" for n in (1, 2)], 1),
        (["loss>1.5 for 4"], STEPS, 3),
        (["nan"], OPTIONAL, None),
        (["rewards/optional/mean=nan for 2"], OPTIONAL, 1),
        (["any=nan"], OPTIONAL, 0),
        (["nan except 'rewards/optional/mean'"], OPTIONAL, None),
        (["nan except kl, grad_norm", "loss<0.3"], OPTIONAL, 0),
        (["lm loss<2", "loss scale>9", "nan"], MEGATRON, 2),
        (["step>=20", "epoch>0"], MEGATRON, 1),
        (["number of skipped iterations>0"], MEGATRON, 2),
        (["nan"], VERL, 1),
        (["actor/grad_norm=nan for 2"], VERL, 2),
        (["critic/rewards/mean>=0.5"], VERL, 1),
        (["memory(GiB) > 80"], ["{'loss': 1.0, 'memory(GiB)': 80.5}"], 0),
        (["'lm loss'>best*1.2"], [f"{{'lm loss': {n}, 'loss': 1}}" for n in (1, 0.5, 0.6, 0.7)], 3),
        (["eval_loss>best+0.3"], [f"{{'eval_loss': {n}}}" for n in (1, 0.5, 0.75, 0.85)], 3),
    ],
)  # fmt: skip
async def test_the_line_that_meets_a_condition_is_the_last_one(
    ftlogs: Any, conditions: list[str], lines: list[str], met: int | None
) -> None:
    words = [word for condition in conditions for word in ("--fail-on", condition)]
    async with Emulator([EmulatedJob(JOB, lines)]) as emulator:
        ended = await ftlogs("tail", "-f", JOB, *FAST, *words, emulator=emulator)
    assert ended.code == (0 if met is None else 9)
    assert ended.out.decode().splitlines() == lines[: None if met is None else met + 1]
    if met is not None:
        assert f": {JOB} line {met + 1}: {lines[met].strip()}; stopped; resume" in ended.err


async def test_lines_that_no_form_fits_are_watched_by_a_pattern(ftlogs: Any) -> None:
    lines = [f"at {n} it costs {n * 10}" for n in range(9)]
    async with Emulator([EmulatedJob(JOB, lines)]) as emulator:
        words = ("tail", "-f", JOB, *FAST, "--fail-on", "cost>35", "--fail-on", "step>5")
        own = ("--pattern", r"at (?P<step>\d+) it costs (?P<cost>\d+)")
        ended = await ftlogs(*words, *own, emulator=emulator)
        two = (*own[:1], r"no (?P<cost>such)", *own)
        again = await ftlogs(*words, *two, emulator=emulator)
    assert (ended.code, ended.out.decode().splitlines()) == (9, lines[:5])
    assert f"cost>35: {JOB} line 5: at 4 it costs 40; stopped" in ended.err
    assert again.code == 9
    assert again.err.rstrip().endswith(" ".join(map(shlex.quote, two)))


async def test_jobs_that_are_watched_together_count_each_for_itself(ftlogs: Any) -> None:
    lines = {"ft-a": [2.0, 0.5, 2.0], "ft-b": [2.0, 2.0, 0.5], "ft-c": [0.5, 2.0, 2.0, 2.0]}
    jobs = [EmulatedJob(job_id, [f"{{'loss': {n}}}" for n in own]) for job_id, own in lines.items()]
    async with Emulator(jobs) as emulator:
        words = ("tail", "-f", *lines, *FAST, "--fail-on", "loss>1.5 for 3")
        ended = await ftlogs(*words, emulator=emulator)
    assert ended.code == 9
    assert "loss>1.5 for 3: ft-c line 4: " in ended.err


async def test_a_log_that_is_rewritten_is_watched_from_its_beginning(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    job = EmulatedJob(JOB, ["{'loss': 2.0}", "{'loss': 2.0}"], status="RUNNING")
    async with Emulator([job]) as emulator:
        monkeypatch.setenv("DASHSCOPE_API_KEY", emulator.api_key)
        conditions = [parse_alarm("loss>1.5 for 3"), parse_alarm("loss>best")]
        following = Following(
            connection=Impatient(base_url=emulator.base_url),
            offsets={JOB: None},
            all_running=False,
            count=None,
            view=Lines().view(several=False),
            alarms=tuple(conditions),
            pattern=None,
            give_up_after=None,
            polls=(0.02, 0.1),
            settle=0.1,
            look_every=1.0,
            stats=False,
        )
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            work = group.create_task(following._follow())
            await read_to_the_end(emulator, job)
            job.rewrite(["{'loss': 3.0}", "{'loss': 2.5}"])
            await read_to_the_end(emulator, job)
            job.append("{'loss': 2.0}")
        assert work.result() == 9
    out, err = capsysbinary.readouterr()
    assert out.splitlines() == [
        b"{'loss': %b}" % loss for loss in (b"2.0", b"2.0", b"3.0", b"2.5", b"2.0")
    ]
    assert b"loss>1.5 for 3: ft-1 line 3: {'loss': 2.0}" in err


async def test_a_watch_that_understands_no_line_says_so_while_the_job_runs_and_only_once(
    start_ftlogs: Any,
) -> None:
    job = EmulatedJob(JOB, ["it costs 2.5"] * 2_000, status="RUNNING")
    async with Emulator([job]) as emulator:
        process = await start_ftlogs(("tail", "-f", JOB, *FAST, "--fail-on", "nan"), emulator)
        told = await process.stderr.readline()
        job.finish("SUCCEEDED")
        _, err = await process.communicate()
    assert told.startswith(b"ftlogs: nan: no line so far has ")
    assert b"--pattern" in told
    assert b"nan: no line" not in err


async def test_a_name_that_no_line_has_is_told_of_while_the_job_runs_and_only_once(
    start_ftlogs: Any,
) -> None:
    lines = [f"{{'kl': 0.5, 'loss': {n}.0, 'step': {n}}}" for n in range(50)]
    job = EmulatedJob(JOB, lines, status="RUNNING")
    async with Emulator([job]) as emulator:
        words = (
            "tail",
            "-f",
            JOB,
            *FAST,
            "--until",
            "los<0",
            "--until",
            "eval_loss<0",
            "--fail-on",
            "nan",
        )
        process = await start_ftlogs(words, emulator)
        told = await process.stderr.readline()
        job.finish("SUCCEEDED")
        out, err = await process.communicate()
    assert told == b"ftlogs: los<0: no line so far has los; they have loss, kl, step\n"
    assert err.decode().splitlines()[1:] == [
        "ftlogs: eval_loss<0: no line that was watched has eval_loss; they have loss, kl, step",
        f"ftlogs: {JOB}: SUCCEEDED, never met los<0 or eval_loss<0",
    ]
    assert (process.returncode, out.count(b"\n")) == (10, 50)


async def test_a_log_without_any_number_of_training_is_not_passed_over_in_silence(ftlogs: Any) -> None:
    lines = ["{'train_runtime': 3.5}", "words"]
    async with Emulator([EmulatedJob(JOB, lines)]) as emulator:
        ended = await ftlogs("tail", "-f", JOB, *FAST, "--fail-on", "nan", emulator=emulator)
    assert ended.code == 0, "it succeeded"
    assert ended.err.endswith(
        "nan: no line that was watched has a loss, the norm of gradients or a learning rate; "
        "they have train_runtime\n"
    )


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("loss>bst*1.2", "did you mean best? It must be nan, stall=DURATION"),
        ("nan exept kl", "did you mean except? It must be"),
        ("loss>1 for 10m", "for 10m: must be how many points in a row"),
        ("loss>1 and kl>2", "give the option again for another condition"),
    ],
)
async def test_a_condition_that_is_none_is_refused_with_the_nearest_word(
    ftlogs: Any, condition: str, said: str
) -> None:
    async with Emulator([EmulatedJob(JOB, STEPS)]) as emulator:
        ended = await ftlogs("tail", "-f", JOB, "--fail-on", condition, emulator=emulator)
        assert (ended.code, ended.out, emulator.journal) == (2, b"", [])
    assert said in ended.err


def falling(job_id: str, to: float, status: str = "SUCCEEDED") -> EmulatedJob:
    losses = [2.0, 1.5, to, 1.9]
    return EmulatedJob(job_id, [f"{{'loss': {loss}}}" for loss in losses], status=status)


FOLLOWED = pytest.mark.parametrize("follow", [(), ("-f", *FAST)], ids=["once", "followed"])


@pytest.mark.covered
@FOLLOWED
async def test_until_is_met_by_every_job_or_the_code_says_how_one_ended(
    ftlogs: Any, follow: tuple[str, ...]
) -> None:
    jobs = [
        falling("ft-a", 0.4),
        falling("ft-b", 0.3, "FAILED"),
        falling("ft-c", 1.0),
        falling("ft-d", 1.0, "FAILED"),
        falling("ft-e", 1.0, "CANCELED"),
    ]
    async with Emulator(jobs) as emulator:

        async def ended(*job_ids: str) -> Any:
            words = ("tail", *follow, *job_ids, "--until", "loss<0.5", "--prefix", "always")
            return await ftlogs(*words, emulator=emulator)

        one = await ended("ft-a")
        both = await ended("ft-a", "ft-b")
        codes = {
            "".join(sorted(some)): (await ended(*(f"ft-{one}" for one in some))).code
            for some in ("ac", "bd", "ae", "cd", "ce")
        }
        unmet = await ended("ft-c")
    assert (one.code, both.code) == (0, 0)
    assert one.out.decode().splitlines() == [f"[ft-a] {line}" for line in jobs[0].lines[:3]]
    assert one.err.startswith("ftlogs: loss<0.5: ft-a line 3: {'loss': 0.4}")
    assert both.out.count(b"[ft-a]") == both.out.count(b"[ft-b]") == 3
    assert codes == {"ac": 10, "bd": 7, "ae": 8, "cd": 7, "ce": 8}
    assert unmet.code == 10
    assert unmet.err.splitlines()[-1] == "ftlogs: ft-c: SUCCEEDED, never met loss<0.5"


@FOLLOWED
async def test_fail_on_goes_before_until_and_ends_it_for_all_jobs(
    ftlogs: Any, follow: tuple[str, ...]
) -> None:
    jobs = [falling("ft-a", 0.4), falling("ft-b", 9.0)]
    async with Emulator(jobs) as emulator:
        words = ("--until", "loss<0.5", "--fail-on", "loss>8", "--fail-on", "loss<0.5")
        first = await ftlogs("tail", *follow, "ft-a", *words, emulator=emulator)
        other = await ftlogs("tail", *follow, "ft-a", "ft-b", *words[:4], emulator=emulator)
    assert (first.code, other.code) == (9, 9)
    assert "loss<0.5: ft-a line 3: " in first.err
    assert "loss>8: ft-b line 3: " in other.err


async def test_without_f_a_running_job_has_not_met_it_so_far_and_nobody_waits(ftlogs: Any) -> None:
    own_form = EmulatedJob("ft-2", ["it costs 10"])
    async with Emulator([falling(JOB, 1.0, "RUNNING"), own_form]) as emulator:
        ended = await ftlogs("tail", JOB, "--until", "loss<0.5", "--until", "nan", emulator=emulator)
        fine = await ftlogs("tail", JOB, "--fail-on", "nan", emulator=emulator)
        some = await ftlogs("tail", JOB, "-n", "1", "--until", "loss<1.8", emulator=emulator)
        later = await ftlogs("tail", f"{JOB}:3", "--until", "loss>best", emulator=emulator)
        place = await ftlogs("tail", f"{JOB}:3", "--fail-on", "nan", emulator=emulator)
        silence = await ftlogs("tail", JOB, "--fail-on", "stall=1m", emulator=emulator)
        own = ("--pattern", r"costs (?P<cost>\S+)", "--until", "cost<=10")
        pattern = await ftlogs("tail", "ft-2", *own, emulator=emulator)
    assert ended.code == 6
    assert ended.err == (
        f"ftlogs: {JOB}: RUNNING, so far did not meet loss<0.5 or nan; "
        f"`ftlogs tail -f {JOB} --until 'loss<0.5' --until nan` waits for it\n"
    )
    assert (fine.code, fine.err, fine.out.count(b"\n")) == (0, "", 4)
    assert (some.code, some.out) == (6, b"{'loss': 1.9}\n")
    assert (later.code, later.out) == (0, b"{'loss': 1.9}\n")
    assert (place.code, place.out) == (0, b"{'loss': 1.9}\n")
    assert (silence.code, silence.out) == (2, b"")
    assert silence.err == "ftlogs: stall=1m: only with -f: time has to pass.\n"
    assert pattern.code == 0


async def test_a_job_that_has_met_until_is_printed_no_further_while_others_are_awaited(
    start_ftlogs: Any,
) -> None:
    one, other = EmulatedJob("ft-1", [], status="RUNNING"), EmulatedJob("ft-2", [], status="RUNNING")
    async with Emulator([one, other]) as emulator:
        words = ("tail", "-f", "ft-1", "ft-2", *FAST, "--until", "loss<1", "--format", "jsonl")
        process = await start_ftlogs(words, emulator)
        one.append("{'loss': 0.5}")
        await process.stdout.readline()
        one.append("{'loss': 0.25}")
        while not any(e.job_id == "ft-1" and (e.offset or 0) + e.lines == 2 for e in emulator.journal):
            await asyncio.sleep(0.01)
        other.append("{'loss': 0.75}")
        out, err = await process.communicate()
    assert process.returncode == 0, err
    assert out.count(b"\n") == 1
    assert b"0.75" in out


async def test_jobs_that_are_silent_meet_until_each_by_itself(ftlogs: Any) -> None:
    jobs = [falling(job_id, 1.0, "RUNNING") for job_id in ("ft-a", "ft-b")]
    async with Emulator(jobs) as emulator:
        words = ("tail", "-f", "ft-a", "ft-b", *FAST, "--until", "stall=1s", "--until", "loss<0")
        ended = await ftlogs(*words, emulator=emulator)
    assert ended.code == 0
    assert "stall=1s: ft-a: no line for" in ended.err
    assert "stall=1s: ft-b: no line for" in ended.err


@pytest.mark.parametrize("others", [0, 1])
async def test_all_running_jobs_are_awaited_once_it_is_known_which_they_are(
    ftlogs: Any, others: int
) -> None:
    jobs = [falling(f"ft-{n}", 0.4, "RUNNING") for n in range(1 + others)]
    async with Emulator(jobs, faults=[Fault(Stall(0.5), endpoint="list")]) as emulator:
        words = ("tail", "--all-running", "ft-0", *FAST, "--until", "loss<0.5")
        ended = await ftlogs(*words, emulator=emulator)
    assert ended.code == 0
    assert ended.out.count(b"\n") == 3 * len(jobs)


async def test_which_name_stands_for_the_loss_is_said_once(ftlogs: Any, tmp_path: Path) -> None:
    path = tmp_path / "megatron.log"
    path.write_text("".join(f"{line}\n" for line in MEGATRON))
    ended = await ftlogs("tail", str(path), "--fail-on", "loss>99")
    assert ended.err == "ftlogs: loss>99: megatron.log has no loss so far; lm loss stands for it\n"
