"""`ftlogs report`: from jobs, archives, files and pipes to one file."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from dashscope_ftlogs.emulator import EmulatedJob, Emulator, Fault, Refuse, generate_job

KEY = "sk-4f1cda7e91b26d53"


def logs_in(html: str) -> list[list[str]]:
    found = re.findall(r'id="log-data-\d+">(.*?)</script>', html)
    return [json.loads(text)["lines"] for text in found]


def unfinished(folder: Path) -> list[Path]:
    return list(folder.glob("*.new"))


async def test_jobs_an_archive_a_file_and_a_pipe_become_one_page(
    ftlogs: Any, start_ftlogs: Any, tmp_path: Path
) -> None:
    jobs = [generate_job(seed=1, job_id="ft-1"), generate_job(seed=2, outcome="failed", job_id="ft-2")]
    file, out = tmp_path / "some.log", tmp_path / "out.html"
    file.write_text("one\n{'loss': 1.5}\n")
    async with Emulator(jobs) as emulator:
        await ftlogs("download", "ft-1", "--out", str(tmp_path / "a"), emulator=emulator)
        process = await start_ftlogs(
            ["report", "ft-1", "ft-2", str(tmp_path / "a"), str(file), "-", "-o", str(out)],
            emulator,
            stdin=asyncio.subprocess.PIPE,
        )
        stdout, err = await process.communicate(b"piped\n")
    assert (process.returncode, stdout) == (0, b"")
    html = out.read_text("utf-8")
    mine = list(jobs[0].lines)
    assert logs_in(html) == [mine, list(jobs[1].lines), mine, ["one", "{'loss': 1.5}"], ["piped"]]
    assert "SUCCEEDED" in html
    assert "FAILED" in html
    assert str(tmp_path / "a" / "ft-1.log") in html, "a second log of one name is told apart"
    assert err.decode().splitlines()[-1].startswith(f"ftlogs: {out}: 5 logs, ")
    assert not unfinished(tmp_path)


async def test_without_a_name_it_is_report_html_here(
    ftlogs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "some.log").write_text("hello\n")
    monkeypatch.chdir(tmp_path)
    ended = await ftlogs("report", "some.log")
    assert ended.code == 0, ended.err
    assert re.fullmatch(r"ftlogs: report.html: 1 log, \d+ kB\n", ended.err)
    assert logs_in((tmp_path / "report.html").read_text("utf-8")) == [["hello"]]


async def test_a_dash_sends_the_page_to_stdout(ftlogs: Any, tmp_path: Path) -> None:
    (tmp_path / "some.log").write_bytes(b"\xff\xfe\x00 \xed\xa0\x80 </script>\r\n")
    ended = await ftlogs("report", str(tmp_path / "some.log"), "-o", "-")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(b"<!doctype html>")
    assert ended.out.endswith(b"</html>\n")
    assert len(logs_in(ended.out.decode())) == 1


async def test_a_job_without_lines_has_its_row(ftlogs: Any, tmp_path: Path) -> None:
    async with Emulator([EmulatedJob("ft-1", status="QUEUING")]) as emulator:
        ended = await ftlogs("report", "ft-1", "-o", "-", emulator=emulator)
    assert ended.code == 0
    assert b"QUEUING" in ended.out


async def test_what_is_left_out_is_said(ftlogs: Any, tmp_path: Path) -> None:
    with (tmp_path / "large.log").open("w") as file:
        file.writelines(f"{number:010000}\n" for number in range(6_000))
    ended = await ftlogs("report", str(tmp_path / "large.log"), "-o", str(tmp_path / "out.html"))
    assert ended.code == 0
    said, done, large = ended.err.splitlines()
    assert re.fullmatch(r"ftlogs: large.log: [\d,]+ of 6,000 lines are left out, .*", said)
    assert re.search(r"1 log, 4\d\.\d MB$", done)
    assert re.fullmatch(
        r"ftlogs: a browser takes a while to open 4\d\.\d MB; fewer logs make a smaller page", large
    )
    (lines,) = logs_in((tmp_path / "out.html").read_text())
    assert lines[-1] == f"{5_999:010000}"
    (tmp_path / "small.log").write_text("1\n", "utf-8")
    with (tmp_path / "half.log").open("w") as file:
        file.writelines(f"{number:010000}\n" for number in range(3_000))
    (tmp_path / "half too.log").symlink_to(tmp_path / "half.log")
    logs = (str(tmp_path / f"{name}.log") for name in ("half", "half too", "small"))
    ended = await ftlogs("report", *logs, "-o", str(tmp_path / "out.html"))
    said, _, _ = ended.err.splitlines()
    assert re.fullmatch(r"ftlogs: 2 of 3 logs: [\d,]+ of 6,000 lines are left out, .*", said)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "SOURCE"),
        (
            ["ft-1", "-o", "nowhere/out.html"],
            2,
            "-o 'nowhere/out.html': there is no directory 'nowhere'",
        ),
        (["ft-1", "-o", "."], 2, "-o '.': that is a directory; name a file"),
        (["no such/file"], 2, "there is no file 'no such/file', nor such a job"),
    ],
)
async def test_wrong_usage_is_refused_before_any_request(
    ftlogs: Any, words: list[str], code: int, said: str
) -> None:
    async with Emulator([EmulatedJob("ft-1", ["x"])]) as emulator:
        ended = await ftlogs("report", *words, emulator=emulator)
        assert not emulator.journal
    assert ended.code == code
    assert said in re.sub(r"\s+", " ", ended.err)
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("words", "environ", "code"),
    [
        (["ft-9"], {}, 4),
        (["ft-8", "ft-9"], {}, 4),
        (["ft-1"], {"DASHSCOPE_API_KEY": "sk-wrong"}, 3),
        (["ft-2", "--max-tries", "1"], {}, 5),
    ],
)
async def test_a_source_that_cannot_be_read_leaves_what_was_there(
    ftlogs: Any, tmp_path: Path, words: list[str], environ: dict[str, str], code: int
) -> None:
    out = tmp_path / "out.html"
    out.write_text("before")
    jobs = [EmulatedJob("ft-1", ["x"]), EmulatedJob("ft-2", ["x"])]
    async with Emulator(jobs, faults=[Fault(Refuse(500), job_id="ft-2")]) as emulator:
        ended = await ftlogs("report", *words, "-o", str(out), emulator=emulator, environ=environ)
    assert ended.code == code
    assert "Traceback" not in ended.err
    assert out.read_text() == "before"


async def test_the_key_is_not_in_the_page(ftlogs: Any, tmp_path: Path) -> None:
    """Even where a server repeats the key among the facts of a job."""
    job = EmulatedJob("ft-1", ["x"], job_name=KEY, status="FAILED", message=KEY)
    async with Emulator([job], api_key=KEY) as emulator:
        ended = await ftlogs("report", "ft-1", "-o", "-", emulator=emulator)
    assert ended.code == 0
    assert b"[secret]" in ended.out
    assert KEY.encode() not in ended.out
    assert KEY not in ended.err


async def test_real_logs_become_a_page(ftlogs: Any, corpus: list[Path]) -> None:
    if not corpus:
        pytest.skip("no real logs at hand")
    ended = await ftlogs("report", *map(str, corpus), "-o", "-")
    assert (ended.code, ended.err) == (0, "")
    assert len(logs_in(ended.out.decode())) == len(corpus)
