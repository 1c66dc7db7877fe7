"""`ftlogs metrics` as a process of its own: any log, as a table, a file, or TensorBoard's events."""

import asyncio
import csv
import gzip
import json
import math
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from dashscope_ftlogs.emulator import EmulatedJob, Emulator, generate_job

JOB = "ft-1"
LINES = [
    "2025-12-06 20:28:19,002 - INFO - data pre-process succeeded, start to fine-tune",
    "2025-12-06 20:28:19,002 {'loss': 1.5, 'learning_rate': 1e-05, 'global_step/max_steps': '1/2'}",
    "{'loss': nan, 'note': '=HYPERLINK(\"x\")', 'global_step/max_steps': '2/2'}",
    "{'eval_loss': 0.5, 'sign': '-inf', 'global_step/max_steps': '2/2'}",
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "train.log"
    path.write_text("".join(f"{line}\n" for line in LINES))
    return path


async def test_the_numbers_of_a_job_are_a_table(ftlogs: Any) -> None:
    async with Emulator([EmulatedJob(JOB, LINES[:2])]) as emulator:
        ended = await ftlogs("metrics", JOB, emulator=emulator)
    assert (ended.code, ended.err) == (0, "")
    head, row = (re.split(r" {2,}", line) for line in ended.out.decode().splitlines())
    assert dict(zip(head, row, strict=True)) == {
        "OFFSET": "1",
        "KIND": "train",
        "STEP": "1",
        "TOTAL_STEPS": "2",
        "TIME": "2025-12-06 20:28:19",
        "LOSS": "1.5",
        "LEARNING_RATE": "1e-05",
        "GLOBAL_STEP/MAX_STEPS": "1/2",
    }


async def test_jobs_archives_files_and_pipes_are_read_alike(
    ftlogs: Any, start_ftlogs: Any, log: Path, tmp_path: Path
) -> None:
    async with Emulator([EmulatedJob(JOB, LINES)]) as emulator:
        archive = tmp_path / "archive"
        assert (await ftlogs("download", JOB, "--out", str(archive), emulator=emulator)).code == 0
        out = tmp_path / "all.jsonl"
        process = await start_ftlogs(
            ("metrics", JOB, str(archive), str(log), "-", "-o", str(out)),
            emulator,
            stdin=asyncio.subprocess.PIPE,
        )
        _, err = await process.communicate("".join(f"{line}\n" for line in LINES).encode())
    told = f"ftlogs: {out}: 12 points of 4 logs\n"
    assert (process.returncode, err.decode()) == (0, told)
    rows = [json.loads(row) for row in out.read_text().splitlines()]
    assert [row["source"] for row in rows] == [
        name for name in (JOB, str(archive / f"{JOB}.log"), "train.log", "stdin") for _ in range(3)
    ]
    without_source = [{**row, "source": ""} for row in rows]
    assert without_source[:3] * 4 == without_source


async def test_logs_of_the_same_name_are_told_apart_and_one_that_is_named_twice_counts_once(
    ftlogs: Any, log: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "train.log"
    other.parent.mkdir()
    other.hardlink_to(log)
    ended = await ftlogs("metrics", str(log), str(other), str(other))
    names = [row.split("  ")[0] for row in ended.out.decode().splitlines()[1::3]]
    assert names == ["train.log", str(other)]


async def test_a_row_is_flat_and_holds_what_its_point_has(
    ftlogs: Any, log: Path, tmp_path: Path
) -> None:
    out = tmp_path / "m.jsonl"
    assert (await ftlogs("metrics", str(log), "-o", str(out))).code == 0
    assert "NaN" not in out.read_text()
    assert [json.loads(row) for row in out.read_text().splitlines()] == [
        {
            "source": "train.log",
            "offset": 1,
            "segment": 0,
            "kind": "train",
            "step": 1,
            "total_steps": 2,
            "time": "2025-12-06T20:28:19.002000",
            "loss": 1.5,
            "learning_rate": 1e-05,
            "global_step/max_steps": "1/2",
        },
        {
            "source": "train.log",
            "offset": 2,
            "segment": 0,
            "kind": "train",
            "step": 2,
            "total_steps": 2,
            "loss": None,
            "note": '=HYPERLINK("x")',
            "global_step/max_steps": "2/2",
        },
        {
            "source": "train.log",
            "offset": 3,
            "segment": 0,
            "kind": "eval",
            "step": 2,
            "total_steps": 2,
            "eval_loss": 0.5,
            "sign": None,
            "global_step/max_steps": "2/2",
        },
    ]


async def test_a_restart_is_seen_in_the_table(ftlogs: Any, tmp_path: Path) -> None:
    path = tmp_path / "two.log"
    path.write_text("{'loss': 1, 'step': 2}\n{'loss': 1, 'step': 1}\n")
    ended = await ftlogs("metrics", str(path))
    assert [row.split()[1] for row in ended.out.decode().splitlines()] == ["SEGMENT", "0", "1"]


async def test_a_spreadsheet_gets_no_formula_from_a_log(ftlogs: Any, log: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.csv"
    assert (await ftlogs("metrics", str(log), "-o", str(out))).code == 0
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["note"] for row in rows] == ["", '\'=HYPERLINK("x")', ""]
    assert [row["loss"] for row in rows] == ["1.5", "NaN", ""]
    assert rows[2]["sign"] == "-inf"
    assert rows[0]["time"] == "2025-12-06T20:28:19.002000"


async def test_csv_tells_nan_infinity_and_nothing_apart_and_jsonl_has_null_for_both(
    ftlogs: Any, tmp_path: Path
) -> None:
    path = tmp_path / "odd.log"
    path.write_text("".join(f"{{'loss': {one}}}\n" for one in ("1.5", "nan", "inf", "-inf")))
    with path.open("a") as file:
        file.write("{'eval_loss': 1.0}\n")
    ended = await ftlogs("metrics", str(path), "--format", "csv", "--columns", "loss")
    assert ended.out.decode().splitlines()[1:] == ["1.5", "NaN", "inf", "-inf", '""']
    ended = await ftlogs("metrics", str(path), "--format", "jsonl")
    losses = [json.loads(row).get("loss", "no key") for row in ended.out.splitlines()]
    assert losses == [1.5, None, None, None, "no key"]


async def test_lone_surrogates_and_escapes_harm_neither_file_nor_terminal(
    ftlogs: Any, start_ftlogs: Any, terminal: Any, tmp_path: Path
) -> None:
    line = "{'loss': 1, '\x1b]0;title\x07': 'half \ud83d \x9b'}"
    async with Emulator([EmulatedJob(JOB, [line])]) as emulator:
        for ending in ("jsonl", "csv"):
            out = tmp_path / f"m.{ending}"
            ended = await ftlogs("metrics", JOB, "-o", str(out), emulator=emulator)
            assert (ended.code, ended.err) == (0, f"ftlogs: {out}: 1 point of 1 log\n")
            assert "half" in out.read_text("utf-8")
        async with terminal() as screen:
            process = await start_ftlogs(("metrics", JOB), emulator, stdout=screen.end)
            assert await process.wait() == 0
    assert "half" in screen.shown
    assert not {"\x1b", "\x07", "\x9b"} & set(screen.shown)


async def test_a_narrow_terminal_gets_what_fits_and_is_told_of_the_rest(
    start_ftlogs: Any, terminal: Any, log: Path
) -> None:
    async with terminal() as screen:
        process = await start_ftlogs(("metrics", str(log)), None, {"COLUMNS": "40"}, stdout=screen.end)
        _, err = await process.communicate()
    assert max(map(len, screen.shown.splitlines())) <= 40
    assert "LOSS" in screen.shown
    assert b"not shown: " in err
    assert b"learning_rate" in err


@pytest.mark.covered
@pytest.mark.extras
async def test_a_parquet_file_opens_with_the_expected_types(
    ftlogs: Any, log: Path, tmp_path: Path
) -> None:
    import duckdb
    import pyarrow.parquet as pq

    out = tmp_path / "m.parquet"
    assert (await ftlogs("metrics", str(log), "-o", str(out))).code == 0
    table = pq.read_table(out)
    types = {field.name: str(field.type) for field in table.schema}
    assert types["offset"] == types["step"] == "int64"
    assert types["loss"] == "double"
    assert types["time"] == "timestamp[ms]"
    assert types["source"] == types["note"] == "string"
    assert table["loss"].to_pylist()[0] == 1.5
    assert math.isnan(table["loss"].to_pylist()[1])
    query = f"select typeof(step), typeof(loss), typeof(time), count(*) over () from '{out}' limit 1"
    assert duckdb.sql(query).fetchall() == [("BIGINT", "DOUBLE", "TIMESTAMP", 3)]


@pytest.mark.extras
async def test_a_name_that_utf_8_has_no_form_for_stands_in_a_parquet_file_as_its_escape(
    ftlogs: Any, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    path, out = tmp_path / "x.log", tmp_path / "m.parquet"
    path.write_bytes(b"{'loss': 1.5, 'caf\xe9': 2.5, 'of': 'caf\xe9'}\n")
    assert (await ftlogs("metrics", str(path), "-o", str(out))).code == 0
    (row,) = pq.read_table(out).to_pylist()
    assert (row["loss"], row["caf\\udce9"], row["of"]) == (1.5, 2.5, "caf\\udce9")


@pytest.mark.covered
@pytest.mark.extras
async def test_each_log_is_a_run_of_its_own_however_its_name_is_written(
    ftlogs: Any, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    names = ("run 1.log", "run-1.log", ".run-1.log")
    for number, name in enumerate(names):
        (tmp_path / name).write_text(f"{{'loss': {number}.5, 'step': 1}}\n")
    ended = await ftlogs(
        "metrics", *(str(tmp_path / name) for name in names), "--tensorboard", str(tmp_path / "tb")
    )
    assert (ended.code, ended.err) == (0, f"ftlogs: {tmp_path / 'tb'}: 3 points of 3 logs\n")
    found = [EventAccumulator(str(run)).Reload() for run in (tmp_path / "tb").iterdir()]
    assert sorted(events.Scalars("loss")[0].value for events in found) == [0.5, 1.5, 2.5]


@pytest.mark.covered
@pytest.mark.extras
@pytest.mark.posix
async def test_events_that_there_is_no_room_for_end_the_command(tmp_path: Path) -> None:
    path = tmp_path / "small.log"
    path.write_text("".join(f"{{'loss': 0.5, 'epoch': {n}}}\n" for n in range(12_000)))
    command = f"{sys.executable} -m dashscope_ftlogs metrics {path} --tensorboard {tmp_path / 'tb'}"
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f"ulimit -f 1200; exec {command}"),
        # Or what others import would be cut off, too.
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 6
    assert b"File too large" in err
    assert b"Traceback" not in err


@pytest.mark.extras
async def test_tensorboard_s_own_reader_opens_the_events(ftlogs: Any, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    restarted = ["{'loss': 3, 'step': 1}", "{'loss': 2, 'step': 2}", "{'loss': 2.5, 'step': 1}"]
    unknown = ["{'loss': 9}", "text", "{'loss': nan, 'about': 'text'}", "{'eval_loss': 7}"]
    jobs = [EmulatedJob("ft-a", restarted), EmulatedJob("ft-b", unknown), EmulatedJob("ft-c", LINES)]
    async with Emulator(jobs) as emulator:
        words = ("metrics", "ft-a", "ft-b", "ft-c", "--tensorboard", str(tmp_path))
        foreign = tmp_path / "ft-a" / "events.out.tfevents.1.host"
        for _ in range(2):  # what was written before has no second time
            ended = await ftlogs(*words, emulator=emulator)
            assert (ended.code, ended.out) == (0, b"")
            foreign.touch()
    assert foreign.exists()

    def scalars(run: str, tag: str) -> list[tuple[int, float]]:
        events = EventAccumulator(str(tmp_path / run)).Reload()
        return [(event.step, event.value) for event in events.Scalars(tag)]

    assert scalars("ft-a", "loss") == [(1, 3.0), (2, 2.0)]
    assert scalars("ft-a/segment-1", "loss") == [(1, 2.5)]
    (first, nine), (second, nan) = scalars("ft-b", "loss")
    assert (first, nine, second) == (0, 9.0, 2)
    assert math.isnan(nan)
    assert scalars("ft-b", "eval_loss") == [(3, 7.0)]
    assert scalars("ft-c", "eval_loss") == [(2, 0.5)]


@pytest.mark.extras
async def test_events_are_over_the_steps_of_each_metric_and_steps_are_no_metric(
    ftlogs: Any, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    bar = "SFT: {0}%|3 | {0}/90 [02:09<1:13:19, 12.05s/it, bar_loss={1}]"
    lines = [bar.format(7, 2.5), "{'loss': 3, 'epoch': 0.5}", bar.format(8, "nan")]
    (tmp_path / "a.log").write_text("\n".join(lines))
    (tmp_path / "b.log").write_text(
        '{"step": 3, "loss": 2.5, "max_steps": 9}\n{"step": 5, "loss": Infinity}\n'
    )
    names = (str(tmp_path / name) for name in ("a.log", "b.log"))
    ended = await ftlogs("metrics", *names, "--tensorboard", str(tmp_path / "tb"))
    assert (ended.code, ended.err) == (0, f"ftlogs: {tmp_path / 'tb'}: 5 points of 2 logs\n")
    a, b = (EventAccumulator(str(tmp_path / "tb" / name)).Reload() for name in ("a.log", "b.log"))
    assert [event.step for event in a.Scalars("bar_loss")] == [7, 8]
    assert [event.step for event in a.Scalars("loss")] == [1]
    assert b.Tags()["scalars"] == ["loss"]
    assert [(event.step, event.value) for event in b.Scalars("loss")] == [(3, 2.5), (5, math.inf)]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 0, ""),
        (("-o", "-"), 0, ""),
        (("-o", "m.jsonl"), 0, "ftlogs: m.jsonl: 0 points of 0 logs\n"),
        (("-o", "m.csv", "--tensorboard", "runs"), 0, "ftlogs: m.csv: 0 points of 0 logs\n"),
        (("--tensorboard", "runs"), 2, ""),
    ],
)
async def test_a_log_without_metrics_is_told_of_and_gives_a_table_without_rows(
    ftlogs: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.log").touch()
    ended = await ftlogs("metrics", "empty.log", *words)
    assert (ended.code, ended.out) == (code, b"")
    assert ended.err == f"ftlogs: no metrics in empty.log (it is empty)\n{said}"
    made = set(os.listdir(tmp_path)) - {"empty.log", "home"}  # noqa: PTH208
    assert made == ({said.split(":")[1].strip()} if said else set())
    assert all(len((tmp_path / name).read_text().splitlines()) < 2 for name in made)


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
HINT = "; what no known form fits is read by --pattern"


@pytest.mark.covered
@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", " (it is empty)"),
        (gzip.compress(b"", mtime=0), " (it is empty)"),
        (PNG, " (it is not text in UTF-8)"),
        (gzip.compress(PNG, mtime=0), " (it is not text in UTF-8)"),
        ("Training start!\n".encode("utf-16"), " (it is not text in UTF-8)"),
        (b"\n", HINT),
        (b"\0\0\0\0cut while it was written\n", HINT),
        ("perte: très petite\n".encode("latin-1"), HINT),
    ],
)
@pytest.mark.parametrize("command", ["metrics", "plot"])
async def test_what_is_no_log_at_all_is_told_as_what_it_is(
    ftlogs: Any, tmp_path: Path, command: str, data: bytes, told: str
) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(data)
    ended = await ftlogs(command, str(path))
    assert (ended.code, ended.out, ended.err) == (0, b"", f"ftlogs: no metrics in a.log{told}\n")


OWN = r"it=(?P<step>\S+) L=(?P<loss>\S+)"
LEAVE = "fits no line that known forms and patterns before it leave"


@pytest.mark.parametrize(
    ("patterns", "told"),
    [
        ((OWN,), []),
        ((OWN, r"held out (?P<val_loss>\S+)"), []),
        ((OWN, r"held\s+uot (?P<val_loss>\S+)"), [rf"'held\s+uot (?P<val_loss>\S+)': {LEAVE}"]),
        ((OWN, r"L=(?P<other>\d)"), [rf"'L=(?P<other>\d)': {LEAVE}"]),  # the first has them all
        ((r"lr\W+(?P<rate>\S+)",), [rf"'lr\W+(?P<rate>\S+)': {LEAVE}"]),  # a known form has it
        (
            (r"(?P<step>L)=(?P<loss>2\S*) ?(?P<epoch>x)?",),
            [r"'(?P<step>L)=(?P<loss>2\S*) ?(?P<epoch>x)?': step: no number in any line that it fits"],
        ),
        (
            (r"it=(?P<loss>y)?(?P<rate>y)?", "(?P<a>y)"),
            [
                "'it=(?P<loss>y)?(?P<rate>y)?': loss, rate: no number in any line that it fits",
                f"'(?P<a>y)': {LEAVE}",
            ],
        ),
    ],
)
@pytest.mark.parametrize("command", ["metrics", "plot", "show", "report"])
async def test_a_pattern_that_fits_nothing_is_told_by_all_that_read_whole_logs(
    ftlogs: Any, tmp_path: Path, command: str, patterns: tuple[str, ...], told: list[str]
) -> None:
    (tmp_path / "a.log").write_text("it=1 L=2.5\n{'loss': 2.0, 'lr': 0.1, 'step': 2}\n")
    (tmp_path / "b.log").write_text("it=x L=1.5\nheld out 2.75\n")
    words = [word for one in patterns for word in ("--pattern", one)]
    to = ("-o", str(tmp_path / "r.html")) if command == "report" else ()
    ended = await ftlogs(command, str(tmp_path / "a.log"), str(tmp_path / "b.log"), *words, *to)
    assert ended.code == 0
    said = [line for line in ended.err.splitlines() if "--pattern" in line]
    assert said == [f"ftlogs: --pattern {one}" for one in told]


async def test_so_it_is_of_jobs_and_where_nothing_is_found_at_all(ftlogs: Any) -> None:
    async with Emulator([EmulatedJob(JOB, ["x=1"])]) as emulator:
        ended = await ftlogs("metrics", JOB, "--pattern", r"y=(?P<y>\d)", emulator=emulator)
    assert (ended.code, ended.out) == (0, b"")
    told, more = ended.err.splitlines()
    assert (told, more) == (
        rf"ftlogs: --pattern 'y=(?P<y>\d)': {LEAVE}",
        f"ftlogs: no metrics in {JOB}; --pattern finds nothing either",
    )


async def test_of_several_each_is_told_and_a_job_s_log_may_be_empty_too(
    ftlogs: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "b.log").write_bytes(b"Training start!\n")
    async with Emulator([EmulatedJob("ft-1")]) as emulator:
        ended = await ftlogs(
            "metrics", "ft-1", str(tmp_path / "a.png"), str(tmp_path / "b.log"), emulator=emulator
        )
        good = await ftlogs("metrics", "ft-1", emulator=emulator)
    for part in ("in ft-1 (it is empty), ", ", a.png (it is not text in UTF-8)", ", b.log", HINT):
        assert part in ended.err
    assert good.err == "ftlogs: no metrics in ft-1 (it is empty)\n"


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("-o", "m.txt", "{log}"), 2, "must end with .csv, .jsonl, .parquet"),
        (("no such/file.log",), 2, "there is no file 'no such/file.log'"),
        (("{tmp}",), 2, "holds no manifest"),
        (("ft-unknown",), 4, "ft-unknown"),
        (("-o", "{tmp}/nowhere/m.csv", "{log}"), 2, "there is no directory"),
    ],
)
async def test_what_can_not_be_done_is_one_clear_message(
    ftlogs: Any, tmp_path: Path, log: Path, words: tuple[str, ...], code: int, reason: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    words = tuple(word.format(log=log, tmp=folder) for word in words)
    async with Emulator([EmulatedJob(JOB)]) as emulator:
        ended = await ftlogs("metrics", *words, emulator=emulator)
    assert (ended.code, ended.out) == (code, b"")
    assert reason in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.covered
async def test_without_the_package_it_says_how_to_get_it(
    start_ftlogs: Any, log: Path, tmp_path: Path
) -> None:
    # A folder that hides the real packages, as if they were not installed.
    for name in ("pyarrow", "arro3", "tensorboardX"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name}', name='{name}')\n")
    for option, out, extra in (("-o", "m.parquet", "data"), ("--tensorboard", "tb", "tensorboard")):
        words = ("metrics", str(log), option, str(tmp_path / out))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
            "from dashscope_ftlogs.cli import main; main()",
            *words,
            stderr=asyncio.subprocess.PIPE,
        )
        _, err = await process.communicate()
        assert process.returncode == 2
        assert f"pip install 'dashscope-ftlogs[{extra}]'" in err.decode()


