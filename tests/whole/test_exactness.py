"""The promise itself, end to end: whatever the server does, every line once and in order."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import FTLogsError, LogSession, RetryPolicy
from dashscope_ftlogs.emulator import (
    EmptyPage,
    EmulatedJob,
    Emulator,
    Fault,
    ShortPage,
    generate_job,
    job_from_file,
    ten_ways_to_fail,
)

PATIENT = RetryPolicy(max_tries=30, base_delay=0.0001, max_delay=0.001)

# Everything JSON can carry, lone surrogates, control characters and the separators of U+2028 included.
ANY_LINE = st.text(st.characters(), max_size=20)


@pytest.mark.unmeasured
@given(
    log=st.lists(ANY_LINE, max_size=60),
    growth=st.lists(ANY_LINE, max_size=20),
    faults=st.sampled_from([0.0, 0.25, 0.5]),
    page_size=st.integers(1, 30),
    page_cap=st.none() | st.integers(1, 30),
    ragged=st.sampled_from([0.0, 0.5]),
    concurrency=st.integers(1, 8),
    seed=st.integers(0, 2**32),
)
def test_any_log_arrives_exactly_over_any_pages_growth_and_faults(
    log: list[str],
    growth: list[str],
    faults: float,
    page_size: int,
    page_cap: int | None,
    ragged: float,
    concurrency: int,
    seed: int,
) -> None:
    async def main() -> None:
        job = EmulatedJob("ft-1", log)
        async with (
            Emulator(
                [job],
                seed=seed,
                page_cap=page_cap,
                ragged=ragged,
                faults=(*ten_ways_to_fail(faults), Fault(ShortPage(1), probability=0.2)),
            ) as emulator,
            LogSession(emulator.api_key, base_url=emulator.base_url, retry=PATIENT) as session,
        ):
            got: list[str] = []
            lines = session.lines("ft-1", page_size=page_size, concurrency=concurrency)
            async for line in lines:
                got.append(line)
                if len(got) == len(log) // 2:
                    job.append(*growth)
            assert got == [*log, *growth][: len(got)]
            assert len(got) >= len(log)
            assert lines.offset == len(got) == lines.total

    asyncio.run(main(), debug=False)


@pytest.mark.unmeasured
async def test_a_log_arrives_exactly_while_one_request_in_four_fails_in_ten_ways(
    connect: Callable[..., LogSession],
) -> None:
    job = generate_job("sft", lines=20_000, seed=7)
    faults = ten_ways_to_fail(0.25)
    async with Emulator([job], faults=faults) as emulator, connect(emulator) as session:
        assert await session.lines(job.job_id, page_size=100).collect() == list(job.lines)
        journal = emulator.journal
    assert len({exchange.fault for exchange in journal} - {None}) >= 8
    assert 0.15 < sum(exchange.fault is not None for exchange in journal) / len(journal) < 0.35


@pytest.mark.unmeasured
async def test_a_log_is_taken_up_again_where_a_failure_left_it(
    connect: Callable[..., LogSession],
) -> None:
    job = generate_job("dpo", lines=3_000, seed=1)
    faults = ten_ways_to_fail(0.3)
    got: list[str] = []
    async with Emulator([job], faults=faults) as emulator:
        while True:
            async with connect(emulator, retry=RetryPolicy(max_tries=1)) as session:
                lines = session.lines(job.job_id, offset=len(got), page_size=100)
                try:
                    async for line in lines:
                        got.append(line)
                except FTLogsError as error:
                    assert error.offset == lines.offset == len(got)
                else:
                    break
    assert got == list(job.lines)


async def test_empty_pages_below_the_total_lose_nothing(connect: Callable[..., LogSession]) -> None:
    job = generate_job("cpt", lines=500, seed=1)
    faults = [Fault(EmptyPage(), probability=0.5)]
    async with Emulator([job], faults=faults, page_cap=7) as emulator, connect(emulator) as session:
        assert await session.lines(job.job_id).collect() == list(job.lines)


async def test_real_logs_arrive_equal_to_the_byte(
    corpus: list[Path], tmp_path: Path, connect: Callable[..., LogSession]
) -> None:
    logs = corpus or _believable_logs(tmp_path)
    jobs = [job_from_file(path, job_id=f"ft-{number}") for number, path in enumerate(logs)]
    async with Emulator(jobs) as emulator, connect(emulator) as session:
        for job, path in zip(jobs, logs, strict=True):
            lines = await session.lines(job.job_id, page_size=500).collect()
            text = path.read_bytes().decode("utf-8", "replace")
            assert "".join(f"{line}\n" for line in lines) == (
                text if text.endswith("\n") or not text else text + "\n"
            )


def _believable_logs(folder: Path) -> list[Path]:
    paths = []
    for kind in ("sft", "cpt", "dpo"):
        path = folder / f"{kind}.log"
        job = generate_job(kind, lines=2_000, seed=5)
        path.write_bytes("".join(f"{line}\n" for line in job.lines).encode())
        paths.append(path)
    return paths


@pytest.mark.parametrize(("lines", "pages"), [(0, 1), (999, 1), (1000, 1), (1001, 2), (5000, 5)])
async def test_no_request_is_wasted(connect: Callable[..., LogSession], lines: int, pages: int) -> None:
    job = EmulatedJob("ft-1", [f"{n}" for n in range(lines)])
    async with Emulator([job]) as emulator, connect(emulator) as session:
        assert len(await session.lines("ft-1").collect()) == lines
        assert len(emulator.journal) == pages
