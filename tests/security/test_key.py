"""The key in tools that show more than a traceback, in odd spellings, and on the way to elsewhere.

Where it may stand in errors, logs, manifests, tables and reports: tests/security/test_secrets.py.
"""

import asyncio
import base64
import html
import json
import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import aiohttp
import backoff
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict
from shown_locals import as_rich_prints_it

from dashscope_ftlogs import ConfigError, FTLogsError, LogSession, RetryPolicy
from dashscope_ftlogs.client.redaction import Secret, hidden, hidden_beginning, without
from dashscope_ftlogs.emulator import Body, EmulatedJob, Emulator, Fault, Refuse, Reset, Stall

LONG = "sk-" + "4f1cda7e91b26d53" * 8
"""Longer than what rich shows of a string: it cuts such ones, and shows the repr of the rest."""
BEGINNING = LONG[:12]


@pytest.mark.covered
@pytest.mark.parametrize("reply", [Refuse(401, message=LONG), Reset(), Stall(60)], ids=repr)
async def test_a_traceback_with_locals_as_rich_prints_it_holds_no_key(reply: Any) -> None:
    retry = RetryPolicy(max_tries=2, base_delay=0.001)
    emulator = Emulator([EmulatedJob("ft-1", ["x"])], api_key=LONG, faults=[Fault(reply)])
    async with (
        emulator,
        LogSession(LONG, base_url=emulator.base_url, retry=retry, timeout=0.1) as session,
    ):
        with pytest.raises(FTLogsError) as caught:
            await session.page("ft-1")
    shown = as_rich_prints_it(caught.value)
    assert "locals" in shown
    assert BEGINNING not in shown


@pytest.mark.parametrize(
    "wrong",
    [{"region": "mars"}, {"workspace": "a b"}, {"concurrency": 0}, {"base_url": "http://example.com"}],
    ids=str,
)
@pytest.mark.parametrize("place", ["argument", "environment", "file"])
def test_nor_does_that_of_a_session_that_could_not_be_made(
    place: str, wrong: dict[str, Any], home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = None
    if place == "argument":
        key = LONG
    elif place == "environment":
        monkeypatch.setenv("DASHSCOPE_API_KEY", LONG)
    else:
        (home / ".dashscope").mkdir()
        (home / ".dashscope/config.toml").write_text(f'api_key = "{LONG}"\n')
    with pytest.raises(FTLogsError) as caught:
        LogSession(key, **wrong)
    shown = as_rich_prints_it(caught.value)
    assert "locals" in shown
    assert BEGINNING not in shown


@given(st.text(min_size=1), st.integers(), st.integers())
def test_a_part_of_a_secret_is_as_secret(text: str, begin: int, end: int) -> None:
    assert Secret(text)[begin:end] == text[begin:end]
    assert repr(Secret(text)[begin:end]) == repr(Secret(text)[0]) == "'[secret]'"


KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=8, max_size=40)


@pytest.mark.unmeasured
@given(KEYS, st.data())
def test_a_key_that_comes_back_is_blacked_out_however_json_spells_it(key: str, data: Any) -> None:
    said = "before \\ " + key + ' "after" \n é'
    spelled = "".join(
        f"\\u{ord(char):04x}" if data.draw(st.booleans()) else json.dumps(char)[1:-1] for char in said
    ).replace("/", data.draw(st.sampled_from(["/", "\\/"])))
    body = f'{{"code": "InvalidApiKey", "message": "{spelled}"}}'.encode()
    status, headers, clean = without(key, 401, {"X-Echo": f"<{key}>"}, body)
    assert (status, headers) == (401, {"x-echo": "<[secret]>"})
    assert json.loads(clean)["message"] == said.replace(key, "[secret]")


@pytest.mark.unmeasured
@given(KEYS, st.binary())
def test_an_answer_without_the_key_stays_as_it_is(key: str, body: bytes) -> None:
    assert without(key, 200, {}, body) == (200, {}, body)


IDS = st.text("0123456789abcdef-", max_size=40)


@pytest.mark.covered
@given(IDS, st.one_of(IDS.filter(lambda key: len(key) >= 8), KEYS), IDS)
def test_a_request_id_that_holds_the_key_does_so_no_more(before: str, key: str, after: str) -> None:
    assert key not in hidden(key, before + key + after)
    assert hidden(key, before) == before or key in before


def test_of_a_header_that_is_sent_twice_both_are_kept() -> None:
    headers = CIMultiDict([("Retry-After", "30"), ("retry-after", "1")])
    assert without("sk-1", 429, headers, b"") == (429, {"retry-after": "30, 1"}, b"")


