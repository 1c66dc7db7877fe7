"""Made-up jobs: believable, exact, repeatable, and cheap however long."""

import ast
import re
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from statistics import fmean
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashscope_ftlogs.emulator import EmulatedJob, Emulator, generate_job
from dashscope_ftlogs.emulator.job_generator import Kind, Outcome

KINDS, OUTCOMES = get_args(Kind), get_args(Outcome)
STAMPED = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) - (INFO|WARNING|ERROR) - (.+)")

ANY_JOB = st.builds(
    generate_job,
    st.sampled_from(KINDS),
    outcome=st.sampled_from(OUTCOMES),
    lines=st.none() | st.integers(0, 500),
    seed=st.integers(0, 10**6),
)
LONG_JOB = st.builds(
    generate_job,
    st.sampled_from(KINDS),
    outcome=st.sampled_from(OUTCOMES),
    lines=st.integers(200, 400),
    seed=st.integers(0, 10**6),
)


def metrics(job: EmulatedJob) -> list[dict[str, Any]]:
    return [ast.literal_eval(line) for line in job.lines if line.startswith("{")]


def stamps(job: EmulatedJob) -> list[str]:
    return [match[1] for match in map(STAMPED.fullmatch, job.lines) if match]


def facts(job: EmulatedJob) -> dict[str, Any]:
    return job.facts(float("inf"))


@pytest.mark.covered
@given(st.sampled_from(KINDS), st.sampled_from(OUTCOMES), st.integers(0, 200))
def test_for_any_count_there_are_exactly_so_many_lines(kind: Any, outcome: Any, count: int) -> None:
    job = generate_job(kind, outcome=outcome, lines=count)
    assert len(job.lines) == len(job.lines[:]) == len(list(job.lines)) == count
    assert job.total_at(float("inf")) == count


@pytest.mark.covered
@settings(max_examples=30)
@given(ANY_JOB, st.data())
def test_any_slice_is_what_single_lines_are(job: EmulatedJob, data: st.DataObject) -> None:
    cut = data.draw(st.slices(len(job.lines)))
    assert job.lines[cut] == list(job.lines)[cut]


@pytest.mark.covered
@settings(max_examples=30)
@given(st.sampled_from(KINDS), st.sampled_from(OUTCOMES), st.integers())
def test_equal_arguments_make_equal_jobs(kind: Any, outcome: Any, seed: int) -> None:
    one, two = (generate_job(kind, outcome=outcome, seed=seed) for _ in range(2))
    assert one.lines[:] == two.lines[:]
    assert facts(one) == facts(two)


def test_other_seeds_make_other_jobs() -> None:
    jobs = [generate_job(seed=seed) for seed in range(20)]
    assert len({tuple(job.lines) for job in jobs}) == 20
    assert len({len(job.lines) for job in jobs}) > 10
    assert len({job.job_id for job in jobs}) == 20


@pytest.mark.covered
@given(ANY_JOB)
def test_a_log_looks_like_lines_of_a_log(job: EmulatedJob) -> None:
    for line in job.lines:
        assert "\n" not in line
        assert line.isprintable() or set(line) - set(line.replace("\r", "")) == {"\r"}


@pytest.mark.unmeasured
@settings(max_examples=30)
@given(LONG_JOB)
def test_every_dict_is_a_literal_and_the_loss_falls_noisily(job: EmulatedJob) -> None:
    losses = [values["loss"] for values in metrics(job) if "loss" in values]
    fifth = len(losses) // 5
    assert fmean(losses[:fifth]) > fmean(losses[-fifth:]) > 0
    assert any(later > earlier for earlier, later in pairwise(losses))
    assert any("eval_loss" in values for values in metrics(job))


