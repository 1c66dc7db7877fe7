"""The service over real connections to the emulator: what is sent, what comes back, what goes wrong."""

import asyncio
import pickle
from collections.abc import Callable

import aiohttp
import pytest

from dashscope_ftlogs import (
    APIError,
    AuthenticationError,
    ConflictError,
    FTLogsError,
    IncompleteLogError,
    InternalServerError,
    InvalidArgumentError,
    InvalidParameterError,
    LogRewrittenError,
    LogSession,
    MalformedResponseError,
    NotFoundError,
    PermissionDeniedError,
    ResponseTooLargeError,
    RetryPolicy,
    ThrottlingError,
    TransportError,
)
from dashscope_ftlogs.emulator import (
    BadJson,
    Body,
    Bomb,
    Close,
    CutBody,
    Drip,
    EmptyPage,
    EmulatedCheckpoint,
    EmulatedJob,
    Emulator,
    Endless,
    Fault,
    Html,
    OkWithCode,
    Redirect,
    Refuse,
    Reply,
    Reset,
    Stall,
)

Connect = Callable[..., LogSession]

JOB = "ft-1"

ONCE = RetryPolicy(max_tries=1)


def numbered(count: int) -> list[str]:
    return [f"line {n}" for n in range(count)]


async def test_a_page_has_its_lines_the_total_and_the_request_id(connect: Connect) -> None:
    async with Emulator([EmulatedJob(JOB, numbered(250))]) as emulator, connect(emulator) as session:
        page = await session.page(JOB, offset=20, line=3)
    assert page.lines == ("line 20", "line 21", "line 22")
    assert (page.job_id, page.offset, page.total, page.next_offset) == (JOB, 20, 250, 23)
    assert page.request_id


async def test_a_page_takes_the_services_own_defaults(connect: Connect) -> None:
    async with Emulator([EmulatedJob(JOB, numbered(250))]) as emulator, connect(emulator) as session:
        page = await session.page(JOB)
        assert page.lines == tuple(numbered(100))
        assert emulator.journal[0].query == {"offset": "0", "line": "100"}


async def test_a_page_past_the_end_is_empty_and_no_error(connect: Connect) -> None:
    async with Emulator([EmulatedJob(JOB, numbered(5))]) as emulator, connect(emulator) as session:
        page = await session.page(JOB, offset=99)
        assert page.lines == ()
        assert await session.lines(JOB, offset=99).collect() == []


async def test_the_request_is_the_one_that_the_vendors_page_describes(connect: Connect) -> None:
    async with Emulator([EmulatedJob(JOB, ["x"])]) as emulator:
        async with connect(emulator, workspace="llm-v71tlv") as session:
            await session.page(JOB)
        (exchange,) = emulator.journal
    assert (exchange.method, exchange.path) == ("GET", f"/api/v1/fine-tunes/{JOB}/logs")
    assert exchange.headers["authorization"] == f"Bearer {emulator.api_key}"
    assert exchange.headers["x-dashscope-workspace"] == "llm-v71tlv"
    assert "gzip" in exchange.headers["accept-encoding"]
    assert exchange.headers["user-agent"].startswith("dashscope-ftlogs/")


async def test_all_lines_take_as_few_requests_as_the_page_size_allows(connect: Connect) -> None:
    async with Emulator([EmulatedJob(JOB, numbered(2500))]) as emulator, connect(emulator) as session:
        assert await session.lines(JOB).collect() == numbered(2500)
        assert len(emulator.journal) == 3


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "InvalidParameter", InvalidParameterError),
        (401, "InvalidApiKey", AuthenticationError),
        (403, "AccessDenied", PermissionDeniedError),
        (404, "NotFound", NotFoundError),
        (409, "Conflict", ConflictError),
        (418, "Teapot", APIError),
        (500, "SomethingElse", InternalServerError),
    ],
)
async def test_what_a_retry_cannot_mend_is_raised_after_one_request(
    connect: Connect, status: int, code: str, kind: type[APIError]
) -> None:
    faults = [Fault(Refuse(status, code, "No."))]
    async with Emulator([EmulatedJob(JOB, numbered(5))], faults=faults) as emulator:
        async with connect(emulator) as session:
            with pytest.raises(kind, match=rf"HTTP {status} {code}: No.*job ft-1 at offset 3") as caught:
                await session.lines(JOB, offset=3).collect()
        assert len(emulator.journal) == 1
    assert type(caught.value) is kind
    assert (caught.value.attempts, caught.value.offset, caught.value.job_id) == (1, 3, JOB)


