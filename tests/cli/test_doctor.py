"""`ftlogs doctor` as a process of its own: it says what is wrong, and tells no secret."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from company_wall import GATEWAY, Wall, port_of
from raw_server import raw_server

from dashscope_ftlogs.cli.connection_options import Connection
from dashscope_ftlogs.cli.doctor.examination import examine
from dashscope_ftlogs.emulator import (
    EmulatedJob,
    Emulator,
    Fault,
    Html,
    Refuse,
    ReportTotal,
    Reset,
    Stall,
)

LINES = [f"a secret line {n}" for n in range(1200)]
JOBS = [
    EmulatedJob("ft-1", ["x"], create_time="2025-01-01 00:00:00"),
    EmulatedJob("ft-2", LINES, create_time="2025-01-02 00:00:00"),
]


def states(ended: Any) -> dict[str, str]:
    return {
        name: state for state, name in re.findall(r"^(\w+) +(.+?): ", ended.out.decode(), re.MULTILINE)
    }


def line_of(ended: Any, name: str) -> str:
    (found,) = re.findall(rf"^\w+ +{re.escape(name)}: .*\n(?: .*\n)?", ended.out.decode(), re.MULTILINE)
    return str(found)


async def test_where_all_is_well_it_says_so_and_tells_no_secret(ftlogs: Any) -> None:
    async with Emulator(JOBS) as emulator:
        ended = await ftlogs("doctor", emulator=emulator)
        contract = await ftlogs("doctor", "ft-2", "--contract", emulator=emulator)
        rows = await ftlogs("doctor", "ft-2", "--contract", "--format", "jsonl", emulator=emulator)
    assert (ended.code, ended.err) == (0, "")
    assert set(states(ended).values()) == {"ok"}
    assert "ft-2 is SUCCEEDED" in line_of(ended, "job"), "the newest"
    assert (contract.code, contract.err) == (0, "")
    assert "wrong" not in states(contract).values()
    assert states(contract)["Offset 0 is the first line"] == "ok"
    assert states(contract)["1000 lines at once"] == "ok"
    assert states(contract)["Answers are compressed (not documented)"] == "ok"
    told = [json.loads(row) for row in rows.out.splitlines()]
    assert [row["name"] for row in told] == list(states(contract))
    assert told[0].keys() == {"name", "state", "told", "advice"}
    for out in (ended.out, contract.out, rows.out):
        assert emulator.api_key.encode() not in out
        assert b"secret line" not in out


async def test_a_key_that_is_missing_ends_neither_the_way_nor_the_report(ftlogs: Any) -> None:
    async with Emulator(JOBS) as emulator:
        ended = await ftlogs("doctor", environ={"DASHSCOPE_BASE_URL": emulator.base_url})
    assert (ended.code, ended.err) == (2, "")
    assert "DASHSCOPE_API_KEY" in line_of(ended, "key")
    assert states(ended)["gateway"] == "ok"
    assert states(ended)["jobs"] == "unknown"


@pytest.mark.posix
@pytest.mark.parametrize(
    ("mode", "state"), [(0o600, None), (0o400, None), (0o644, "odd"), (0o640, "odd")]
)
@pytest.mark.parametrize("named", ["DASHSCOPE_CONFIG", "DASHSCOPE_API_KEY_FILE_PATH", "--api-key-file"])
async def test_a_file_with_a_key_that_others_may_read_is_told(
    ftlogs: Any, tmp_path: Path, named: str, mode: int, state: str | None
) -> None:
    file = tmp_path / "with key"
    async with Emulator(JOBS) as emulator:
        key = emulator.api_key
        file.write_text(f"api_key = {key!r}\n" if named == "DASHSCOPE_CONFIG" else key)
        file.chmod(mode)
        words = (named, str(file)) if named.startswith("--") else ()
        environ = {"DASHSCOPE_BASE_URL": emulator.base_url} | ({} if words else {named: str(file)})
        ended = await ftlogs("doctor", *words, environ=environ)
    assert (ended.code, ended.err) == (0, "")
    assert states(ended).get("file with a key") == state
    if state:
        said = f"{file} can be read by other users of this machine (mode {mode:o})"
        assert line_of(ended, "file with a key").split("\n") == [
            f"odd      file with a key: {said}",
            f"         Shut it: chmod 600 '{file}'",
            "",
        ]


@pytest.mark.posix
async def test_a_config_file_without_a_key_may_be_open_and_what_is_no_file_is_not_looked_at(
    ftlogs: Any, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[profiles.a]\nregion = 'cn-beijing'\n")
    config.chmod(0o644)
    async with Emulator(JOBS) as emulator:
        environ = {**emulator.environ, "DASHSCOPE_CONFIG": str(config)}
        ended = await ftlogs("doctor", environ=environ)
        missing = await ftlogs("doctor", "--api-key-file", str(tmp_path / "none"), environ=environ)
    assert (ended.code, set(states(ended).values())) == (0, {"ok"})
    assert (missing.code, "file with a key" in states(missing)) == (2, False)


@pytest.mark.parametrize(
    ("words", "environ"),
    [
        (("--region", "mars"), {}),
        (("--proxy", "socks5://me:password@h:1", "--region", "cn-beijing"), {}),
        ((), {"HTTPS_PROXY": "socks5://me:password@h:1"}),
        (("--ca-file", "nowhere.pem"), {}),
        (("--base-url", f"https://{'a' * 70}.example/api/v1"), {}),
    ],
)
async def test_settings_that_no_session_can_be_made_of_are_told(
    words: Any, environ: Any, ftlogs: Any
) -> None:
    ended = await ftlogs("doctor", *words, environ={"DASHSCOPE_API_KEY": "sk-1", **environ})
    assert (ended.code, ended.err) == (2, "")
    assert states(ended) == {"settings": "wrong"}
    assert b"password" not in ended.out


@pytest.mark.parametrize(
    ("key", "faults", "code", "name", "words"),
    [
        ("sk-another", [], 3, "key", "for one region"),
        (None, ["403:on=2,endpoint=list"], 3, "key", "may not do this"),
        (None, [Fault(Html(200), endpoint="list", on=[2])], 5, "key", "text/html"),
        (None, [Fault(Html(200), endpoint="list")], 5, "gateway", "a proxy, a login page"),
        (None, [Fault(Reset(), endpoint="list")], 5, "gateway", "no answer"),
        (None, [Fault(Reset(), endpoint="list", on=[2, 3])], 5, "key", "no answer"),
        (None, ["429:on=2,endpoint=list"], 5, "key", "--max-rate"),
        (None, ["404:endpoint=job"], 4, "job", "HTTP 404 NotFound"),
        (None, ["404:endpoint=logs"], 4, "log", "HTTP 404 NotFound in place of lines"),
        (None, [Fault(Html(200), endpoint="logs")], 5, "log", "text/html"),
        (None, [Fault(Reset(), endpoint="logs")], 5, "job", "no answer"),
    ],
)
async def test_what_is_wrong_with_the_service_or_the_key_is_told(
    key: str | None, faults: Any, code: int, name: str, words: str, ftlogs: Any
) -> None:
    async with Emulator(JOBS, faults=faults) as emulator:
        environ = {} if key is None else {"DASHSCOPE_API_KEY": key}
        ended = await ftlogs("doctor", "--contract", emulator=emulator, environ=environ)
    assert (ended.code, ended.err) == (code, "")
    assert states(ended)[name] == "wrong"
    assert words in line_of(ended, name)
    assert b"Traceback" not in ended.out


async def test_a_service_that_says_nothing_is_given_up(ftlogs: Any) -> None:
    async with Emulator(JOBS, faults=[Fault(Stall(60), endpoint="list")]) as emulator:
        ended = await ftlogs("doctor", "--timeout", "0.3", emulator=emulator)
    assert ended.code == 5
    assert "timed out after 0.3 s" in line_of(ended, "gateway")


async def test_where_there_is_no_job_that_is_told(ftlogs: Any) -> None:
    async with Emulator() as emulator:
        ended = await ftlogs("doctor", "--contract", emulator=emulator)
        named = await ftlogs("doctor", "ft-20240101-none", emulator=emulator)
        short = await ftlogs("doctor", "@running", emulator=emulator)
    assert ended.code == 0
    assert (states(ended)["jobs"], states(ended)["job"]) == ("odd", "unknown")
    assert named.code == 4
    assert short.code == 2
    assert "no job is running" in line_of(short, "job")


async def test_a_clock_that_is_wrong_is_told(ftlogs: Any) -> None:
    date = (("Date", "Fri, 27 Nov 2020 12:00:00 GMT"),)
    fault = Fault(Refuse(401, headers=date), endpoint="list", on=[1])
    async with Emulator(JOBS, faults=[fault]) as emulator:
        ended = await ftlogs("doctor", emulator=emulator)
    assert ended.code == 0
    assert states(ended)["clock"] == "odd"
    assert "ahead of the answer's" in line_of(ended, "clock")


async def test_totals_that_lie_are_told(ftlogs: Any) -> None:
    async with Emulator(JOBS, faults=[Fault(ReportTotal(5000), endpoint="logs")]) as emulator:
        ended = await ftlogs("doctor", "ft-2", "--contract", emulator=emulator)
    assert ended.code == 5
    assert "6,200, but there is no line at offset 6,199" in line_of(
        ended, "The total is how many lines there are"
    )


@asynccontextmanager
async def counting_from_1(port: int) -> AsyncIterator[str]:
    """A service that takes offset 1 for the first line, as the vendor's SDK does."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        head = re.sub(r"offset=(\d+)", lambda found: f"offset={max(int(found[1]) - 1, 0)}", head)
        head = head.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
        far, out = await asyncio.open_connection("127.0.0.1", port)
        out.write(head.encode())
        writer.write(await far.read())
        out.close()

    async with raw_server(talk) as own:
        yield f"http://127.0.0.1:{own}/api/v1"


