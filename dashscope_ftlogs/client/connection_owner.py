"""The pool of connections: each GET goes through it, paced, retried, and turned into a value.

The only module that sends and retries, by aiohttp and backoff; who opens the pool closes it.
"""

import asyncio
import logging
import math
import random
import warnings
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from copy import copy
from typing import Any, Final, ParamSpec, Self, TypeVar

import aiohttp
import attrs
import backoff
from multidict import CIMultiDict
from yarl import URL

from dashscope_ftlogs import __version__
from dashscope_ftlogs.client.callers_side.raised_by_a_hook import RaisedByHookError, raised_by_a_hook
from dashscope_ftlogs.client.config import Settings
from dashscope_ftlogs.client.exchange.errors_without_key import without_key
from dashscope_ftlogs.client.exchange.in_our_words import transport_error
from dashscope_ftlogs.client.exchange.memory import (
    COSTLIEST,
    LARGE,
    LARGEST_LISTING,
    takes_more_than,
)
from dashscope_ftlogs.client.exchange.next_steps import next_step
from dashscope_ftlogs.client.exchange.request_events import Call, RequestEvent, fields
from dashscope_ftlogs.client.exchange.time_limit import TimeLimit
from dashscope_ftlogs.client.network.connection_pool import Connections
from dashscope_ftlogs.client.pacing.gates_of_keys import gate_of
from dashscope_ftlogs.client.pacing.request_gate import Gate
from dashscope_ftlogs.client.pacing.requests_in_flight import InFlight
from dashscope_ftlogs.client.pacing.requests_per_second import Rate
from dashscope_ftlogs.client.redaction import Secret, hidden, without
from dashscope_ftlogs.client.retry_on_429_and_5xx import RetryPolicy
from dashscope_ftlogs.client.wire import Headers, Request
from dashscope_ftlogs.errors import (
    CertificateError,
    ConfigError,
    FTLogsError,
    InvalidArgumentError,
    ResponseTooLargeError,
    SessionStateError,
    ThrottlingError,
)
from dashscope_ftlogs.models import LogPage

_log = logging.getLogger("dashscope_ftlogs")

T = TypeVar("T")
P = ParamSpec("P")

_LARGEST_ERROR: Final = 64 * 2**10
"""What is longer is cut off: the status says the most of it."""

Answer = tuple[int, Headers, bytes]
"""Status, headers and body."""
_NOTHING: Final[Answer] = (0, {}, b"")


def _decided_waits() -> Generator[float, Any, None]:
    """Give backoff the waits that the policy decided on; backoff sends in each failure."""
    error: FTLogsError = yield 0.0  # backoff starts a wait generator with a bare next()
    while True:
        error = yield error.retry_in or 0.0


def _decided_to_give_up(error: Exception) -> bool:
    return isinstance(error, FTLogsError) and error.retry_in is None


