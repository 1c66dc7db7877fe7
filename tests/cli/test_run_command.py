"""What is said of errors, and with which code a command ends: also what a person can do next."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashscope_ftlogs import ConfigError, FTLogsError
from dashscope_ftlogs.cli.run_command import told
from dashscope_ftlogs.client.config import checked_url
from dashscope_ftlogs.client.exchange.memory import what_to_do
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Html, Redirect, Refuse

JOBS = [EmulatedJob("ft-1", ["a"])]


def all_kinds(kind: type[FTLogsError] = FTLogsError) -> Iterator[type[FTLogsError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from all_kinds(one)


def test_no_advice_of_the_command_is_in_words_of_python() -> None:
    advised = {kind.advice for kind in all_kinds()}
    advised |= {what_to_do(line) for line in (None, 1, 2)}
    advised.add("The key is from the argument api_key. ")
    with pytest.raises(ConfigError) as caught:
        checked_url("http://far.example/api/v1", allow_http=False)
    advised.add(str(caught.value))
    for advice in advised:
        error = FTLogsError(advice)
        assert not re.search(r"\b[a-z]+(_[a-z]+)*=|\w+_\w*[a-z]|\b[A-Z][a-z]+[A-Z][a-z]", told(error)), (
            told(error)
        )


async def test_a_key_that_is_refused_is_told_with_where_it_was_found(
    ftlogs: Any, tmp_path: Path
) -> None:
    key = "sk-of-somebody-else-123"
    (tmp_path / "key").write_text(key, "utf-8")
    profile = tmp_path / "config.toml"
    async with Emulator(JOBS) as emulator:
        profile.write_text(f"[profiles.lab]\napi_key = '{key}'\n", "utf-8")
        for words, environ, place in (
            ((), {"DASHSCOPE_API_KEY": key}, "DASHSCOPE_API_KEY"),
            (("--api-key-file", str(tmp_path / "key")), {}, "--api-key-file"),
            (("--profile", "lab"), {"DASHSCOPE_CONFIG": str(profile)}, f"[profiles.lab] in {profile}"),
        ):
            ended = await ftlogs("cat", "ft-1", *words, emulator=emulator, environ=environ)
            assert (ended.code, key in ended.err) == (3, False)
            assert f". The key is from {place}. Check the API key." in ended.err
            assert "with --region (or DASHSCOPE_REGION), for" in ended.err


@pytest.mark.parametrize("key", ['"sk-0123456789"', "'sk-0123456789'", "'sk-0123456789", '"'])
async def test_a_key_in_quotation_marks_is_refused_and_not_sent(ftlogs: Any, key: str) -> None:
    async with Emulator(JOBS) as emulator:
        ended = await ftlogs("cat", "ft-1", emulator=emulator, environ={"DASHSCOPE_API_KEY": key})
        assert (ended.code, emulator.journal) == (2, [])
    assert "API key from DASHSCOPE_API_KEY has quotation marks around it: leave them out" in ended.err
    assert "0123456789" not in ended.err


async def test_a_login_page_that_answers_instead_is_no_answer_of_the_service(ftlogs: Any) -> None:
    async with Emulator(JOBS) as emulator:
        emulator.faults = [Fault(Redirect("https://wifi.example/login"))]
        ended = await ftlogs("cat", "ft-1", emulator=emulator)
    assert ended.code == 5
    assert "redirect to https://wifi.example/login refused: the key stays here" in ended.err
    assert ended.err.endswith("Check proxy, network and base URL.\n")


@pytest.mark.parametrize("reply", [Html(503), Refuse(418)])
async def test_where_no_request_id_was_sent_none_is_asked_for(ftlogs: Any, reply: Any) -> None:
    async with Emulator(JOBS) as emulator:
        emulator.faults = [Fault(reply)]
        ended = await ftlogs("cat", "ft-1", "--max-tries", "1", emulator=emulator)
    assert ("<" in ended.err, "open a ticket" in ended.err) == (False, True)
    assert ("with the request id" in ended.err) is ("(request id " in ended.err)