@pytest.mark.parametrize(
    ("kind", "train", "evaluation"),
    [
        ("cpt", {"consumed_train_tokens", "global_step/max_steps"}, {"eval_loss", "eval_ppl"}),
        (
            "dpo",
            {"rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies"},
            {"eval_loss", "eval_rewards/margins"},
        ),
    ],
)
def test_a_kind_of_training_has_its_own_metrics(
    kind: Any, train: set[str], evaluation: set[str]
) -> None:
    found = metrics(generate_job(kind, lines=100))
    assert any(train < set(values) for values in found)
    assert any(evaluation < set(values) for values in found)


def test_supervised_training_is_logged_in_either_style() -> None:
    styles = {frozenset(metrics(generate_job(seed=seed))[0]) for seed in range(20)}
    assert styles == {
        frozenset({"loss", "grad_norm", "learning_rate", "epoch"}),
        frozenset(
            {
                "learning_rate",
                "consumed_train_samples",
                "consumed_train_tokens",
                "global_step/max_steps",
                "loss",
            }
        ),
    }


@pytest.mark.unmeasured
@settings(max_examples=30)
@given(LONG_JOB)
def test_the_hyper_parameters_match_the_log(job: EmulatedJob) -> None:
    hyper: Any = job.hyper_parameters
    rates = [values["learning_rate"] for values in metrics(job) if "learning_rate" in values]
    assert 0 <= min(rates) <= max(rates) <= float(hyper["learning_rate"]) * 1.0001
    for values in metrics(job):
        if "consumed_train_samples" in values:
            step, total = map(int, values["global_step/max_steps"].split("/"))
            assert values["consumed_train_samples"] == step * hyper["batch_size"]
            assert step <= total
        assert values.get("epoch", 0) <= hyper["n_epochs"]


@settings(max_examples=30)
@given(st.sampled_from(KINDS), st.integers(0, 10**6), st.sampled_from(["succeeded", "running"]))
def test_a_log_of_success_tells_the_whole_story(kind: Any, seed: int, outcome: Any) -> None:
    job = generate_job(kind, seed=seed, outcome=outcome)
    lines = list(job.lines)
    assert lines[0].endswith("data download succeeded, start to pre-processor")
    places = [
        next(place for place, line in enumerate(lines) if phrase in line)
        for phrase in (
            "Training start!",
            "Estimated time: ",
            "train_runtime",
            "Training completed",
            "finetune-job succeeded",
            "##FT_COMPLETE##",
            "training usage",
        )
    ]
    assert places == sorted(places)
    assert lines[-1].endswith(f"training usage {facts(job)['usage']}")
    assert facts(job)["finetuned_output"]


@settings(max_examples=30)
@given(ANY_JOB.filter(lambda job: len(job.lines) > 40))
def test_the_mark_of_the_end_is_not_the_last_line_and_stamps_are_not_quite_in_order(
    job: EmulatedJob,
) -> None:
    assert "##FT_COMPLETE##" not in job.lines[-1]
    assert any("##FT_COMPLETE##" in line for line in job.lines[-5:])
    found = stamps(job)
    assert found != sorted(found)
    assert found[:-2] == sorted(found[:-2])


def test_progress_bars_are_drawn_over_and_warnings_stand_between() -> None:
    lines = list(generate_job(lines=2000).lines)
    bars = [line for line in lines if line.count("\r") > 1]
    assert len(bars) > 100
    assert all(re.search(r"\d+%\|.{10}\| \d+/\d+ \[[\d:]+<[\d:]+, +[\d.]+s/it\]$", bar) for bar in bars)
    assert any("WARN" in line.upper() for line in lines)


def test_a_failed_job_shows_why() -> None:
    messages = set()
    for seed in range(20):
        job = generate_job(outcome="failed", seed=seed)
        found = facts(job)
        assert found["status"] == "FAILED"
        assert found["code"]
        messages.add(found["message"])
        lines = list(job.lines)
        assert "Traceback (most recent call last):" in lines
        assert any(re.match(r"[\w.]+Error: ", line) for line in lines)
        assert any(line.endswith("ERROR - finetune-job failed") for line in lines)
        assert not any("finetune-job succeeded" in line for line in lines)
    assert any("CUDA out of memory" in message for message in messages)
    assert len(messages) > 1


