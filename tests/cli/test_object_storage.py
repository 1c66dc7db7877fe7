"""Archives on object storage, at the command."""

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from archive_readers import READERS
from small_store import KEY_ID, SECRET, SmallStore, Stored
from teams import two_teams

from dashscope_ftlogs.emulator import EmulatedJob, Emulator

LINES = [f"{{'loss': {1 / n:.4f}, 'global_step/max_steps': '{n}/50'}}" for n in range(1, 51)]


@pytest.fixture
def store() -> Iterator[SmallStore]:
    with SmallStore().serving() as one:
        yield one


@pytest.mark.covered
@pytest.mark.extras
async def test_an_archive_on_object_storage_is_used_like_a_directory(
    ftlogs: Any, store: SmallStore, tmp_path: Path
) -> None:
    job = EmulatedJob("ft-1", LINES)
    with Emulator([job, EmulatedJob("ft-2", LINES[:5])]) as emulator:

        async def command(*words: str, code: int = 0) -> str:
            ended = await ftlogs(*words, emulator=emulator, environ=store.environ)
            assert ended.code == code, ended.err
            assert SECRET not in ended.err
            return f"{ended.out.decode()}{ended.err}"

        said = await command("download", "--all", "--out", store.url, "--settle", "0.1")
        assert f"2 complete; 55 new lines in {store.url}" in said
        assert f"{store.url}: 2 ok" in await command("verify", store.url)
        assert "2 ok" in await command("verify", store.url, "--remote")
        rows = await command("metrics", store.url, "--format", "jsonl")
        assert [json.loads(row)["loss"] for row in rows.splitlines()[:2]] == [1, 0.5]
        assert len(rows.splitlines()) == 55
        shown = await command("show", f"{store.url}/ft-1.log")
        assert shown.startswith("ft-1  SUCCEEDED")
        assert "step 50 of 50" in shown
        assert "ft-2" in await command("plot", store.url)
        report = tmp_path / "report.html"
        await command("report", store.url, "-o", str(report))
        assert "ft-2" in report.read_text("utf-8")

        job.append("{'loss': 9.0}")
        said = await command("verify", store.url, "--remote", code=6)
        assert "50 lines, and the service has 51 by now" in said
        said = await command("download", "ft-1", "--out", store.url, "--settle", "0.1")
        assert "1 complete; 1 new line" in said
    store.objects[store.path("ft-2/data")].data = b"x"
    said = (await ftlogs("verify", store.url, environ=store.environ)).out.decode()
    assert "ft-2.log  damaged" in said


@pytest.mark.extras
async def test_large_logs_are_read_by_other_processes(ftlogs: Any, store: SmallStore) -> None:
    jobs = [EmulatedJob(f"ft-{n}", [*LINES, *("x" * 999 for _ in range(9_000))]) for n in range(2)]
    with Emulator(jobs) as emulator:
        ended = await ftlogs(
            *("download", "--all", "--out", store.url, "-q"), emulator=emulator, environ=store.environ
        )
        assert ended.code == 0, ended.err
    ended = await ftlogs("metrics", store.url, "--format", "jsonl", environ=store.environ)
    assert (ended.code, len(ended.out.splitlines())) == (0, 100), ended.err


@pytest.mark.extras
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("verify", "s3://none/x"), 4, "there is no such bucket"),
        (("show", "s3://none/x"), 4, "there is no such bucket"),
        (("verify", "s3://bucket/none"), 2, "it is no archive"),
        (("metrics", "s3://bucket/none/ft-1.log"), 2, "holds no log ft-1.log"),
        (("download", "ft-1", "--out", "s3://none/x"), 4, "there is no such bucket"),
        (("verify", "oss://bucket/x"), 2, "OSS needs OSS_ACCESS_KEY_ID"),
    ],
)
async def test_what_is_not_there_is_told_with_a_code_of_its_own(
    ftlogs: Any, store: SmallStore, words: tuple[str, ...], code: int, said: str
) -> None:
    with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator:
        ended = await ftlogs(*words, emulator=emulator, environ=store.environ)
    assert ended.code == code
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert not ended.out


NONE = "holds no commit, so it is no archive. "
FROM_DISK = "is an archive from disk, and in a bucket it has another format. "