async def test_a_service_that_counts_from_1_is_told(ftlogs: Any) -> None:
    async with Emulator(JOBS) as emulator, counting_from_1(port_of(emulator)) as url:
        words = ("doctor", "ft-2", "--contract", "--base-url", url)
        ended = await ftlogs(*words, environ={"DASHSCOPE_API_KEY": emulator.api_key})
    assert ended.code == 5
    assert "it counts from 1" in line_of(ended, "Offset 0 is the first line")


async def test_a_connection_that_breaks_in_one_step_does_not_end_the_others(ftlogs: Any) -> None:
    faults = [Fault(Reset(), endpoint="logs", on=[2, 3])]
    async with Emulator(JOBS, faults=faults) as emulator:
        ended = await ftlogs("doctor", "ft-2", "--contract", emulator=emulator)
    assert ended.code == 5
    assert "no answer" in line_of(ended, "Offset 0 is the first line")
    assert states(ended)["The total is how many lines there are"] == "ok"


async def test_behind_a_wall_it_tells_the_proxy_and_whose_certificate_it_is(
    ftlogs: Any, tmp_path: Path
) -> None:
    wall = Wall(tmp_path)
    async with (
        Emulator(JOBS) as emulator,
        wall.tls(port_of(emulator), GATEWAY) as port,
        wall.proxy(port) as proxy,
    ):
        environ = {
            "DASHSCOPE_API_KEY": emulator.api_key,
            "DASHSCOPE_BASE_URL": f"https://{GATEWAY}/api/v1",
            "HTTPS_PROXY": proxy.replace("//", "//me:password@"),
        }
        ended = await ftlogs("doctor", "--ca-file", wall.ca_file, environ=environ)
        distrusted = await ftlogs("doctor", environ=environ)
        wall.answer = lambda writer: writer.write(b"HTTP/1.1 407 Who\r\n\r\n")
        refused = await ftlogs("doctor", environ=environ)
    assert (ended.code, ended.err) == (0, "")
    assert f"{proxy} (HTTPS_PROXY)" in line_of(ended, "proxy setting")
    assert "issued by O=Example Company" in line_of(ended, "certificate")
    assert states(ended)["name of the proxy"] == "ok"
    assert distrusted.code == 5
    assert "is not accepted" in line_of(distrusted, "certificate")
    assert "--ca-file" in line_of(distrusted, "certificate")
    assert refused.code == 5
    assert "asks for a name and password" in line_of(refused, "gateway")
    for out in (ended.out, distrusted.out, refused.out):
        assert b"password@" not in out
        assert b"me:password" not in out


