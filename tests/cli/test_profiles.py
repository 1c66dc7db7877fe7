"""Several profiles at once: whose jobs are meant, where logs are kept, and what one that fails ends."""

import asyncio
import json
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from modest_root import modes_count
from small_store import SmallStore
from teams import BOTH, KEYS, Teams, lines, two_teams

from dashscope_ftlogs import (
    ArchivePathError,
    LogSession,
    ManifestError,
    metrics,
    verify_archive,
)
from dashscope_ftlogs.emulator import Fault, Refuse
from dashscope_ftlogs.metrics import partitions, read


@pytest.fixture
def teams(tmp_path: Path) -> Iterator[Teams]:
    with two_teams(tmp_path) as made:
        yield made


def kept(archive: Path) -> dict[str, int]:
    """Lines of the logs in an archive, by their paths in it."""
    return {
        str(path.relative_to(archive)): path.read_text("utf-8").count("\n")
        for path in archive.rglob("*.log")
    }


def there(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


async def test_each_profile_has_its_folder_in_an_archive(
    ftlogs: Any, teams: Teams, tmp_path: Path
) -> None:
    out = tmp_path / "logs"
    words = ("download", "--all", "--out", str(out))
    one = await ftlogs(*words, "--profile", "b", environ=teams.environ)
    assert (one.code, kept(out)) == (0, {"b/ft-1.log": 4, "b/ft-3.log": 3}), one.err
    asked = len(teams.b.journal)
    both = await ftlogs(*words, *BOTH, environ=teams.environ)
    assert kept(out) == {"a/ft-1.log": 3, "a/ft-2.log": 1, "b/ft-1.log": 4, "b/ft-3.log": 3}
    assert both.code == 6, "one of a's jobs runs"
    assert f"1 complete, 1 running; 4 new lines in {out}/a\n" in both.err
    assert f"2 skipped; 0 new lines in {out}/b\n" in both.err
    assert {one.endpoint for one in teams.b.journal[asked:]} == {"list"}, "nothing comes twice"
    rows = [line.split() for line in both.out.decode().splitlines()]
    assert rows[0] == ["PROFILE", "JOB", "ID", "STATE", "LINES", "NEW", "NOTE"]
    assert sorted(rows[1:]) == [
        ["a", "ft-1", "complete", "3", "3"],
        ["a", "ft-2", "running", "1", "1"],
        ["b", "ft-1", "skipped", "4", "0"],
        ["b", "ft-3", "skipped", "3", "0"],
    ]
    again = await ftlogs(*words, *BOTH, "--json", "--quiet", environ=teams.environ)
    told = [json.loads(line) for line in again.out.splitlines()]
    assert {(row["profile"], row["job_id"]) for row in told} == {
        ("a", "ft-1"),
        ("a", "ft-2"),
        ("b", "ft-1"),
        ("b", "ft-3"),
    }


@pytest.mark.parametrize("words", [("--profile", "a"), ("--profile", "b")])
async def test_no_archive_is_made_in_the_folder_of_a_profile(
    ftlogs: Any, teams: Teams, tmp_path: Path, words: tuple[str, ...]
) -> None:
    out = tmp_path / "logs"
    await ftlogs("download", "--all", "--profile", "a", "--out", str(out), environ=teams.environ)
    before = there(out)
    for place in (out / "a", out / "a/b/c"):
        ended = await ftlogs("download", "--all", *words, "--out", str(place), environ=teams.environ)
        assert ended.code == 2
        told = f"{place} belongs to the profile a of an archive, by its folder's name. "
        assert ended.err.startswith(f"ftlogs: {told}To download into it, name that archive: {out}, and ")
    assert there(out) == before


@pytest.mark.parametrize("name", ["a2", "a.logs", "new/er"])
async def test_no_archive_is_made_beside_the_folders_of_profiles(
    ftlogs: Any, teams: Teams, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "logs"
    await ftlogs("download", "--all", *BOTH, "--out", str(out), environ=teams.environ)
    before = there(out)
    words = ("download", "ft-1", "--profile", "a", "--out")
    ended = await ftlogs(*words, str(out / name), environ=teams.environ)
    assert (ended.code, ended.out) == (2, b"")
    told = f"{out / name} would lie in an archive, beside the folders of its profiles. "
    assert ended.err == f"ftlogs: {told}Name that archive: {out}, or a place outside of it.\n"
    assert there(out) == before


async def test_an_archive_that_lies_in_another_already_is_gone_on_with(
    ftlogs: Any, teams: Teams, tmp_path: Path
) -> None:
    words = ("download", "ft-1", "--profile", "a", "--out")
    for out in ("logs/old", "logs", "logs/old"):
        ended = await ftlogs(*words, str(tmp_path / out), environ=teams.environ)
        assert ended.code == 0, ended.err


@pytest.mark.extras
async def test_nor_in_a_bucket(ftlogs: Any, teams: Teams, store: SmallStore) -> None:
    words = ("download", "ft-1", "--profile", "a", "--out")
    environ = teams.environ | store.environ
    for out in ("s3://bucket", f"{store.url}/old", store.url, f"{store.url}/old"):
        ended = await ftlogs(*words, out, environ=environ)
        assert ended.code == 0, ended.err
        if out == "s3://bucket":
            store.objects.clear()
    before = dict(store.objects)
    ended = await ftlogs(*words, f"{store.url}/a2", environ=environ)
    assert (ended.code, ended.out, store.objects) == (2, b"", before)
    told = f"{store.url}/a2 would lie in an archive, beside the folders of its profiles. "
    assert ended.err == f"ftlogs: {told}Name that archive: {store.url}, or a place outside of it.\n"


@pytest.mark.extras
async def test_who_may_not_list_what_is_around_a_place_in_a_bucket_may_write_to_it(
    ftlogs: Any, teams: Teams, store: SmallStore
) -> None:
    store.fault = lambda _method, path: (
        403 if "list-type" in path and "prefix=logs" not in path else None
    )
    words = ("download", "ft-1", "--profile", "a", "--out", store.url)
    ended = await ftlogs(*words, environ=teams.environ | store.environ)
    assert ended.code == 0, ended.err


async def test_one_whose_key_is_refused_stops_no_other(
    ftlogs: Any, teams: Teams, tmp_path: Path
) -> None:
    teams.forget_key("a")
    words = ("download", "--all", "--out", str(tmp_path / "logs"))
    ended = await ftlogs(*words, *BOTH, environ=teams.environ)
    assert (ended.code, kept(tmp_path / "logs")) == (6, {"b/ft-1.log": 4, "b/ft-3.log": 3})
    assert "ftlogs: a: HTTP 401 InvalidApiKey" in ended.err
    assert KEYS["a"] not in ended.err
    alone = await ftlogs(*words, "--profile", "a", environ=teams.environ)
    assert (alone.code, alone.out) == (3, b"")
    teams.forget_key("b")
    assert (await ftlogs(*words, *BOTH, environ=teams.environ)).code == 3


@pytest.mark.parametrize(
    ("words", "found", "code"),
    [
        (("b/ft-1", "a/1", "ft-3"), {"b/ft-1.log", "a/ft-1.log", "b/ft-3.log"}, 0),
        (("ft-3",), {"b/ft-3.log"}, 0),
        (("3",), {"b/ft-3.log"}, 0),
        (("@last",), {"a/ft-2.log"}, 6),
        (("@running",), {"a/ft-2.log"}, 6),
        (("ft-3", "ft-202610291653-9999"), {"b/ft-3.log"}, 6),
        (("ft-202610291653-9999",), set[str](), 4),
        (("a/ft-3",), set[str](), 4),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, tuple) else "",
)
async def test_a_job_is_looked_for_in_each_profile(
    ftlogs: Any, teams: Teams, tmp_path: Path, words: tuple[str, ...], found: set[str], code: int
) -> None:
    out = tmp_path / "logs"
    ended = await ftlogs("download", *words, *BOTH, "--out", str(out), environ=teams.environ)
    assert ended.code == code, ended.err
    assert set(kept(out)) == found


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("ft-1",), "'ft-1' fits 2 jobs, a/ft-1, b/ft-1: say whose, as PROFILE/JOB"),
        (("ft-",), "'ft-' fits 4 jobs, a/ft-1, a/ft-2, b/ft-1, b/ft-3: say whose"),
        (("c/ft-1",), "'c/ft-1': --profile names a, b, and not 'c'"),
        (("a/",), "job id ''"),
        (("a/b/ft-1",), "job id 'b/ft-1': must be"),
        (("ft-3", "--profile", "c"), "there is no [profiles.c] in"),
        (("ft-3", "--workspace", "llm-1"), "--workspace: not with several profiles; each has its own"),
        (("ft-3", "--api-key-file", "k"), "--api-key-file: not with several profiles"),
    ],
)
async def test_what_could_mean_several_is_refused_with_the_candidates(
    ftlogs: Any, teams: Teams, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    out = tmp_path / "logs"
    ended = await ftlogs("download", *words, *BOTH, "--out", str(out), environ=teams.environ)
    assert (ended.code, ended.out, out.exists()) == (2, b"", False)
    assert told in ended.err


async def test_of_named_jobs_too_each_machine_takes_its_share(
    ftlogs: Any, teams: Teams, tmp_path: Path
) -> None:
    words = ("download", "a/ft-1", "a/ft-2", "--out", str(tmp_path / "logs"), *BOTH)
    for share in ("1/2", "2/2"):
        await ftlogs(*words, "--shard", share, environ=teams.environ)
        assert len(kept(tmp_path / "logs")) == int(share[0])


async def test_named_jobs_of_one_are_found_though_another_cannot_be_asked(
    ftlogs: Any, teams: Teams, tmp_path: Path
) -> None:
    teams.forget_key("a")
    for name in ("ft-3", "3"):
        out = tmp_path / name
        ended = await ftlogs("download", name, *BOTH, "--out", str(out), environ=teams.environ)
        assert (ended.code, kept(out)) == (6, {"b/ft-3.log": 3})
        assert "ftlogs: a: HTTP 401" in ended.err
    ended = await ftlogs("download", "a/1", *BOTH, "--out", str(tmp_path / "x"), environ=teams.environ)
    assert (ended.code, ended.out) == (3, b"")
    teams.forget_key("b")
    ended = await ftlogs("download", "3", *BOTH, "--out", str(tmp_path / "x"), environ=teams.environ)
    assert (ended.code, ended.out) == (3, b"")


@pytest.fixture
async def archive(ftlogs: Any, teams: Teams, tmp_path: Path) -> Path:
    out = tmp_path / "logs"
    await ftlogs("download", "--all", *BOTH, "--out", str(out), environ=teams.environ)
    return out


@pytest.mark.covered
async def test_whoever_reads_an_archive_reads_all_profiles(
    ftlogs: Any, teams: Teams, archive: Path
) -> None:
    rows = (await ftlogs("metrics", str(archive), "--format", "jsonl")).out.splitlines()
    sources = [json.loads(row)["source"] for row in rows]
    assert sources == ["a/ft-1"] * 3 + ["b/ft-1"] * 4 + ["b/ft-3"] * 3
    whole = (await ftlogs("cat", str(archive))).out.decode().splitlines()
    assert whole == [*lines(1.5), "x", *lines(0.5, 4), *lines(0.1)]
    shown = (await ftlogs("show", str(archive))).out.decode()
    assert [line.split()[0] for line in shown.splitlines() if "SUCCEEDED" in line] == [
        "a/ft-1",
        "b/ft-1",
        "b/ft-3",
    ]
    assert "b/ft-3" in (await ftlogs("plot", str(archive))).out.decode()
    one = await ftlogs("metrics", str(archive / "b"), "--format", "jsonl")
    assert {json.loads(row)["source"] for row in one.out.splitlines()} == {"b/ft-1", "b/ft-3"}


async def test_a_profile_that_is_named_is_the_only_one_of_an_archive_that_is_read(
    ftlogs: Any, teams: Teams, archive: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    for words in (
        *(("cat",), ("tail", "-n", "all"), ("show",), ("plot",), ("metrics",)),
        ("report", "-o", str(page)),
    ):
        ended = await ftlogs(*words, str(archive), "--profile", "b", environ=teams.environ)
        said = ended.out + (page.read_bytes() if page.exists() else b"")
        assert ended.code == 0, ended.err
        assert b"b/ft-3" in said or b"'loss': 0.1" in said, words
        assert b"a/ft-1" not in said, words
        assert b"'loss': 1.5" not in said, words
        other = await ftlogs(*words, str(archive), "--profile", "c", environ=teams.environ)
        assert other.code == 2
        assert "holds no log of --profile; it has those of a, b" in other.err
    (tmp_path / "mine.log").write_text("{'loss': 1.0}\n")
    assert (await ftlogs("show", str(tmp_path / "mine.log"), "--profile", "b")).code == 0


@pytest.mark.extras
async def test_a_dataset_is_made_of_the_logs_of_the_profiles_that_are_named(
    ftlogs: Any, archive: Path, tmp_path: Path
) -> None:
    words = ("metrics", str(archive), "-o", f"{tmp_path / 'data'}/")
    of_b = await ftlogs(*words, "--profile", "b")
    of_c = await ftlogs(*words, "--profile", "c")
    of_all = await ftlogs(*words)
    assert "2 new of 2 logs" in of_b.err
    assert (of_c.code, of_c.out) == (2, b"")
    assert "2 new of 4 logs" in of_all.err


@pytest.mark.covered
async def test_what_to_do_next_names_the_log_that_was_shown(
    ftlogs: Any, teams: Teams, archive: Path, tmp_path: Path
) -> None:
    def told(ended: Any) -> list[str]:
        return [line.split(None, 1)[1] for line in ended.out.decode().splitlines() if "  next " in line]

    found = await ftlogs("show", "--profile", "a", "ft-1", "@running", environ=teams.environ)
    assert told(found) == ["ftlogs plot ft-1 --profile a", "ftlogs tail -f ft-2 --profile a"]
    of_both = told(await ftlogs("show", *BOTH, "b/ft-1", environ=teams.environ))
    assert of_both == ["ftlogs plot ft-1 --profile b"]
    moved = Path(shutil.move(archive, tmp_path / "of both"))
    kept = told(await ftlogs("show", str(moved)))
    assert kept == [
        f"ftlogs plot '{moved / 'a' / 'ft-1.log'}'",
        "ftlogs tail -f ft-2 --profile a",
        f"ftlogs plot '{moved / 'b' / 'ft-1.log'}'",
        f"ftlogs plot '{moved / 'b' / 'ft-3.log'}'",
    ]
    for command in (of_both[0], kept[0], kept[2]):
        assert (await ftlogs(*shlex.split(command)[1:], environ=teams.environ)).code == 0


async def test_engines_are_told_whose_a_log_is(archive: Path) -> None:
    logs = partitions(archive)
    assert [(one.profile, one.job_id) for one in logs] == [
        ("a", "ft-1"),
        ("a", "ft-2"),
        ("b", "ft-1"),
        ("b", "ft-3"),
    ]
    assert set(read(logs[2])["source"]) == {"b/ft-1"}


async def test_all_of_it_is_verified_and_each_profile_is_asked_for_its_own(
    ftlogs: Any, teams: Teams, archive: Path
) -> None:
    found = {one.file: (one.profile, one.state) for one in verify_archive(archive)}
    assert found == {
        "a/ft-1.log": ("a", "ok"),
        "a/ft-2.log": ("a", "incomplete"),
        "b/ft-1.log": ("b", "ok"),
        "b/ft-3.log": ("b", "ok"),
    }
    teams.b.jobs["ft-1"].append("more")
    teams.a.jobs["ft-1"].append("more")
    ended = await ftlogs("verify", str(archive), "--remote", "--profile", "b", environ=teams.environ)
    assert ended.code == 6
    assert "b/ft-1.log  stale" in ended.out.decode()
    assert "a/ft-1.log" not in ended.out.decode(), "it was not asked for"
    ended = await ftlogs("verify", str(archive), "--remote", environ=teams.environ)
    assert "a/ft-1.log  stale" in ended.out.decode()
    words = ("download", "--all", *BOTH, "--out", str(archive), "--settle", "0.1")
    await ftlogs(*words, environ=teams.environ)
    assert kept(archive)["a/ft-1.log"] == 4
    assert kept(archive)["b/ft-1.log"] == 5
    teams.forget_key("a")
    ended = await ftlogs("verify", str(archive), "--remote", "--json", environ=teams.environ)
    assert (ended.code, len(ended.out.splitlines())) == (3, 4)
    assert "ftlogs: a: its logs were not all compared: HTTP 401" in ended.err


@pytest.mark.covered
async def test_a_folder_that_is_verified_by_itself_is_its_profile_s_too(
    ftlogs: Any, teams: Teams, archive: Path
) -> None:
    found = {one.file: (one.profile, one.state) for one in verify_archive(archive / "b")}
    assert found == {"ft-1.log": ("b", "ok"), "ft-3.log": ("b", "ok")}
    teams.b.jobs["ft-1"].append("more")
    environ = {**teams.environ, "DASHSCOPE_API_KEY": "sk-of-nobody-1234567890"}
    words = ("verify", str(archive / "b"), "--remote")
    ended = await ftlogs(*words, environ=environ)
    assert (ended.code, ended.out.split()[3:6]) == (6, [b"ft-1.log", b"stale", b"4"]), ended.err
    await ftlogs("download", "--all", *BOTH, "--out", str(archive), "-q", environ=environ)
    assert kept(archive)["b/ft-1.log"] == 5, "it was opened again"
    assert (await ftlogs(*words, *BOTH, environ=environ)).code == 0


async def test_who_verifies_is_told_which_logs_no_profile_asks_for(
    ftlogs: Any, teams: Teams, archive: Path
) -> None:
    words = ("--remote", "--profile", "a")
    asked = len(teams.a.journal)
    ended = await ftlogs("verify", str(archive / "b"), *words, environ=teams.environ)
    assert (ended.code, ended.out, len(teams.a.journal)) == (2, b"", asked)
    assert "--profile a: these are the logs of b" in ended.err
    ended = await ftlogs("verify", str(archive), *words, environ=teams.environ)
    assert "not compared, since --profile names others: the logs of b" in ended.err
    teams.config.write_text(teams.config.read_text().replace("profiles.b", "profiles.c"), "utf-8")
    for place in (archive, archive / "b"):
        ended = await ftlogs("verify", str(place), "--remote", environ=teams.environ)
        assert ended.code == 2
        assert "b: its logs were not compared: " in ended.err
        assert "there is no [profiles.b] in" in ended.err


@pytest.mark.covered
@pytest.mark.parametrize("words", [(), ("--profile", "a"), ("--profile", "b"), BOTH])
async def test_nothing_is_downloaded_into_the_folder_of_a_profile(
    ftlogs: Any, teams: Teams, archive: Path, words: tuple[str, ...]
) -> None:
    before = kept(archive)
    environ = {**teams.a.environ, **teams.environ}
    download = ("download", "--all", "--out", str(archive / "b"), *words)
    ended = await ftlogs(*download, environ=environ)
    assert (ended.code, ended.out, kept(archive)) == (2, b"", before)
    assert f"{archive}/b belongs to the profile b of an archive" in ended.err
    assert f"name that archive: {archive}" in ended.err


@pytest.mark.posix
async def test_profiles_that_differ_in_capitals_only_share_no_folder(
    ftlogs: Any, teams: Teams, archive: Path
) -> None:
    (archive / "b").rename(archive / "B")
    (archive / "b").symlink_to("B")  # as if the file system took both names for one
    before = kept(archive)
    environ = {**teams.a.environ, **teams.environ}
    download = ("download", "--all", "--out", str(archive), "--profile", "b")
    ended = await ftlogs(*download, environ=environ)
    assert (ended.code, ended.out, kept(archive)) == (2, b"", before)
    assert f"{archive}/b is the folder of the profile B" in ended.err


async def test_a_damaged_log_in_a_folder_is_named_with_it(ftlogs: Any, archive: Path) -> None:
    (archive / "b/ft-3.log").write_bytes(b"x")
    (archive / "b/ft-9.log").write_bytes(b"x")
    (archive / "ft-8.log").write_bytes(b"x")
    ended = await ftlogs("verify", str(archive))
    said = ended.out.decode()
    assert ended.code == 6
    assert "b/ft-3.log  damaged" in said
    assert "b/ft-9.log  unvouched" in said
    assert "ft-8.log    unvouched" in said


async def test_a_folder_that_is_named_by_itself_is_its_profile_s(archive: Path, tmp_path: Path) -> None:
    assert {one.profile for one in partitions(archive / "b")} == {"b"}
    assert [one.profile for one in partitions(archive / "b/ft-3.log")] == ["b"]
    (archive / "b/ft-3.manifest.json").write_text("{}")
    assert {one.profile for one in partitions(archive / "b")} == {"b"}
    (archive / "a").rename(tmp_path / "no.name")
    assert {one.profile for one in partitions(tmp_path / "no.name")} == {""}
    (tmp_path / "no.name").rename(tmp_path / "c")
    (tmp_path / "c/.ftlogs-profile").unlink()
    assert {one.profile for one in partitions(tmp_path / "c")} == {""}


def test_folders_that_are_no_profiles_are_none_of_ours(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    for name in ("a.b", "one", "another"):
        (archive / name).mkdir(parents=True)
        (archive / name / ".ftlogs-profile").touch()
    (archive / "one").rename(tmp_path / "elsewhere")
    (archive / "link").symlink_to(tmp_path / "elsewhere")
    (archive / "another/.ftlogs-profile").rename(archive / "another/.ftlogs-lock")
    (archive / "file").touch()
    with pytest.raises(ArchivePathError, match="holds no manifest"):
        list(verify_archive(archive))
    (archive / "team").mkdir()
    (archive / "team/.ftlogs-profile").touch()
    with pytest.raises(ArchivePathError, match="holds no manifest"):
        list(verify_archive(archive))
    (archive / "team/.ftlogs-lock").touch()
    assert list(verify_archive(archive)) == []


@pytest.mark.posix
def test_a_folder_that_cannot_be_looked_into_is_told(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir(mode=0)
    refused = (
        r"cannot read .*/team: Permission denied\. See that it may be read, or use another directory\.$"
    )
    with modes_count(), pytest.raises(ArchivePathError, match=refused):
        list(verify_archive(tmp_path))
    with modes_count(), pytest.raises(ArchivePathError, match=refused):
        partitions(tmp_path)


@pytest.fixture
def copied(archive: Path) -> Path:
    """An archive as `cp` of what a shell finds by `*` leaves it, and one profile brought anew."""
    for path in archive.rglob(".*"):
        path.unlink()
    (archive / "b/.ftlogs-profile").touch()
    return archive


@pytest.mark.covered
async def test_a_folder_that_has_lost_its_mark_is_told_and_what_mends_it(
    ftlogs: Any, teams: Teams, copied: Path
) -> None:
    ended = await ftlogs("verify", str(copied), "--json")
    told = {row["file"]: row for row in map(json.loads, ended.out.splitlines())}
    assert (ended.code, told.keys()) == (6, {"a/", "b/ft-1.log", "b/ft-3.log"})
    assert (told["a/"]["state"], told["a/"]["job_id"]) == ("unmarked", "")
    ended = await ftlogs("verify", str(copied), "--remote", environ=teams.environ)
    assert (ended.code, "HTTP" in ended.err, b"a/    unmarked" in ended.out) == (6, False, True)
    mark = copied / "a/.ftlogs-profile"
    assert f"`touch {shlex.quote(str(mark))}`" in told["a/"]["why"]
    mark.touch()
    assert b"unmarked" not in (await ftlogs("verify", str(copied))).out
    mark.unlink()
    words = ("download", "ft-1", "--profile", "a", "--out", str(copied))
    ended = await ftlogs(*words, environ=teams.environ)
    assert b"skipped" in ended.out
    assert b"unmarked" not in (await ftlogs("verify", str(copied))).out


async def test_so_it_is_where_no_folder_has_kept_it(ftlogs: Any, copied: Path) -> None:
    (copied / "b/.ftlogs-profile").unlink()
    for command in ("verify", "cat"):
        ended = await ftlogs(command, str(copied))
        assert ended.code == 6
        for folder in "ab":
            assert f"touch {copied}/{folder}/.ftlogs-profile" in ended.err + ended.out.decode()


async def test_an_archive_in_an_archive_has_lost_nothing(
    ftlogs: Any, teams: Teams, tmp_path: Path
) -> None:
    for out in ("logs", "logs/more"):
        words = ("download", "ft-1", "--out", str(tmp_path / out))
        await ftlogs(*words, emulator=teams.a, environ=teams.environ)
    assert [one.file for one in verify_archive(tmp_path / "logs")] == ["ft-1.log"]
    (tmp_path / "logs/more/.ftlogs-lock").unlink()
    assert [one.file for one in verify_archive(tmp_path / "logs")] == ["ft-1.log", "more/"]


@pytest.mark.covered
@pytest.mark.parametrize("command", ["cat", "tail", "show", "metrics", "plot", "report"])
async def test_whoever_reads_the_others_is_told_of_it(
    ftlogs: Any, copied: Path, tmp_path: Path, command: str
) -> None:
    words = ("-o", str(tmp_path / "r.html")) if command == "report" else ()
    ended = await ftlogs(command, str(copied), *words)
    assert ended.code == 6
    assert ended.err.count(f"{copied}/a holds logs, and no .ftlogs-profile") == 1
    assert ended.out or command == "report"
    ended = await ftlogs(command, str(copied), "--profile", "b", *words)
    assert (ended.code, "holds logs" in ended.err) == (0, False), "others are not asked for"


async def test_an_engine_is_told_of_it_by_what_it_reads(copied: Path) -> None:
    lost, *others = partitions(copied)
    assert (lost.profile, lost.job_id, len(others)) == ("a", "", 2)
    with pytest.raises(ManifestError, match=r"a holds logs, and no \.ftlogs-profile"):
        read(lost)


async def test_a_session_of_a_profile_keeps_to_its_folder(
    teams: Teams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHSCOPE_CONFIG", str(teams.config))
    async with LogSession(profile="a") as a, LogSession(profile="b") as b:
        assert (a.profile, b.profile) == ("a", "b")
        done = await asyncio.gather(*(one.download("ft-1", tmp_path / "logs") for one in (a, b)))
    assert [one.profile for some in done for one in some] == ["a", "b"]
    assert kept(tmp_path / "logs") == {"a/ft-1.log": 3, "b/ft-1.log": 4}


@pytest.mark.posix
async def test_a_folder_that_cannot_be_written_to_is_told(
    teams: Teams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHSCOPE_CONFIG", str(teams.config))
    folder = tmp_path / "logs/a"
    folder.mkdir(parents=True)
    (folder / ".ftlogs-lock").touch()
    folder.chmod(0o500)
    with modes_count():
        async with LogSession(profile="a") as session:
            with pytest.raises(ArchivePathError, match=r"cannot write to .*logs/a.*Permission denied"):
                await session.download("ft-1", tmp_path / "logs")


@pytest.mark.covered
@pytest.mark.parametrize("command", ["cat", "metrics", "show", "plot"])
async def test_a_job_to_read_is_looked_for_in_each_profile(
    ftlogs: Any, teams: Teams, command: str
) -> None:
    for name, whose in (("b/ft-1", "b/ft-1"), ("a/1", "a/ft-1"), ("ft-3", "b/ft-3"), ("3", "b/ft-3")):
        ended = await ftlogs(command, name, *BOTH, environ=teams.environ)
        assert ended.code == 0, ended.err
        if command == "show":
            assert ended.out.decode().startswith(f"{whose}  SUCCEEDED")
        elif command == "cat":
            profile, _, job_id = whose.partition("/")
            job = getattr(teams, profile).jobs[job_id]
            assert ended.out.decode().splitlines() == list(job.lines)
    for name, told, code in (
        ("ft-1", "'ft-1' fits 2 jobs, a/ft-1, b/ft-1: say whose", 2),
        ("c/ft-1", "'c/ft-1'", 2),
        ("ft-202610291653-9999", "no profile has a job 'ft-202610291653-9999'", 4),
        ("a/ft-202610291653-9999", "HTTP 404", 4),
    ):
        ended = await ftlogs(command, name, *BOTH, environ=teams.environ)
        assert (ended.code, ended.out) == (code, b"")
        assert told in ended.err


async def test_logs_that_are_read_together_tell_whose_they_are(ftlogs: Any, teams: Teams) -> None:
    words = ("metrics", "b/ft-1", "a/ft-1", "3", "--format", "jsonl")
    ended = await ftlogs(*words, *BOTH, environ=teams.environ)
    sources = [json.loads(row)["source"] for row in ended.out.splitlines()]
    assert sources == ["b/ft-1"] * 4 + ["a/ft-1"] * 3 + ["b/ft-3"] * 3


@pytest.mark.parametrize("command", ["cat", "metrics"])
async def test_what_is_found_is_read_though_another_profile_cannot_be_asked(
    ftlogs: Any, teams: Teams, command: str
) -> None:
    teams.forget_key("a")
    for name in ("ft-1", "3"):
        ended = await ftlogs(command, name, *BOTH, environ=teams.environ)
        assert (ended.code, ended.out != b"") == (3, True)
        assert ended.err.startswith("ftlogs: a: HTTP 401")
    teams.forget_key("b")
    ended = await ftlogs(command, "ft-1", *BOTH, environ=teams.environ)
    assert (ended.code, ended.out) == (3, b"")


async def test_where_to_go_on_is_told_with_the_profile(ftlogs: Any, teams: Teams) -> None:
    teams.b.faults = [Fault(Refuse(400, "InvalidParameter", "no"), on={2})]
    words = ("cat", "3", *BOTH, "--page-size", "2", "--concurrency", "1")
    ended = await ftlogs(*words, environ=teams.environ)
    same = "--page-size 2 --concurrency 1 --profile a --profile b"
    assert f"go on with: ftlogs cat b/ft-3 --offset 2 {same}\n" in ended.err


async def test_each_profile_is_examined(ftlogs: Any, teams: Teams) -> None:
    ended = await ftlogs("doctor", *BOTH, environ=teams.environ)
    said = ended.out.decode()
    assert ended.code == 0, said
    assert [line for line in said.splitlines() if line.startswith("profile")] == [
        "profile  a",
        "profile  b",
    ]
    assert said.count("accepted") == 2
    assert f"from [profiles.b] in {teams.config}" in said
    teams.forget_key("a")
    ended = await ftlogs("doctor", *BOTH, "--format", "jsonl", environ=teams.environ)
    found = [json.loads(line) for line in ended.out.splitlines()]
    keys = {one["profile"]: one["state"] for one in found if one["name"] == "key"}
    assert (ended.code, keys) == (3, {"a": "wrong", "b": "ok"})


async def test_logs_of_nobody_s_folder_are_compared_by_one_profile_only(
    ftlogs: Any, teams: Teams, tmp_path: Path
) -> None:
    words = ("download", "ft-1", "--out", str(tmp_path / "logs"))
    await ftlogs(*words, environ=teams.a.environ)
    verify = ("verify", str(tmp_path / "logs"), "--remote")
    ended = await ftlogs(*verify, *BOTH, environ=teams.environ)
    assert (ended.code, ended.out) == (2, b"")
    assert "--profile: this takes one" in ended.err
    assert (await ftlogs(*verify, "--profile", "a", environ=teams.environ)).code == 0


@pytest.mark.covered
async def test_jobs_of_several_profiles_are_one_table(ftlogs: Any, teams: Teams) -> None:
    ended = await ftlogs("jobs", *BOTH, environ=teams.environ)
    rows = [line.split() for line in ended.out.decode().splitlines()]
    assert rows[0][:4] == ["PROFILE", "JOB", "ID", "STATUS"]
    assert [row[:2] for row in rows[1:]] == [["a", "ft-1"], ["a", "ft-2"], ["b", "ft-1"], ["b", "ft-3"]]
    ended = await ftlogs("jobs", *BOTH, "--format", "jsonl", "--limit", "3", environ=teams.environ)
    told = [json.loads(line) for line in ended.out.splitlines()]
    assert [(one["profile"], one["job_id"]) for one in told] == [
        ("a", "ft-1"),
        ("a", "ft-2"),
        ("b", "ft-1"),
    ]
    words = ("jobs", *BOTH, "--sort", "created", "--limit", "1", "--columns", "profile,job")
    ended = await ftlogs(*words, environ=teams.environ)
    assert ended.out.decode().split() == ["PROFILE", "JOB", "ID", "a", "ft-2"]
    teams.b.jobs["ft-1"].append("{'eval_loss': 0.25, 'epoch': 1.0}")
    ended = await ftlogs("jobs", *BOTH, "--metrics", "--limit", "2", environ=teams.environ)
    rows = [line.split() for line in ended.out.decode().splitlines()]
    assert rows[1][:3] == ["b", "ft-1", "0.25"]
    assert len(rows) == 3
    one = await ftlogs("jobs", "--profile", "b", "--format", "jsonl", environ=teams.environ)
    assert {json.loads(line)["profile"] for line in one.out.splitlines()} == {"b"}


async def test_jobs_of_the_others_are_listed_where_one_fails(ftlogs: Any, teams: Teams) -> None:
    teams.forget_key("a")
    ended = await ftlogs("jobs", *BOTH, "--format", "jsonl", environ=teams.environ)
    assert (ended.code, len(ended.out.splitlines())) == (3, 2)
    assert ended.err.startswith("ftlogs: a: HTTP 401")


@pytest.mark.parametrize("command", ["jobs", "download"])
async def test_what_is_looked_for_may_be_in_some_only(
    ftlogs: Any, teams: Teams, tmp_path: Path, command: str
) -> None:
    teams.b.jobs["ft-3"].model = "qwen-of-b"
    words = (command, *BOTH, *(("--out", str(tmp_path / "logs")) if command == "download" else ()))
    ended = await ftlogs(*words, "--model", "qwen-of-b", environ=teams.environ)
    assert (ended.code, ended.out.count(b"ft-")) == (0, 1), ended.err
    ended = await ftlogs(*words, "--model", "qwen-of-c", environ=teams.environ)
    assert (ended.code, ended.out) == (2, b"")
    assert ended.err.count("--model qwen-of-c: no job has it") == 1


@contextmanager
def stored(teams: Teams) -> Iterator[tuple[SmallStore, dict[str, str]]]:
    with SmallStore().serving() as store:
        yield store, {**store.environ, **teams.environ}


@pytest.mark.extras
async def test_on_object_storage_each_profile_has_its_prefix(ftlogs: Any, teams: Teams) -> None:
    with stored(teams) as (store, environ):
        words = ("download", "--all", *BOTH, "--out", store.url, "--settle", "0.1")
        ended = await ftlogs(*words, environ=environ)
        assert f"2 complete; 7 new lines in {store.url}/b" in ended.err, ended.err
        assert len(store.names("a/ft-1/")) == len(store.names("b/ft-1/")) == 2
        ended = await ftlogs("verify", store.url, "--json", environ=environ)
        told = {row["file"]: row["profile"] for row in map(json.loads, ended.out.splitlines())}
        assert told == {"a/ft-1.log": "a", "a/ft-2.log": "a", "b/ft-1.log": "b", "b/ft-3.log": "b"}
        rows = (await ftlogs("metrics", store.url, "--format", "jsonl", environ=environ)).out
        sources = [json.loads(row)["source"] for row in rows.splitlines()]
        assert sources == ["a/ft-1"] * 3 + ["b/ft-1"] * 4 + ["b/ft-3"] * 3
        teams.b.jobs["ft-1"].append("more")
        ended = await ftlogs("verify", f"{store.url}/b", "--remote", environ=environ)
        assert "ft-1.log  stale" in ended.out.decode()
        before = dict(store.objects)
        for whose in ((), ("--profile", "a"), ("--profile", "b")):
            for place in (f"{store.url}/b", f"{store.url}/b/c/d"):
                into = (*words[:2], *whose, "--out", place)
                ended = await ftlogs(
                    *into, environ={**environ, **(teams.b.environ if not whose else {})}
                )
                assert (ended.code, ended.out, store.objects) == (2, b"", before)
                assert f"name that archive: {store.url}, and the profile" in ended.err
        for place in (f"{store.url}/b", f"{store.url}/b/c/d"):
            ended = await ftlogs("metrics", f"{store.url}/a", "-o", f"{place}/", environ=environ)
            assert (ended.code, ended.out, store.objects) == (2, b"", before)
            assert f"'{store.url}/b' holds the logs of a profile; name another place" in ended.err
        store.fault = lambda _method, _path: 403
        ended = await ftlogs(*words, environ=environ)
        assert (ended.code, ended.out, ended.err.count("access is denied")) == (3, b"", 1)
        assert ended.err.startswith("ftlogs: a, b: cannot read ")
        store.fault = lambda _method, _path: None
        ended = await ftlogs(*words, environ=environ)
        assert "1 complete, 1 skipped; 1 new line" in ended.err


@pytest.mark.extras
async def test_there_too_a_prefix_that_has_lost_its_mark_is_told(ftlogs: Any, teams: Teams) -> None:
    with stored(teams) as (store, environ):
        await ftlogs("download", "--all", *BOTH, "--out", store.url, environ=environ)
        del store.objects["bucket/logs/a/.ftlogs-profile"]
        ended = await ftlogs("verify", store.url, "--json", environ=environ)
        told = {row["file"]: row for row in map(json.loads, ended.out.splitlines())}
        assert (ended.code, told.keys()) == (6, {"a/", "b/ft-1.log", "b/ft-3.log"})
        assert told["a/"]["state"] == "unmarked"
        assert "put an empty object of that name there" in told["a/"]["why"]
        ended = await ftlogs("metrics", store.url, environ=environ)
        assert (ended.code, ended.out != b"") == (6, True)
        assert ended.err.count(f"{store.url}/a holds logs, and no .ftlogs-profile") == 1
        await ftlogs("download", "ft-1", "--profile", "a", "--out", store.url, environ=environ)
        ended = await ftlogs("verify", store.url, environ=environ)
        assert (ended.code, "unmarked" in ended.err) == (6, False), "one of a's jobs runs"


@pytest.mark.extras
async def test_there_too_an_archive_in_an_archive_has_lost_nothing(ftlogs: Any, teams: Teams) -> None:
    with stored(teams) as (store, environ):
        for place in (f"{store.url}/more", store.url):
            ended = await ftlogs("verify", store.url, "--json", environ=environ)
            told = [json.loads(row)["file"] for row in ended.out.splitlines()]
            assert told == (["more/"] if place == store.url else [])
            words = ("download", "ft-1", "--out", place)
            await ftlogs(*words, environ={**environ, **teams.a.environ})
        ended = await ftlogs("verify", store.url, "--json", environ=environ)
        assert [json.loads(row)["file"] for row in ended.out.splitlines()] == ["ft-1.log"]


@pytest.mark.extras
async def test_who_may_only_use_a_part_of_a_bucket_downloads_to_it(ftlogs: Any, teams: Teams) -> None:
    with stored(teams) as (store, environ):
        store.fault = lambda _method, path: None if "logs/mine" in path else 403
        words = ("download", "ft-1", "--out", f"{store.url}/mine")
        ended = await ftlogs(*words, environ={**environ, **teams.a.environ})
        assert (ended.code, store.names("mine/ft-1/") != []) == (0, True), ended.err


ROWS = [("a", "ft-1", 1.5, 3), ("b", "ft-1", 0.5, 4), ("b", "ft-3", 0.1, 3)]


def rows_in(files: list[str]) -> list[Any]:
    import duckdb

    found = f"read_parquet({files}, union_by_name=true)"
    grouped = duckdb.sql(
        f"select profile, job_id, min(loss), count(*) from {found} group by all order by all"
    )
    return grouped.fetchall()


@pytest.mark.extras
async def test_in_a_dataset_a_profile_is_a_column(ftlogs: Any, archive: Path, tmp_path: Path) -> None:
    for new in (4, 0):
        ended = await ftlogs("metrics", str(archive), "-o", f"{tmp_path}/data/")
        assert f"{new} new of 4 logs" in ended.err, ended.err
    assert rows_in(metrics.dataset_files(tmp_path / "data")) == ROWS


@pytest.mark.extras
async def test_no_dataset_is_made_in_the_folder_of_a_profile(ftlogs: Any, archive: Path) -> None:
    before = there(archive)
    for output in ("a/", "a/data/", "a/data/more/"):
        ended = await ftlogs("metrics", f"{archive}/b", "-o", f"{archive}/{output}")
        assert (ended.code, ended.out) == (2, b"")
        assert f"'{archive}/a' holds the logs of a profile; name another place" in ended.err
    assert there(archive) == before


FOLDERS = [
    [["logs"], ["logs/a"], ["logs/b/ft-1.log"], ["latest"]],
    [["logs/a"], ["logs/b/"], ["logs"]],
    [["logs/a", "logs/b"]],
    [["logs/b", "logs", "latest"]],
]


@pytest.mark.extras
@pytest.mark.posix
@pytest.mark.parametrize("runs", FOLDERS, ids=str)
async def test_logs_of_a_profile_are_in_a_dataset_once_whichever_folder_is_named(
    ftlogs: Any, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: list[list[str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latest").symlink_to("logs/b")
    for words in runs:
        ended = await ftlogs("metrics", *words, "-o", "data/")
        assert ended.code == 0, ended.err
    assert rows_in(metrics.dataset_files("data")) == ROWS
    monkeypatch.chdir(archive / "b")
    ended = await ftlogs("metrics", ".", "-o", f"{tmp_path}/data/")
    assert ended.err.startswith("ftlogs: 0 new of 2 logs")


def fetched(store: SmallStore, data: str, folder: Path) -> list[str]:
    found: list[str] = []
    for number, url in enumerate(metrics.dataset_files(data)):
        found.append(f"{folder}/{number}.parquet")
        Path(found[-1]).write_bytes(store.objects[url.removeprefix("s3://")].data)
    return found


@pytest.mark.extras
@pytest.mark.parametrize("words", [["{}"], ["{}/a", "{}/b"]], ids=str)
async def test_in_a_bucket_too_each_log_of_each_profile_is_once(
    ftlogs: Any, teams: Teams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    with stored(teams) as (store, environ):
        for name, said in store.environ.items():
            monkeypatch.setenv(name, said)
        download = ("download", "--all", *BOTH, "--out", store.url, "--settle", "0.1")
        await ftlogs(*download, environ=environ)
        data = f"{store.url}-data"
        folders = [word.format(store.url) for word in words]
        for new, sources in ((4, folders), (0, folders), (0, [f"{store.url}/b"])):
            ended = await ftlogs("metrics", *sources, "-o", data, environ=environ)
            assert f"{new} new of {2 if sources != folders else 4} logs" in ended.err, ended.err
        teams.b.jobs["ft-1"].append("{'loss': 0.25, 'epoch': 9.0}")
        await ftlogs("verify", store.url, "--remote", environ=environ)
        await ftlogs(*download, environ=environ)
        for source in (f"{store.url}/a", f"{store.url}/b/ft-1.log"):
            ended = await ftlogs("metrics", source, "-o", data, environ=environ)
            assert ended.code == 0, ended.err
        assert rows_in(fetched(store, data, tmp_path)) == [ROWS[0], ("b", "ft-1", 0.25, 5), ROWS[2]]