@pytest.mark.unmeasured
@pytest.mark.extras
@pytest.mark.parametrize("command", READERS, ids=" ".join)
@pytest.mark.parametrize(
    ("there", "told"),
    [
        (["team/.ftlogs-profile"], NONE),
        (["team/.ftlogs-profile", "team/notes.txt", "notes.txt"], NONE),
        ([".ftlogs-lock", "ft-1.log"], FROM_DISK),
        (["ft-1.log", "ft-1.manifest.json"], FROM_DISK),
        (["team/.ftlogs-profile", "team/.ftlogs-lock"], FROM_DISK),
        (["team/.ftlogs-profile", "team/ft-1.manifest.json", "other/ft-1.log"], FROM_DISK),
        (["team/ft-1.log", "team/ft-1.manifest.json"], FROM_DISK),
    ],
    ids=["mark", "other files", "locked", "manifest", "profile locked", "profile", "lost mark"],
)
async def test_every_reader_tells_what_is_no_archive_in_a_bucket(
    ftlogs: Any, store: SmallStore, there: list[str], told: str, command: tuple[str, ...]
) -> None:
    for name in there:
        store.objects[f"bucket/logs/{name}"] = Stored(b"", store.now())
    ended = await ftlogs(*command, store.url, environ=store.environ)
    assert (ended.code, ended.out) == (2, b""), ended.err
    assert f"{store.url} {told}" in ended.err
    assert "Nothing there was changed" not in ended.err


@pytest.mark.extras
@pytest.mark.parametrize("profile", ["", "a"])
@pytest.mark.parametrize(
    "there",
    [
        [".ftlogs-lock", "ft-1.log"],
        ["ft-1.log", "ft-1.manifest.json"],
        ["other/.ftlogs-profile", "other/.ftlogs-lock"],
        ["a/.ftlogs-profile", "a/ft-1.manifest.json", "notes.txt"],
    ],
    ids=["locked", "manifest", "profile locked", "profile"],
)
async def test_no_download_writes_into_what_was_copied_from_disk(
    ftlogs: Any, store: SmallStore, tmp_path: Path, there: list[str], profile: str
) -> None:
    for name in there:
        store.objects[f"bucket/logs/{name}"] = Stored(b"", store.now())
    before = dict(store.objects)
    with two_teams(tmp_path) as teams:
        named: dict[str, Any] = {"environ": store.environ | teams.environ}
        named |= {} if profile else {"emulator": teams.a}
        words = ("download", "ft-1", "--out", store.url, *(("--profile", profile) if profile else ()))
        ended = await ftlogs(*words, **named)
        assert (ended.code, ended.out, store.objects) == (2, b"", before), ended.err
        assert f"{store.url} {FROM_DISK}" in ended.err
        folder = f"bucket/logs/{profile}".rstrip("/")
        store.objects[f"{folder}/.ftlogs-archive"] = Stored(b"", store.now())
        ended = await ftlogs(*words, **named)
        assert ended.code == 0, "an archive that is there already is gone on with"


@pytest.mark.extras
async def test_an_archive_lies_beside_folders_of_others(
    ftlogs: Any, store: SmallStore, tmp_path: Path
) -> None:
    for name in ("backup/.ftlogs-lock", "backup/ft-1.manifest.json", "notes.txt"):
        store.objects[f"bucket/logs/{name}"] = Stored(b"", store.now())
    with two_teams(tmp_path) as teams:
        words = ("download", "ft-1", "--out", store.url)
        ended = await ftlogs(*words, emulator=teams.a, environ=store.environ)
    assert ended.code == 0, ended.err


@pytest.mark.extras
async def test_an_archive_in_a_bucket_without_logs_is_told_as_one(
    ftlogs: Any, store: SmallStore
) -> None:
    for name in (".ftlogs-profile", ".ftlogs-archive"):
        store.objects[f"bucket/logs/team/{name}"] = Stored(b"", store.now())
    verified = await ftlogs("verify", store.url, environ=store.environ)
    assert (verified.code, verified.err) == (0, f"ftlogs: {store.url}: no logs yet\n")
    shown = await ftlogs("show", store.url, environ=store.environ)
    assert (shown.code, shown.out) == (2, b"")
    assert shown.err.startswith(f"ftlogs: {store.url} holds no commit of a log yet. ")


@pytest.mark.extras
async def test_a_log_that_is_not_in_a_bucket_is_told_to_who_reads(
    ftlogs: Any, store: SmallStore
) -> None:
    with Emulator([EmulatedJob("ft-1", LINES)]) as emulator:
        words = ("download", "--all", "--out", store.url, "-q")
        await ftlogs(*words, emulator=emulator, environ=store.environ)
    ended = await ftlogs("cat", f"{store.url}/ft-2.log", environ=store.environ)
    assert (ended.code, ended.out) == (2, b"")
    hint = f"Check its name: `ftlogs show {store.url}` names those that are there."
    assert ended.err == f"ftlogs: {store.url} holds no log ft-2.log. {hint}\n"
    store.objects["bucket/raw/ft-2.manifest.json"] = Stored(b"", store.now())
    ended = await ftlogs("cat", "s3://bucket/raw/ft-2.log", environ=store.environ)
    assert (ended.code, f"s3://bucket/raw {FROM_DISK}" in ended.err) == (2, True)


