"""What object storage fails at, told in our words: no secret, no foreign text, and what to do next."""

import asyncio
import pickle
import socket
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from small_store import KEY_ID, SECRET, SmallStore

from dashscope_ftlogs import (
    ArchiveError,
    ArchivePathError,
    ArchiveStoreError,
    ConfigError,
    InvalidArgumentError,
    LogSession,
    StoreDeniedError,
    StoreNotFoundError,
    verify_archive,
)
from dashscope_ftlogs.archive.object_store import bucket
from dashscope_ftlogs.archive.where import logs_at, store_at
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

URL = "s3://bucket/logs"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less between tries."""
    monkeypatch.setattr(bucket, "_RETRY", {**bucket._RETRY, "max_retries": 0})


def test_without_the_extra_it_is_said_what_to_install() -> None:
    for use in (lambda: store_at(URL), lambda: list(verify_archive(URL)), lambda: logs_at(URL)):
        with pytest.raises(ConfigError, match=r"pip install 'dashscope-ftlogs\[object-store\]'"):
            use()


@pytest.mark.extras
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ArchiveStoreError),
        (401, StoreDeniedError),
        (403, StoreDeniedError),
        (404, StoreNotFoundError),
        (500, ArchiveStoreError),
        (503, ArchiveStoreError),
    ],
)
def test_an_answer_is_told_by_its_status_alone(
    store: SmallStore, quick: None, status: int, kind: type[ArchiveError]
) -> None:
    store.fault = lambda _method, _path: status
    for use in (lambda: list(verify_archive(URL)), lambda: logs_at(URL)):
        with pytest.raises(ArchiveStoreError) as told:
            use()
        assert type(told.value) is kind
        assert f"HTTP {status}" in str(told.value)
        assert str(told.value).startswith(f"cannot list {URL}: ")
        harmless(told.value)


def harmless(error: BaseException) -> None:
    """No secret is in it, nor in what Python would show of it, and it goes from process to process.

    What it was raised from, or while handling, goes with it to Dask's processes, and to error trackers.
    """
    beneath: BaseException | None = error
    while beneath is not None:
        assert not type(beneath).__module__.startswith(("builtins", "obstore")), repr(beneath)
        assert beneath.__cause__ is None
        beneath.__suppress_context__ = False
        beneath = beneath.__context__
    said = f"{error!s} {error!r} {pickle.dumps(error)!r} {''.join(traceback.format_exception(error))}"
    assert not {SECRET, KEY_ID, "\x1b", "127.0.0.1", "was told so"} & {
        word for word in (SECRET, KEY_ID, "\x1b", "127.0.0.1", "was told so") if word in said
    }
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.extras
@pytest.mark.parametrize("what", ["list-type", "/data-", "/commit-", ".ftlogs-archive"])
@pytest.mark.parametrize("status", [403, 503])
async def test_a_download_that_is_refused_ends_at_once_and_goes_on_later(
    storage: Callable[..., SmallStore],
    quick: None,
    connect: Callable[..., LogSession],
    what: str,
    status: int,
) -> None:
    store = storage()
    store.fault = lambda _method, path: status if what in path else None
    jobs = [EmulatedJob(f"ft-{n}", ["one", "two"]) for n in range(9)]
    with Emulator(jobs) as emulator:
        async with connect(emulator, concurrency=2) as session:
            with pytest.raises(StoreDeniedError if status == 403 else ArchiveStoreError) as told:
                await session.download([job.job_id for job in jobs], URL)
            harmless(told.value)
            assert session.requests <= 10
            assert not len(session.tasks)
            # Another server of the same objects: what was on its way is refused however late it arrives.
            storage().objects = store.objects
            outcomes = await session.download([job.job_id for job in jobs], URL)
    assert {outcome.state for outcome in outcomes} == {"complete"}
    assert {verdict.state for verdict in verify_archive(URL)} == {"ok"}


@pytest.mark.extras
async def test_a_storage_that_fails_now_and_then_is_asked_again(
    store: SmallStore, connect: Callable[..., LogSession]
) -> None:
    count = 0

    def now_and_then(_method: str, _path: str) -> Any:
        nonlocal count
        count += 1
        return (None, 503, None, "drop")[count % 4]

    store.fault = now_and_then
    with Emulator([EmulatedJob("ft-1", ["one", "two"])]) as emulator:
        async with connect(emulator) as session:
            (outcome,) = await session.download("ft-1", URL)
    assert outcome.state == "complete"
    store.fault = lambda _method, _path: None
    assert [verdict.state for verdict in verify_archive(URL)] == ["ok"]


@pytest.mark.extras
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_plain_http_to_this_machine_goes_through_no_proxy(
    store: SmallStore, quick: None, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{store.port}")
    with pytest.raises(ArchiveError, match="it is no archive"):
        list(verify_archive(URL))


@pytest.mark.extras
def test_a_bucket_that_is_not_there_is_told(store: SmallStore) -> None:
    for use in (lambda: list(verify_archive("s3://none/x")), lambda: logs_at("s3://none/x")):
        with pytest.raises(StoreNotFoundError, match=r"no such bucket .*Check the name of the bucket"):
            use()

    async def main() -> None:
        with Emulator([]) as emulator:
            async with LogSession(emulator.api_key, base_url=emulator.base_url) as session:
                await session.download([], "s3://none/x")

    with pytest.raises(StoreNotFoundError, match="cannot read s3://none/x") as told:
        asyncio.run(main())
    harmless(told.value)


@pytest.mark.extras
def test_wrong_credentials_are_told(store: SmallStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    with pytest.raises(StoreDeniedError, match="Check the credentials in the environment") as told:
        list(verify_archive(URL))
    harmless(told.value)


@pytest.mark.extras
def test_a_clock_that_is_wrong_is_told_as_such(store: SmallStore) -> None:
    store.fault = lambda _method, _path: "skewed"
    with pytest.raises(StoreDeniedError, match=r"this machine's clock .* Set the clock") as told:
        list(verify_archive(URL))
    harmless(told.value)


@pytest.mark.extras
async def test_what_answers_anything_with_a_page_is_no_archive(
    store: SmallStore, connect: Callable[..., LogSession]
) -> None:
    store.fault = lambda _method, _path: "a page"
    for use in (lambda: list(verify_archive(URL)), lambda: logs_at(URL)):
        with pytest.raises(ArchivePathError, match="it is no archive"):
            use()
    with Emulator([]) as emulator:
        async with connect(emulator) as session:
            with pytest.raises(ArchiveStoreError, match="gave no proper answer"):
                await session.download([], URL)


@pytest.mark.extras
def test_a_storage_that_is_not_there_is_told(
    store: SmallStore, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(ArchiveStoreError, match="it can't be reached, or gave no") as told:
            list(verify_archive(URL))
    harmless(told.value)


@pytest.mark.extras
@pytest.mark.parametrize("url", ["gs://bucket/logs", "az://bucket/logs"])
def test_an_environment_that_can_not_be_used_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", '{"private_key": "hush"}')
    with pytest.raises(ConfigError, match=f"cannot use {url} as the environment says") as told:
        store_at(url)
    assert "hush" not in str(told.value)
    harmless(told.value)


@pytest.mark.extras
@pytest.mark.parametrize("url", ["s3://bucket//x", "az://", "oss://b@x"])
def test_a_url_that_can_not_be_right_is_refused_before_anything_is_looked_for(url: str) -> None:
    for use in (lambda: store_at(url), lambda: list(verify_archive(url)), lambda: logs_at(url)):
        with pytest.raises(InvalidArgumentError, match="is not the URL of an archive"):
            use()
