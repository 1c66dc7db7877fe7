"""Following logs of a service of several machines that lag, over a real connection, in virtual time."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from following import JOB, in_virtual_time
from lagging_service import History, LaggingService, Restarts, any_history, generation, lags
from thinned import every

from dashscope_ftlogs import (
    EventKind,
    FollowEvent,
    IncompleteLogError,
    InvalidArgumentError,
    LogSession,
    NotFoundError,
)
from dashscope_ftlogs.client.doubt import Known
from dashscope_ftlogs.models import LogPage
from dashscope_ftlogs.text import digests

LAG = 40.0


MOSTLY_GROWTH = (*["grows"] * 8, *["afresh"] * 2, "trimmed", "deleted")


def any_life(rng: random.Random, start: float) -> tuple[History, History]:
    """Return a log that grows, is started afresh, trimmed, deleted; and a job that ends with it."""
    log = any_history(rng, start + 2 * LAG, 2 * LAG, 9, MOSTLY_GROWTH)
    facts: list[tuple[float, Any]] = [(start - 100, {"status": "RUNNING"})]
    when, lines = log.states[-1]
    if lines is None:
        facts.append((when, None))
    else:
        ended = max(when, start) + rng.random() * LAG
        facts.append((ended, {"status": rng.choice(["SUCCEEDED", "FAILED"])}))
    return log, History(facts)


@asynccontextmanager
async def service(
    seed: int, lag: Callable[[], float] | None = None
) -> AsyncIterator[tuple[LaggingService, LogSession]]:
    rng = random.Random(seed)
    serving = LaggingService(rng, lag or lags(rng, LAG), 0.0 if lag else 2.0)
    async with serving.serving():
        async with LogSession("sk-1", base_url=serving.base_url) as session:
            yield serving, session


async def any_follow(seed: int) -> str:
    """Follow a log with any life; return how that ended."""
    async with service(seed) as (serving, session):
        truth, serving.facts[JOB] = any_life(serving.rng, asyncio.get_running_loop().time())
        serving.logs[JOB] = truth
        lives: list[list[str]] = [[]]
        missing: list[FollowEvent] = []

        def on_event(event: FollowEvent) -> None:
            if event.kind is EventKind.REWRITTEN:
                lives.append([])
            if event.kind is EventKind.MISSING:
                missing.append(event)

        error: Exception | None = None
        try:
            async for line in session.follow(JOB, on_event=on_event):
                assert line.offset == len(lives[-1])
                lives[-1].append(line.text)
        except (IncompleteLogError, NotFoundError) as caught:
            error = caught
            assert caught.position is not None
            assert caught.position["offset"] == len(lives[-1])
    states = [state for _, state in truth.states]
    for life in lives:
        assert life == generation(life[0].split()[0], len(life)) if life else True
        assert any(state is not None and state[: len(life)] == life for state in states)
    for life in lives[:-1]:  # never announced without need
        assert any(state is None or state[: len(life)] != life for state in states[1:])
    if error is None:
        assert lives[-1] == states[-1]
        return "rewritten" if len(lives) > 1 else "whole"
    if isinstance(error, NotFoundError):
        assert states[-1] is None
        return "deleted"
    assert missing
    return "missing"


@pytest.mark.chance
@pytest.mark.unmeasured
def test_any_follow_delivers_each_generation_once_and_ends_only_when_it_is_complete(
    request: pytest.FixtureRequest,
) -> None:
    ends: Counter[str] = Counter()

    async def main() -> None:
        for seed in range(int(request.config.getoption("--stale-reads"))):
            ends[await any_follow(seed)] += 1

    in_virtual_time(main(), debug=False)
    assert ends["whole"] > 0
    assert ends["rewritten"] > 0


@pytest.mark.unmeasured
@pytest.mark.parametrize("then", [4, 20, 60])
def test_a_log_that_is_started_afresh_at_any_line_is_announced_whatever_its_length(then: int) -> None:
    async def main() -> None:
        for after in range(1, 21):
            async with service(after, lag=lambda: 0.0) as (serving, session):
                start = asyncio.get_running_loop().time()
                times = [(start + n, generation("old", n)) for n in range(after + 1)]
                restart = [(start + after + 30, generation("new", then))]
                serving.logs[JOB] = History([*times, *restart])
                end = (start + after + 60, {"status": "SUCCEEDED"})
                serving.facts[JOB] = History([(start, {"status": "RUNNING"}), end])
                events: list[FollowEvent] = []
                got = [line.text async for line in session.follow(JOB, on_event=events.append)]
                assert got == generation("old", after) + generation("new", then)
                assert [event.kind for event in events].count(EventKind.REWRITTEN) == 1

    in_virtual_time(main(), debug=False)


def ended(when: float, **facts: Any) -> History:
    return History([(when - 1, {"status": "RUNNING"}), (when, {"status": "SUCCEEDED", **facts})])


def test_lines_that_appear_within_the_lag_after_the_end_are_delivered() -> None:
    async def main() -> None:
        async with service(1, lag=lambda: 0.0) as (serving, session):
            now = asyncio.get_running_loop().time
            start = now()
            serving.facts[JOB] = ended(start + 10)
            serving.logs[JOB] = History([(start, ["a"]), (start + 50, ["a", "b"])])
            follower = session.follow(JOB)
            assert [line.text async for line in follower] == ["a", "b"]
            assert 45 < now() - start < 90
            assert not follower.jobs[JOB].settling

    in_virtual_time(main())


@pytest.mark.parametrize(
    ("facts", "settle", "seconds"),
    [
        ({"end_time": "2025-01-01 00:00:00"}, None, (0, 1)),
        ({}, None, (45, 50)),
        ({"end_time": "soon"}, None, (45, 50)),
        ({}, 10.0, (10, 12)),
        ({}, 0, (0, 2)),
    ],
)
def test_a_job_that_ended_long_ago_is_left_at_once_and_any_other_after_it_has_settled(
    facts: dict[str, str], settle: float | None, seconds: tuple[float, float]
) -> None:
    async def main() -> None:
        async with service(1, lag=lambda: 0.0) as (serving, session):
            now = asyncio.get_running_loop().time
            start = now()
            serving.date = "Thu, 26 Nov 2026 02:00:00 GMT"
            serving.facts[JOB] = ended(start - 5, **facts)
            serving.logs[JOB] = History([(start, ["a"])])
            assert [line.text async for line in session.follow(JOB, settle=settle)] == ["a"]
            assert seconds[0] <= now() - start < seconds[1]

    in_virtual_time(main())


def test_a_last_line_that_grew_is_told_of_and_those_after_it_are_delivered() -> None:
    async def main() -> None:
        async with service(1, lag=lambda: 0.0) as (serving, session):
            start = asyncio.get_running_loop().time()
            serving.facts[JOB] = ended(start + 40)
            logs = (["a", " 10%"], ["a", " 10% 20%"], ["a", " 10% 20% 30%", "b"])
            serving.logs[JOB] = History([(start + 10 * n, log) for n, log in enumerate(logs)])
            events: list[FollowEvent] = []
            follower = session.follow(JOB, on_event=events.append)
            assert [line.text async for line in follower] == ["a", " 10%", "b"]
            grew = [event for event in events if event.kind is EventKind.GREW]
            assert [event.offset for event in grew] == [1, 1]
            assert EventKind.REWRITTEN not in {event.kind for event in events}
            last = list(digests(logs[-1]))
            assert follower.jobs[JOB].position == {"offset": 3, "last": last}

    in_virtual_time(main())


@pytest.mark.parametrize(
    ("lines", "length", "grew"),
    [
        (["a", "b c"], 1, True),
        (["a", "b c"], None, True),
        (["a", "b"], 1, False),
        (["a", "c b"], None, False),
        (["x", "b c"], 1, False),
        (["a"], 1, False),
        (["a", "bb"], 2, False),
    ],
)
def test_a_line_has_grown_only_if_its_old_text_begins_it_and_the_others_are_the_same(
    lines: list[str], length: int | None, grew: bool
) -> None:
    known = Known(2, digests(["a", "b"]), 2, length)
    page = LogPage(JOB, 0, tuple(lines), len(lines))
    assert (known.grown(page) is not None) is grew
    assert Known(2).grown(page) is None


@pytest.mark.parametrize("count", [3, 10, 40])
def test_following_goes_on_from_a_position_and_notices_another_log(count: int) -> None:
    async def main() -> None:
        async with service(1, lag=lambda: 0.0) as (serving, session):
            start = asyncio.get_running_loop().time()
            serving.facts[JOB] = ended(start + 200)
            serving.logs[JOB] = log = History([(start, generation("a", 10))])
            follower = session.follow([JOB])
            async with aclosing(aiter(follower)) as lines:
                for _ in range(7):
                    await anext(lines)
            position = follower.jobs[JOB].position
            assert position == {"offset": 7, "last": list(digests(generation("a", 7)[-5:]))}
            follower = session.follow(JOB, at={JOB: position})
            async with aclosing(aiter(follower)) as lines:
                assert (await anext(lines)).offset == 7
            log.states.append((start + 100, generation("b", count)))
            await asyncio.sleep(100)
            events: list[FollowEvent] = []
            follower = session.follow(JOB, at=position, on_event=events.append)
            got = [line.text async for line in follower]
            assert got == generation("b", count)
            assert [event.kind for event in events].count(EventKind.REWRITTEN) == 1

    in_virtual_time(main())


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED"])
def test_a_plain_offset_beyond_the_end_is_waited_for_and_no_line_before_it_is_delivered(
    status: str,
) -> None:
    async def main() -> None:
        async with service(1, lag=lambda: 0.0) as (serving, session):
            start = asyncio.get_running_loop().time()
            serving.facts[JOB] = ended(start + 100)
            grown = 11 if status == "RUNNING" else 5
            logs = [(start, generation("a", 5)), (start + 50, generation("a", grown))]
            serving.logs[JOB] = History(logs)
            events: list[FollowEvent] = []
            follower = session.follow(JOB, offset=9, on_event=events.append)
            got: list[int] = []
            try:
                async for line in follower:
                    got.append(line.offset)
            except InvalidArgumentError as error:
                assert str(error) == "offset 9: the log of ft-1 has only 5 lines."
                assert status == "SUCCEEDED"
            else:
                assert status == "RUNNING"
            assert got == list(range(9, grown))
            (told,) = [event for event in events if event.kind is EventKind.AWAITED]
            assert told.message == "it has 5 lines so far, and is followed from line 9 on"
            assert EventKind.REWRITTEN not in {event.kind for event in events}

    in_virtual_time(main())


def test_a_log_that_shrinks_before_it_reaches_a_plain_offset_is_waited_for_all_the_same() -> None:
    async def main() -> None:
        async with service(1, lag=lambda: 0.0) as (serving, session):
            start = asyncio.get_running_loop().time()
            serving.facts[JOB] = ended(start + 300)
            sizes = {0: 40, 20: 30, 200: 60}
            serving.logs[JOB] = History([(start + t, generation("a", n)) for t, n in sizes.items()])
            events: list[FollowEvent] = []
            follower = session.follow(JOB, offset=50, on_event=events.append)
            assert [line.offset async for line in follower] == list(range(50, 60))
            told = {event.kind for event in events}
            assert not told & {EventKind.REWRITTEN, EventKind.MISSING}

    in_virtual_time(main())


@pytest.mark.unmeasured
@pytest.mark.parametrize(("most", "longer"), every(4, [50, 1_000], [900, 1, 0]))
def test_a_log_that_another_one_replaces_while_it_is_read_is_announced(most: int, longer: int) -> None:
    before = generation("a", 4 * most + most // 2)
    after = generation("b", len(before) + longer)

    async def main() -> None:
        for answers in range(1, 7):
            async with service(answers, lag=lambda: 0.0) as (serving, session):
                serving.most = most
                now = asyncio.get_running_loop().time()
                serving.logs[JOB] = Restarts([(0, before), (0, after)], answers)
                serving.facts[JOB] = ended(now + 30)
                lives: list[list[str]] = [[]]

                def begin(event: FollowEvent, lives: list[list[str]] = lives) -> None:
                    if event.kind is EventKind.REWRITTEN:
                        lives.append([])

                async for line in session.follow(JOB, on_event=begin):
                    lives[-1].append(line.text)
                assert len(lives) == 2
                assert lives[-1] == after

    in_virtual_time(main(), debug=False)


def test_a_job_that_is_gone_is_told_of_at_once_and_is_an_error_after_the_lag() -> None:
    async def main() -> None:
        async with service(1, lag=lambda: 0.0) as (serving, session):
            now = asyncio.get_running_loop().time
            start = now()
            serving.facts[JOB] = History([(start, {"status": "RUNNING"}), (start + 20, None)])
            serving.logs[JOB] = History([(start, ["a"]), (start + 20, None)])
            told: list[tuple[float, EventKind]] = []

            def tell(event: FollowEvent) -> None:
                told.append((now() - start, event.kind))

            with pytest.raises(NotFoundError):
                async for _ in session.follow(JOB, on_event=tell):
                    pass
            assert now() - start > 60
            (when,) = [when for when, kind in told if kind is EventKind.MISSING]
            assert 20 <= when < 40

    in_virtual_time(main())


@pytest.mark.parametrize(("status", "limit"), [("SUCCEEDED", None), ("RUNNING", 60.0)])
def test_lines_that_stay_missing_are_told_of_once_and_are_an_error_in_the_end(
    status: str, limit: float | None
) -> None:
    async def main() -> None:
        # The job's status and the first page are told by a machine that no later request gets to.
        behind = iter([0.0, 0.0])
        async with service(1, lag=lambda: next(behind, 1e6)) as (serving, session):
            start = asyncio.get_running_loop().time()
            serving.facts[JOB] = History([(start, {"status": status})])
            logs = [(start - 1000, generation("a", 1000)), (start - 500, generation("a", 1500))]
            serving.logs[JOB] = History(logs)
            events: list[FollowEvent] = []
            with pytest.raises(IncompleteLogError) as caught:
                async for _ in session.follow(JOB, on_event=events.append, give_up_after=limit):
                    pass
            assert (caught.value.next_offset, caught.value.total) == (1000, 1500)
            assert [event.kind for event in events].count(EventKind.MISSING) == 1

    in_virtual_time(main())


@pytest.mark.parametrize(("seen_for", "count"), [(20.0, 1), (100.0, 2)])
def test_machines_that_know_a_job_in_turns_are_one_outage_until_it_was_seen_for_the_lag(
    seen_for: float, count: int
) -> None:
    async def main() -> None:
        now = asyncio.get_running_loop().time
        start = now()
        requests = 0

        def lag() -> float:
            """Every other machine is behind, but for a while in the middle."""
            nonlocal requests
            requests += 1
            turns = now() - start < 20 or 20 + seen_for <= now() - start < 40 + seen_for
            return 1e6 if turns and requests > 2 and requests % 2 else 0.0

        async with service(1, lag=lag) as (serving, session):
            end = start + 60 + seen_for
            facts = [(start - 100, {"status": "RUNNING"}), (end, {"status": "SUCCEEDED"})]
            serving.facts[JOB] = History([(start - 1e5, None), *facts])
            logs = [(start + n, generation("a", n + 100)) for n in range(-50, 170, 3)]
            serving.logs[JOB] = History([(start - 1e5, None), *logs])
            told: list[EventKind] = []
            followed = session.follow(
                JOB, longest_poll=2, settle=1, on_event=lambda event: told.append(event.kind)
            )
            async for _ in followed:
                pass
            assert told.count(EventKind.MISSING) == count

    in_virtual_time(main())
