"""`ftlogs verify --all`: is there a log of every job that the service lists?"""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_store import SmallStore
from teams import BOTH, Teams, two_teams

from dashscope_ftlogs import LogSession, RetryPolicy
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Refuse, Reply, Reset

JOBS = [
    EmulatedJob("ft-1", ["a"] * 10),
    EmulatedJob("FT-2", ["b"] * 20),
    EmulatedJob("ft-3", [], status="CANCELED"),
]


@pytest.fixture
def teams(tmp_path: Path) -> Iterator[Teams]:
    with two_teams(tmp_path) as made:
        yield made


def missing(out: bytes) -> dict[str, str]:
    """The jobs of logs that are missing, by the names of their files."""
    rows = [json.loads(line) for line in out.splitlines()]
    return {row["file"]: row["job_id"] for row in rows if row["state"] == "missing"}


@pytest.mark.covered
async def test_jobs_that_were_never_downloaded_are_named_with_the_command_that_fetches_them(
    ftlogs: Any, tmp_path: Path
) -> None:
    out = str(tmp_path / "my logs")
    async with Emulator(JOBS) as emulator:
        await ftlogs("download", "ft-1", "--out", out, emulator=emulator)
        ended = await ftlogs("verify", out, "--remote", emulator=emulator)
        assert (ended.code, ended.out) == (0, b""), "what is here is whole"
        ended = await ftlogs("verify", out, "--all", emulator=emulator)
        rows = [line.split()[:2] for line in ended.out.decode().splitlines()]
        assert (ended.code, len(rows)) == (6, 3)
        assert ["ft-3.log", "missing"] in rows
        assert f"{out}: 2 missing, 1 ok; " in ended.err
        told = ended.err.splitlines()[-1].split("`")[1]
        assert told == f"ftlogs download --all --out '{out}'"
        ended = await ftlogs("verify", out, "--all", "--json", emulator=emulator)
        assert set(missing(ended.out).values()) == {"FT-2", "ft-3"}
        assert (await ftlogs(*shlex.split(told)[1:], emulator=emulator)).code == 0
        ended = await ftlogs("verify", out, "--all", emulator=emulator)
        assert (ended.code, ended.out, ended.err) == (0, b"", f"ftlogs: {out}: 3 ok; 60 bytes\n")


async def test_only_jobs_that_are_not_older_are_missed_where_one_says_so(
    ftlogs: Any, tmp_path: Path
) -> None:
    out = str(tmp_path)
    old = EmulatedJob("ft-old", ["a"], create_time="2024-10-29 16:53:53")
    new = EmulatedJob("ft-new", ["a"], create_time="2025-10-29 16:53:53")
    async with Emulator([old, new]) as emulator:
        await ftlogs("download", "--all", "--out", out, emulator=emulator)
        delete(tmp_path, "ft-old.log", "ft-old.manifest.json")
        verify = ("verify", out, "--since", "2025-10-29 10:00")
        ended = await ftlogs(*verify, emulator=emulator)
        assert (ended.code, ended.out) == (0, b"")
        delete(tmp_path, "ft-new.log", "ft-new.manifest.json")
        ended = await ftlogs(*verify, "--json", emulator=emulator)
        assert (ended.code, missing(ended.out)) == (6, {"ft-new.log": "ft-new"})
        told = ended.err.splitlines()[-1].split("`")[1]
        assert told == f"ftlogs download --all --since '2025-10-29 10:00' --out {out}"
        assert (await ftlogs(*shlex.split(told)[1:], emulator=emulator)).code == 0
        ended = await ftlogs("verify", out, "--json")
        assert [json.loads(line)["job_id"] for line in ended.out.splitlines()] == ["ft-new"]
        ended = await ftlogs("verify", out, "--since", "soon", emulator=emulator)
        assert (ended.code, "must be a date" in ended.err) == (2, True)


