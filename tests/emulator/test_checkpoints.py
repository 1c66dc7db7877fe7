"""Asking for the checkpoints of a job."""

from typing import Any

import pytest

from dashscope_ftlogs.emulator import EmulatedCheckpoint, EmulatedJob, Emulator, Machine

JOB = "ft-202605271743-dd2a"
PATH = f"/fine-tunes/{JOB}/checkpoints"


def job(**given: Any) -> EmulatedJob:
    return EmulatedJob(JOB, ["x"], model="cosyvoice-v3-flash", **given)


async def test_they_look_like_those_on_the_page(ask: Any) -> None:
    saved = [EmulatedCheckpoint(3, 4, status="PENDING"), EmulatedCheckpoint(4, 4)]
    async with Emulator([job(checkpoints=saved)]) as emulator:
        output = (await ask(emulator, PATH)).json["output"]
    assert output == [
        {
            "create_time": "2026-05-27T18:07:16",
            "full_name": "ft-202605271743-dd2a:checkpoint-00040004",
            "job_id": "ft-202605271743-dd2a",
            "checkpoint_id": "ft-202605271743-dd2a:checkpoint-00040004",
            "checkpoint": "checkpoint-00040004",
            "model_name": "cosyvoice-v3-flash-ft-202605271743-dd2a",
            "model_display_name": "ft-202605271743-dd2a",
            "status": "SUCCEEDED",
            "expire_time": "2026-06-11T18:07:16",
            "step": 40004,
        },
        {
            "create_time": "2026-05-27T18:07:16",
            "full_name": "ft-202605271743-dd2a:checkpoint-00030004",
            "job_id": "ft-202605271743-dd2a",
            "checkpoint_id": "ft-202605271743-dd2a:checkpoint-00030004",
            "checkpoint": "checkpoint-00030004",
            "status": "PENDING",
            "expire_time": "2026-06-11T18:07:16",
            "step": 30004,
        },
    ]


async def test_those_that_were_trained_the_most_in_both_parts_come_first(ask: Any) -> None:
    saved = [EmulatedCheckpoint(9, 1), EmulatedCheckpoint(3, 4), EmulatedCheckpoint(2, 5)]
    async with Emulator([job(checkpoints=saved)]) as emulator:
        output = (await ask(emulator, PATH)).json["output"]
    assert [one["step"] for one in output] == [30004, 20005, 90001]


async def test_a_model_without_such_a_list_is_refused_and_an_empty_list_is_one(ask: Any) -> None:
    async with Emulator([job()]) as emulator:
        refused = await ask(emulator, PATH)
        emulator.jobs[JOB].checkpoints = []
        empty = await ask(emulator, PATH)
        unknown = await ask(emulator, "/fine-tunes/ft-2/checkpoints")
    assert (refused.status, refused.json["code"]) == (400, "InvalidParameter")
    assert "cosyvoice-v3-flash" in refused.json["message"]
    assert (empty.status, empty.json["output"]) == (200, [])
    assert (unknown.status, unknown.json["code"]) == (404, "NotFound")


async def test_a_machine_that_lags_does_not_know_the_newest(ask: Any, clock: Any) -> None:
    async with Emulator([job(checkpoints=[])], machines=[Machine(5)], clock=clock) as emulator:
        clock.now += 10
        emulator.jobs[JOB].checkpoints = [EmulatedCheckpoint(1, 1)]
        clock.now += 4
        before = (await ask(emulator, PATH)).json["output"]
        clock.now += 2
        after = (await ask(emulator, PATH)).json["output"]
    assert (len(before), len(after)) == (0, 1)


@pytest.mark.parametrize("epoch", [-1, 10_000, 1.0, True, None, "4"])
def test_an_epoch_that_no_name_could_hold_is_refused(epoch: Any) -> None:
    for epochs in ((epoch, 1), (1, epoch)):
        with pytest.raises(ValueError, match="epoch must be a whole number from 0 to 9999"):
            EmulatedCheckpoint(*epochs)


def test_a_creation_time_in_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match=r"27\.05\.2026"):
        EmulatedCheckpoint(1, 1, create_time="27.05.2026")