def _retried(attempt: Callable[P, Awaitable[Any]]) -> Callable[P, Awaitable[Any]]:
    """Let backoff call it again, when and as long as the policy decided.

    backoff 2.2.1, the last release of an archived project, asks asyncio.iscoroutinefunction about
    everything that it decorates with and what it decorates, and Python 3.14 deprecates that. It does so
    here only, once a process, while the import of this module holds its lock.
    """
    decorate = backoff.on_exception(
        _decided_waits,
        FTLogsError,
        giveup=_decided_to_give_up,
        jitter=None,  # the policy has drawn it already, so that Retry-After stays a floor
        logger=None,  # ours says more, and never what a call was made with
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*iscoroutinefunction", DeprecationWarning, r"backoff\.")
        return decorate(attempt)


class Transport:
    """Sends requests to one endpoint."""

    def __init__(
        self,
        settings: Settings,
        *,
        by_profile: bool,
        retry: RetryPolicy,
        concurrency: int | None,
        timeout: float,
        max_answer: int,
        max_rate: float | None,
        client_session: aiohttp.ClientSession | None,
        ca_file: str | None,
        on_request: Callable[[RequestEvent], object] | None,
    ) -> None:
        self._key = settings.api_key
        self._key_place = settings.places.get("api_key", "")
        self._base = URL(settings.base_url, encoded=True)
        self._root = self._base.raw_path.rstrip("/")
        headers = CIMultiDict[str](
            {
                "Accept": "application/json",
                "Authorization": Secret(f"Bearer {settings.api_key}"),
                "Content-Type": "application/json",  # of no body, but the vendor's example sends it
                "User-Agent": f"dashscope-ftlogs/{__version__}",
            }
        )
        if settings.workspace is not None:
            headers["X-DashScope-WorkSpace"] = settings.workspace
        self.retry = retry
        self.is_hasty = False  # whether failing counts from when a request is sent, and not from its end
        self.time_limit = TimeLimit(timeout)
        self._max_answer = max_answer
        self._on_request = on_request

        def gate() -> Gate:
            in_flight = InFlight() if concurrency is None else InFlight.exactly(concurrency)
            return Gate(in_flight, Rate(max_rate, lowest=1 / retry.base_delay))

        # An application that makes two sessions with one key, and names no profile, has its reasons.
        alike = (settings.api_key, settings.base_url, concurrency, max_rate, retry.base_delay)
        self.gate = gate_of(alike, gate) if by_profile else gate()
        self.connections = Connections(
            self.gate.in_flight.most, headers, client_session, settings.proxy, ca_file
        )

    def with_options(self, retry: RetryPolicy | None, timeout: float | None) -> Self:
        """Return one with the same connections and gate, and the same otherwise where that is None."""
        other = copy(self)
        if retry is not None:
            other.retry = retry
        if timeout is not None:
            other.time_limit = TimeLimit(timeout)
        return other

    def refuse_key(self, job_id: str | None) -> None:
        """Refuse the key as a job id, whatever it looks like: it would be sent in a URL."""
        if job_id == self._key:
            raise InvalidArgumentError("job id: that is the API key, which no URL should hold")

    async def fetch(self, request: Request[T]) -> T:
        """Send a request until it succeeds or the policy gives up; return what the answer means."""
        self.refuse_key(request.job_id)
        call = Call(request)
        try:
            return self._told(call, await self._attempt(call))
        except FTLogsError as error:
            if error.retry_in is None:
                raise
            call.failure = error
        # Outside of the handler: what is raised later does not come of this failure.
        result: T = await self._try_again(call)
        return self._told(call, result)

    def _told(self, call: Call[T], result: T) -> T:
        """Return a result that says how many tries it took, and holds no key."""
        if not isinstance(result, LogPage):
            return result
        request_id = hidden(self._key, result.request_id) if result.request_id else None
        if call.tries > 1 or request_id != result.request_id:
            return attrs.evolve(result, attempts=call.tries, request_id=request_id)
        return result

    @_retried
    async def _try_again(self, call: Call[Any]) -> Any:
        """Send the request again after the wait that its first failure calls for.

        backoff comes in here only: its bookkeeping would cost every request more than all the rest.
        """
        if call.failure is not None:
            failure, call.failure = call.failure, None
            raise failure
        return await self._attempt(call)

    async def _attempt(self, call: Call[T]) -> T:
        """Send the request once. A failure leaves with the decision what to do about it."""
        if call.last is not None:
            await self._turn_again(call, call.last)
        elif (at_once := self.gate.enter_at_once()) is not None:
            call.sent_at = at_once
        else:  # Nothing bounds the wait for its turn.
            call.sent_at = await self.gate.enter(call.request.job_id or "")
        call.tries += 1
        call.status, call.is_large = None, False
        self.connections.requests += 1
        try:
            result = self._meaning(call, await self._exchange(call))
        except FTLogsError as error:
            self._judge(error, call)
            self._tell(call, error)
            raise
        finally:
            if call.is_large:
                self.connections.large_answers.release()
        self.gate.rate.accepted()
        if self._on_request is not None:
            self._tell(call)
        return result

    async def _turn_again(self, call: Call[Any], failure: FTLogsError) -> None:
        """Wait for the turn of a request that has failed, while it may be tried again."""
        call.last = None
        until = call.first_failure + self.retry.deadline
        with suppress(TimeoutError):
            call.sent_at = await self.gate.enter(call.request.job_id or "", again_until=until)
            return
        decision = self.retry.decide(failure, tries=call.tries, lasted=math.inf, draw=0.0)
        failure.retry_in, failure.gave_up = decision.delay, decision.reason
        raise failure

    def _tell(self, call: Call[Any], error: FTLogsError | None = None) -> None:
        """Tell how a try ended. What the application's function raises is its own affair."""
        if error is not None and error.retry_in is not None and _log.isEnabledFor(logging.INFO):
            words = "%s; next try in %.1f s"
            _log.info(words, error.summary(), error.retry_in, extra=fields(call.event(error)))
        if self._on_request is not None:
            try:
                self._on_request(call.event(error))
            except (FTLogsError, OSError) as raised:
                # It would be taken for the service's, or a disk's.
                raise RaisedByHookError(raised) from None

    def _meaning(self, call: Call[T], answer: Answer | FTLogsError) -> T:
        """Return what an answer stands for, or raise it."""
        if isinstance(answer, FTLogsError):
            # From here, where no frame holds what the server said, and no foreign traceback its buffers:
            # some tools print the local variables of every frame.
            raise answer
        request = call.request
        if _log.isEnabledFor(logging.DEBUG):
            words, size = "GET %s: %d, %d bytes", len(answer[-1])
            _log.debug(words, request.path, answer[0], size, extra=fields(call.event()))
        try:
            meaning = request.read(*answer)
        except FTLogsError as error:
            # Some gateways repeat the key in their complaint. So what is raised, with all that its
            # traceback holds, is made anew, of an answer in which the key is blacked out.
            failure, answer = without_key(self._key, error, answer[-1]), _NOTHING
        else:
            if request.offset is not None:
                return meaning
            # No lines, which stay as they are. What is said of jobs ends up in listings and manifests.
            return request.read(*without(self._key, *answer))
        raise failure

    def _judge(self, error: FTLogsError, call: Call[Any]) -> None:
        """Write into the error where it happened and whether there will be another try."""
        now = asyncio.get_running_loop().time()
        if call.tries == 1:
            call.first_failure = call.sent_at if self.is_hasty else now
        decision = self.retry.decide(
            error,
            tries=call.tries,
            lasted=now - call.first_failure,
            draw=random.random(),  # noqa: S311  (spreads waits, guards nothing)
        )
        error.job_id, error.offset = call.request.job_id, call.request.offset
        error.attempts = call.tries
        line = getattr(call.request, "line", None)
        error.advice = next_step(error, line=line, root=self._root, key_place=self._key_place)
        error.retry_in, error.gave_up = decision.delay, decision.reason
        call.last = error if decision.delay is not None else None
        if isinstance(error, ThrottlingError):
            # A pause that is too long for this request is not imposed on the others.
            pause = 0.0 if decision.delay is None else error.retry_after or 0.0
            self.gate.rate.refused(now, call.sent_at, pause)
            self.gate.in_flight.refused(now)

    async def _exchange(self, call: Call[Any]) -> Answer | FTLogsError:
        """Send one request; return what came back, or the error that stands for it."""
        try:
            with self.time_limit:
                # Awaited, not entered: of an answer that was read to its end nothing is left to leave.
                response = await self.connections.client.get(
                    self._url(call.request.path),
                    # The key goes nowhere but to the host that was configured.
                    allow_redirects=False,
                    **self.connections.options,
                )
                try:
                    call.status, begun_at = response.status, asyncio.get_running_loop().time()
                    body, whole = await self._read(response, call)
                finally:
                    if not response.closed:
                        response.release()
        except (aiohttp.ClientError, FTLogsError, OSError, ValueError, RuntimeError) as error:
            return await self._failed(error)
        finally:
            call.seconds = asyncio.get_running_loop().time() - call.sent_at
            self.gate.leave()
        if response.status == 200 and call.request.offset is not None:
            self.gate.in_flight.answered(call.sent_at, begun_at, len(body))
        if too_large := self._too_large(body, whole=whole or response.status != 200):
            return ResponseTooLargeError(
                reason=too_large,
                status=response.status,
                request_id=hidden(self._key, response.headers.get("x-request-id", "")) or None,
            )
        return response.status, response.headers, body

    async def _failed(self, error: Exception) -> FTLogsError:
        """Return what stands for an error of aiohttp's; raise one that is the application's own."""
        if raised := error if isinstance(error, FTLogsError) else raised_by_a_hook(error):
            # As of `on_request`: it would be taken for the service's, or for the network's.
            raise RaisedByHookError(raised) from None
        if self.connections.client.closed:  # of one that was given, aiohttp says so with a RuntimeError
            return _closed()
        if isinstance(error, aiohttp.ClientError | OSError):
            return await self._network_error(error)
        if "AUTH" not in str(error):
            raise error
        return ConfigError(
            "client_session: it has credentials of its own for this host (auth=..., or a netrc file "
            "with trust_env): the API key can't be sent beside them"
        )

    async def certificate(self) -> tuple[str, str]:
        """Return whom the endpoint's certificate is for, and who issued it, accepted or not."""
        return await self.connections.certificate_of(self._base)

    async def _network_error(self, error: Exception) -> FTLogsError:
        if isinstance(error, TimeoutError):
            self.gate.in_flight.timed_out(asyncio.get_running_loop().time())
        told = transport_error(error, self.time_limit.seconds, str(self.connections.proxy or ""))
        if isinstance(told, CertificateError):
            told.subject, told.issuer = await self.certificate()
        return told

    def _url(self, target: str) -> URL:
        """Return the URL of a path and query. They are made of checked parts: no quoting, no parsing."""
        path, _, query = target.partition("?")
        return URL.build(
            scheme=self._base.scheme,
            authority=self._base.raw_authority,
            path=f"{self._root}/{path}",
            query_string=query,
            encoded=True,
        )

    async def _read(self, response: aiohttp.ClientResponse, call: Call[Any]) -> tuple[bytes, bool]:
        """Return the body and whether it is whole: of one above its cap, only the beginning."""
        cap = self._max_answer
        if call.request.offset is None:
            cap = min(cap, LARGEST_LISTING)
        if response.status != 200:
            cap = min(cap, _LARGEST_ERROR)
        chunks: list[bytes] = []
        size, content = 0, response.content
        while not chunks or not content.at_eof():
            chunk = await content.readany()
            size += len(chunk)
            chunks.append(chunk)
            if size > cap:
                response.close()
                return b"".join(chunks)[:cap], False
            if size > LARGE and not call.is_large:
                await self.connections.large_answers.acquire()
                call.is_large = True
        return b"".join(chunks), True

    def _too_large(self, body: bytes, *, whole: bool) -> str:
        """Say why an answer is not made anything of, or nothing."""
        if not whole:
            return f"the answer is larger than {len(body):,} bytes"
        most = COSTLIEST * self._max_answer
        if takes_more_than(most, body):
            return f"the answer of {len(body):,} bytes would take more than {most:,} bytes of memory"
        return ""


def _closed() -> SessionStateError:
    return SessionStateError("the aiohttp session that was given is closed")
