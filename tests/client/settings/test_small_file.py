"""What stands where a key, settings or certificates should be: read, or refused at once and unquoted."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from modest_root import modes_count

from dashscope_ftlogs import ConfigError, InvalidArgumentError, LogSession
from dashscope_ftlogs.client.settings.small_file import LARGEST, key_in, small_text
from dashscope_ftlogs.emulator import Emulator

KEY = "sk-4f1cda7e91b26d53"
URL = "https://host.example/api/v1"
SETTINGS = f'api_key = "{KEY}"\n'

unix = pytest.mark.posix


def put(path: Path, what: str) -> Path:
    """Let something be at a path that is no file with a key."""
    if what == "a directory":
        path.mkdir()
    elif what == "a named pipe":
        os.mkfifo(path)
    elif what == "a device":
        path.symlink_to("/dev/zero")
    elif what == "larger":
        path.write_bytes(b"#" * LARGEST + SETTINGS.encode())
    elif what == "UTF-16":
        path.write_bytes(SETTINGS.encode("utf-16"))
    elif what == "line 2 is not UTF-8":
        path.write_bytes(SETTINGS.encode() + "# clé\n".encode("latin-1"))
    else:
        path.write_text(SETTINGS)
        path.chmod(0)
    return path


ODD = ["a directory", "a named pipe", "a device", "larger", "UTF-16", "line 2 is not UTF-8"]
PLACES = [
    "~/.dashscope/config.toml",
    "~/.dashscope/api_key",
    "DASHSCOPE_CONFIG",
    "DASHSCOPE_API_KEY_FILE_PATH",
]


@unix
@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_small_text_is_named_at_once(
    place: str, what: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".dashscope").mkdir()
    if place.startswith("~"):
        put(Path(place).expanduser(), what)
        named = place
    else:
        named = str(put(home / "elsewhere", what))
        monkeypatch.setenv(place, named)
    with pytest.raises(ConfigError) as caught:
        LogSession(base_url=URL)
    assert f"cannot read {named}: " in str(caught.value)
    assert what in str(caught.value)
    assert KEY not in str(caught.value)


@unix
@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("option", ["--api-key-file", "--ca-file"])
async def test_nor_does_the_command_wait_for_it(
    ftlogs: Any, option: str, what: str, tmp_path: Path
) -> None:
    path = put(tmp_path / "file", what)
    async with Emulator() as emulator:
        ended = await ftlogs("jobs", option, str(path), emulator=emulator)
        assert emulator.journal == []
    assert (ended.code, ended.out) == (2, b"")
    assert ended.err.startswith(f"ftlogs: {option} ")
    assert str(path) in ended.err
    assert "Traceback" not in ended.err
    assert KEY not in ended.err


@unix
@pytest.mark.parametrize("place", PLACES[:2])
def test_what_may_not_be_read_is_named(place: str, home: Path) -> None:
    (home / ".dashscope").mkdir()
    put(Path(place).expanduser(), "unreadable")
    with modes_count(), pytest.raises(ConfigError, match=f"cannot read {place}: Permission denied"):
        LogSession(base_url=URL)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_mark_in_front_as_editors_of_windows_put_it_is_no_part_of_it(
    encoding: str, home: Path
) -> None:
    (home / ".dashscope").mkdir()
    (home / ".dashscope/config.toml").write_text(SETTINGS.replace("\n", "\r\n"), encoding)
    assert LogSession(base_url=URL).places["api_key"] == "~/.dashscope/config.toml"
    (home / ".dashscope/config.toml").unlink()
    (home / ".dashscope/api_key").write_text(f"{KEY}\r\n", encoding)
    assert small_text("~/.dashscope/api_key") == f"{KEY}\r\n"
    assert LogSession(base_url=URL).places["api_key"] == "~/.dashscope/api_key"


def test_the_home_directory_may_be_written_short(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHSCOPE_CONFIG", "~/teams.toml")
    (home / "teams.toml").write_text(SETTINGS)
    assert LogSession(base_url=URL).places["api_key"] == "~/teams.toml"


def test_the_null_device_is_no_setting(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHSCOPE_CONFIG", os.devnull)
    (home / ".dashscope").mkdir()
    (home / ".dashscope/api_key").write_text(KEY)
    assert LogSession(base_url=URL).places["api_key"] == "~/.dashscope/api_key"
    monkeypatch.setenv("DASHSCOPE_API_KEY_FILE_PATH", os.devnull)
    with pytest.raises(ConfigError, match=f"the API key from {os.devnull} is empty"):
        LogSession(base_url=URL)


def test_a_link_leads_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "real").write_text(KEY)
    (tmp_path / "link").symlink_to("real")
    assert small_text(str(tmp_path / "link")) == KEY


@pytest.mark.parametrize("path", ["gone", "file/below"])
def test_no_file_is_no_setting(path: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert small_text(str(tmp_path / path)) is None


def test_what_no_system_can_name_is_told() -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        small_text("a\ud800")
    with pytest.raises(ConfigError, match="--api-key-file"):
        key_in("a\ud800", "--api-key-file")
    with pytest.raises(InvalidArgumentError, match="ca_file"):
        LogSession(KEY, base_url=URL, ca_file="a\ud800")


def test_a_circle_of_links_is_told(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(ConfigError, match=r"cannot read .*link: Too many levels"):
        small_text(str(tmp_path / "link"))


@unix
@pytest.mark.parametrize(
    "program", ["print('sk-of-a-pipe')", "import time; time.sleep(.2); print('sk-of-a-pipe')"]
)
def test_a_key_may_come_through_a_pipe_that_a_shell_makes(program: str) -> None:
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as manager:
        assert manager.stdout is not None
        assert key_in(f"/dev/fd/{manager.stdout.fileno()}", "--api-key-file") == "sk-of-a-pipe"


@unix
def test_but_it_is_not_waited_for_for_ever_nor_read_without_end() -> None:
    read, write = os.pipe()
    try:
        with pytest.raises(
            ConfigError, match=f"--api-key-file /dev/fd/{read}: nothing has come through"
        ):
            key_in(f"/dev/fd/{read}", "--api-key-file", patience=0.01)
        with subprocess.Popen(["cat", "/dev/zero"], stdout=write) as endless:
            assert len(key_in(f"/dev/fd/{read}", "--api-key-file")) < 2 * LARGEST
            endless.kill()
    finally:
        os.close(read)
        os.close(write)


@unix
@pytest.mark.parametrize("name", ["pipe", "empty"])
def test_no_other_key_takes_the_place_of_one_that_is_not_there(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # to which nobody writes
    (tmp_path / "empty").write_text("\ufeff\n")
    with pytest.raises(ConfigError, match=f"--api-key-file {tmp_path / name}: it is empty"):
        key_in(str(tmp_path / name), "--api-key-file")


@unix
@pytest.mark.parametrize("what", ["a directory", "a named pipe", "a device"])
def test_certificates_come_from_a_plain_file(what: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=f"it is {what}, and must be a plain file") as caught:
        LogSession(KEY, base_url=URL, ca_file=put(tmp_path / "ca.pem", what))
    assert caught.value.argument == "ca_file"


def test_nor_from_one_that_is_no_list_of_certificates(tmp_path: Path) -> None:
    with (tmp_path / "ca.pem").open("wb") as file:
        file.truncate(17 * 2**20)
    with pytest.raises(InvalidArgumentError, match="it is larger than 16,384 KiB"):
        LogSession(KEY, base_url=URL, ca_file=tmp_path / "ca.pem")
