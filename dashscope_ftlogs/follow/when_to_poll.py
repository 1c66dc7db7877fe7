"""When to look at a growing log again: soon after its next line is due.

A read tells only that lines came since the read before it. So the time of the next ones is learned in
the way one learns a tram's timetable: come when it should be there; if it was there before, come a
little earlier each time, until once it is not there yet. Then wait: now it is known when it comes.
"""

from typing import Final

import attrs

_LATER: Final = 1.5
"""Each further wait for lines that are late is so many times as long."""
_FAR: Final = 4.0
"""Lines that come regularly are waited for up to so many times `longest`."""
_REGULAR: Final = 0.25
"""They come regularly if they differ from the forecast by no more than this share of the usual gap."""
_PROVEN: Final = 2
"""So many forecasts have to have been made before."""
_WEIGHT: Final = 0.25
"""How much the newest observation counts."""
_EARLIER: Final = 0.15
"""How much earlier to come next time, as a share of what is not known of a line's time."""
_BOLDER: Final = 1.2
"""Each time that a line was there again, come so many times earlier."""
_BOLDEST: Final = 0.2
"""But at most by this share of the usual gap."""


@attrs.frozen
class Rhythm:
    """What was learned of one log's growth. All times are in seconds, on one clock.

    >>> rhythm = Rhythm(shortest=1.0, longest=15.0).heard(0.0, 1)
    >>> for second in (30, 60, 90):
    ...     rhythm = rhythm.quiet(second - 0.5).heard(second + 0.5, 1)
    >>> round(rhythm.wait(90.5))
    30
    """

    shortest: float
    """Wait at least so long between two reads."""
    longest: float
    """Wait at most so long, unless lines come so regularly that the next one is forecast for later."""
    misses: int = 0
    """How many reads have found nothing since the last lines."""
    last: float | None = None
    """About when the last lines came."""
    lag: float = 0.0
    """About how long that was before they were read."""
    _read_at: float | None = None
    _gap: float | None = None
    """The usual time between lines; between batches of them, if they come in batches."""
    _batch: float = 1.0
    """How many lines usually come together."""
    _spread: float = 0.0
    """How far off the forecast usually is."""
    _sure: float = 0.0
    """When lines came last whose time is known well, since a read shortly before had missed them."""
    _since: int = 0
    """How many gaps ago that was."""
    _forecasts: int = 0
    """How many times lines came that were forecast."""
    _batch_goes_on: bool = False
    """Several lines came, so more may be about to."""
    _step: float = 0.0
    """By how much to come earlier next time, if the lines are there already."""

    def quiet(self, now: float) -> "Rhythm":
        """Return what is known after a read that found nothing new."""
        return attrs.evolve(self, read_at=now, misses=self.misses + 1)

    def heard(self, now: float, lines: int) -> "Rhythm":
        """Return what is known after a read that brought so many new lines."""
        before = now if self._read_at is None else self._read_at
        if self.last is None or (self._batch_goes_on and not self.misses):
            came = (before + now) / 2
            learned = attrs.evolve(self, last=came, sure=came, since=0)
        elif self._gap is None:
            learned = self._begin(self.last, before, now, lines)
        elif self.misses and (before > self.last + self._gap or now - before <= 2 * self.shortest):
            learned = self._measure(self.last, self._gap, before, now, lines)
        else:
            learned = self._advance(self.last, self._gap, before, now, lines)
        return attrs.evolve(
            learned,
            lag=now - (learned.last or now),
            read_at=now,
            misses=0,
            forecasts=self._forecasts + (self._gap is not None),
            batch_goes_on=lines > 1,
        )

    def _begin(self, last: float, before: float, now: float, lines: int) -> "Rhythm":
        """Take the first gap for the usual one."""
        came, unsure = (before + now) / 2, now - before
        # If a read before found nothing, they came together; else one by one, as far as is known.
        batch = lines if self.misses else 1
        # Rather too short a gap: whoever comes too early sees when they come.
        gap = (before + unsure / 4 - last) / (lines / batch)
        return attrs.evolve(
            self, last=came, sure=came, gap=gap, batch=batch, spread=unsure / 4, step=_EARLIER * unsure
        )

    def _measure(self, last: float, gap: float, before: float, now: float, lines: int) -> "Rhythm":
        """Learn from lines that a read just before had missed: they came in between."""
        came = (before + now) / 2
        off = abs(came - last - gap)
        seen = (came - self._sure) / (self._since + 1)
        trust = 1 - 0.5 / (self._since + 1)  # the mean of many gaps is the better one
        other_pace = not gap / 2 < seen < gap * 2
        return attrs.evolve(
            self,
            last=came,
            sure=came,
            since=0,
            gap=seen if other_pace else gap + trust * (seen - gap),
            batch=self._batch + _WEIGHT * (lines - self._batch),
            spread=self._spread + _WEIGHT * (off - self._spread),
            step=_EARLIER * max(self.shortest, off),
        )

    def _advance(self, last: float, gap: float, before: float, now: float, lines: int) -> "Rhythm":
        """Learn from lines that were there at once: perhaps since long, so come earlier next time."""
        gaps = max(1, round(lines / self._batch))
        since = self._since + gaps
        # Between these the mean of the gaps must lie.
        gap = max((before - self._sure) / since, min((now - self._sure) / since, gap))
        if gaps > 1:  # one of them had been missed, so the time of the last one is known well
            came = now - max(0.0, now - before - (gaps - 1) * gap) / 2
            return attrs.evolve(self, last=came, sure=came, since=0, gap=gap)
        came = max(before, min(now, last + gap) - self._step)
        step = min(self._step * _BOLDER, gap * _BOLDEST)
        return attrs.evolve(self, last=came, since=since, gap=gap, step=step)

    def wait(self, now: float, draw: float = 0.5) -> float:
        """Return how long to wait before the next read.

        Args:
            now: The time.
            draw: A number from 0 to 1, drawn at random, so that many logs are not all read together.
        """
        late = self.misses
        if self._batch_goes_on and not late:
            return self.shortest
        if self.last is not None and self._gap is not None:
            margin = min(self._spread / 4 + self.shortest / 10, self._gap / 8)
            until_due = self.last + self._gap + margin - now
            if until_due > self.shortest:
                regular = self._forecasts >= _PROVEN and self._spread <= _REGULAR * self._gap
                return min(until_due, self.longest * (_FAR if regular else 1.0))
            late = max(0, late - 1)
        patience = min(self.longest, self.shortest * _LATER ** min(late, 64))
        return max(self.shortest, patience * (0.75 + 0.25 * draw))