@pytest.mark.parametrize(
    ("root", "likely"), [("", True), ("/", True), ("/v1", True), ("/api/v1", False), ("/api/v1/", False)]
)
async def test_where_nothing_is_found_a_base_url_without_api_v1_is_told_as_that(
    root: str, *, likely: bool
) -> None:
    async with Emulator() as emulator:
        base_url = emulator.base_url.removesuffix("/api/v1") + root
        async with LogSession(emulator.api_key, base_url=base_url) as session:
            with pytest.raises(NotFoundError) as caught:
                await session.job(JOB)
    said = str(pickle.loads(pickle.dumps(caught.value)))
    assert ("The base URL does not end with /api/v1: most likely that is why." in said) == likely
    assert ("Check the job id (a whole one" in said) != likely


async def test_a_wrong_key_is_told_that_keys_belong_to_a_region() -> None:
    async with Emulator([EmulatedJob(JOB)]) as emulator:
        async with LogSession("sk-other", base_url=emulator.base_url) as session:
            with pytest.raises(AuthenticationError, match=r"belongs to one region.*cn-beijing"):
                await session.job(JOB)


@pytest.mark.parametrize(
    "reply",
    [
        Refuse(429),
        Refuse(429, "Throttling.RateQuota", retry_after_ms="1"),
        Refuse(500),
        Refuse(408),
        Refuse(503),
        Refuse(504),
        Html(502),
        Reset(),
        Close(),
        CutBody(),
        BadJson(),
        Body(b""),
        OkWithCode("Throttling"),
        OkWithCode("InternalError.Algo"),
        EmptyPage(),
    ],
    ids=repr,
)
async def test_what_may_pass_is_tried_again(connect: Connect, reply: Reply) -> None:
    faults = [Fault(reply, on={1, 2, 4})]
    async with Emulator([EmulatedJob(JOB, numbered(30))], faults=faults) as emulator:
        async with connect(emulator) as session:
            assert await session.lines(JOB, page_size=10).collect() == numbered(30)
        assert len(emulator.journal) == 6


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (Refuse(429), ThrottlingError, "HTTP 429 Throttling"),
        (OkWithCode("Throttling", "Too fast"), ThrottlingError, "HTTP 200 Throttling: Too fast"),
        (Refuse(500), InternalServerError, "HTTP 500 InternalError: Internal server error!"),
        (Html(502), InternalServerError, "HTTP 502: 502 Bad Gateway, job"),
        (Reset(), TransportError, "no answer: "),
        (Close(), TransportError, "no answer: "),
        (CutBody(), TransportError, "no answer: "),
        (BadJson(), MalformedResponseError, "the body is not a JSON object"),
        (Body(b""), MalformedResponseError, "the body is empty"),
        (Body(b'{"output": 7}'), MalformedResponseError, "Expected `object`, got `int`"),
        (EmptyPage(), IncompleteLogError, "30 lines exist, but gives none from offset 0"),
        (Stall(60), TransportError, "timed out after 0.05 s"),
        (Drip(100), TransportError, "timed out after 0.05 s"),
    ],
    ids=repr,
)
async def test_a_failure_that_stays_is_raised_as_what_it_is(
    connect: Connect, reply: Reply, kind: type[FTLogsError], words: str
) -> None:
    retry = RetryPolicy(max_tries=2, base_delay=0.001)
    timeout = 0.05 if isinstance(reply, Stall | Drip) else 60
    async with Emulator([EmulatedJob(JOB, numbered(30))], faults=[Fault(reply)]) as emulator:
        async with connect(emulator, retry=retry, timeout=timeout) as session:
            with pytest.raises(kind) as caught:
                await session.lines(JOB).collect()
    assert words in str(caught.value)
    assert (caught.value.job_id, caught.value.offset) == (JOB, 0)
    assert caught.value.attempts == (1 if isinstance(reply, Body) and reply.body else 2)


async def test_a_server_that_is_not_there_is_a_transport_error(connect: Connect) -> None:
    async with Emulator() as emulator:
        gone = emulator.base_url
    async with LogSession("sk-1", base_url=gone, retry=ONCE) as session:
        with pytest.raises(TransportError, match=r"no answer: .*Check the network and the base URL"):
            await session.job(JOB)


async def test_retry_after_is_never_undercut(connect: Connect) -> None:
    faults = [Fault(Refuse(429, retry_after="2"), on={1})]
    async with Emulator([EmulatedJob(JOB, ["x"])], faults=faults) as emulator:
        async with connect(emulator) as session:
            await session.page(JOB)
        first, second = emulator.journal
    assert second.at - first.at >= 2