SPELLINGS: list[Callable[[str], str]] = [
    str,
    lambda key: "".join(f"%{ord(one):02x}" for one in key),
    lambda key: "".join(f"%252525{ord(one):02X}" for one in key),
    lambda key: "".join(f"&amp;#{ord(one)};" for one in key),
    lambda key: "".join(f"\\\\u{ord(one):04x}" for one in key),
    lambda key: key[:-1] + "\\" * 99_999 + f"u{ord(key[-1]):04x}",
    lambda key: base64.b64encode(b"Bearer " + key.encode()).decode(),
]


@given(st.sampled_from(SPELLINGS), st.integers(0, 600), st.sampled_from(["x ", '{"a"}', "%41 ", "x"]))
@example(str, 22, "x ")
@example(str, 49, "x ")
def test_of_what_is_long_no_part_of_a_key_is_left_where_it_is_cut_off(
    spelled: Callable[[str], str], back: int, filler: str
) -> None:
    key = "sk-/a+4f1cda7e91b26d53"
    before = (filler * 20_000)[: 16 * 1024 - back].encode()
    clean = hidden_beginning(key, before + spelled(key).encode() + b" after" * 20_000)
    told = unquote(html.unescape(clean.decode().replace("252525", "").replace("\\\\u00", "%")))
    assert not any(key[at : at + 5] in told for at in range(len(key) - 5))
    assert not any(part in told for part in ("c2stL2Er", "NGYxY2Rh"))
    assert clean.startswith(before[: 16 * 1024 - 2_000]) or filler == "x"


@pytest.mark.covered
async def test_a_long_answer_that_repeats_the_key_is_told_without_it(
    connect: Callable[..., LogSession],
) -> None:
    pad = " " * 40_000
    bodies = [
        f"no: {LONG}" + pad,
        json.dumps({"code": f"New{LONG}", "message": f"no: {LONG}", "request_id": LONG, "x": pad}),
        json.dumps({"code": "New", "message": f"no: {LONG} {pad}" * 3}),
        json.dumps({"no": LONG, "output": {"total": 1, "logs": pad}}),
    ]
    for body in bodies:
        emulator = Emulator(api_key=LONG, faults=[Fault(Body(body.encode()), endpoint="any")])
        async with emulator, connect(emulator, retry=RetryPolicy(max_tries=1)) as session:
            for call in (session.page("ft-1"), session.job("ft-1")):
                with pytest.raises(FTLogsError, match=r"no\b.*\[secret\]") as caught:
                    await call
                assert BEGINNING not in as_rich_prints_it(caught.value)
                assert BEGINNING not in repr(vars(caught.value))


async def test_a_key_spelled_with_escapes_is_in_no_error() -> None:
    key = "sk-a/b+c=="
    body = b'{"code": "InvalidApiKey", "message": "no: sk\\u002da\\/b\\u002Bc\\u003d\\u003D"}'
    emulator = Emulator([EmulatedJob("ft-1")], api_key=key, faults=[Fault(Body(body, 401))])
    async with emulator, LogSession(key, base_url=emulator.base_url) as session:
        with pytest.raises(FTLogsError, match=r"no: \[secret\]") as caught:
            await session.page("ft-1")
    assert key not in repr(caught.value.__dict__)