@pytest.mark.long
async def test_a_log_of_a_hundred_thousand_lines_shows_progress_and_is_read_whole(
    start_ftlogs: Any, terminal: Any, tmp_path: Path
) -> None:
    job = generate_job("sft", lines=100_000, seed=1)
    out = tmp_path / "m.csv"
    async with Emulator([job]) as emulator:
        async with terminal() as screen:
            words = ("metrics", job.job_id, "-o", str(out))
            process = await start_ftlogs(words, emulator, stderr=screen.end)
            printed, _ = await process.communicate()
    assert (process.returncode, printed) == (0, b"")
    assert f"{job.job_id}: lines" in screen.shown
    assert out.read_bytes().count(b"\n") > 50_000


@pytest.mark.parametrize("form", ["csv", "jsonl"])
async def test_what_goes_to_a_pipe_is_what_goes_to_a_file(
    ftlogs: Any, log: Path, tmp_path: Path, form: str
) -> None:
    out = tmp_path / f"m.{form}"
    assert (await ftlogs("metrics", str(log), "-o", str(out))).code == 0
    ended = await ftlogs("metrics", str(log), "--format", form)
    assert (ended.code, ended.out, ended.err) == (0, out.read_bytes(), "")


async def test_csv_and_json_on_a_terminal_repaint_nothing(
    start_ftlogs: Any, terminal: Any, tmp_path: Path
) -> None:
    path = tmp_path / "x.log"
    path.write_text("{'loss': 1, 'name': '\x1b[2J \x9b é 训'}\n" * 3000)
    for form in ("csv", "jsonl"):
        async with terminal() as screen:
            process = await start_ftlogs(
                ("metrics", str(path), "--format", form), None, stdout=screen.end
            )
            assert await process.wait() == 0
        assert screen.shown.count("训") == 3000
        assert not {"\x1b", "\x9b", "\ufffd"} & set(screen.shown)


