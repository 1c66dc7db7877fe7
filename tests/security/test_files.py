"""Files: who may read them, and where they can be led.

Links, pipes and devices inside an archive: tests/archive/test_directory.py and
tests/archive/test_local_log_reader.py.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashscope_ftlogs.emulator import EmulatedJob, Emulator

pytestmark = pytest.mark.slow

POINT = "{'loss': 1.5, 'epoch': 0.1}"


@pytest.fixture(params=[0o027], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.posix
async def test_files_are_as_private_as_the_umask_says_and_never_executable(
    umask: int, ftlogs: Any, tmp_path: Path
) -> None:
    out, folder = tmp_path / "out", tmp_path / "archive"
    out.mkdir()
    async with Emulator([EmulatedJob("ft-1", [POINT])]) as emulator:
        for words in (
            ("download", "ft-1", "--out", str(folder), "--compress", "gzip"),
            ("metrics", "ft-1", "-o", str(out / "metrics.csv")),
            ("report", "ft-1", "-o", str(out / "report.html")),
        ):
            assert (await ftlogs(*words, emulator=emulator)).code == 0
    files = [*folder.iterdir(), *out.iterdir()]
    assert len(files) == 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o666 & ~umask}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~umask


@pytest.mark.parametrize("command", ["metrics", "report"])
@pytest.mark.parametrize("waiting", ["out.html", "out.html.new"])
async def test_a_link_that_waits_where_output_goes_leads_nothing_elsewhere(
    command: str, waiting: str, ftlogs: Any, tmp_path: Path
) -> None:
    out = tmp_path / waiting.replace(".html", ".csv" if command == "metrics" else ".html")
    (tmp_path / "victim").write_text("untouched")
    out.symlink_to(tmp_path / "victim")
    async with Emulator([EmulatedJob("ft-1", [POINT])]) as emulator:
        ended = await ftlogs(command, "ft-1", "-o", str(out).removesuffix(".new"), emulator=emulator)
    assert (ended.code, (tmp_path / "victim").read_text()) == (0, "untouched")
