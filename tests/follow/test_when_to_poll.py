"""When a growing log is looked at again: simulated, without a network."""

import random
import statistics
from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.follow.line_delay import Lags
from dashscope_ftlogs.follow.when_to_poll import Rhythm


@attrs.frozen
class Outcome:
    reads: int
    lags: list[float]
    waits: list[float]

    @property
    def median_lag(self) -> float:
        return statistics.median(self.lags)


def simulate(arrivals: Sequence[float], end: float, seed: int = 0, latency: float = 0.01) -> Outcome:
    """Read a log whose lines appear at these times, as the rhythm says."""
    chance = random.Random(seed)
    rhythm, now, found = Rhythm(1.0, 15.0).quiet(0.0), 0.0, 0
    reads, lags, waits = 0, [], []
    while now < end:
        now += latency
        reads += 1
        new = [at for at in arrivals[found:] if at <= now - latency / 2]
        found += len(new)
        lags += [now - at for at in new]
        rhythm = rhythm.heard(now, len(new)) if new else rhythm.quiet(now)
        waits.append(rhythm.wait(now, chance.random()))
        now += waits[-1]
    return Outcome(reads, lags, waits)


@pytest.mark.covered
@pytest.mark.parametrize("seed", range(60))
def test_a_line_every_30_s_is_read_within_a_second_at_little_more_than_one_request(seed: int) -> None:
    begin = random.Random(seed).random() * 30
    outcome = simulate([begin + 30 * n for n in range(120)], 3600, seed)
    assert outcome.median_lag < 1.5
    assert outcome.reads <= 1.45 * 120


@pytest.mark.covered
@pytest.mark.parametrize("gap", [2.0, 5.0, 8.0, 50.0])
@pytest.mark.parametrize("jitter", [0.0, 0.02])
def test_other_steady_paces_are_found_too(gap: float, jitter: float) -> None:
    for seed in range(10):
        chance = random.Random(seed)
        begin = chance.random() * gap
        times = sorted(begin + gap * n + chance.gauss(0, jitter * gap) for n in range(120))
        outcome = simulate(times, times[-1], seed)
        assert outcome.median_lag < 2.5
        assert outcome.reads <= 1.5 * 120


@pytest.mark.covered
def test_bursts_are_expected_as_a_whole() -> None:
    for seed in range(10):
        bursts = [random.Random(seed).random() * 60 + 60 * n for n in range(60)]
        outcome = simulate([at + 0.01 * k for at in bursts for k in range(50)], 3600, seed)
        assert outcome.median_lag < 3
        assert outcome.reads <= 3.5 * 60


@pytest.mark.covered
def test_a_stream_of_lines_is_read_once_a_second() -> None:
    outcome = simulate([0.1 * n for n in range(6000)], 600)
    assert 550 < outcome.reads <= 600
    assert max(outcome.lags) < 1.1


def test_a_pace_that_changes_is_learned_anew() -> None:
    slow, fast = [40.0 * n for n in range(1, 40)], [1600 + 4.0 * n for n in range(300)]
    again = [2800 + 40.0 * n for n in range(1, 40)]
    assert simulate([*slow, *fast, *again], 4400).median_lag < 2
    outcome = simulate([*fast, *again], 4400)
    assert statistics.median(outcome.lags[-20:]) < 3


def test_silence_is_met_with_patience_up_to_the_longest_wait() -> None:
    outcome = simulate([], 600)
    assert max(outcome.waits) <= 15
    assert min(outcome.waits[-10:]) >= 15 * 0.75
    # And a line after it is followed closely again.
    line = Rhythm(1.0, 15.0).quiet(590.0).heard(605.0, 1)
    assert line.wait(605.0) <= 1.0


@pytest.mark.unmeasured
@given(gaps=st.lists(st.floats(0, 1000), max_size=60), lines=st.lists(st.integers(1, 9), min_size=60))
def test_no_history_brings_a_wait_beyond_its_bounds(gaps: list[float], lines: list[int]) -> None:
    rhythm, now = Rhythm(1.0, 15.0), 0.0
    for gap, count in zip(gaps, lines, strict=False):
        now += gap
        rhythm = rhythm.heard(now, count) if count > 3 else rhythm.quiet(now)
        assert 1.0 <= rhythm.wait(now, 0.0) <= 60.0
        assert 0.0 <= rhythm.lag <= now


def test_lags_are_counted_within_five_percent() -> None:
    lags = Lags()
    assert (lags.median, lags.worst) == (0.0, 0.0)
    values = [0.0, *(n / 100 for n in range(1, 1001))]
    for value in values:
        lags.add(value)
    assert lags.median == pytest.approx(5.0, rel=0.05)
    assert lags.worst == pytest.approx(10.0, rel=0.05)
