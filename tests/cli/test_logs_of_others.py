"""`ftlogs verify` of logs that came where they do not belong, and the commands that it tells."""

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from sealed_manifests import edit
from small_store import SmallStore
from teams import BOTH, Teams, two_teams

from dashscope_ftlogs import verify_archive
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Refuse

ELSEWHERE = "https://dashscope.aliyuncs.com/api/v1"


@pytest.fixture
def teams(tmp_path: Path) -> Iterator[Teams]:
    with two_teams(tmp_path) as made:
        yield made


@pytest.fixture
async def archive(ftlogs: Any, teams: Teams, tmp_path: Path) -> Path:
    out = tmp_path / "logs"
    await ftlogs("download", "--all", *BOTH, "--out", str(out), environ=teams.environ)
    return out


def verdicts(out: bytes) -> dict[str, tuple[str, str]]:
    rows = map(json.loads, out.splitlines())
    return {row["file"]: (row["state"], row["why"]) for row in rows}


def logs(archive: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in archive.rglob("*.log")}


def copy(archive: Path, of: str, to: str, job_id: str) -> None:
    for name in (f"{job_id}.log", f"{job_id}.manifest.json"):
        shutil.copy(archive / of / name, archive / to / name)


@pytest.mark.covered
@pytest.mark.parametrize("words", [(), ("--remote",), ("--all", "--running-ok", *BOTH)])
async def test_a_log_that_was_copied_into_another_profile_s_folder_is_told_with_the_one_it_is_of(
    ftlogs: Any, teams: Teams, archive: Path, words: tuple[str, ...]
) -> None:
    verify = ("verify", str(archive), *words, "--json")
    before = verdicts((await ftlogs(*verify, environ=teams.environ)).out)
    assert {state for state, _ in before.values()} == {"ok", "incomplete"}, "both have a job ft-1"
    copy(archive, "a", "b", "ft-2")
    ended = await ftlogs(*verify, environ=teams.environ)
    found = verdicts(ended.out)
    why = "the same download as a/ft-2.log, so one of them is a copy in a folder that is not its own"
    assert (ended.code, found.pop("b/ft-2.log")) == (6, ("copied", why))
    assert found == before, "nothing is said of any other"


async def test_a_log_that_lies_beside_the_folder_of_its_profile_as_well_is_told(archive: Path) -> None:
    copy(archive, "b", ".", "ft-3")
    found = {one.file: (one.state, one.profile) for one in verify_archive(archive)}
    assert found["ft-3.log"] == ("ok", "")
    assert found["b/ft-3.log"] == ("copied", "b")


async def test_stray_logs_are_named_where_several_profiles_are(
    ftlogs: Any, teams: Teams, archive: Path
) -> None:
    for job_id in ("ft-1", "ft-2"):
        copy(archive, "a", ".", job_id)
    words = ("verify", str(archive), "--all", *BOTH)
    ended = await ftlogs(*words, environ=teams.environ)
    assert (ended.code, ended.out) == (2, b"")
    told = "--profile: this takes one, since 2 logs lie in no profile's folder, such as ft-1.log"
    assert told in ended.err
    assert "remove what is a copy" in ended.err


async def test_a_log_of_another_service_is_told_by_verify_and_refused_by_download(
    ftlogs: Any, teams: Teams, archive: Path
) -> None:
    for name in ("ft-1", "ft-3"):
        edit(archive / f"b/{name}.manifest.json", endpoint=ELSEWHERE)
    teams.b.jobs["ft-1"].append("more")
    before = logs(archive)
    for words in (("--remote",), ("--all", *BOTH)):
        verify = ("verify", str(archive), *words, "--running-ok", "--json")
        ended = await ftlogs(*verify, environ=teams.environ)
        found = verdicts(ended.out)
        why = f"it is of '{ELSEWHERE}', and '{teams.b.base_url}' is asked"
        assert (ended.code, found["b/ft-1.log"]) == (6, ("foreign", why))
        assert found["b/ft-3.log"] == ("foreign", why)
        assert found["a/ft-1.log"] == ("ok", "")
    words = ("download", "b/ft-1", "--recheck", "--out", str(archive), "--profile", "b")
    ended = await ftlogs(*words, environ=teams.environ)
    assert ended.code == 2
    assert "logs of two services are not mixed" in ended.err
    assert logs(archive) == before
    assert (await ftlogs("verify", str(archive), "--running-ok")).code == 0, "nobody said whose it is"


