"""How much a download does at the same time, and how often it commits. Pure."""

from collections.abc import Iterator


def pages_ahead(requests: int, logs: int) -> int:
    """Return how many pages of each log are read ahead: no request waits, and no more is held.

    >>> [pages_ahead(8, logs) for logs in (1, 2, 3, 5, 9, 99)]
    [8, 8, 5, 3, 1, 1]
    """
    return max(1, min(requests, 2 * requests // logs))


def doubled(first: float, most: float) -> Iterator[float]:
    """Yield seconds, each time twice as many, up to the most.

    >>> pauses = doubled(0.3, 1.0)
    >>> [next(pauses) for _ in range(4)]
    [0.3, 0.6, 1.0, 1.0]
    """
    while True:
        yield min(first, most)
        first = min(2 * first, most)
