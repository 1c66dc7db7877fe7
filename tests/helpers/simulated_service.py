"""A service that answers so many requests at once, seen from behind a round trip, in simulated time."""

import heapq
import random
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any

import attrs

from dashscope_ftlogs.client.pacing.requests_in_flight import InFlight

SERVING = 0.005
"""Seconds to answer one request."""
READING = 0.0004
"""Seconds that a client's processor needs for a page."""

_ORDER = count()


@attrs.define(eq=False)
class Reader:
    """One session that reads a log of so many pages."""

    in_flight: InFlight
    pages: int
    inside: int = 0
    asked: int = 0
    busy_until: float = 0.0
    latencies: list[float] = attrs.Factory(list[float])
    ended: float = 0.0

    @property
    def may_ask(self) -> bool:
        # The total is not known before the first page.
        most = self.in_flight.limit if self.latencies else 1
        return self.asked < self.pages and self.inside < most

    @property
    def is_done(self) -> bool:
        return len(self.latencies) == self.pages


@attrs.frozen(eq=False)
class Request:
    reader: Reader
    sent_at: float
    way: float
    """Seconds from the client to the service, or back."""


@attrs.define(eq=False)
class _Service:
    round_trip: float
    at_once: float
    jitter: float
    slower_from: float
    size: int
    rng: random.Random
    serving: int = 0
    coming: list[tuple[float, int, Callable[..., None], Request]] = attrs.Factory(list)
    waiting: deque[Request] = attrs.Factory(deque)

    def later(self, at: float, what: Callable[..., None], request: Request) -> None:
        heapq.heappush(self.coming, (at, next(_ORDER), what, request))

    def spread(self, seconds: float) -> float:
        return seconds * self.rng.uniform(1 - self.jitter, 1 + self.jitter)

    def asked(self, reader: Reader, now: float) -> None:
        while reader.may_ask:
            reader.asked += 1
            reader.inside += 1
            reader.in_flight.sent(reader.inside)
            way = self.spread(self.round_trip * (1 if now < self.slower_from else 3)) / 2
            self.later(now + way, self.arrived, Request(reader, now, way))

    def arrived(self, now: float, request: Request) -> None:
        self.waiting.append(request)
        self.serve(now)

    def serve(self, now: float) -> None:
        while self.waiting and self.serving < self.at_once:
            self.serving += 1
            self.later(now + self.spread(SERVING), self.served, self.waiting.popleft())

    def served(self, now: float, request: Request) -> None:
        self.serving -= 1
        self.serve(now)
        self.later(now + request.way, self.came_back, request)

    def came_back(self, now: float, request: Request) -> None:
        reader = request.reader
        reader.busy_until = max(reader.busy_until, now) + READING
        self.later(reader.busy_until, self.was_read, request)

    def was_read(self, now: float, request: Request) -> None:
        reader = request.reader
        reader.inside -= 1
        reader.latencies.append(now - request.sent_at)
        reader.in_flight.answered(request.sent_at, now, self.size)
        reader.ended = now
        self.asked(reader, now)


def read(
    readers: list[Reader],
    *,
    round_trip: float,
    at_once: float,
    jitter: float = 0.1,
    slower_from: float = float("inf"),
    size: int = 100_000,
    seed: int = 1,
    until: Callable[[], bool] = lambda: False,
) -> None:
    """Let sessions read their logs from one service; from a time on, the way is three times as long."""
    service = _Service(round_trip, at_once, jitter, slower_from, size, random.Random(seed))
    for reader in readers:
        service.asked(reader, 0.0)
    while service.coming and not until():
        now, _, what, request = heapq.heappop(service.coming)
        what(now, request)


def seconds(in_flight: InFlight, pages: int, **service: Any) -> float:
    """Return how long one log takes."""
    reader = Reader(in_flight, pages)
    read([reader], **service)
    assert reader.is_done
    return reader.ended


def best(pages: int, **service: Any) -> float:
    """Return how long it takes with the best number there is."""
    return min(
        seconds(InFlight.exactly(number), pages, **service) for number in (1, 2, 4, 8, 12, 16, 24, 32)
    )