async def test_columns_are_those_that_are_chosen_in_that_order(ftlogs: Any, log: Path) -> None:
    ended = await ftlogs("metrics", str(log), "--columns", "loss,offset")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.split()[:2] == [b"LOSS", b"OFFSET"]
    table = await ftlogs("metrics", str(log), "--columns", "loss,offset", "--format", "csv")
    assert table.out.splitlines()[0] == b"loss,offset"
    rows = await ftlogs("metrics", str(log), "--columns", "loss,offset", "--format", "jsonl")
    assert list(json.loads(rows.out.splitlines()[0])) == ["loss", "offset"]


async def test_a_column_whose_name_holds_a_comma_is_chosen_in_quotes(
    ftlogs: Any, tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    path.write_text("{'loss, mean': 2.5, 'step': 1}\n")
    words = ("metrics", str(path), "--format", "csv", "--columns")
    ended = await ftlogs(*words, 'step,"loss, mean"')
    assert (ended.code, ended.out.decode().split()) == (0, ['step,"loss,', 'mean"', "1,2.5"])
    wrong = await ftlogs(*words, "x")
    assert wrong.err.endswith(', time, "loss, mean".\n')


@pytest.mark.extras
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
async def test_so_are_those_of_a_file(ftlogs: Any, log: Path, tmp_path: Path, ending: str) -> None:
    import polars as pl

    path = tmp_path / f"m.{ending}"
    ended = await ftlogs("metrics", str(log), "--columns", "loss,offset", "-o", str(path))
    assert (ended.code, ended.out) == (0, b"")
    assert ended.err == f"ftlogs: {path}: 3 points of 1 log\n"
    read = {"csv": pl.read_csv, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet}[ending]
    assert read(path).columns == ["loss", "offset"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--columns", "los"), "--columns los: there is no such; those there are: source, "),
        (("--columns", "los", "--format", "csv"), "--columns los: there is no such"),
        (("--columns", "los", "--format", "jsonl"), "--columns los: there is no such"),
        (("--columns", "los", "-o", "x.csv"), "--columns los: there is no such"),
        (("--columns", 'step,"loss'), "--columns 'step,\"loss': must be names with commas between"),
        (("--columns", "loss", "--tensorboard", "tb"), "--columns: only for tables"),
        (("--format", "csv", "-o", "x.csv"), "--format: only for what is printed"),
    ],
    ids=str,
)
async def test_what_would_be_ignored_is_refused(
    ftlogs: Any, log: Path, words: tuple[str, ...], told: str
) -> None:
    ended = await ftlogs("metrics", str(log), *words)
    assert (ended.code, ended.out) == (2, b"")
    assert told in ended.err
