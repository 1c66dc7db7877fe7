"""A last line that was read while it was being written becomes the whole line in the archive."""

import asyncio
import gzip
from pathlib import Path
from typing import Any

import pytest
from downloading import add, hours_ago, in_virtual_time, quick, run
from golden_archives import FORMS
from hypothesis import given, settings
from hypothesis import strategies as st
from logs_in_pieces import begin

from dashscope_ftlogs import Downloaded, LogSession, RetryPolicy, verify_archive
from dashscope_ftlogs.archive.local_log_reader import stored_logs
from dashscope_ftlogs.emulator import EmulatedJob, Emulator
from dashscope_ftlogs.text import TAIL

QUICK = RetryPolicy(base_delay=0.001, max_delay=0.002, lag=0.05)
forms = pytest.mark.parametrize(("form", "compression"), FORMS.values(), ids=FORMS)


def kept(folder: Path) -> list[str]:
    (log,) = stored_logs(folder)
    return [line for _, line in log.lines()]


async def download(emulator: Emulator, folder: Path, **options: Any) -> Downloaded:
    async with LogSession(emulator.api_key, base_url=emulator.base_url, retry=QUICK) as session:
        (outcome,) = await session.download("ft-1", folder, **{"settle": 0, **options})
        assert (outcome.error, outcome.set_aside) == (None, ())
        return outcome


@pytest.mark.covered
@forms
async def test_a_live_job_whose_last_line_is_a_progress_bar_is_fetched_once(
    tmp_path: Path, form: Any, compression: Any
) -> None:
    before = [f"line {n}" for n in range(3_000)]
    job = EmulatedJob("ft-1", [*before, "bar |"], status="RUNNING")
    with Emulator([job]) as emulator:
        await download(emulator, tmp_path, format=form, compression=compression)
        for done in range(1, 5):
            job.rewrite([*before, "bar |" + "#" * done])
            emulator.journal.clear()
            outcome = await download(emulator, tmp_path)
            assert (outcome.lines, outcome.new_lines) == (3_001, 0)
            assert kept(tmp_path) == job.lines
            assert sum(exchange.lines for exchange in emulator.journal) <= TAIL
        job.status = "SUCCEEDED"
        job.rewrite([*before, "bar |##### done", "end"])
        outcome = await download(emulator, tmp_path, settle=None)
        assert (outcome.state, outcome.lines, outcome.new_lines) == ("complete", 3_002, 1)
        assert kept(tmp_path) == job.lines
    assert [verdict.state for verdict in verify_archive(tmp_path)] == ["ok"]


texts = st.text(st.sampled_from("ab\r\n é\u2028"), max_size=4)


@pytest.mark.unmeasured
@settings(max_examples=40, deadline=None)
@given(
    states=st.lists(st.tuples(texts, st.lists(texts, max_size=4)), min_size=1, max_size=6),
    form=st.sampled_from([*FORMS.values()]),
    piece_bytes=st.sampled_from([8, 40, 2**24]),
)
def test_however_a_log_grows_the_archive_is_what_the_service_has(
    tmp_path_factory: pytest.TempPathFactory, states: Any, form: Any, piece_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("archive")

    async def main() -> None:
        job = EmulatedJob("ft-1", ["begin", "x"], status="RUNNING")
        async with Emulator([job]) as emulator:
            form_, compression = form
            begin(
                folder,
                emulator.base_url,
                "ft-1",
                piece_bytes=piece_bytes,
                form=form_,
                compression=compression,
            )
            await download(emulator, folder)
            for more, lines in states:
                job.rewrite([*job.lines[:-1], job.lines[-1] + more, *lines])
                await download(emulator, folder)
                (verdict,) = verify_archive(folder)
                assert (verdict.state, verdict.lines) == ("incomplete", len(job.lines))
                (log,) = stored_logs(folder)
                data = log.path.read_bytes()
                if compression:
                    data = gzip.decompress(data)
                if form_ == "text":
                    assert data == "".join(f"{line}\n" for line in job.lines).encode()
                else:
                    assert kept(folder) == job.lines

    asyncio.run(main())


def test_a_last_line_that_a_late_machine_showed_in_part_is_whole_before_a_log_is_complete(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        service = quick()
        lines = [f"line {n}" for n in range(20)]
        log = add(service, "ft-1", [*lines, "li"], end_time=hours_ago(1))
        async with service.serving():
            started = asyncio.get_running_loop().time()
            log.states.append((started + 10, [*lines, "line 20"]))
            done = await run(service, tmp_path, ["ft-1"])
            assert done.states == {"ft-1": "complete"}
            assert kept(tmp_path) == [*lines, "line 20"]
            assert done.outcomes[0].set_aside == ()

    in_virtual_time(main())
