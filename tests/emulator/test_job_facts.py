"""Listing jobs, and asking about one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.emulator import EmulatedJob, Emulator
from dashscope_ftlogs.emulator.answers import page_of_jobs

ALWAYS = {
    "job_id",
    "job_name",
    "status",
    "model",
    "base_model",
    "training_file_ids",
    "validation_file_ids",
    "hyper_parameters",
    "training_type",
    "create_time",
    "workspace_id",
    "user_identity",
    "modifier",
    "creator",
    "group",
}


async def facts(ask: Any, job: EmulatedJob) -> Any:
    async with Emulator([job]) as emulator:
        return (await ask(emulator, f"/fine-tunes/{job.job_id}")).json["output"]


async def test_a_job_that_succeeded_looks_like_the_one_on_the_page(ask: Any) -> None:
    assert await facts(ask, EmulatedJob("ft-202410291653-1c7f")) == {
        "job_id": "ft-202410291653-1c7f",
        "job_name": "ft-202410291653-1c7f",
        "status": "SUCCEEDED",
        "finetuned_output": "qwen3-14b-suffix-ft-202410291653-1c7f",
        "model": "qwen3-14b",
        "base_model": "qwen3-14b",
        "training_file_ids": ["976bd01a-f30b-4414-86fd-50c54486e3ef"],
        "validation_file_ids": [],
        "hyper_parameters": {
            "n_epochs": 3,
            "batch_size": 32,
            "max_length": 8192,
            "learning_rate": "1.6e-5",
            "lr_scheduler_type": "linear",
            "split": 0.9,
        },
        "training_type": "sft",
        "create_time": "2024-10-29 16:53:53",
        "end_time": "2024-10-29 17:11:26",
        "workspace_id": "llm-v71tlv***",
        "user_identity": "1396993924585947",
        "modifier": "1396993924585947",
        "creator": "1396993924585947",
        "group": "llm",
        "usage": 279808,
    }


@pytest.mark.parametrize("status", ["PENDING", "QUEUING", "RUNNING", "CANCELING", "SOMETHING_NEW"])
async def test_result_end_and_usage_are_absent_until_the_job_ended(ask: Any, status: str) -> None:
    job = EmulatedJob("ft-1", status=status, end_time="2024-10-29 17:00:00", usage=5, code="X")
    assert set(await facts(ask, job)) == ALWAYS


async def test_a_failed_job_carries_its_code_and_message(ask: Any) -> None:
    job = EmulatedJob("ft-1", status="FAILED", code="InvalidParameter", message="no data", usage=0)
    found = await facts(ask, job)
    assert set(found) == ALWAYS | {"code", "message", "end_time", "usage"}
    assert (found["code"], found["message"], found["usage"]) == ("InvalidParameter", "no data", 0)


@pytest.mark.parametrize("status", ["FAILED", "CANCELED"])
async def test_a_job_that_ended_badly_has_a_code_and_message_unasked(ask: Any, status: str) -> None:
    found = await facts(ask, EmulatedJob("ft-1", status=status))
    assert found["code"]
    assert found["message"]


async def test_every_fact_can_be_set(ask: Any) -> None:
    given = {
        "model": "m",
        "base_model": "b",
        "job_name": "n",
        "finetuned_output": "o",
        "training_file_ids": ["t"],
        "validation_file_ids": ["v"],
        "hyper_parameters": {"n_epochs": 1},
        "training_type": "dpo_lora",
        "create_time": "2025-01-01 00:00:00",
        "end_time": "2025-01-02 00:00:00",
        "workspace_id": "w",
        "user_identity": "u",
        "modifier": "x",
        "creator": "c",
        "group": "g",
        "usage": 0,
    }
    found = await facts(ask, EmulatedJob("ft-1", **given))
    assert {name: found[name] for name in given} == given


async def test_an_unknown_job_is_not_found(ask: Any) -> None:
    async with Emulator([EmulatedJob("ft-1")]) as emulator:
        got = await ask(emulator, "/fine-tunes/ft-2")
    assert (got.status, got.json["code"]) == (404, "NotFound")


async def test_jobs_are_listed_ten_at_a_time_from_page_1(ask: Any) -> None:
    jobs = [EmulatedJob(f"ft-{number}") for number in range(23)]
    async with Emulator(jobs) as emulator:
        first = (await ask(emulator, "/fine-tunes")).json["output"]
        third = (await ask(emulator, "/fine-tunes", page_no=3)).json["output"]
        beyond = (await ask(emulator, "/fine-tunes", page_no=4)).json["output"]
        large = (await ask(emulator, "/fine-tunes", page_size=100)).json["output"]
    assert [first[name] for name in ("page_no", "page_size", "total")] == [1, 10, 23]
    assert [job["job_id"] for job in first["jobs"]] == [f"ft-{number}" for number in range(10)]
    assert [job["job_id"] for job in third["jobs"]] == ["ft-20", "ft-21", "ft-22"]
    assert (beyond["jobs"], beyond["total"]) == ([], 23)
    assert len(large["jobs"]) == 23


async def test_the_model_keeps_its_own_jobs(ask: Any) -> None:
    jobs = [EmulatedJob(f"ft-{model}", model=model) for model in ("a", "b", "c")]
    async with Emulator(jobs) as emulator:
        found = (await ask(emulator, "/fine-tunes", model="b")).json["output"]
        none = (await ask(emulator, "/fine-tunes", model="")).json["output"]
    assert ([job["job_id"] for job in found["jobs"]], found["total"]) == (["ft-b"], 1)
    assert none["total"] == 0


@pytest.mark.parametrize(
    "query", [{"page_no": 0}, {"page_size": 0}, {"page_size": 101}, {"page_no": "x"}]
)
async def test_a_page_out_of_range_is_refused(ask: Any, query: dict[str, Any]) -> None:
    async with Emulator() as emulator:
        got = await ask(emulator, "/fine-tunes", **query)
    assert (got.status, got.json["code"]) == (400, "InvalidParameter")


@given(st.integers(0, 40), st.integers(1, 12))
def test_for_any_page_size_the_pages_together_hold_every_job_once(count: int, size: int) -> None:
    jobs = [{"model": "m", "job_id": number} for number in range(count)]
    seen: list[object] = []
    for number in range(1, count // size + 2):
        seen += page_of_jobs(jobs, {"page_no": str(number), "page_size": str(size)})["jobs"]
    assert seen == jobs


async def test_a_job_added_later_is_served_and_replaces_its_namesake(ask: Any) -> None:
    async with Emulator([EmulatedJob("ft-1", ["old"])]) as emulator:
        added = emulator.add(EmulatedJob("ft-1", ["new"]))
        assert (await ask(emulator)).lines == ["new"]
        assert emulator.jobs == {"ft-1": added}


def test_a_creation_time_in_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="2024"):
        EmulatedJob("ft-1", create_time="29.10.2024")
