"""What `cat`, `tail` and `show` take for a log: a job, its URL, an archive, a file, or stdin."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from archive_readers import READERS
from teams import two_teams

from dashscope_ftlogs.emulator import EmulatedJob, Emulator

JOB = "ft-202410291653-1c7f"
LINES = [f"{{'loss': {1 + n / 10}}}" for n in range(20)]


@pytest.fixture
async def archive(ftlogs: Any, tmp_path: Path) -> Path:
    """Two logs, of which the second is compressed rows."""
    folder = tmp_path / "logs"
    jobs = [EmulatedJob(JOB, LINES, status="FAILED"), EmulatedJob("ft-2", ["a", "b\nc"])]
    async with Emulator(jobs) as emulator:
        await ftlogs("download", JOB, "--out", str(folder), emulator=emulator)
        rows = ("--out", str(folder / "rows"), "--format", "jsonl", "--compress", "gzip")
        await ftlogs("download", "ft-2", *rows, emulator=emulator)
    return folder


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ((), LINES),
        (("--offset", "3", "--limit", "2"), LINES[3:5]),
        (("--limit", "0"), []),
        (("--offset", "20"), []),
    ],
)
async def test_cat_reads_archives_and_files(
    ftlogs: Any, archive: Path, words: tuple[str, ...], lines: list[str]
) -> None:
    for source in (archive, archive / f"{JOB}.log"):
        ended = await ftlogs("cat", str(source), *words)
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.decode().splitlines() == lines


async def test_cat_of_rows_is_what_they_hold_with_their_own_numbers(
    ftlogs: Any, archive: Path, tmp_path: Path
) -> None:
    rows = archive / "rows" / "ft-2.jsonl.gz"
    assert (await ftlogs("cat", str(rows))).out == b"a\nb\nc\n"
    some = tmp_path / "some.jsonl"
    some.write_text("".join(f'{{"offset": {n}, "line": "at {n}"}}\n' for n in (3, 4, 9)))
    ended = await ftlogs("cat", str(some), "--format", "jsonl", "--offset", "4")
    assert [json.loads(row)["offset"] for row in ended.out.splitlines()] == [4, 9]


@pytest.mark.covered
@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ((), LINES[-10:]),
        (("-n", "2"), LINES[-2:]),
        (("-n", "all"), LINES),
        (("-n", "ALL"), LINES),
        (("-n", "2", "--until", "loss>2.75"), LINES[-2:-1]),
        (("--until", "loss>=1.3"), LINES[:4]),
    ],
)
async def test_tail_reads_archives_and_files(
    ftlogs: Any, archive: Path, words: tuple[str, ...], lines: list[str]
) -> None:
    for source in (archive, archive / f"{JOB}.log"):
        ended = await ftlogs("tail", str(source), *words)
        assert ended.out.decode().splitlines() == lines
        assert ended.code == 0


async def test_tail_begins_in_a_file_where_it_is_told_and_knows_how_its_job_ended(
    ftlogs: Any, archive: Path
) -> None:
    path = archive / f"{JOB}.log"
    some = await ftlogs("tail", f"{path}:18")
    remembering = await ftlogs("tail", f"{path}:18", "--fail-on", "loss>best for 18")
    unmet = await ftlogs("tail", str(archive), "--until", "loss<0")
    beyond = await ftlogs("tail", f"{path}:21")
    followed = await ftlogs("tail", "-f", f"{path}:18")
    assert some.out.decode().splitlines() == LINES[18:]
    assert (remembering.code, remembering.out.decode().splitlines()) == (9, LINES[18:19])
    assert (unmet.code, unmet.err.splitlines()[-1]) == (
        7,
        f"ftlogs: {JOB}: FAILED, never met loss<0",
    )
    assert (beyond.code, beyond.out) == (2, b"")
    assert "has only 20 lines" in beyond.err
    assert (followed.code, followed.out) == (2, b"")
    assert followed.err.startswith(f"ftlogs: -f is for jobs of the service, and {path} is none; ")


async def test_stdin_and_jobs_are_read_in_the_order_in_which_they_are_named(start_ftlogs: Any) -> None:
    async with Emulator([EmulatedJob("ft-1", ["sent"])]) as emulator:
        words = ("tail", "-", "ft-1", "--until", "loss<0")
        process = await start_ftlogs(words, emulator, stdin=asyncio.subprocess.PIPE)
        out, err = await process.communicate(b"piped\n")
        cat = await start_ftlogs(("cat", "-"), None, stdin=asyncio.subprocess.PIPE)
        printed, _ = await cat.communicate(b"piped\n")
    assert out == b"[stdin] piped\n[ft-1] sent\n"
    assert (process.returncode, printed) == (10, b"piped\n")
    assert err.decode().splitlines()[-2:] == [
        "ftlogs: stdin: never met loss<0",
        "ftlogs: ft-1: SUCCEEDED, never met loss<0",
    ]


async def test_a_part_of_several_logs_is_refused(ftlogs: Any, archive: Path) -> None:
    (archive / "rows" / "ft-2.jsonl.gz").rename(archive / "ft-2.jsonl.gz")
    (archive / "rows" / "ft-2.manifest.json").rename(archive / "ft-2.manifest.json")
    whole = await ftlogs("cat", str(archive))
    part = await ftlogs("cat", str(archive), "--limit", "1")
    assert whole.out.count(b"\n") == 23
    assert (part.code, part.out) == (2, b"")
    assert "holds 2 logs: name the one of which a part is wanted" in part.err


@pytest.mark.covered
@pytest.mark.parametrize("command", ["cat", "tail", "show"])
async def test_what_does_not_exist_is_told_as_that(ftlogs: Any, command: str, tmp_path: Path) -> None:
    async with Emulator([EmulatedJob(JOB, LINES)]) as emulator:
        for word in ("gone.log", str(tmp_path / "gone")):
            ended = await ftlogs(command, word, emulator=emulator)
            assert (ended.code, ended.out, emulator.journal) == (2, b"", [])
            assert f"there is no file {word!r}" in ended.err
        ended = await ftlogs(command, "nope", emulator=emulator)
        assert (ended.code, ended.out) == (4, b"")
        assert ended.err.startswith(
            "ftlogs: of 1 job, none has an id that begins or ends with 'nope'. `ftlogs jobs` lists"
        )
        assert all(one.endpoint == "list" for one in emulator.journal)
        emulator.remove(JOB)
        ended = await ftlogs(command, "nope", emulator=emulator)
        assert (ended.code, "the workspace has no job" in ended.err) == (4, True)


@pytest.mark.parametrize("command", ["cat", "tail", "show"])
async def test_a_url_that_was_pasted_names_its_job(ftlogs: Any, command: str) -> None:
    async with Emulator([EmulatedJob(JOB, LINES)]) as emulator:
        for url in (
            f"https://dashscope.aliyuncs.com/api/v1/fine-tunes/{JOB}/logs?offset=0&line=1000",
            f"https://bailian.console.aliyun.com/#/efm/model_train/detail?jobId={JOB}",
        ):
            by_url = await ftlogs(command, url, emulator=emulator)
            by_id = await ftlogs(command, JOB, emulator=emulator)
            assert (by_url.code, by_url.out) == (0, by_id.out)
        ended = await ftlogs(command, "https://example.com/x", emulator=emulator)
    assert (ended.code, ended.out) == (2, b"")
    assert "names no job: paste the job's id alone, such as ft-202410291653-1c7f" in ended.err


@pytest.mark.unmeasured
@pytest.mark.parametrize("command", ["show", "cat", "tail", "report", "metrics"])
async def test_a_manifest_stands_for_its_log_and_a_log_counts_once(
    ftlogs: Any, archive: Path, tmp_path: Path, command: str
) -> None:
    log, manifest = str(archive / f"{JOB}.log"), str(archive / f"{JOB}.manifest.json")
    words = {"report": ("-o", str(tmp_path / "x.html")), "show": ("--format", "jsonl")}.get(command, ())
    ended = {
        named: await ftlogs(command, *named, *words)
        for named in ((log,), (manifest,), (log, manifest), (manifest, str(archive), log))
        if command != "cat" or len(named) == 1
    }
    assert {(one.code, one.out, one.err) for one in ended.values()} == {
        (0, ended[log,].out, ended[log,].err)
    }
    assert b"manifest" not in ended[log,].out
    if command == "report":
        assert "1 log" in ended[log,].err


async def test_a_manifest_that_is_damaged_or_alone_is_told(ftlogs: Any, archive: Path) -> None:
    manifest = archive / f"{JOB}.manifest.json"
    (archive / f"{JOB}.log").unlink()
    alone = await ftlogs("show", str(manifest))
    manifest.write_text("{}")
    damaged = await ftlogs("show", str(manifest))
    assert alone.code == damaged.code == 6
    assert f"{JOB}.log" in alone.err
    assert f"{JOB}.manifest.json" in damaged.err


@pytest.mark.parametrize("command", ["show", "metrics", "plot", "cat", "verify"])
async def test_a_folder_that_is_no_archive_is_told_with_what_to_name_instead(
    ftlogs: Any, tmp_path: Path, command: str
) -> None:
    folder = tmp_path / "my logs"
    folder.mkdir()
    (folder / "a.log").write_text("{'loss': 1.5}\n")
    ended = await ftlogs(command, str(folder))
    assert (ended.code, ended.out) == (2, b"")
    files = "" if command == "verify" else f", or the log files themselves: '{folder}'/*.log"
    assert ended.err.endswith(
        f"holds no manifest, so it is no archive. Name one that `ftlogs download` wrote{files}.\n"
    )


@pytest.mark.unmeasured
@pytest.mark.parametrize("command", READERS, ids=" ".join)
@pytest.mark.parametrize(
    ("there", "told"),
    [
        (["team/.ftlogs-profile"], "holds no manifest, so it is no archive. "),
        (
            ["team/.ftlogs-profile", "team/notes.txt", "a.log"],
            "holds no manifest, so it is no archive. ",
        ),
        ([".ftlogs-archive", "ft-1/commit-9.json"], "is an archive from a bucket, and on disk it has "),
        (["team/.ftlogs-profile", "team/.ftlogs-archive"], "is an archive from a bucket, and on disk "),
    ],
    ids=["mark", "other files", "from a bucket", "of a profile from a bucket"],
)
async def test_every_reader_tells_what_is_no_archive_on_disk(
    ftlogs: Any, tmp_path: Path, there: list[str], told: str, command: tuple[str, ...]
) -> None:
    for name in there:
        (tmp_path / "raw" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "raw" / name).touch()
    ended = await ftlogs(*command, str(tmp_path / "raw"))
    assert (ended.code, ended.out) == (2, b""), ended.err
    assert f"{tmp_path}/raw {told}" in ended.err
    assert "Nothing there was changed" not in ended.err


@pytest.mark.parametrize("profile", ["", "a"])
@pytest.mark.parametrize(
    "there",
    [[".ftlogs-archive"], ["a/.ftlogs-archive"], ["b/.ftlogs-profile", "b/.ftlogs-archive"]],
    ids=["archive", "own folder", "other folder"],
)
async def test_no_download_writes_into_what_was_copied_from_a_bucket(
    ftlogs: Any, tmp_path: Path, there: list[str], profile: str
) -> None:
    out = tmp_path / "raw"
    for name in there:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).touch()
    before = sorted(out.rglob("*"))
    with two_teams(tmp_path) as teams:
        named: dict[str, Any] = {"environ": teams.environ} | ({} if profile else {"emulator": teams.a})
        words = ("download", "ft-1", "--out", str(out), *(("--profile", profile) if profile else ()))
        ended = await ftlogs(*words, **named)
        if there == ["a/.ftlogs-archive"] and not profile:
            assert ended.code == 0, "nothing says that it is a profile's"
            return
        assert (ended.code, ended.out, sorted(out.rglob("*"))) == (2, b"", before), ended.err
        assert f"{out} is an archive from a bucket, and on disk it has another format" in ended.err
        (out / profile).mkdir(exist_ok=True)
        (out / profile / ".ftlogs-lock").touch()
        assert (await ftlogs(*words, **named)).code == 0, "an archive that is there is gone on with"


@pytest.mark.parametrize("folder", ["", "team/"])
async def test_an_archive_without_logs_is_told_as_one(ftlogs: Any, tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    for name in (".ftlogs-lock", *([".ftlogs-profile"] if folder else [])):
        (tmp_path / folder / name).touch()
    verified = await ftlogs("verify", str(tmp_path))
    assert (verified.code, verified.err) == (0, f"ftlogs: {tmp_path}: no logs yet\n")
    shown = await ftlogs("show", str(tmp_path))
    assert (shown.code, shown.out) == (2, b"")
    assert shown.err.startswith(f"ftlogs: {tmp_path} holds no manifest of a log yet. ")
