"""When to look at a growing log again: soon after its next line is due.

A read tells only that lines came since the read before it. So the time of the next ones is learned in
the way one learns a tram's timetable: come when it should be there; if it was there before, come a
little earlier each time, until once it is not there yet. Then wait: now it is known when it comes.
"""

from typing import Final

import attrs

_LATER: Final = 1.5
"""Each further wait for lines that are late is so many times as long."""
_FAR: Final = 3.0
"""Lines that come regularly are waited for up to so many times `longest`."""
_REGULAR: Final = 0.1
"""They come regularly if they differ from the forecast by no more than this share of the usual gap."""
_TRUST: Final = 0.5
"""How much the newest gap counts."""
_TRUST_SPREAD: Final = 0.25
_EARLIER: Final = 0.1
"""How much earlier to come next time, as a share of what is not known of a line's time."""
_BOLDER: Final = 1.3
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
    _step: float = 0.0
    """By how much to come earlier next time, if the lines are there already."""

    def quiet(self, now: float) -> "Rhythm":
        """Return what is known after a read that found nothing new."""
        return attrs.evolve(self, read_at=now, misses=self.misses + 1)

    def heard(self, now: float, lines: int) -> "Rhythm":
        """Return what is known after a read that brought so many new lines."""
        before = now if self._read_at is None else self._read_at
        if self.last is None:
            came = (before + now) / 2
            learned = attrs.evolve(self, last=came, sure=came)
        elif self._gap is None:
            learned = self._begin(self.last, before, now, lines)
        elif self.misses:
            learned = self._measure(self.last, self._gap, before, now, lines)
        else:
            learned = self._advance(self.last, self._gap, before, now, lines)
        return attrs.evolve(learned, lag=now - (learned.last or now), read_at=now, misses=0)

    def _begin(self, last: float, before: float, now: float, lines: int) -> "Rhythm":
        """Take the first gap for the usual one."""
        came = (before + now) / 2
        # If a read before found nothing, they came together; else one by one, as far as is known.
        batch, gap = (lines, came - last) if self.misses else (1, (came - last) / lines)
        step = _EARLIER * (now - before)
        return attrs.evolve(self, last=came, sure=came, gap=gap, batch=batch, spread=gap / 8, step=step)

    def _measure(self, last: float, gap: float, before: float, now: float, lines: int) -> "Rhythm":
        """Learn from lines that a read just before had missed: they came in between."""
        gaps = max(1, round(lines / self._batch))
        due = last + gaps * gap
        unsure = now - before
        came = (before + now) / 2
        if unsure > 2 * self.shortest:
            came = max(before, min(now, due))
        seen = (came - self._sure) / (self._since + gaps)
        other_pace = not gap / 2 < seen < gap * 2
        return attrs.evolve(
            self,
            last=came,
            sure=came,
            since=0,
            gap=seen if other_pace else gap + _TRUST * (seen - gap),
            batch=self._batch + _TRUST_SPREAD * (lines / gaps - self._batch),
            spread=self._spread + _TRUST_SPREAD * (abs(came - due) - self._spread),
            step=_EARLIER * max(self.shortest, unsure, abs(came - due)),
        )

    def _advance(self, last: float, gap: float, before: float, now: float, lines: int) -> "Rhythm":
        """Learn from lines that were there at once: perhaps since long, so come earlier next time."""
        gaps = max(1, round(lines / self._batch))
        if gaps > 2:  # much faster than it was
            gap = (now - before) / gaps
            return attrs.evolve(self, last=now - gap / 2, sure=now - gap / 2, since=0, gap=gap)
        came = max(before, min(now, last + gaps * gap) - self._step)
        step = min(self._step * _BOLDER, gap * _BOLDEST)
        return attrs.evolve(self, last=came, since=self._since + gaps, step=step)

    def wait(self, now: float, draw: float = 0.5) -> float:
        """Return how long to wait before the next read.

        Args:
            now: The time.
            draw: A number from 0 to 1, drawn at random, so that many logs are not all read together.
        """
        late = self.misses
        if self.last is not None and self._gap is not None:
            margin = min(self._spread / 4 + self.shortest / 10, self._gap / 8)
            until_due = self.last + self._gap + margin - now
            if until_due > self.shortest:
                regular = self._spread <= _REGULAR * self._gap
                return min(until_due, self.longest * (_FAR if regular else 1.0))
            late = max(0, late - 1)
        patience = min(self.longest, self.shortest * _LATER ** min(late, 64))
        return max(self.shortest, patience * (0.75 + 0.25 * draw))