@pytest.mark.extras
async def test_who_may_not_is_told_and_no_secret_is(ftlogs: Any, store: SmallStore) -> None:
    store.fault = lambda _method, _path: 403
    ended = await ftlogs("verify", store.url, environ=store.environ)
    assert (ended.code, ended.out) == (3, b"")
    assert "access is denied (HTTP 403)" in ended.err
    assert not [word for word in (SECRET, KEY_ID, "\x1b", "was told so") if word in ended.err]


@pytest.mark.extras
async def test_an_interrupted_download_keeps_what_has_arrived(
    start_ftlogs: Any, ftlogs: Any, store: SmallStore
) -> None:
    with Emulator([EmulatedJob("ft-1", LINES * 400)], latency=0.05) as emulator:
        words = ("download", "ft-1", "--out", store.url, "--concurrency", "1")
        process = await start_ftlogs(words, emulator, store.environ)
        while len(emulator.journal) < 6:
            await asyncio.sleep(0.01)
        process.send_signal(2)
        _, err = await process.communicate()
        assert process.returncode == 130, err
        emulator.latency = 0
        assert store.names("ft-1/commit")
        ended = await ftlogs(*words, "-q", emulator=emulator, environ=store.environ)
        assert ended.code == 0, ended.err
    ended = await ftlogs("verify", store.url, environ=store.environ)
    assert (ended.code, "1 ok" in ended.err) == (0, True)


@pytest.mark.unmeasured
@pytest.mark.extras
@pytest.mark.posix
@pytest.mark.parametrize("hangs_at", ["list-type", "commit-", "data-"])
@pytest.mark.parametrize(
    "words",
    ["cat {}", "tail {}", "show {}", "metrics {}", "plot {}", "report {}", "metrics {} -o {}-data/"],
)
async def test_an_interrupt_ends_what_waits_for_the_storage(
    ftlogs: Any, start_ftlogs: Any, store: SmallStore, home: Path, words: str, hangs_at: str
) -> None:
    with Emulator([EmulatedJob("ft-1", LINES)]) as emulator:
        download = ("download", "ft-1", "--out", store.url, "-q")
        await ftlogs(*download, emulator=emulator, environ=store.environ)
    hung = threading.Event()

    def fault(_: str, path: str) -> Literal["hang"] | None:
        if hangs_at not in path:
            return None
        hung.set()
        return "hang"

    store.fault = fault
    output = ("-o", str(home / "out.html")) if words.startswith("report") else ()
    process = await start_ftlogs(
        (*words.format(store.url, store.url).split(), *output), None, store.environ
    )
    while not hung.is_set():
        await asyncio.sleep(0.01)
    process.send_signal(2)
    out, err = await process.communicate()
    assert (process.returncode, out, err.count(b"\n")) == (130, b"", 1), err


@pytest.mark.parametrize(
    "words",
    [
        ("download", "ft-1", "--out", "ftp://host/x"),
        ("download", "ft-1", "--out", "s3:/bucket/x"),
        ("download", "ft-1", "--out", "s3://b@d/x"),
        ("verify", "https://host/x"),
        ("verify", "az://"),
        ("metrics", "s3://b@d/x"),
        ("cat", "S3://bucket/x"),
        ("tail", "file://x"),
    ],
)
async def test_a_url_that_is_none_of_an_archive_is_refused_and_no_folder_is_made_of_it(
    ftlogs: Any, words: tuple[str, ...], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    ended = await ftlogs(*words)
    assert ended.code == 2
    assert "URL" in ended.err
    assert "Traceback" not in ended.err
    assert [*os.walk(home)] == [(str(home), [], [])]


async def test_without_the_extra_the_command_says_what_to_install(ftlogs: Any, tmp_path: Path) -> None:
    (tmp_path / "obstore.py").write_text("raise ModuleNotFoundError")
    ended = await ftlogs("verify", "s3://bucket/x", environ={"PYTHONPATH": str(tmp_path)})
    assert ended.code == 2
    assert "pip install 'dashscope-ftlogs[object-store]'" in ended.err