async def test_a_name_that_stands_for_nothing_is_told(ftlogs: Any) -> None:
    words = ("doctor", "--base-url", "https://nowhere.invalid/api/v1")
    ended = await ftlogs(*words, environ={"DASHSCOPE_API_KEY": "sk-1"})
    assert (ended.code, ended.err) == (5, "")
    assert states(ended)["name of the endpoint"] == "wrong"


async def test_the_gateways_of_other_regions_are_asked_without_the_key_and_need_not_be_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Emulator(JOBS) as own, Emulator() as other, Emulator() as gone:
        pass
    async with Emulator(JOBS) as own, Emulator() as other:
        gateways = {
            "own-1": own.base_url,
            "own-2": own.base_url,
            "other-1": other.base_url,
            "gone-1": gone.base_url,
            "walled-1": "https://nowhere.invalid/api/v1",
        }
        monkeypatch.setenv("DASHSCOPE_API_KEY", own.api_key)
        monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1")
        connection = Connection(base_url=own.base_url)
        found = examine(
            connection, None, contract=False, now=lambda: datetime.now(UTC), gateways=gateways
        )
        told = {finding.name: finding async for finding in found}
        journal = repr([exchange.headers for exchange in other.journal])
    assert told["gateway of other-1"].state == "ok"
    assert len(other.journal) == 1
    assert own.api_key not in journal
    assert "no answer" in told["gateway of gone-1"].told
    assert "SOCKS" in told["gateway of walled-1"].told
    for name in ("gateway of gone-1", "gateway of walled-1"):
        assert (told[name].state, told[name].code) == ("odd", 0)
    assert "gateway of own-1, own-2" not in told
    assert told["key"].state == "ok"


async def test_a_step_that_takes_too_long_is_given_up_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Emulator(JOBS) as emulator:
        monkeypatch.setenv("DASHSCOPE_API_KEY", emulator.api_key)
        connection = Connection(base_url=emulator.base_url, timeout=20)
        found = examine(connection, None, contract=False, now=lambda: datetime.now(UTC), patience=0)
        told = {finding.name: finding async for finding in found}
    assert told["name of the endpoint"].told == "127.0.0.1: no answer within 0 s"
    assert "not read to its end within 0 s" in told["job"].told
    assert (told["gateway"].state, told["key"].state, told["jobs"].state) == ("ok", "ok", "ok")


async def test_a_service_that_asks_for_no_key_is_odd_and_looked_at_all_the_same(ftlogs: Any) -> None:
    async with Emulator(JOBS, api_key="no-key") as emulator:
        ended = await ftlogs("doctor", emulator=emulator)
    assert ended.code == 0
    assert states(ended)["gateway"] == "odd"
    assert states(ended)["log"] == "ok"
