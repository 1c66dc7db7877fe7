"""What ends the following of a live job at once, and what does not."""

import asyncio
from typing import Any

import pytest
from following import assert_whole, follow, live

from dashscope_ftlogs import (
    APIError,
    AuthenticationError,
    EventKind,
    FTLogsError,
    InvalidParameterError,
    MalformedResponseError,
    PermissionDeniedError,
    RetryPolicy,
    SessionStateError,
    TransportError,
)
from dashscope_ftlogs.emulator import Body, Emulator, Fault, Html, OkWithCode, Redirect, Refuse, Reply
from dashscope_ftlogs.errors import ConfigError, ResponseTooLargeError
from dashscope_ftlogs.follow.last_word import may_pass

ODD: list[Reply] = [
    *(Body(body) for body in (b"{}", b'{"output": null}', b"<html>maintenance</html>", b"null", b"")),
    Body(b"", status=204),
    *(Redirect("https://portal.example/login", status=status) for status in (302, 307)),
    *(Html(status=status) for status in (400, 401, 403, 404)),
    *(Body(b"", status=status) for status in (405, 409, 410, 421, 425, 501, 505, 520)),
    *(Refuse(500, code) for code in ("RequestTimeOut", "SystemError")),
    OkWithCode("RequestTimeOut"),
]


@pytest.mark.unmeasured
@pytest.mark.parametrize("endpoint", ["logs", "job"])
@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_no_odd_answer_ends_the_following_of_a_live_job(odd: Reply, endpoint: Any) -> None:
    job = live([5.0 * n for n in range(1, 30)])

    asked = []

    async def once(server: Emulator) -> None:
        await asyncio.sleep(60)
        server.faults = [Fault(odd, endpoint=endpoint)]
        await asyncio.sleep(40)
        server.faults = []
        asked.extend(exchange for exchange in server.journal if exchange.fault)

    seen = follow(job, during=once, session={"retry": RetryPolicy(max_tries=1)})
    assert_whole(seen, job)
    assert EventKind.FAILED not in seen.kinds()
    assert seen.kinds().count(EventKind.DISCONNECTED) == seen.kinds().count(EventKind.CONNECTED)
    if endpoint == "logs":
        assert EventKind.DISCONNECTED in seen.kinds()
        # Ever more slowly, until it is asked as seldom as in an outage.
        assert 3 <= len(asked) <= 8


def test_an_odd_answer_is_told_of_and_asked_for_again() -> None:
    job = live([5.0 * n for n in range(1, 10)])

    async def once(server: Emulator) -> None:
        await asyncio.sleep(20)
        server.faults = [Fault(Html(status=403), endpoint="logs")]
        await asyncio.sleep(5)
        server.faults = []

    seen = follow(job, during=once)
    assert_whole(seen, job)
    told = [kind for kind in seen.kinds() if kind is not EventKind.STATUS]
    assert told == [EventKind.DISCONNECTED, EventKind.CONNECTED, EventKind.FINISHED]


def test_where_the_service_has_never_answered_a_wrong_setting_is_told_at_once() -> None:
    with pytest.raises(PermissionDeniedError):
        follow(live([1.0]), emulator={"faults": [Fault(Html(status=403), endpoint="any")]})


def api_error(kind: type[APIError], status: int, code: str) -> APIError:
    return kind(status=status, code=code, message="")


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (api_error(AuthenticationError, 401, "InvalidApiKey"), False),
        (api_error(AuthenticationError, 401, ""), True),
        (api_error(InvalidParameterError, 400, "InvalidParameter.Offset"), False),
        (api_error(PermissionDeniedError, 400, "Arrearage"), False),
        (api_error(APIError, 410, ""), True),
        (MalformedResponseError("no total", 200), True),
        (ResponseTooLargeError("larger than 64 MiB", 200), False),
        (TransportError("a proxy wants a password", passing=False), True),
        (ConfigError("no key"), False),
        (SessionStateError("closed"), False),
    ],
)
def test_the_services_own_word_is_the_last(error: FTLogsError, passes: bool) -> None:
    assert may_pass(error, answered=True) is passes
    assert not may_pass(error, answered=False)
