"""A service of several machines that lag: each tells how things were some seconds ago. A real server."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
from aiohttp import web


@attrs.define
class History:
    """What there was, and since when; None for a job that was deleted."""

    states: list[tuple[float, Any]]

    def at(self, when: float) -> Any:
        """Return what there was at that time; before the first state, that one."""
        found = self.states[0][1]
        for since, state in self.states:
            if since <= when:
                found = state
        return found


@attrs.define
class Restarts(History):
    """Is the first state for so many answers, and the second one from then on."""

    after: int

    def at(self, when: float) -> Any:
        self.after -= 1
        return self.states[0 if self.after >= 0 else 1][1]


@attrs.frozen
class Answer:
    """What one request was told."""

    asked_at: float
    told_at: float
    total: int
    """-1: no such job."""
    about: str = ""
    """The job whose lines were asked for."""


@attrs.define(eq=False)
class LaggingService:
    """Serves histories; each request gets to a machine, which is behind by what `lag` returns."""

    rng: random.Random
    lag: Callable[[], float]
    latency: float = 2.0
    """An answer takes up to so many seconds, so that they overtake each other."""
    most: int = 1_000
    """Lines of one answer."""
    logs: dict[str, History] = attrs.Factory(dict[str, History])
    facts: dict[str, History] = attrs.Factory(dict[str, History])
    """What is said of each job, without its id; None for one that was deleted."""
    date: str | None = None
    """The `Date` of answers about jobs, if not the usual one."""
    jobs: History = attrs.Factory(lambda: History([(0.0, ())]))
    told: list[Answer] = attrs.Factory(list[Answer])
    base_url: str = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["LaggingService"]:
        app = web.Application()
        app.router.add_get("/api/v1/fine-tunes/{job}/logs", self._log)
        app.router.add_get("/api/v1/fine-tunes/{job}", self._job)
        app.router.add_get("/api/v1/fine-tunes", self._jobs)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v1"
            yield self
        finally:
            await runner.cleanup()

    async def _seen(self, history: History) -> tuple[float, Any]:
        asked_at = asyncio.get_running_loop().time()
        await asyncio.sleep(self.rng.random() * self.latency / 2)
        state = history.at(asyncio.get_running_loop().time() - self.lag())
        await asyncio.sleep(self.rng.random() * self.latency / 2)
        return asked_at, state

    def _tell(
        self, asked_at: float, total: int, output: dict[str, Any], about: str = ""
    ) -> web.Response:
        self.told.append(Answer(asked_at, asyncio.get_running_loop().time(), total, about))
        return web.json_response({"request_id": "r", "output": {"total": total, **output}})

    async def _log(self, request: web.Request) -> web.Response:
        job_id = request.match_info["job"]
        asked_at, lines = await self._seen(self.logs[job_id])
        if lines is None:
            self.told.append(Answer(asked_at, asyncio.get_running_loop().time(), -1, job_id))
            return _not_found()
        begin = int(request.query["offset"])
        given = lines[begin : begin + min(int(request.query["line"]), self.most)]
        return self._tell(asked_at, len(lines), {"logs": given}, job_id)

    async def _job(self, request: web.Request) -> web.Response:
        job_id = request.match_info["job"]
        _, facts = await self._seen(self.facts[job_id])
        if facts is None:
            return _not_found()
        headers = {} if self.date is None else {"Date": self.date}
        output = {"job_id": job_id, **facts}
        return web.json_response({"request_id": "r", "output": output}, headers=headers)

    async def _jobs(self, request: web.Request) -> web.Response:
        asked_at, ids = await self._seen(self.jobs)
        size = int(request.query["page_size"])
        begin = (int(request.query["page_no"]) - 1) * size
        jobs = [{"job_id": job_id, "status": "SUCCEEDED"} for job_id in ids[begin : begin + size]]
        return self._tell(asked_at, len(ids), {"jobs": jobs})

    def contradicted_itself(self, about: str = "") -> bool:
        """Whether an answer named a lower total than one that was told before it was asked for."""
        told = [answer for answer in self.told if not about or answer.about == about]
        return any(
            0 <= later.total < earlier.total and earlier.told_at <= later.asked_at
            for later in told
            for earlier in told
        )


def _not_found() -> web.Response:
    return web.json_response({"code": "NotFound", "message": "Not found!"}, status=404)


def generation(name: str, count: int) -> list[str]:
    """Return the lines of one life of a log, which tell whose they are."""
    return [f"{name} {n}" for n in range(count)]


USUAL_CHANGES = (*["grows"] * 3, "afresh", "trimmed", "deleted")


def any_history(
    rng: random.Random,
    start: float,
    span: float,
    most: int = 6,
    changes: Sequence[str] = USUAL_CHANGES,
) -> History:
    """Return the life of a log: it grows, is started afresh, trimmed, deleted; mostly none of it.

    It changes from `span` seconds before `start` on, up to so many seconds apart.
    """
    name, lines = "a", generation("a", rng.randrange(90))
    states: list[tuple[float, Any]] = [(start - 100, lines)]
    when = start - span
    for _ in range(rng.randrange(most)):
        when += rng.random() * span
        match rng.choice(changes):
            case "grows":
                lines = generation(name, len(lines) + rng.randrange(1, 40))
            case "afresh":
                name = chr(ord(name) + 1)
                lines = generation(name, rng.randrange(120))
            case "trimmed":
                lines = lines[: rng.randrange(len(lines) + 1)]
            case _:
                states.append((when, None))
                break
        states.append((when, lines))
    return History(states)


def lags(rng: random.Random, most: float, machines: int = 3) -> Callable[[], float]:
    """Return how far behind the machine is that a request gets to: its own time, or any each time."""
    own = [rng.random() * most for _ in range(machines)]
    if rng.random() < 0.5:
        return lambda: rng.choice(own)
    return lambda: rng.choice([0.0, rng.random() * most])
