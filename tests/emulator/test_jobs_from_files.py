"""Jobs out of files."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashscope_ftlogs.emulator import job_from_file, jobs_from_folder
from dashscope_ftlogs.emulator.jobs_from_files import jobs_from_paths


def written(path: Path, data: bytes = b"x\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\n\n", ["a", ""]),
        (b"a\nb", ["a", "b"]),
        (b" 1%\r 2%\r\n", [" 1%\r 2%\r"]),
        ("a\u2028b\u0085c\x0b\x0c\x1cd\n".encode(), ["a\u2028b\u0085c\x0b\x0c\x1cd"]),
        (b"\xef\xbb\xbfa\x00b\n", ["\ufeffa\0b"]),
        (b"caf\xe9\n", ["caf\ufffd"]),
        (b"\xed\xa0\x80", ["\ufffd" * 3]),
    ],
)
def test_lines_end_at_newlines_only_and_bad_bytes_show(
    tmp_path: Path, data: bytes, lines: list[str]
) -> None:
    assert job_from_file(written(tmp_path / "x.log", data)).lines == lines


@pytest.mark.covered
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8")), min_size=1))
def test_for_any_lines_what_was_written_is_served(tmp_path: Path, lines: list[str]) -> None:
    path = written(tmp_path / "any.log", "".join(f"{line}\n" for line in lines).encode())
    assert job_from_file(path).lines == lines


def test_the_id_is_the_files_name_made_safe(tmp_path: Path) -> None:
    names = ["ft-202410291653-1c7f.log", "my run, v2!.txt", "训练.log", ".log.", "a.b.log"]
    ids = [job_from_file(written(tmp_path / name)).job_id for name in names]
    assert ids == ["ft-202410291653-1c7f", "my-run-v2", "job", "log", "a.b"]


def test_id_and_facts_can_be_given(tmp_path: Path) -> None:
    job = job_from_file(str(written(tmp_path / "x.log")), job_id="ft-1", status="FAILED")
    assert (job.job_id, job.status) == ("ft-1", "FAILED")


def test_a_folder_is_one_job_a_file_by_name_without_hidden_files_and_folders(tmp_path: Path) -> None:
    for name in ("b.log", "a.log", "a.manifest.json", ".hidden", "sub/c.log"):
        written(tmp_path / name)
    jobs = jobs_from_folder(tmp_path, model="m")
    assert [(job.job_id, job.model) for job in jobs] == [("a", "m"), ("b", "m")]


def test_files_of_one_name_all_become_jobs(tmp_path: Path) -> None:
    paths = [
        written(tmp_path / name, name.encode())
        for name in ("one/a.log", "two/a.log", "two/a.txt", "two/a-2.log")
    ]
    jobs = jobs_from_paths([paths[0], tmp_path / "two"])
    assert [job.job_id for job in jobs] == ["a", "a-2", "a-3", "a-4"]
    assert len({job.job_id for job in jobs}) == len({tuple(job.lines) for job in jobs}) == 4


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        jobs_from_folder(tmp_path / "nothing")
    with pytest.raises(NotADirectoryError):
        jobs_from_folder(written(tmp_path / "x.log"))
    with pytest.raises(FileNotFoundError):
        jobs_from_paths([tmp_path / "nothing.log"])