async def test_a_retry_after_of_a_day_fails_at_once_and_says_so(connect: Connect) -> None:
    faults = [Fault(Refuse(429, retry_after="86400"), on=[1])]
    async with Emulator([EmulatedJob(JOB, ["x"])], faults=faults) as emulator:
        async with connect(emulator) as session:
            with pytest.raises(ThrottlingError, match="asked for a wait of 86400 s") as caught:
                await session.page(JOB)
            assert len(emulator.journal) == 1
            assert (await session.page(JOB)).lines == ("x",)
    assert caught.value.retry_after == 86400


async def test_lines_that_are_announced_and_never_given_end_the_read_with_its_place(
    connect: Connect,
) -> None:
    faults = [Fault(EmptyPage(), on=range(3, 100))]
    retry = RetryPolicy(max_tries=3, base_delay=0.001)
    async with Emulator([EmulatedJob(JOB, numbered(40))], faults=faults) as emulator:
        async with connect(emulator, retry=retry, concurrency=1) as session:
            lines = session.lines(JOB, page_size=10)
            got: list[str] = []
            with pytest.raises(IncompleteLogError) as caught:
                async for line in lines:
                    got.append(line)
            assert (caught.value.next_offset, caught.value.total, caught.value.attempts) == (20, 40, 3)
            assert lines.offset == 20
            emulator.faults = ()
            assert got + await lines.collect() == numbered(40)


async def test_a_log_that_shrank_below_what_was_read_is_an_error(connect: Connect) -> None:
    job = EmulatedJob(JOB, numbered(40))
    async with Emulator([job]) as emulator, connect(emulator, concurrency=1) as session:
        with pytest.raises(LogRewrittenError) as caught:
            async for page in session.lines(JOB, page_size=10).pages():
                if page.offset == 10:
                    job.truncate(5)
        assert caught.value.total == 5


async def test_a_log_that_grows_is_read_until_its_latest_end(connect: Connect) -> None:
    job = EmulatedJob(JOB, numbered(15))
    async with Emulator([job]) as emulator, connect(emulator) as session:
        lines = session.lines(JOB, page_size=10)
        got: list[str] = []
        async for line in lines:
            got.append(line)
            if len(got) == 1:
                job.rewrite(numbered(25))
        assert got == numbered(25)
        assert lines.total == 25


@pytest.mark.parametrize("reply", [Endless(), Bomb(200)], ids=repr)
async def test_an_answer_without_end_is_cut_off_at_the_cap(connect: Connect, reply: Reply) -> None:
    async with Emulator([EmulatedJob(JOB, ["x"])], faults=[Fault(reply)]) as emulator:
        async with connect(emulator, max_answer=2**20) as session:
            with pytest.raises(ResponseTooLargeError, match="larger than 1,048,576 bytes"):
                await session.page(JOB)
            assert emulator.in_flight <= 1
        assert len(emulator.journal) == 1


async def test_pages_too_large_for_the_cap_are_asked_for_in_smaller_parts(connect: Connect) -> None:
    log = [f"{n}" * 300 for n in range(100, 130)]
    async with Emulator([EmulatedJob(JOB, log)]) as emulator:
        async with connect(emulator, max_answer=8000) as session:
            assert await session.lines(JOB).collect() == log


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_refused_and_the_key_stays_here(connect: Connect, status: int) -> None:
    async with Emulator() as elsewhere, Emulator([EmulatedJob(JOB, ["x"])]) as emulator:
        emulator.faults = [Fault(Redirect(f"{elsewhere.base_url}/fine-tunes/{JOB}", status))]
        async with connect(emulator) as session:
            with pytest.raises(APIError, match=r"redirect to .* refused"):
                await session.page(JOB)
        assert len(emulator.journal) == 1
        assert elsewhere.journal == []


async def test_never_more_requests_in_flight_than_the_session_allows(connect: Connect) -> None:
    jobs = [EmulatedJob(f"ft-{n}", numbered(300)) for n in range(6)]
    async with Emulator(jobs, latency=0.001) as emulator, connect(emulator, concurrency=5) as session:
        reads = [session.lines(job.job_id, page_size=20).collect() for job in jobs]
        assert await asyncio.gather(*reads) == [numbered(300)] * 6
        assert emulator.peak_in_flight == 5


async def test_a_job_comes_with_its_facts(connect: Connect) -> None:
    job = EmulatedJob(JOB, status="FAILED", code="InvalidParameter", message="Missing training files")
    async with Emulator([job]) as emulator, connect(emulator) as session:
        found = await session.job(JOB)
    assert (found.job_id, found.status, found.model) == (JOB, "FAILED", "qwen3-14b")
    assert (found.code, found.message) == ("InvalidParameter", "Missing training files")
    assert found.hyper_parameters is not None
    assert found.hyper_parameters["learning_rate"] == "1.6e-5"
    assert found.ended


