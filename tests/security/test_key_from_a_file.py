"""A key that comes from a file, and looks like none, is as secret where it is typed in a wrong place."""

import os
from pathlib import Path
from typing import Any

import pytest

from dashscope_ftlogs import InvalidArgumentError, LogSession
from dashscope_ftlogs.cli.key_in_messages import without_key
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

KEY = "token-4f1c-da7e"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(file: Path, text: str) -> None:
    file.write_text(text)


def keep(home: Path, place: str, monkeypatch: pytest.MonkeyPatch, key: str = KEY) -> None:
    """Put the key where a user may keep it."""
    folder = home / ".dashscope"
    folder.mkdir()
    if place == "api_key":
        (folder / "api_key").write_text(f"{key}\n")
    elif place == "config.toml":
        (folder / "config.toml").write_text(f'api_key = "{key}"\n')
    elif place == "DASHSCOPE_API_KEY":
        monkeypatch.setenv(place, key)
    else:
        (home / "elsewhere").write_text(
            f'api_key = "{key}"\n' if place == "DASHSCOPE_CONFIG" else f"{key}\n"
        )
        monkeypatch.setenv(place, str(home / "elsewhere"))


@pytest.mark.parametrize(
    "place",
    ["api_key", "config.toml", "DASHSCOPE_API_KEY", "DASHSCOPE_CONFIG", "DASHSCOPE_API_KEY_FILE_PATH"],
)
def test_nothing_that_is_said_shows_a_key_from_where_keys_are_kept(
    place: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert without_key(f"no such option: --{KEY}") == f"no such option: --{KEY}"
    keep(home, place, monkeypatch)
    assert without_key(f"no such option: --{KEY}") == "no such option: --[secret]"


@pytest.mark.parametrize(
    "text", [b"\xff", b'api_key = "', b"api_key = 5", b"", b"x = " + b"[" * 9999, b"#" * 70_000]
)
def test_a_file_that_holds_none_is_no_reason_to_say_nothing(text: bytes, home: Path) -> None:
    (home / ".dashscope").mkdir()
    (home / ".dashscope/config.toml").write_bytes(text)
    assert without_key(f"no such job: {KEY}") == f"no such job: {KEY}"


def test_nor_is_a_pipe_waited_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(home / "pipe")
    monkeypatch.setenv("DASHSCOPE_API_KEY_FILE_PATH", str(home / "pipe"))
    assert without_key("no such job") == "no such job"


@pytest.mark.parametrize("key", ["sk-ab12+cd34/ef56==", "sk-ab/cd+ef12345="])
def test_what_looks_like_a_key_in_base64_is_shown_by_nobody(key: str) -> None:
    assert without_key(f"--region {key!r}: must be") == "--region '[secret]': must be"


async def test_as_a_job_id_it_is_refused_and_not_sent(tmp_path: Path) -> None:
    async with Emulator([EmulatedJob("ft-1", ["x"])], api_key=KEY) as emulator:
        async with LogSession(KEY, base_url=emulator.base_url) as session:
            for ask in (session.page, session.job, session.lines, session.metrics):
                with pytest.raises(InvalidArgumentError, match="that is the API key") as caught:
                    await ask(KEY)  # type: ignore[misc]
                assert KEY not in str(caught.value)
            (failed,) = await session.download([KEY], tmp_path / "logs")
            assert isinstance(failed.error, InvalidArgumentError)
        assert emulator.journal == []
    assert [name for *_, files in os.walk(tmp_path) for name in files if KEY in name] == []


@pytest.mark.parametrize(
    "words",
    [
        ("jobs", "--api-key-file", "key", "--region", KEY),
        ("cat", KEY, "--api-key-file=key"),
        ("jobs", KEY, "--api-key-file", "key"),
    ],
    ids=["an option", "a job id", "wrong usage"],
)
async def test_nor_does_a_command_repeat_the_one_that_an_option_names(
    ftlogs: Any, words: tuple[str, ...], here: Path
) -> None:
    write(here / "key", KEY)
    async with Emulator([EmulatedJob("ft-1", ["x"])], api_key=KEY) as emulator:
        ended = await ftlogs(*words, emulator=emulator)
        assert emulator.journal == []
    assert ended.code == 2
    assert KEY not in ended.err
    assert KEY.encode() not in ended.out


async def test_a_folder_of_its_name_is_no_name_of_a_log(ftlogs: Any, here: Path) -> None:
    write(here / KEY, "{'loss': 1.0, 'epoch': 1.0}\n{'loss': 0.5, 'epoch': 2.0}\n")
    ended = await ftlogs("plot", KEY, environ={"DASHSCOPE_API_KEY": KEY})
    assert ended.code == 0
    assert b"[secret]" in ended.out
    assert KEY.encode() not in ended.out
