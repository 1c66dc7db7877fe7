"""What `recheck` finds of logs that are complete: that they have changed, or are damaged here."""

from pathlib import Path
from typing import Any

import pytest
from downloading import JOB, add, hours_ago, in_service, now, run
from lagging_service import LaggingService, generation

from dashscope_ftlogs import verify_archive


def test_complete_logs_are_rechecked_by_one_request_each(tmp_path: Path) -> None:
    async def main(service: LaggingService) -> None:
        for name in ("same", "grown", "shrunk", "other", "gone"):
            add(service, name, generation("a", 20), end_time=hours_ago(30))
        jobs = list(service.logs)
        await run(service, tmp_path, jobs)
        service.logs["gone"].states.append((now(), None))
        same = await run(service, tmp_path, jobs, recheck=True)
        assert (set(same.states.values()), same.requests) == ({"skipped"}, 5)
        service.logs["grown"].states.append((now(), generation("a", 22)))
        service.logs["shrunk"].states.append((now(), generation("a", 18)))
        service.logs["other"].states.append((now(), generation("b", 20)))
        assert (await run(service, tmp_path, jobs)).requests == 0
        done = await run(service, tmp_path, jobs, recheck=True)
        found = {one.job_id: (one.state, one.lines, len(one.set_aside)) for one in done.outcomes}
        assert found == {
            "same": ("skipped", 20, 0),
            "grown": ("complete", 22, 0),
            "shrunk": ("complete", 18, 1),
            "other": ("complete", 20, 1),
            "gone": ("skipped", 20, 0),
        }

    in_service(main)


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_a_recheck_fetches_anew_what_is_damaged_but_of_no_job_that_is_gone(
    tmp_path: Path, compression: Any
) -> None:
    async def main(service: LaggingService) -> None:
        for name in ("sound", "damaged", "gone"):
            add(service, name, generation("a", 20), end_time=hours_ago(30))
        jobs = list(service.logs)
        await run(service, tmp_path, jobs, compression=compression)
        service.logs["gone"].states.append((now(), None))
        ending = ".log.gz" if compression else ".log"
        before = (tmp_path / f"sound{ending}").read_bytes()
        for name in ("damaged", "gone"):
            path = tmp_path / f"{name}{ending}"
            data = path.read_bytes()
            path.write_bytes(data[:30] + bytes([data[30] ^ 1]) + data[31:])
        assert (await run(service, tmp_path, jobs)).requests == 0
        done = await run(service, tmp_path, jobs, recheck=True)
        found = {one.job_id: (one.state, one.lines, len(one.set_aside)) for one in done.outcomes}
        assert found == {
            "sound": ("skipped", 20, 0),
            "damaged": ("complete", 20, 1),
            "gone": ("failed", 20, 0),
        }
        assert (tmp_path / f"damaged{ending}").read_bytes()[-10:] == before[-10:]
        states = {one.file: one.state for one in verify_archive(tmp_path)}
        assert states[f"damaged{ending}"] == states[f"sound{ending}"] == "ok"
        assert states[f"gone{ending}"] == "damaged"

    in_service(main)


def test_a_stale_answer_to_a_recheck_changes_nothing(tmp_path: Path) -> None:
    async def main(service: LaggingService) -> None:
        log = add(service, JOB, generation("a", 20), end_time=hours_ago(30))
        await run(service, tmp_path, JOB)
        log.states[:] = [(-1e9, generation("a", 10)), (now() + 10, generation("a", 20))]
        done = await run(service, tmp_path, JOB, recheck=True)
        assert (done.states, done.outcomes[0].set_aside) == ({JOB: "complete"}, ())

    in_service(main)