async def test_the_checkpoints_of_a_job_come_as_the_service_describes_them(connect: Connect) -> None:
    saved = [EmulatedCheckpoint(3, 4, status="PENDING"), EmulatedCheckpoint(4, 4)]
    job = EmulatedJob(JOB, model="cosyvoice-v3-flash", checkpoints=saved)
    async with Emulator([job], api_key="checkpoint-00040004") as emulator:
        async with connect(emulator) as session:
            hidden, _ = await session.checkpoints(JOB)
        emulator.api_key = "sk-1"
        async with connect(emulator) as session:
            first, second = await session.checkpoints(await session.job(JOB))
            job.checkpoints = None
            with pytest.raises(InvalidParameterError, match="does not support multiple checkpoints"):
                await session.checkpoints(JOB)
            with pytest.raises(NotFoundError, match="job ft-2"):
                await session.checkpoints("ft-2")
    assert hidden.checkpoint == "[secret]"
    assert (first.checkpoint, first.status, first.step) == ("checkpoint-00040004", "SUCCEEDED", 40004)
    assert (first.full_name, first.job_id) == ("ft-1:checkpoint-00040004", JOB)
    assert (first.create_time, first.expire_time) == ("2026-05-27T18:07:16", "2026-06-11T18:07:16")
    assert first.model_name == "cosyvoice-v3-flash-ft-1"
    assert (second.status, second.model_name) == ("PENDING", None)


async def test_all_jobs_are_listed_each_once_however_many_pages_they_take(connect: Connect) -> None:
    jobs = [EmulatedJob(f"ft-{n}") for n in range(250)]
    async with Emulator(jobs) as emulator, connect(emulator) as session:
        assert [job.job_id async for job in session.jobs()] == [job.job_id for job in jobs]
        assert len(emulator.journal) == 6  # all of it twice, to be sure


async def test_jobs_created_while_listing_are_not_listed_twice(connect: Connect) -> None:
    async with Emulator([EmulatedJob(f"ft-{n}") for n in range(150)]) as emulator:
        async with connect(emulator) as session:
            seen: list[str] = []
            async for job in session.jobs():
                seen.append(job.job_id)
                if len(seen) == 100:
                    newest = EmulatedJob("ft-new")
                    emulator.jobs = {"ft-new": newest, **emulator.jobs}
    assert len(seen) == len(set(seen))
    assert set(seen) >= {f"ft-{n}" for n in range(150)}


async def test_jobs_can_be_chosen_by_status_and_model(connect: Connect) -> None:
    jobs = [
        EmulatedJob("ft-1", status="RUNNING", model="qwen3-8b"),
        EmulatedJob("ft-2", status="SUCCEEDED", model="qwen3-8b"),
        EmulatedJob("ft-3", status="RUNNING", model="qwen3-14b"),
    ]
    async with Emulator(jobs) as emulator, connect(emulator) as session:
        assert [job.job_id async for job in session.jobs(status="running")] == ["ft-1", "ft-3"]
        assert [job.job_id async for job in session.jobs(status="RUNNING", model="qwen3-8b")] == ["ft-1"]
        several = session.jobs(status=(one for one in ("Running", "SUCCEEDED")), model="qwen3-8b")
        assert [job.job_id async for job in several] == ["ft-1", "ft-2"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda session: session.page("../etc"),
        lambda session: session.page(JOB, offset=-1),
        lambda session: session.page(JOB, line=0),
        lambda session: session.page(JOB, line=1001),
        lambda session: session.job(""),
        lambda session: session.lines(JOB, offset=-1).collect(),
        lambda session: session.lines(JOB, limit=-1).collect(),
        lambda session: session.lines(JOB, page_size=1001).collect(),
        lambda session: session.lines(JOB, concurrency=0).collect(),
    ],
)
async def test_a_wrong_argument_is_refused_before_any_request(
    connect: Connect, wrong: Callable[[LogSession], "asyncio.Future[object]"]
) -> None:
    async with Emulator([EmulatedJob(JOB, ["x"])]) as emulator, connect(emulator) as session:
        with pytest.raises(InvalidArgumentError):
            await wrong(session)
        assert emulator.journal == []


async def test_a_service_that_insists_on_the_header_of_the_vendors_example_is_content(
    connect: Callable[..., LogSession],
) -> None:
    emulator = Emulator([EmulatedJob("ft-1", ["x"])], insist_on_content_type=True)
    async with emulator, connect(emulator) as session:
        assert (await session.page("ft-1")).lines == ("x",)
        async with aiohttp.ClientSession() as client:
            url, key = f"{emulator.base_url}/fine-tunes", f"Bearer {emulator.api_key}"
            async with client.get(url, headers={"Authorization": key}) as response:
                assert response.status == 400
                assert "Content-Type" in (await response.json())["message"]
