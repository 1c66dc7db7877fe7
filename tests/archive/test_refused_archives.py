"""What no download may go on with, and no verify passes over: named at once, and left as it is."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from sealed_manifests import edit

from dashscope_ftlogs import (
    ArchiveMismatchError,
    ArchivePathError,
    LogSession,
    ManifestError,
    verify_archive,
)
from dashscope_ftlogs.archive.manifest import SCHEMA
from dashscope_ftlogs.client.config import same_service
from dashscope_ftlogs.emulator import EmulatedJob, Emulator

LINES = [f"line {n}" for n in range(20)]


@attrs.frozen
class Archived:
    """Two running jobs and an archive of them."""

    emulator: Emulator
    session: LogSession
    folder: Path

    def contents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def states(self) -> dict[str, str]:
        return {verdict.file: verdict.state for verdict in verify_archive(self.folder)}


@pytest.fixture
async def archived(connect: Callable[..., LogSession], tmp_path: Path) -> AsyncIterator[Archived]:
    jobs = [EmulatedJob(job_id, LINES, status="RUNNING") for job_id in ("ft-1", "ft-2")]
    async with Emulator(jobs) as emulator, connect(emulator) as session:
        await session.download(["ft-1", "ft-2"], tmp_path / "a")
        for job in jobs:
            job.append("more")
        yield Archived(emulator, session, tmp_path / "a")


async def refused(
    archived: Archived, kind: type[Exception], words: str, *, unasked: bool = True
) -> None:
    """Check that ft-1 is refused, before it is asked for, nothing of it changes, and ft-2 goes on."""
    before = archived.contents()
    archived.emulator.journal.clear()
    first, second = sorted(
        await archived.session.download(["ft-1", "ft-2"], archived.folder), key=lambda o: o.job_id
    )
    assert type(first.error) is kind
    assert words in str(first.error)
    assert second.new_lines == 1
    if unasked:
        assert {exchange.job_id for exchange in archived.emulator.journal} == {"ft-2"}
    changed = {name for name, data in archived.contents().items() if before.get(name) != data}
    assert changed == {"ft-2.log", "ft-2.manifest.json"}


@pytest.mark.parametrize("name", ["ft-1.log", "ft-1.jsonl", "ft-1.log.gz", "ft-1.jsonl.gz"])
async def test_a_log_whose_manifest_was_lost_is_refused_and_named(archived: Archived, name: str) -> None:
    (archived.folder / "ft-1.manifest.json").unlink()
    (archived.folder / "ft-1.log").rename(archived.folder / name)
    assert archived.states() == {"ft-2.log": "incomplete", name: "unvouched"}
    await refused(archived, ManifestError, f"{name} is there without a manifest")


async def test_an_older_generation_without_its_manifest_is_named(archived: Archived) -> None:
    for name in ("ft-1.rewritten-1.log", "ft-1.damaged-1.log", "notes.txt", "ft-9.log.bak", ".x.log"):
        (archived.folder / name).write_text("")
    found = archived.states()
    assert {name for name, state in found.items() if state == "unvouched"} == {"ft-1.rewritten-1.log"}


async def test_an_archive_that_has_lost_all_its_manifests_is_one_still(
    archived: Archived, ftlogs: Any
) -> None:
    for path in list(archived.folder.glob("*.manifest.json")):
        path.unlink()
    assert archived.states() == {"ft-1.log": "unvouched", "ft-2.log": "unvouched"}
    assert {verdict.lines for verdict in verify_archive(archived.folder)} == {0}
    ended = await ftlogs("verify", str(archived.folder))
    assert ended.code == 6
    assert "no manifest says what it should hold" in ended.out.decode()
    ended = await ftlogs("download", "ft-1", "--out", str(archived.folder), emulator=archived.emulator)
    assert ended.code == 6
    assert "move it and its log away" in ended.out.decode()


async def test_what_a_newer_version_made_is_left_as_it_is(archived: Archived, ftlogs: Any) -> None:
    edit(archived.folder / "ft-1.manifest.json", schema=SCHEMA + 1, colour="blue")
    assert archived.states() == {"ft-1.manifest.json": "newer", "ft-2.log": "incomplete"}
    await refused(archived, ArchiveMismatchError, "made by a newer version")
    folder = str(archived.folder)
    for words, code in (
        (("verify", folder), 6),
        (("download", "ft-1", "--out", folder), 2),
        (("metrics", folder), 2),
        (("metrics", f"{folder}/ft-1.log"), 2),
    ):
        ended = await ftlogs(*words, emulator=archived.emulator)
        assert ended.code == code
        assert "made by a newer version" in ended.out.decode() + ended.err


async def test_a_log_of_another_service_is_refused(archived: Archived, ftlogs: Any) -> None:
    edit(archived.folder / "ft-1.manifest.json", endpoint="https://dashscope.aliyuncs.com/api/v1")
    assert set(archived.states().values()) == {"incomplete"}
    await refused(archived, ArchiveMismatchError, "logs of two services are not mixed")
    out = ("--out", str(archived.folder))
    ended = await ftlogs("download", "ft-1", *out, emulator=archived.emulator)
    assert ended.code == 2
    assert "Use another directory" in ended.out.decode()


BEIJING, INTERNATIONAL = (
    "https://dashscope.aliyuncs.com/api/v1",
    "https://dashscope-intl.aliyuncs.com/api/v1",
)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (BEIJING, "https://DASHSCOPE.aliyuncs.com.:443/api/v1/", True),
        (BEIJING, "https://llm-x1.cn-beijing.maas.aliyuncs.com/api/v1", True),
        (BEIJING, INTERNATIONAL, False),
        (INTERNATIONAL, "https://llm-x1.ap-southeast-1.maas.aliyuncs.com/api/v1", True),
        (INTERNATIONAL, "https://llm-x1.mars-1.maas.aliyuncs.com/api/v1", False),
        ("http://localhost:1/api/v1", "http://[::1]:2/other", True),
        ("http://localhost:1/api/v1", BEIJING, False),
        ("https://gateway/beijing/api/v1", "https://gateway/singapore/api/v1", False),
        ("https://gateway:1/api/v1", "https://gateway:2/api/v1", False),
        ("http://gateway/api/v1", "https://gateway:80/api/v1", True),
        ("https://x:port/", "https://x:port/", True),
        ("https://x:port/", "https://x:part/", False),
        ("", BEIJING, False),
    ],
)
def test_two_base_urls_are_one_service_or_two(one: str, other: str, same: bool) -> None:
    assert same_service(one, other) is same
    assert same_service(other, one) is same


@pytest.mark.parametrize("name", ["ft-1.manifest.json.new", ".ftlogs-lock"])
async def test_a_hard_link_in_the_way_keeps_what_it_holds(
    archived: Archived, tmp_path: Path, name: str
) -> None:
    (tmp_path / "victim").write_text("precious")
    (archived.folder / name).unlink(missing_ok=True)
    os.link(tmp_path / "victim", archived.folder / name)
    (outcome,) = await archived.session.download("ft-1", archived.folder)
    assert (outcome.error, outcome.new_lines) == (None, 1)
    assert (tmp_path / "victim").read_text() == "precious"


async def test_a_log_with_a_second_name_is_not_written_to(archived: Archived, tmp_path: Path) -> None:
    os.link(archived.folder / "ft-1.log", tmp_path / "backup")
    await refused(archived, ArchivePathError, "a hard link", unasked=False)
    assert (tmp_path / "backup").read_text().splitlines() == LINES
    assert archived.states()["ft-1.log"] == "incomplete"


async def test_a_verify_beside_downloads_that_set_logs_aside_sees_no_damage(archived: Archived) -> None:
    async def rewrite() -> None:
        for life in range(12):
            archived.emulator.jobs["ft-1"].rewrite([f"life {life}"] * (30 + life))
            await archived.session.download("ft-1", archived.folder)

    rewriting = asyncio.create_task(rewrite())
    seen: list[set[str]] = []
    while not rewriting.done():
        seen.append(set((await asyncio.to_thread(archived.states)).values()))
    await rewriting
    assert len(seen) > 12
    assert set.union(*seen) == {"incomplete", "superseded"}
