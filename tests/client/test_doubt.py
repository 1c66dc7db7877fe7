"""What contradicts is asked for again, and believed in the end: the rule alone, without any wait."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dashscope_ftlogs import IncompleteLogError, LogPage, LogRewrittenError
from dashscope_ftlogs.client.doubt import Contradiction, Decision, Doubt, Growth, Known, Verdict
from dashscope_ftlogs.text import TAIL, digests

OLD = tuple(f"old {n}" for n in range(40))
NEW = tuple(f"new {n}" for n in range(60))


def known(offset: int, total: int = 40) -> Known:
    return Known(offset, digests(OLD[max(0, offset - TAIL) : offset]), total)


def page(log: tuple[str, ...], begin: int, end: int, total: int | None = None) -> LogPage:
    return LogPage("ft-1", begin, log[begin:end], len(log) if total is None else total)


offsets = st.integers(0, 40)
times = st.floats(0, 1000)


@given(offsets, offsets, offsets, st.integers(40, 100))
def test_no_page_of_the_same_log_contradicts_what_is_known(
    offset: int, begin: int, end: int, total: int
) -> None:
    assert known(offset).contradiction(page(OLD, begin, end, total)) is None


@pytest.mark.covered
@given(offsets, offsets, st.integers(0, 60), st.integers(0, 100))
def test_any_known_line_that_is_another_one_is_another_log(
    offset: int, begin: int, end: int, total: int
) -> None:
    assume(max(begin, offset - TAIL) < min(end, offset))
    told = page(NEW, begin, end, total)
    assert known(offset).contradiction(told) is Contradiction.ANOTHER_LOG
    assert not known(offset).repeated_by(told)


@given(st.integers(1, 40), st.integers(0, 40))
def test_a_log_that_is_shorter_than_what_was_handed_out_is_another_one(offset: int, total: int) -> None:
    assume(total < offset)
    found = known(offset).contradiction(page(OLD, offset, offset, total))
    assert found is Contradiction.ANOTHER_LOG


@given(offsets, st.integers(0, 39))
def test_a_smaller_total_is_a_contradiction_even_with_the_same_lines(offset: int, total: int) -> None:
    assume(total >= offset)
    told = page(OLD, known(offset).begin, total, total)
    assert known(offset).contradiction(told) is Contradiction.LINES_MISSING
    assert known(offset).repeated_by(told)


@given(offsets, offsets, st.integers(0, 60))
def test_only_what_holds_all_of_the_last_lines_repeats_them(offset: int, begin: int, end: int) -> None:
    here = known(offset)
    assert here.repeated_by(page(OLD, begin, end)) == (
        begin <= here.begin and min(40, max(begin, end)) >= offset
    )


@given(times)
def test_without_a_contradiction_there_is_no_doubt(now: float) -> None:
    decision = Doubt().after(None, repeated=False, asked_at=now, now=now)
    assert decision == Decision(Verdict.CONSISTENT, Doubt())


@given(st.integers(41, 10**9), st.floats(0, 44))
def test_a_larger_total_clears_no_doubt(total: int, later: float) -> None:
    grown = page(NEW, 40, 50, total)
    here = known(40)
    decision = Doubt(since=0.0).after(
        here.contradiction(grown), repeated=here.repeated_by(grown), asked_at=later, now=later
    )
    assert decision.verdict is Verdict.DOUBTED


@given(st.sampled_from(Contradiction), st.integers(0, 5000), times)
def test_an_answer_that_repeats_the_last_lines_clears_it(
    contradiction: Contradiction, looks: int, now: float
) -> None:
    doubt = Doubt(45.0, 0.0, looks)
    decision = doubt.after(None, repeated=True, asked_at=now, now=now)
    assert decision == Decision(Verdict.CLEARED, Doubt())


@pytest.mark.covered
@given(
    contradiction=st.sampled_from([*Contradiction, None]),
    lag=st.floats(0.001, 10_000),
    took=st.lists(st.floats(0, 10), min_size=40, max_size=40),
)
def test_what_contradicts_is_believed_once_it_was_asked_for_after_the_lag_and_never_before(
    contradiction: Contradiction | None, lag: float, took: list[float]
) -> None:
    now = 100.0
    decision = Doubt(lag).after(
        Contradiction.LINES_MISSING, repeated=False, asked_at=now - took[0], now=now
    )
    assert (decision.verdict, decision.wait) == (Verdict.DOUBTED, 0.0)  # at once
    for duration in took:
        asked_at = now + decision.wait
        now = asked_at + duration
        decision = decision.doubt.after(contradiction, repeated=False, asked_at=asked_at, now=now)
        if asked_at >= 100.0 + lag:
            assert decision == Decision(Verdict.BELIEVED, Doubt(lag))
            break
        assert decision.verdict is Verdict.DOUBTED
        assert 0 <= decision.wait <= lag + 1e-9  # clocks are floats
    else:
        raise AssertionError("it was doubted for ever")


@given(offsets, st.integers(0, 100))
def test_what_is_believed_names_the_place_and_what_was_heard(offset: int, total: int) -> None:
    told = page(NEW, 0, 0, total)
    missing = known(offset).error(Contradiction.LINES_MISSING, told)
    assert isinstance(missing, IncompleteLogError)
    assert (missing.next_offset, missing.total) == (offset, 40)
    other = known(offset).error(Contradiction.ANOTHER_LOG, told)
    assert isinstance(other, LogRewrittenError)
    assert (other.next_offset, other.total) == (offset, total)


@given(st.floats(0.5, 600), st.floats(0, 0.5))
def test_over_a_lag_it_is_asked_ten_times_at_least_and_no_more_than_twenty(
    lag: float, answer_takes: float
) -> None:
    assume(answer_takes <= lag / 100)
    now, looks, decision = (
        0.0,
        0,
        Doubt(lag).after(Contradiction.LINES_MISSING, repeated=False, asked_at=0, now=0),
    )
    while decision.verdict is not Verdict.BELIEVED:
        looks += 1
        asked_at = now + decision.wait
        now = asked_at + answer_takes
        decision = decision.doubt.after(
            Contradiction.LINES_MISSING, repeated=False, asked_at=asked_at, now=now
        )
    assert 10 <= looks <= 20


@pytest.mark.parametrize(
    ("looks", "asked_at", "now", "wait"),
    [
        (0, 0.0, 0.0, 1.0),
        (1, 0.0, 0.0, 2.0),
        (2, 0.0, 0.0, 4.0),
        (3, 0.0, 0.0, 4.5),
        (10_000, 0.0, 0.0, 4.5),
        (3, 43.0, 43.0, 2.0),
        (3, 44.9, 45.0, 0.0),
        (3, 44.9, 50.0, 0.0),
    ],
)
def test_the_waits_double_up_to_a_tenth_of_the_lag_and_none_goes_beyond_it(
    looks: int, asked_at: float, now: float, wait: float
) -> None:
    decision = Doubt(45.0, 0.0, looks).after(
        Contradiction.ANOTHER_LOG, repeated=True, asked_at=asked_at, now=now
    )
    assert decision == Decision(Verdict.DOUBTED, Doubt(45.0, 0.0, looks + 1), wait)


def test_what_was_asked_for_when_the_lag_ended_is_believed() -> None:
    decision = Doubt(45.0, 5.0, 9).after(None, repeated=False, asked_at=50.0, now=50.0)
    assert decision == Decision(Verdict.BELIEVED, Doubt(45.0))
    assert Doubt() == Doubt(45.0, None, 0)


texts = st.text(max_size=12)


@given(st.lists(texts, max_size=4), texts, texts, st.integers(0, 9), st.booleans())
def test_a_last_line_that_goes_on_is_known_from_then_on_as_it_is(
    before: list[str], text: str, more: str, ahead: int, measured: bool
) -> None:
    offset = ahead + len(before) + 1
    known = Known(offset, digests([*before, text]), offset, len(text) if measured else None)
    longer = text + more
    now = Known(offset, digests([*before, longer]), offset, len(longer))
    tells = more and (text or any(before))  # any line begins with nothing
    grown = Growth(now, longer, len(text)) if tells else None
    for begin in {0, ahead}:
        lines = (*("earlier" for _ in range(ahead - begin)), *before, longer)
        for page in (lines, (*lines, "next")):
            assert known.grown(LogPage("ft-1", begin, page, 99)) == grown
        assert known.grown(LogPage("ft-1", begin, lines[:-1], 99)) is None
        if text:
            assert known.grown(LogPage("ft-1", begin, (*lines[:-1], f"!{longer}"), 99)) is None
        if before:
            assert known.grown(LogPage("ft-1", begin, (*lines[:-2], "another", longer), 99)) is None
    if before:
        assert known.grown(LogPage("ft-1", ahead + 1, (*before[1:], longer), 99)) is None


def test_a_long_progress_bar_is_known_again_wherever_it_was_drawn_anew() -> None:
    bar = "".join(f"\r{n:>5}/5000 [{'#' * (n // 50):100}]" for n in range(5_001))
    ends = [n for n, character in enumerate(bar) if character == "\r" and n] + [4_000]
    for length in (*ends[:3], *ends[-3:], *ends[40:60]):
        known = Known(1, digests([bar[:length]]), 1)
        growth = known.grown(LogPage("ft-1", 0, (bar,), 1))
        assert growth is not None
        assert growth.length == length
    assert Known(1, digests([bar[: ends[1_000] + 1]]), 1).grown(LogPage("ft-1", 0, (bar,), 1)) is None


def test_of_a_line_whose_length_is_not_known_no_more_than_4096_beginnings_are_tried() -> None:
    for length, found in ((1, True), (4_095, True), (4_096, False)):
        known = Known(1, digests(["x" * length]), 1)
        page = LogPage("ft-1", 0, ("x" * 9_000,), 1)
        assert (known.grown(page) is not None) == found


PLACES = [
    (offset, begin, end) for offset in range(15) for begin in range(17) for end in range(begin, 17)
]


def test_wherever_a_page_begins_and_ends_what_it_shares_is_compared_and_nothing_else() -> None:
    for offset, begin, end in PLACES:
        one = known(offset, 0)
        assert one.contradiction(page(OLD, begin, end)) is None
        shared = range(max(begin, one.begin), min(end, offset))
        for number in range(begin, end):
            other = (*OLD[:number], "another", *OLD[number + 1 :])
            found = one.contradiction(page(other, begin, end))
            assert found is (Contradiction.ANOTHER_LOG if number in shared else None)


@pytest.mark.parametrize("length", [None, 8, 300])
def test_only_a_page_with_all_of_the_last_lines_tells_that_the_last_one_goes_on(
    length: int | None,
) -> None:
    for offset, begin, end in PLACES:
        line = OLD[offset - 1] if length is None else "x" * length
        log = (*OLD[: max(0, offset - 1)], line, *OLD[offset:])
        one = Known(offset, digests(log[max(0, offset - TAIL) : offset]), length=length)
        grown = (*log[: offset - 1], f"{line} goes on", *log[offset:])
        told = one.grown(page(grown, begin, end)) if offset else None
        if offset and begin <= one.begin and end >= offset:
            assert told is not None
            assert told.known.last == digests(grown[max(0, offset - TAIL) : offset])
            assert told.known.length == len(told.line) == len(grown[offset - 1])
            assert (told.number, told.length) == (offset - 1, len(line))
        else:
            assert told is None
        assert one.grown(page(log, begin, end)) is None


def test_a_page_of_many_lines_that_ends_before_the_last_one_tells_nothing_of_it() -> None:
    log = tuple(f"line {n}" for n in range(400))
    one = Known(301, digests(log[296:301]))
    assert one.grown(page(log, 0, 300)) is None
    assert one.grown(page(log, 0, 200)) is None


def test_where_nothing_is_known_nothing_contradicts() -> None:
    assert Known(0).contradiction(page((), 0, 0)) is None
    assert Known(0).grown(page(OLD, 0, 9)) is None
