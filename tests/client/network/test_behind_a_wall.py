"""Behind a company's wall: a proxy is the only way out, and it may open what passes through it."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from company_wall import GATEWAY, Wall, port_of
from raw_server import raw_server

from dashscope_ftlogs import (
    CertificateError,
    ConfigError,
    InvalidArgumentError,
    LogSession,
    ProxyError,
    RetryPolicy,
    TransportError,
)
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

ONCE = RetryPolicy(max_tries=1)
JOB = "ft-1"
LINES = ["first", "second"]
URL = f"https://{GATEWAY}/api/v1"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with Emulator([EmulatedJob(JOB, LINES)]) as one:
        yield one


@pytest.fixture
def wall(tmp_path: Path) -> Wall:
    return Wall(tmp_path)


def session(emulator: Emulator, **options: Any) -> LogSession:
    return LogSession(emulator.api_key, **({"base_url": URL, "retry": ONCE, "timeout": 20} | options))


async def refused(session: LogSession) -> TransportError:
    async with session:
        with pytest.raises(TransportError) as caught:
            await session.page(JOB)
    assert str(caught.value).isprintable()
    return caught.value


async def test_a_proxy_is_asked_to_pass_on_what_it_cannot_read(wall: Wall, emulator: Emulator) -> None:
    async with wall.tls(port_of(emulator), GATEWAY) as port, wall.proxy(port) as proxy:
        async with session(emulator, proxy=proxy, ca_file=wall.ca_file, concurrency=4) as one:
            assert await one.lines(JOB, page_size=1).collect() == LINES
            assert (await one.job(JOB)).job_id == JOB
    assert set(wall.connects) == {f"CONNECT {GATEWAY}:443 HTTP/1.1"}
    assert len(wall.connects) < len(emulator.journal), "connections are used again"
    for head in wall.asked:
        assert emulator.api_key not in head
        assert "authorization" not in head.lower()


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
async def test_so_is_the_one_that_the_environment_names(
    variable: str, wall: Wall, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with wall.tls(port_of(emulator), "localhost") as port, wall.proxy(port) as proxy:
        monkeypatch.setenv(variable, proxy)
        url = f"https://localhost:{port}/api/v1"
        async with session(emulator, base_url=url, ca_file=wall.ca_file) as one:
            await one.page(JOB)
        assert wall.connects == [f"CONNECT localhost:{port} HTTP/1.1"]
        async with session(emulator, base_url=url, ca_file=wall.ca_file, proxy="none") as one:
            await one.page(JOB)
        monkeypatch.setenv("NO_PROXY", "localhost")
        async with session(emulator, base_url=url, ca_file=wall.ca_file) as one:
            await one.page(JOB)
        assert len(wall.asked) == 1
        assert len(emulator.journal) == 3


async def test_the_name_and_password_are_for_the_proxy_alone(
    wall: Wall, emulator: Emulator, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".netrc").write_text("machine 127.0.0.1 login another password another\n")
    monkeypatch.setenv("NETRC", str(home / ".netrc"))
    async with wall.tls(port_of(emulator), GATEWAY) as port, wall.proxy(port) as proxy:
        named = proxy.replace("//", "//m%C3%A9:p%40ss@")
        async with session(emulator, proxy=named, ca_file=wall.ca_file) as one:
            for _ in range(2):
                await one.page(JOB)
    (head,) = wall.asked
    assert f"Proxy-Authorization: Basic {base64.b64encode('mé:p@ss'.encode()).decode()}\r\n" in head
    assert "proxy-authorization" not in repr([one.headers for one in emulator.journal]).lower()


def say(text: str) -> Callable[[asyncio.StreamWriter], None]:
    return lambda writer: writer.write(text.encode())


@pytest.mark.parametrize(
    ("answer", "told", "passing"),
    [
        (say("HTTP/1.1 407 Name sk-1\r\nX: sk-1\r\n\r\n"), "asks for a name and password", False),
        (say("HTTP/1.1 403 Forbidden\r\n\r\n<html>no"), "refused with HTTP 403", False),
        (say("HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n"), "refused with HTTP 302", False),
        (say("HTTP/1.1 502 Bad Gateway\r\n\r\n"), "refused with HTTP 502", True),
        (say("220 mail.example ESMTP\r\n\r\n"), "answered what is not HTTP", False),
        (say(""), "closed the connection before it answered", True),
        (say("HTTP/1.1 200 O"), "closed the connection before it answered", True),
    ],
    ids=["407", "403", "login", "502", "nonsense", "closed", "midway"],
)
async def test_a_proxy_that_refuses_is_told_in_our_words(
    answer: Any, told: str, passing: bool, wall: Wall, emulator: Emulator
) -> None:
    wall.answer = answer
    async with wall.proxy(port_of(emulator)) as proxy:
        error = await refused(session(emulator, proxy=proxy.replace("//", "//me:password@")))
        assert isinstance(error, ProxyError)
        assert f": the proxy {proxy} {told}" in error.reason
        assert error.passing is passing
        assert "--proxy none" in str(error)
        assert "sk-1" not in str(error)
        assert "password@" not in str(error)
    assert emulator.journal == []


async def test_one_that_is_not_there_is_named_with_where_it_comes_from(
    wall: Wall, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with wall.proxy(1) as proxy:
        pass
    monkeypatch.setenv("ALL_PROXY", proxy.replace("//", "//me:password@"))
    error = await refused(session(emulator))
    assert isinstance(error, ProxyError)
    assert f"no connection to the proxy {proxy} (ALL_PROXY), " in error.reason
    assert error.passing


async def test_one_that_answers_nothing_is_given_up(wall: Wall, emulator: Emulator) -> None:
    wall.answer = say("HTTP/1.1 200 OK\r\n\r\n")  # and then no TLS
    async with wall.proxy(port_of(emulator)) as proxy:
        error = await refused(session(emulator, proxy=proxy))
        assert error.reason.endswith(f", by way of the proxy {proxy}")

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(talk) as port:
        proxy = f"http://127.0.0.1:{port}"
        error = await refused(session(emulator, proxy=proxy, timeout=0.2))
    assert error.reason == f"timed out after 0.2 s, by way of the proxy {proxy}"


@pytest.mark.parametrize("by_proxy", [True, False])
async def test_a_certificate_that_is_not_accepted_says_whose_it_is_and_how_to_mend_that(
    by_proxy: bool, wall: Wall, emulator: Emulator
) -> None:
    async with wall.tls(port_of(emulator), "localhost") as port, wall.proxy(port) as proxy:
        url = f"https://localhost:{port}/api/v1"
        error = await refused(session(emulator, base_url=url, proxy=proxy if by_proxy else "none"))
    assert isinstance(error, CertificateError)
    assert not error.passing
    assert error.attempts == 1
    assert f"the certificate of localhost:{port} is not accepted, " in error.reason
    assert error.issuer == "O=Example Company, OU=Wall"
    assert "issued by O=Example Company, OU=Wall" in str(error)
    assert "--ca-file FILE" in str(error)
    assert emulator.journal == [], "nothing was sent there, and the key least of all"


async def test_one_for_another_host_is_not_accepted_whoever_issued_it(
    wall: Wall, emulator: Emulator
) -> None:
    async with wall.tls(port_of(emulator), "another.example") as port:
        url = f"https://localhost:{port}/api/v1"
        error = await refused(session(emulator, base_url=url, ca_file=wall.ca_file))
    assert isinstance(error, CertificateError)
    assert "Hostname mismatch" in error.reason
    assert emulator.journal == []


async def test_a_proxy_that_speaks_tls_itself_is_trusted_by_the_same_certificates(
    wall: Wall, emulator: Emulator
) -> None:
    async with (
        wall.tls(port_of(emulator), GATEWAY) as port,
        wall.proxy(port) as plain,
        wall.tls(int(plain.rpartition(":")[2]), "localhost") as front,
    ):
        proxy = f"https://localhost:{front}"
        async with session(emulator, proxy=proxy, ca_file=wall.ca_file) as one:
            assert (await one.page(JOB)).lines == tuple(LINES)
        assert wall.connects == [f"CONNECT {GATEWAY}:443 HTTP/1.1"]
        error = await refused(session(emulator, proxy=proxy))
    assert isinstance(error, CertificateError)
    assert f"the certificate of localhost:{front} is not accepted" in error.reason
    assert error.issuer == ""


@pytest.mark.parametrize("options", [{"proxy": "http://h:1"}, {"proxy": "none"}, {"ca_file": "x"}])
async def test_a_session_that_is_given_has_its_own(options: Any, emulator: Emulator) -> None:
    async with aiohttp.ClientSession() as client:
        with pytest.raises(ConfigError, match="its own proxy and certificates hold"):
            session(emulator, client_session=client, **options)


async def test_what_the_environment_names_is_not_for_a_session_that_is_given(
    wall: Wall, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
    trusting = ssl.create_default_context(cafile=wall.ca_file)
    async with wall.tls(port_of(emulator), "localhost") as port:
        url = f"https://localhost:{port}/api/v1"
        connector = aiohttp.TCPConnector(ssl=trusting)
        async with aiohttp.ClientSession(connector=connector) as client:
            async with session(emulator, base_url=url, client_session=client) as one:
                await one.page(JOB)
        async with aiohttp.ClientSession() as client:
            error = await refused(session(emulator, base_url=url, client_session=client))
    assert isinstance(error, CertificateError)
    assert error.issuer == ""


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "No such file"), ("", "there is none in it"), ("-----BEGIN", "there is none in it")],
)
def test_a_file_without_certificates_is_refused_before_anything_is_sent(
    content: str | None, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidArgumentError, match=told) as caught:
        LogSession("sk-1", base_url=URL, ca_file=path)
    assert caught.value.argument == "ca_file"
    with pytest.raises(InvalidArgumentError, match="ca_file"):
        LogSession("sk-1", base_url=URL, ca_file=7)  # type: ignore[arg-type]


def test_a_proxy_that_is_no_string_is_refused() -> None:
    with pytest.raises(ConfigError, match="proxy: must be a string, not int"):
        LogSession("sk-1", base_url=URL, proxy=3128)  # type: ignore[arg-type]


@pytest.mark.covered
async def test_the_command_goes_by_the_proxy_and_says_what_is_wrong_with_it(
    wall: Wall, emulator: Emulator, ftlogs: Any
) -> None:
    key = {"DASHSCOPE_API_KEY": emulator.api_key, "DASHSCOPE_BASE_URL": URL}
    async with wall.tls(port_of(emulator), GATEWAY) as port, wall.proxy(port) as proxy:
        said = ("cat", JOB, "--proxy", proxy.replace("//", "//me:password@"))
        ended = await ftlogs(*said, "--ca-file", wall.ca_file, environ=key)
        assert (ended.code, ended.out) == (0, b"first\nsecond\n")
        environ = key | {"HTTPS_PROXY": proxy, "SSL_CERT_FILE": wall.ca_file}
        ended = await ftlogs("cat", JOB, environ=environ)
        assert (ended.code, ended.out) == (0, b"first\nsecond\n")

        ended = await ftlogs(*said, environ=key)
        assert ended.code == 5
        assert "issued by O=Example Company, OU=Wall" in ended.err
        wall.answer = say("HTTP/1.1 407 Who\r\n\r\n")
        ended = await ftlogs(*said, environ=key)
        assert ended.code == 5
        assert "the proxy http://127.0.0.1" in ended.err
        assert "password@" not in ended.err
        assert "Traceback" not in ended.err

    for words, environ, told in (
        (("--proxy", "socks5://me:password@h:1"), {}, "--proxy '[secret]': must be an HTTP proxy"),
        ((), {"ALL_PROXY": "socks5://me:password@h:1"}, "ALL_PROXY: must be an HTTP proxy"),
        (("--ca-file", "nowhere.pem"), {}, "--ca-file 'nowhere.pem': must be a file of certificates"),
        (("--prxy", "http://me:password@h:1"), {}, "No such option"),
        (("http://me:password@h:1",), {}, "[secret]@h:1"),
    ):
        ended = await ftlogs("cat", JOB, *words, environ=key | environ)
        assert ended.code == 2, words
        assert told in ended.err
        assert "password@" not in ended.err