async def test_no_logger_of_ours_or_of_what_we_use_tells_it(caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG, with asyncio's own debugging, and whatever handlers an application adds."""
    asyncio.get_running_loop().set_debug(True)
    caplog.set_level(logging.DEBUG)
    for name in ("aiohttp", "aiohttp.client", "aiohttp.internal", "asyncio", "dashscope_ftlogs"):
        caplog.set_level(logging.DEBUG, name)
    caplog.set_level(logging.DEBUG, backoff.__name__)
    retry = RetryPolicy(max_tries=3, base_delay=0.001)
    faults = [Fault(Refuse(503), on={1}), Fault(Reset(), on={2})]
    emulator = Emulator([EmulatedJob("ft-1", ["x"])], api_key=LONG, faults=faults)
    async with emulator, LogSession(LONG, base_url=emulator.base_url, retry=retry) as session:
        assert await session.lines("ft-1").collect() == ["x"]
    assert {record.name for record in caplog.records} >= {"dashscope_ftlogs"}
    assert BEGINNING not in caplog.text + repr([record.__dict__ for record in caplog.records])


MISTYPED = [
    {"base_url": LONG},
    {"base_url": f"https://[{LONG}"},
    {"base_url": f"ftp://{LONG}"},
    {"base_url": f"https://{LONG}/api/v1"},
    {"base_url": f"https://dashscope.aliyuncs.com/{LONG}"},
    {"region": LONG},
    {"workspace": f"{LONG}!"},
    {"profile": LONG},
    {"api_key": 7, "region": LONG},
]


@pytest.mark.parametrize("given", MISTYPED, ids=str)
def test_a_key_that_is_given_for_something_else_is_not_repeated(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        LogSession(**{"api_key": "sk-1", **given})
    assert BEGINNING not in str(caught.value) + repr(caught.value) + repr(caught.value.__dict__)


async def test_nor_in_what_became_of_a_job_that_it_was_given_for(
    connect: Callable[..., LogSession], tmp_path: Path
) -> None:
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator, connect(emulator) as session:
        outcomes = await session.download([LONG, "ft-1"], tmp_path / "a", settle=0)
    assert BEGINNING not in repr(outcomes)
    assert sorted((outcome.job_id, outcome.state) for outcome in outcomes) == [
        ("[secret]", "failed"),
        ("ft-1", "complete"),
    ]


@pytest.mark.parametrize(
    "name", ["DASHSCOPE_API_KEY_FILE_PATH", "DASHSCOPE_REGION", "DASHSCOPE_BASE_URL"]
)
def test_nor_one_in_a_variable_for_something_else(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, LONG)
    with pytest.raises(ConfigError) as caught:
        LogSession()
    assert BEGINNING not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        ("cat", LONG),
        ("metrics", LONG),
        ("download", "ft-1", LONG),
        ("cat", "ft-1", "--region", LONG),
        ("cat", "ft-1", "--base-url", LONG),
        ("cat", "ft-1", "--workspace", f"{LONG}/"),
        ("cat", "ft-1", "--api-key-file", LONG),
        ("metrics", "ft-1", "-o", LONG),
        ("report", "ft-1", "-o", f"{LONG}/x.html"),
        ("download", "--from-file", LONG),
        ("verify", LONG),
    ],
    ids=lambda words: " ".join(words).replace(LONG, "KEY"),
)
async def test_the_command_repeats_none_that_is_typed_in_a_wrong_place(
    ftlogs: Any, words: tuple[str, ...]
) -> None:
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator:
        ended = await ftlogs(*words, emulator=emulator)
        assert BEGINNING not in repr(emulator.journal)
    assert ended.code != 0
    assert BEGINNING not in ended.err
    assert BEGINNING.encode() not in ended.out


async def test_neither_a_session_nor_what_holds_its_key_can_be_pickled() -> None:
    session = LogSession(LONG)
    for one in (session, session._transport, session._transport.connections):
        with pytest.raises(TypeError, match="key"):
            pickle.dumps(one)


async def test_credentials_that_would_take_its_place_are_refused_in_our_words(
    connect: Callable[..., LogSession], home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(home / ".netrc"))
    async with (
        Emulator() as emulator,
        aiohttp.ClientSession(trust_env=True) as trusting,
        connect(emulator, client_session=trusting) as session,
    ):
        with pytest.raises(ConfigError, match=r"credentials of its own for this host"):
            await session.page("ft-1")
    assert emulator.journal == []


PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY")


async def test_over_plain_http_no_proxy_that_the_environment_names_gets_it_unless_asked(
    connect: Callable[..., LogSession], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Emulator() as proxy, Emulator([EmulatedJob("ft-1", ["x"])]) as emulator:
        for name in PROXIES:
            monkeypatch.setenv(name, proxy.base_url)
        async with connect(emulator) as session:
            await session.page("ft-1")
            await session.job("ft-1")
            assert [job.job_id async for job in session.jobs()] == ["ft-1"]
        assert proxy.journal == []
        async with (
            aiohttp.ClientSession(trust_env=True) as asked,
            connect(emulator, client_session=asked, retry=RetryPolicy(max_tries=1)) as session,
        ):
            with pytest.raises(FTLogsError):  # the emulator is no proxy
                await session.page("ft-1")
        assert len(proxy.journal) == 1


async def test_a_netrc_file_changes_nothing(
    connect: Callable[..., LogSession], home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(home / ".netrc"))
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator:
        async with connect(emulator) as session:
            await session.page("ft-1")
        (exchange,) = emulator.journal
    assert exchange.headers["authorization"] == f"Bearer {emulator.api_key}"
    assert base64.b64encode(b"a:b").decode() not in repr(exchange.headers)


@pytest.mark.parametrize("command", ["cat", "tail", "jobs", "download", "verify", "metrics", "report"])
async def test_no_command_takes_it_where_ps_would_show_it(ftlogs: Any, command: str) -> None:
    ended = await ftlogs(command, "--api-key", LONG, "x")
    assert ended.code == 2
    assert "No such option" in ended.err