def test_a_canceled_job_ends_in_mid_training() -> None:
    job = generate_job("cpt", outcome="canceled")
    step, total = map(int, metrics(job)[-1]["global_step/max_steps"].split("/"))
    assert step < total
    assert facts(job)["status"] == "CANCELED"
    assert any("finetune-job canceled" in line for line in job.lines)


@given(st.sampled_from(KINDS), st.integers(0, 300), st.integers(0, 10**6))
def test_a_running_job_grows_from_pending_to_success(kind: Any, count: int, seed: int) -> None:
    job = generate_job(kind, outcome="running", lines=count, seed=seed)
    assert job.schedule is not None
    times, (running, ended) = list(job.schedule.line_times), job.schedule.status_times
    assert len(times) == count
    assert times == sorted(times)
    assert [running[1], ended[1]] == ["RUNNING", "SUCCEEDED"]
    assert all(running[0] < at < ended[0] for at in times)
    assert (job.status_at(0), job.total_at(0)) == ("PENDING", 0)
    assert job.total_at(ended[0]) == count


@pytest.mark.covered
async def test_a_running_job_is_served_as_it_grows(ask: Any, clock: Any) -> None:
    job = generate_job(outcome="running", lines=300)
    seen = set()
    async with Emulator([job], clock=clock) as emulator:
        for _ in range(40):
            got = await ask(emulator, f"/fine-tunes/{job.job_id}/logs", line=1000)
            found = (await ask(emulator, f"/fine-tunes/{job.job_id}")).json["output"]
            assert got.lines == job.lines[: got.total]
            assert ("end_time" in found) == (found["status"] == "SUCCEEDED")
            seen.add(found["status"])
            clock.now += 30
    assert (got.total, seen) == (300, {"PENDING", "RUNNING", "SUCCEEDED"})


@pytest.mark.parametrize("kind", KINDS)
def test_five_million_lines_cost_no_memory(kind: Any) -> None:
    tracemalloc.start()
    try:
        job = generate_job(kind, outcome="running", lines=5_000_000)
        assert len(job.lines) == 5_000_000
        assert len(job.lines[2_500_000:2_501_000]) == 1000
        assert job.lines[4_999_999:] == [job.lines[-1]]
        assert 0 < job.total_at(3600) < 5_000_000
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "start", ["2024-10-29 16:53:53", datetime(2024, 10, 29, 16, 53, 53, tzinfo=UTC)]
)
def test_ids_and_stamps_follow_the_start(start: Any) -> None:
    job = generate_job(start=start)
    assert re.fullmatch(r"ft-202410291653-[0-9a-f]{4}", job.job_id)
    assert job.create_time == "2024-10-29 16:53:53"
    assert stamps(job)[0].startswith("2024-10-29 16:53:57")
    assert facts(job)["end_time"] > stamps(job)[-1]


def test_an_id_can_be_given() -> None:
    assert generate_job(job_id="ft-mine").job_id == "ft-mine"


@settings(max_examples=25)
@given(ANY_JOB)
def test_the_job_ends_after_its_last_line(job: EmulatedJob) -> None:
    assert all(stamp < facts(job)["end_time"] for stamp in stamps(job))


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        # What a type checker would refuse is the point.
        (lambda: generate_job("rl"), "kind must be one of .*'rl'"),  # type: ignore[arg-type]
        (lambda: generate_job(outcome="lost"), "outcome must be one of .*'lost'"),  # type: ignore[arg-type]
        (lambda: generate_job(lines=-1), "lines must be 0 or more, not -1"),
        (lambda: generate_job(start="yesterday"), "yesterday"),
    ],
)
def test_what_can_not_be_made_is_refused_by_name(wrong: Callable[[], Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        wrong()