def delete(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink()


async def test_a_log_that_was_deleted_with_its_manifest_is_missed(ftlogs: Any, tmp_path: Path) -> None:
    job = EmulatedJob("ft-1", ["old"] * 9, status="RUNNING")
    async with Emulator([job, JOBS[1]]) as emulator:
        # Believes that a log was rewritten after a moment, where the command's own takes 45 seconds.
        soon = RetryPolicy(lag=0.1)
        async with LogSession(emulator.api_key, base_url=emulator.base_url, retry=soon) as session:
            await session.download(["ft-1", "FT-2"], tmp_path, settle=0)
            job.rewrite(["new"])
            await session.download(["ft-1"], tmp_path, settle=0)
        delete(tmp_path, "ft-1.log", "ft-1.manifest.json")
        ended = await ftlogs("verify", str(tmp_path), "--all", "--json", emulator=emulator)
        assert (ended.code, missing(ended.out)) == (6, {"ft-1.log": "ft-1"})
        assert b'"superseded"' in ended.out, "an older generation is not the log"


async def test_a_log_that_cannot_be_vouched_for_is_told_as_that_and_not_as_missing(
    ftlogs: Any, tmp_path: Path
) -> None:
    async with Emulator(JOBS) as emulator:
        await ftlogs("download", "--all", "--out", str(tmp_path), emulator=emulator)
        (tmp_path / "ft-1.manifest.json").write_text("{}")
        (tmp_path / "ft-3.log").write_text("x")
        (tmp_path / "ft-3.manifest.json").unlink()
        ended = await ftlogs("verify", str(tmp_path), "--all", "--json", emulator=emulator)
    states = sorted(json.loads(line)["state"] for line in ended.out.splitlines())
    assert (ended.code, states) == (6, ["damaged", "ok", "unvouched"])


async def test_an_archive_without_a_log_yet_misses_every_job(ftlogs: Any, tmp_path: Path) -> None:
    (tmp_path / ".ftlogs-lock").touch()
    async with Emulator(JOBS) as emulator:
        ended = await ftlogs("verify", str(tmp_path), "--all", emulator=emulator)
        assert (ended.code, ended.out.count(b"missing")) == (6, 3)
        ended = await ftlogs("verify", str(tmp_path / "none"), "--all", emulator=emulator)
        assert (ended.code, ended.out) == (2, b"")


async def test_a_list_that_cannot_be_had_is_no_proof(ftlogs: Any, tmp_path: Path) -> None:
    async with Emulator(JOBS) as emulator:
        await ftlogs("download", "--all", "--out", str(tmp_path), emulator=emulator)
        emulator.faults = [Fault(Refuse(403, "AccessDenied", "no"), endpoint="list")]
        ended = await ftlogs("verify", str(tmp_path), "--all", emulator=emulator)
        assert (ended.code, ended.out) == (3, b"")
        assert "ftlogs: the logs were not all compared: HTTP 403 AccessDenied: no" in ended.err
        (tmp_path / "ft-1.log").write_text("x")
        ended = await ftlogs("verify", str(tmp_path), "--all", "-q", emulator=emulator)
    assert (ended.code, ended.out.split()[3:5]) == (6, [b"ft-1.log", b"damaged"])


@pytest.mark.covered
@pytest.mark.parametrize(
    ("reply", "code", "said"),
    [
        (Refuse(500), 5, "HTTP 500 InternalError"),
        (Refuse(403, "AccessDenied", "no"), 3, "HTTP 403 AccessDenied: no"),
        (Reset(), 5, "no answer: "),
    ],
    ids=["500", "403", "reset"],
)
async def test_one_job_that_fails_hides_nothing_of_the_others(
    ftlogs: Any, tmp_path: Path, reply: Reply, code: int, said: str
) -> None:
    out = str(tmp_path / "logs")
    verify = ("verify", out, "--all", "-q", "--max-tries", "1")
    async with Emulator(JOBS) as emulator:
        await ftlogs("download", "--all", "--out", out, emulator=emulator)
        emulator.faults = [Fault(reply, job_id="FT-2")]
        ended = await ftlogs(*verify, "--json", emulator=emulator)
        rows = [json.loads(line) for line in ended.out.splitlines()]
        assert {row["job_id"]: row["state"] for row in rows}.items() >= {("ft-1", "ok"), ("ft-3", "ok")}
        is_told = {row["job_id"]: row["why"] for row in rows if row["state"] == "unasked"}
        # What never answered, to whichever job it was, may be all of the service.
        assert is_told.keys() == {"FT-2"} or said in "no answer: "
        assert (ended.code, said in ended.err) == (code, True)
        (tmp_path / "logs/ft-1.log").write_text("x")
        ended = await ftlogs(*verify, emulator=emulator)
    assert (ended.code, b"ft-1.log" in ended.out, b"damaged" in ended.out) == (6, True, True)
    assert said in ended.err


@pytest.mark.covered
async def test_a_service_that_is_down_is_told_once_with_no_job_s_name_and_damage_all_the_same(
    ftlogs: Any, tmp_path: Path
) -> None:
    out = str(tmp_path / "logs")
    emulator = Emulator([EmulatedJob(f"ft-{n:02d}", ["a"] * 9) for n in range(40)])
    verify = ("verify", out, "--remote", "-q", "--max-tries", "1")
    async with emulator:
        await ftlogs("download", "--all", "--out", out, emulator=emulator)
        (tmp_path / "logs/ft-07.log").write_text("x")
        for reply in (Refuse(503), Reset()):
            emulator.faults = [Fault(reply)]
            ended = await ftlogs(*verify, emulator=emulator)
            assert (ended.code, ended.out.count(b"\n"), ended.out.split()[3]) == (6, 2, b"ft-07.log")
            first = ended.err.splitlines()[0]
            assert first.startswith("ftlogs: the logs were not all compared: ")
            assert "ft-" not in first


async def test_a_share_misses_its_own_jobs_only_and_the_advice_brings_no_others(
    ftlogs: Any, tmp_path: Path
) -> None:
    out = str(tmp_path / "logs")
    async with Emulator([EmulatedJob(f"ft-{n:02d}", ["a"]) for n in range(12)]) as emulator:
        share = ("--all", "--shard", "1/2")
        await ftlogs("download", *share, "--out", out, emulator=emulator)
        whole = await ftlogs("verify", out, *share, emulator=emulator)
        assert (whole.code, whole.out) == (0, b"")
        (tmp_path / "logs").joinpath(min(one.name for one in (tmp_path / "logs").glob("*.log"))).unlink()
        ended = await ftlogs("verify", out, "--since", "7d", "--shard", "1/2", emulator=emulator)
        assert (ended.code, ended.out.count(b"damaged"), ended.out.count(b"missing")) == (6, 1, 0)
        for one in (tmp_path / "logs").glob("ft-*"):
            one.unlink()
        ended = await ftlogs("verify", out, *share, emulator=emulator)
        told = ended.err.splitlines()[-1].split("`")[1]
        assert told == f"ftlogs download --all --shard 1/2 --out {out}"
        await ftlogs(*shlex.split(told)[1:], emulator=emulator)
        assert await ftlogs("verify", out, *share, emulator=emulator) == whole
        for words in (("--shard", "1/2"), ("--remote", "--shard", "1/2"), ("--all", "--shard", "3/2")):
            ended = await ftlogs("verify", out, *words, emulator=emulator)
            assert (ended.code, "--shard" in ended.err) == (2, True)


async def test_each_profile_is_asked_for_its_jobs_also_one_whose_folder_is_empty_or_not_there(
    ftlogs: Any, teams: Teams, tmp_path: Path
) -> None:
    out = tmp_path / "logs"
    await ftlogs("download", "ft-1", "--profile", "a", "--out", str(out), environ=teams.environ)
    verify = ("verify", str(out), "--all", "--json")
    ended = await ftlogs(*verify, environ=teams.environ)
    assert missing(ended.out) == {"a/ft-2.log": "ft-2"}
    assert f"`ftlogs download --all --out {out} --profile a` fetches" in ended.err
    ended = await ftlogs(*verify, *BOTH, environ=teams.environ)
    assert missing(ended.out) == {"a/ft-2.log": "ft-2", "b/ft-1.log": "ft-1", "b/ft-3.log": "ft-3"}
    told = ended.err.splitlines()[-1].split("`")[1]
    assert told.endswith(" --profile a --profile b")
    delete(out / "a", "ft-1.log", "ft-1.manifest.json")
    ended = await ftlogs(*verify, environ=teams.environ)
    assert missing(ended.out) == {"a/ft-1.log": "ft-1", "a/ft-2.log": "ft-2"}
    teams.forget_key("b")
    ended = await ftlogs(*verify, *BOTH, environ=teams.environ)
    assert (ended.code, len(missing(ended.out))) == (3, 2), "the others are told all the same"


async def test_a_profile_s_folder_that_is_named_by_itself_is_filled_by_way_of_the_archive(
    ftlogs: Any, teams: Teams, tmp_path: Path
) -> None:
    out = tmp_path / "logs"
    await ftlogs("download", "ft-3", "--profile", "b", "--out", str(out), environ=teams.environ)
    ended = await ftlogs("verify", str(out / "b"), "--all", "--json", environ=teams.environ)
    assert missing(ended.out) == {"ft-1.log": "ft-1"}
    assert f"`ftlogs download --all --out {out.resolve()} --profile b`" in ended.err


async def test_logs_in_no_profile_s_folder_are_those_of_the_one_that_is_named_or_of_none(
    ftlogs: Any, teams: Teams, tmp_path: Path
) -> None:
    out = tmp_path / "logs"
    await ftlogs("download", "ft-1", "--out", str(out), emulator=teams.a, environ=teams.environ)
    verify = ("verify", str(out), "--all", "--json")
    ended = await ftlogs(*verify, "--profile", "a", environ=teams.environ)
    assert missing(ended.out) == {"ft-2.log": "ft-2"}, ended.err
    await ftlogs("download", "--all", "--profile", "a", "--out", str(out), environ=teams.environ)
    ended = await ftlogs(*verify, "--profile", "a", environ=teams.environ)
    assert missing(ended.out) == {}, "all are in the folder"


@pytest.mark.covered
@pytest.mark.extras
async def test_on_object_storage_too(ftlogs: Any, teams: Teams) -> None:
    with SmallStore().serving() as store:
        environ = {**store.environ, **teams.environ}
        teams.a.jobs["ft-2"].rewrite([])
        download = ("download", "--profile", "a", "--out", store.url, "--settle", "0")
        await ftlogs(*download, "ft-1", environ=environ)
        ended = await ftlogs("verify", store.url, "--all", "--json", environ=environ)
        assert missing(ended.out) == {"a/ft-2.log": "ft-2"}
        ended = await ftlogs("verify", f"{store.url}/a", "--all", "--json", environ=environ)
        assert missing(ended.out) == {"ft-2.log": "ft-2"}
        told = ended.err.splitlines()[-1].split("`")[1]
        assert told == f"ftlogs download --all --out {store.url} --profile a"
        await ftlogs(*shlex.split(told)[1:], environ=environ)
        ended = await ftlogs("verify", store.url, "--all", "--json", environ=environ)
        assert missing(ended.out) == {}, "a job without a line has been downloaded, too"


@pytest.mark.covered
@pytest.mark.extras
async def test_a_log_whose_folder_in_a_bucket_was_deleted_is_missed_and_comes_again(ftlogs: Any) -> None:
    with SmallStore().serving() as store, Emulator(JOBS) as emulator:
        settings = {"emulator": emulator, "environ": store.environ}
        await ftlogs("download", "--all", "--out", store.url, **settings)
        for name in [name for name in store.objects if "/ft-1/" in name]:
            del store.objects[name]
        ended = await ftlogs("verify", store.url, **settings)
        assert (ended.code, ended.err) == (0, f"ftlogs: {store.url}: 2 ok; 40 bytes\n")
        ended = await ftlogs("verify", store.url, "--since", "7d", **settings)
        assert (ended.code, ended.out) == (0, b"")
        ended = await ftlogs("verify", store.url, "--all", "--json", **settings)
        assert (ended.code, missing(ended.out)) == (6, {"ft-1.log": "ft-1"})
        ended = await ftlogs("download", "--all", "--out", store.url, **settings)
        assert "1 complete, 2 skipped; 10 new lines" in ended.err


async def test_a_log_that_was_moved_to_another_account_s_folder_is_missed_where_it_was(
    ftlogs: Any, teams: Teams, tmp_path: Path
) -> None:
    teams.config.write_text(teams.config.read_text("utf-8").split("[profiles.b]")[0], "utf-8")
    with teams.config.open("a", encoding="utf-8") as config:
        # Of the same service.
        config.write(f"[profiles.b]\napi_key = {teams.a.api_key!r}\nbase_url = {teams.a.base_url!r}\n")
    out = tmp_path / "logs"
    download = ("download", "ft-1", "--out", str(out))
    await ftlogs(*download, "--profile", "a", environ=teams.environ)
    (out / "b").mkdir()
    (out / "b/.ftlogs-profile").touch()
    for name in ("ft-1.log", "ft-1.manifest.json"):
        (out / "a" / name).rename(out / "b" / name)
    ended = await ftlogs("verify", str(out), "--remote", environ=teams.environ)
    assert ended.code == 0, "only the service knows whose a job is, and it does not tell"
    ended = await ftlogs("verify", str(out), "--all", "--json", environ=teams.environ)
    assert missing(ended.out) == {"a/ft-1.log": "ft-1", "a/ft-2.log": "ft-2", "b/ft-2.log": "ft-2"}