async def test_what_lacks_lines_of_a_job_that_the_service_does_not_know_says_that_none_will_come(
    ftlogs: Any, tmp_path: Path
) -> None:
    jobs = [EmulatedJob("ft-1", ["a"], status="RUNNING"), EmulatedJob("ft-2", ["b"] * 3)]
    async with Emulator(jobs) as emulator:
        await ftlogs("download", "--all", "--out", str(tmp_path), emulator=emulator)
        for job in jobs:
            del emulator.jobs[job.job_id]
        verify = ("verify", str(tmp_path), "--all", "--running-ok", "--json")
        ended = await ftlogs(*verify, emulator=emulator)
        found = verdicts(ended.out)
    why = "1 line so far; the job had not ended; and the service knows no such job, so no more will come"
    assert (ended.code, found["ft-1.log"]) == (6, ("forgotten", why))
    assert found["ft-2.log"] == ("ok", ""), "it may be all that is left of it"


async def test_what_is_forgotten_alarms_until_it_is_accepted_by_name_and_is_never_called_whole(
    ftlogs: Any, tmp_path: Path
) -> None:
    jobs = [EmulatedJob(f"ft-{n}", ["a"], status="RUNNING") for n in range(8)]
    async with Emulator(jobs) as emulator:
        out = str(tmp_path)
        await ftlogs("download", "--all", "--out", out, emulator=emulator)
        verify = ("verify", out, "--all", "--running-ok")
        emulator.remove("ft-1")
        ended = await ftlogs(*verify, emulator=emulator)
        advice = ended.err.splitlines()[-1].split("`")[1]
        assert (ended.code, advice) == (6, "--forgotten-ok ft-1")
        ended = await ftlogs(*verify, *shlex.split(advice), emulator=emulator)
        assert (ended.code, ended.out) == (0, b"")
        assert ended.err == f"ftlogs: {out}: 7 running, 1 forgotten; 16 bytes\n", (
            "it is told, and not as ok"
        )
        emulator.remove("ft-2")
        ended = await ftlogs(*verify, *shlex.split(advice), emulator=emulator)
        assert (ended.code, b"ft-1" in ended.out, b"ft-2" in ended.out) == (6, False, True)
        for n in range(3, 8):
            emulator.remove(f"ft-{n}")
        ended = await ftlogs(*verify, emulator=emulator)
        assert (ended.code, "`--forgotten-ok GLOB`" in ended.err) == (6, True)
        ended = await ftlogs(*verify, "--forgotten-ok", "ft-[1-7]", "-q", emulator=emulator)
        assert (ended.code, ended.out, ended.err) == (0, b"", "")
        (tmp_path / "ft-1.log").write_bytes(b"b")
        ended = await ftlogs(*verify, "--forgotten-ok", "*", emulator=emulator)
        assert (ended.code, b"damaged" in ended.out) == (6, True), "that is another thing"


async def test_nothing_is_forgotten_where_no_job_is_asked_for(ftlogs: Any, tmp_path: Path) -> None:
    ended = await ftlogs("verify", str(tmp_path), "--forgotten-ok", "ft-1")
    assert (ended.code, ended.out) == (2, b"")
    assert "--forgotten-ok needs --all or --remote" in ended.err


async def test_what_is_forgotten_is_accepted_for_the_profile_that_is_named(
    ftlogs: Any, teams: Teams, archive: Path
) -> None:
    for team, at in ((teams.a, archive / "a"), (teams.b, archive / "b")):
        edit(at / "ft-1.manifest.json", complete=False)
        team.remove("ft-1")
    verify = ("verify", str(archive), "--all", "--json", *BOTH, "--running-ok", "--forgotten-ok")
    ended = await ftlogs(*verify, "a/ft-1", environ=teams.environ)
    assert ended.code == 6, ended.err
    assert "`--forgotten-ok b/ft-1`" in ended.err
    ended = await ftlogs(*verify, "ft-1", environ=teams.environ)
    assert ended.code == 0, ended.err
    states = {file: state for file, (state, _) in verdicts(ended.out).items()}
    assert (states["a/ft-1.log"], states["b/ft-1.log"]) == ("forgotten", "forgotten")


@pytest.mark.extras
async def test_on_object_storage_too(ftlogs: Any, teams: Teams) -> None:
    with SmallStore().serving() as store:
        environ = {**store.environ, **teams.environ}
        words = ("download", "--all", *BOTH, "--out", store.url)
        await ftlogs(*words, environ=environ)
        for name in [name for name in store.objects if "/a/ft-2/" in name]:
            store.objects[name.replace("/a/ft-2/", "/b/ft-2/")] = store.objects[name]
        ended = await ftlogs("verify", store.url, "--json", environ=environ)
        state, why = verdicts(ended.out)["b/ft-2.log"]
        assert (ended.code, state, "a/ft-2.log" in why) == (6, "copied", True)
        text = teams.config.read_text("utf-8").replace(teams.b.base_url, ELSEWHERE)
        teams.config.write_text(text, "utf-8")
        ended = await ftlogs("verify", store.url, "--remote", "--json", environ=environ)
        states = {file: state for file, (state, _) in verdicts(ended.out).items()}
        assert (states["b/ft-1.log"], states["b/ft-3.log"]) == ("foreign", "foreign")
        assert states["a/ft-1.log"] == "ok"


async def test_a_copy_of_a_profile_s_folder_is_gone_on_with_as_the_refusal_says(
    ftlogs: Any, teams: Teams, archive: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(archive / "a", elsewhere / "wrong")
    download = ("download", "--all", "--profile", "a", "--running-ok", "--out")
    ended = await ftlogs(*download, str(elsewhere / "wrong"), environ=teams.environ)
    assert ended.code == 2
    assert "If the folder was copied or renamed, put it, by its profile's name, into an" in ended.err
    (tmp_path / "empty").mkdir()
    (elsewhere / "wrong").rename(tmp_path / "empty/a")
    ended = await ftlogs(*download, str(tmp_path / "empty"), environ=teams.environ)
    assert (ended.code, b"skipped" in ended.out) == (0, True), ended.err


@pytest.mark.covered
@pytest.mark.parametrize("count", [1, 6])
async def test_the_command_that_is_told_for_damaged_logs_can_be_run_as_it_is_told(
    ftlogs: Any, tmp_path: Path, count: int
) -> None:
    jobs = [EmulatedJob(f"ft-{number}", ["line"] * 3) for number in range(8)]
    out = tmp_path / "my logs"
    async with Emulator(jobs) as emulator:
        await ftlogs("download", "--all", "--out", str(out), emulator=emulator)
        for number in range(count):
            (out / f"ft-{number}.log").write_bytes(b"x")
        ended = await ftlogs("verify", str(out), emulator=emulator)
        told = ended.err.split("`")[1]
        which = "ft-0" if count == 1 else "--all"
        assert told == f"ftlogs download {which} --recheck --out '{out}'"
        assert (await ftlogs(*shlex.split(told)[1:], emulator=emulator)).code == 0
        assert (await ftlogs("verify", str(out), emulator=emulator)).code == 0


async def test_the_command_for_damaged_logs_of_profiles_names_them(
    ftlogs: Any, teams: Teams, archive: Path
) -> None:
    for name in ("a/ft-1.log", "b/ft-1.log"):
        (archive / name).write_bytes(b"x")
    for place, jobs, profiles in (
        (archive, "a/ft-1 b/ft-1", "--profile a --profile b"),
        (archive / "b", "b/ft-1", "--profile b"),
    ):
        ended = await ftlogs("verify", str(place), environ=teams.environ)
        told = ended.err.split("`")[1]
        assert told == f"ftlogs download {jobs} --recheck --out {archive} {profiles}"
    assert (await ftlogs(*shlex.split(told)[1:], environ=teams.environ)).code == 0
    ended = await ftlogs("verify", str(archive), "--json")
    assert verdicts(ended.out)["b/ft-1.log"] == ("ok", "")
    copy(archive, "b", ".", "ft-3")
    (archive / "ft-3.log").write_bytes(b"x")
    ended = await ftlogs("verify", str(archive), environ=teams.environ)
    assert ended.err.split("`")[1::2] == [
        f"ftlogs download ft-3 --recheck --out {archive}",
        f"ftlogs download a/ft-1 --recheck --out {archive} --profile a",
    ]


@pytest.mark.parametrize("endpoint", ["list", "logs"])
async def test_what_passes_by_itself_is_not_told_to_who_wants_quiet(
    ftlogs: Any, tmp_path: Path, endpoint: Any
) -> None:
    busy = Fault(Refuse(503, "Busy", "no"), endpoint=endpoint, on={1, 2})
    async with Emulator([EmulatedJob("ft-1", ["line"] * 3)]) as emulator:
        download = ("download", "--all", "--out", str(tmp_path))
        verify = ("verify", str(tmp_path), "--all")
        emulator.faults = [busy]
        ended = await ftlogs(*download, "-q", emulator=emulator)
        assert (ended.code, ended.err) == (0, "")
        emulator.faults = [attrs.evolve(busy)]
        ended = await ftlogs(*verify, "-q", emulator=emulator)
        assert (ended.code, ended.out, ended.err) == (0, b"", "")
        emulator.faults = [attrs.evolve(busy)]
        ended = await ftlogs(*verify, emulator=emulator)
        assert (ended.code, ended.err.count("next try in")) == (0, 2)
        emulator.faults = [attrs.evolve(busy)]
        ended = await ftlogs(*verify, "-q", "--max-tries", "2", emulator=emulator)
        assert (ended.code, ended.err.count("HTTP 503")) == (5, 1)
