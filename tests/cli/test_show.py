"""`ftlogs show` as a process of its own: how far a job came, and why it failed."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from dashscope_ftlogs.emulator import EmulatedCheckpoint, EmulatedJob, Emulator

JOB = "ft-1"
LINES = [
    "2025-12-06 20:28:19,002 - INFO - data pre-process succeeded, start to fine-tune",
    "{'loss': 2.5, 'epoch': 0.1, 'global_step/max_steps': '1/3'}",
    "{'loss': nan, 'epoch': 0.2, 'global_step/max_steps': '2/3'}",
    "{'eval_loss': 1.5, 'epoch': 0.2, 'global_step/max_steps': '2/3'}",
    "Traceback (most recent call last):",
    '  File "train.py", line 3, in <module>',
    "RuntimeError: Error(s) in loading state_dict for Model:",
    "\tsize mismatch for \x1b[2Jhead",
    "2025-12-06 20:44:39,609 - ERROR - finetune-job failed",
]
CAUSE = "RuntimeError: Error(s) in loading state_dict for Model:\n\tsize mismatch for head"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "train.log"
    path.write_text("".join(f"{line}\n" for line in LINES))
    return path


async def test_a_log_s_failure_is_told_with_its_line_and_that_it_is_a_guess(
    ftlogs: Any, log: Path
) -> None:
    ended = await ftlogs("show", str(log))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.decode().splitlines() == [
        "train.log",
        "  lines       9, from 2025-12-06 20:28:19,002 to 2025-12-06 20:44:39,609",
        "  came to     step 2 of 3, epoch 0.2",
        "  loss        nan, step 2",
        "  at best     2.5, step 1",
        "  eval loss   1.5, step 2",
        "  best eval   1.5, step 2",
        "  not finite  loss: 1 of 2, first nan, step 2",
        "  failed of   RuntimeError: Error(s) in loading state_dict for Model:",
        "              \tsize mismatch for head",
        "              (line 5, offset 4; a guess from the log alone: its job may have gone on)",
    ]


async def test_as_json_it_is_one_object_for_each_log(ftlogs: Any, log: Path, tmp_path: Path) -> None:
    fine = tmp_path / "fine.log"
    fine.write_text("{'train_runtime': 2.5}\n")
    ended = await ftlogs("show", str(log), str(fine), "--format", "jsonl")
    assert (ended.code, ended.err) == (0, "")
    failed, done = map(json.loads, ended.out.splitlines())
    assert failed == {
        "name": "train.log",
        "status": None,
        "job": None,
        "lines": 9,
        "first_time": "2025-12-06 20:28:19,002",
        "last_time": "2025-12-06 20:44:39,609",
        "progress": {"step": 2, "total_steps": 3, "epoch": 0.2},
        "losses": {
            "final": {"value": None, "step": 2, "offset": 2, "metric": "loss", "epoch": 0.2},
            "best": {"value": 2.5, "step": 1, "offset": 1, "metric": "loss", "epoch": 0.1},
            "eval": {"value": 1.5, "step": 2, "offset": 3, "metric": "eval_loss", "epoch": 0.2},
            "best_eval": {"value": 1.5, "step": 2, "offset": 3, "metric": "eval_loss", "epoch": 0.2},
        },
        "restarts": [],
        "not_finite": [
            {
                "value": None,
                "step": 2,
                "offset": 2,
                "metric": "loss",
                "epoch": 0.2,
                "count": 1,
                "total": 2,
            }
        ],
        "failure": {"text": CAUSE, "offset": 4, "guessed": True},
        "checkpoints": None,
    }
    assert (done["failure"], done["progress"], done["first_time"]) == (None, None, None)
    assert done["losses"] == dict.fromkeys(("final", "best", "eval", "best_eval"))


async def test_restarts_and_what_is_not_finite_are_told_as_metrics_has_them(
    ftlogs: Any, tmp_path: Path
) -> None:
    path = tmp_path / "train.log"
    path.write_text(
        "{'loss': 2.5, 'grad_norm': inf, 'step': 1}\n{'loss': 2.0, 'kl': nan, 'step': 2}\n"
        "{'train_loss': 2.25, 'train_runtime': 1.0}\n"
        "{'loss': nan, 'grad_norm': nan, 'step': 1}\n{'loss': 1.0, 'step': 2}\n"
    )
    once = await ftlogs("show", str(path))
    rows = once.out.decode().splitlines()
    assert "  restarted   once, at step 1 (line 4, offset 3)" in rows
    at = rows.index("  not finite  loss: 1 of 4, first nan, step 1")
    assert rows[at + 1] == "              grad_norm: 2 of 2, first inf, step 1"
    with path.open("a") as more:
        more.write("{'loss': 0.5, 'step': 1}\n")
    twice = await ftlogs("show", str(path))
    assert b"  restarted   2 times, last at step 1 (line 6, offset 5)\n" in twice.out
    (row,) = map(json.loads, (await ftlogs("show", str(path), "--format", "jsonl")).out.splitlines())
    points = (await ftlogs("metrics", str(path), "--format", "jsonl")).out.splitlines()
    begins = {one["segment"]: one for one in map(json.loads, reversed(points))}
    assert [one["offset"] for one in row["restarts"]] == [begins[1]["offset"], begins[2]["offset"]]


async def test_what_the_service_knows_of_a_job_is_no_guess(ftlogs: Any) -> None:
    jobs = [
        EmulatedJob(JOB, LINES, status="FAILED", model="qwen3-8b"),
        EmulatedJob("ft-2", LINES, status="SUCCEEDED"),
        EmulatedJob("ft-3", ["fine"], status="FAILED"),
    ]
    async with Emulator(jobs) as emulator:
        text = await ftlogs("show", JOB, "ft-2", "ft-3", emulator=emulator)
        rows = await ftlogs("show", JOB, "ft-2", "ft-3", "--format", "jsonl", emulator=emulator)
    one, two, three = map(json.loads, rows.out.splitlines())
    assert (one["status"], one["job"]["model"]) == ("FAILED", "qwen3-8b")
    assert one["failure"] == {"text": CAUSE, "offset": 4, "guessed": False}
    assert two["failure"] is None
    assert (three["failure"]["offset"], three["failure"]["guessed"]) == (None, False)
    first, second, third = text.out.decode().split("\n\n")
    assert first.startswith("ft-1  FAILED  qwen3-8b  sft\n")
    assert "(line 5, offset 4)" in first
    assert "fail" not in second.partition("\n")[2]
    assert "failed of" in third


async def test_the_job_of_an_archive_is_known(ftlogs: Any, log: Path, tmp_path: Path) -> None:
    async with Emulator([EmulatedJob(JOB, LINES, status="FAILED")]) as emulator:
        archive = tmp_path / "archive"
        assert (await ftlogs("download", JOB, "--out", str(archive), emulator=emulator)).code == 0
    ended = await ftlogs("show", str(archive), "--format", "jsonl")
    (row,) = map(json.loads, ended.out.splitlines())
    assert row["status"] == "FAILED"
    assert row["failure"]["text"] == CAUSE


async def test_a_log_in_which_nothing_failed_says_so(ftlogs: Any, tmp_path: Path) -> None:
    (tmp_path / "fine.log").write_text("fine\n{'loss': 1.5}\n{'loss': 1.25, 'epoch': 0.5}\n")
    ended = await ftlogs("show", str(tmp_path / "fine.log"))
    assert ended.out.decode().splitlines() == [
        "fine.log",
        "  lines       3",
        "  came to     epoch 0.5",
        "  loss        1.25, epoch 0.5, line 3, offset 2",
        "  at best     1.25, epoch 0.5, line 3, offset 2",
        "  failure     none is told",
    ]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ["step:1 - critic/rewards/mean:0.5", "step:2 - critic/rewards/mean:0.25"],
            [
                "reward      0.25, step 2 (critic/rewards/mean)",
                "at best     0.5, step 1 (critic/rewards/mean)",
            ],
        ),
        (
            [
                " [2026-01-05 03:04:05] iteration 10/ 100 | lm loss: 2.5E+00 | grad norm: 1.5 |",
                " validation loss at iteration 10 | lm loss value: 2.25E+00 | lm loss PPL: 9.5E+00 |",
            ],
            [
                "loss        2.5, step 10 (lm loss)",
                "at best     2.5, step 10 (lm loss)",
                "eval loss   2.25, step 10 (lm loss value)",
                "best eval   2.25, step 10 (lm loss value)",
            ],
        ),
        (
            ["step 5 | loss: 2.5 | lr 1e-5", "step 5 | val_loss: 2.25 | lr 1e-5"],
            [
                "loss        2.5, step 5",
                "at best     2.5, step 5",
                "eval loss   2.25, step 5 (val_loss)",
                "best eval   2.25, step 5 (val_loss)",
            ],
        ),
        (
            [f"{{'eval_loss': {loss}, 'step': {step}}}" for step, loss in ((3, 1.5), (6, 1.25), (9, 2))],
            ["eval loss   2, step 9", "best eval   1.25, step 6"],
        ),
    ],
)
async def test_what_is_told_is_the_loss_or_the_reward_whatever_the_log_calls_it(
    ftlogs: Any, tmp_path: Path, lines: list[str], told: list[str]
) -> None:
    (tmp_path / "a.log").write_text("".join(f"{line}\n" for line in lines))
    ended = await ftlogs("show", str(tmp_path / "a.log"))
    said = [line[2:] for line in ended.out.decode().splitlines()[1:]]
    heads = ("loss", "reward", "at best", "eval", "best eval")
    assert [line for line in said if line.startswith(heads)] == told


async def test_a_pattern_of_one_s_own_reads_what_no_known_form_fits(ftlogs: Any, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("S=1 L=4.5\nS=2 L=2.5\nS=3 L=3.5\n")
    words = ("show", str(tmp_path / "a.log"), "--pattern")
    told = await ftlogs(*words, r"S=(?P<step>\d+) L=(?P<loss>\S+)")
    wrong = await ftlogs(*words, "S=(")
    assert told.code == 0
    assert told.out.decode().splitlines()[2:5] == [
        "  came to     step 3",
        "  loss        3.5, step 3",
        "  at best     2.5, step 2",
    ]
    assert (wrong.code, wrong.out) == (2, b"")
    assert "pattern 'S=('" in wrong.err


@pytest.mark.parametrize("typed", [r"it  (\d+", r"loss \\(?P<step>\d+)", r"'\s+'(?P<loss>)*+*"])
async def test_a_wrong_pattern_is_told_as_it_was_typed(ftlogs: Any, tmp_path: Path, typed: str) -> None:
    (tmp_path / "a.log").write_text("S=1\n")
    for words in (("show", "--pattern", typed), ("tail", "--grep", f"{typed}(")):
        ended = await ftlogs(*words, str(tmp_path / "a.log"))
        assert ended.code == 2
        assert typed in ended.err


async def test_what_the_service_says_of_a_failure_is_shown_beside_the_log_s_own_error(
    ftlogs: Any,
) -> None:
    job = EmulatedJob(JOB, LINES, status="FAILED", code="OOM", message="please reduce batch_size")
    async with Emulator([job]) as emulator:
        ended = await ftlogs("show", JOB, emulator=emulator)
    assert "the service says OOM: please reduce batch_size\n" in ended.out.decode()


async def test_what_is_not_there_is_an_error(ftlogs: Any) -> None:
    async with Emulator() as emulator:
        ended = await ftlogs("show", "ft-404", emulator=emulator)
    assert ended.code == 4
    assert (await ftlogs("show", "./no.log")).code == 2


async def test_a_job_is_shown_with_all_it_was_given_and_what_to_do_next(ftlogs: Any) -> None:
    given = {
        "n_epochs": 3,
        "learning_rate": "1.6e-5",
        "lora": {"rank": 8},
        "\u8bad\u7ec3": "\u8bad\u7ec3" * 9,
        **{f"p{n}": n for n in range(9)},
    }
    jobs = [
        EmulatedJob(
            JOB,
            LINES,
            status="FAILED",
            job_name="\u8bad\u7ec3",
            create_time="2024-10-29 16:53:53",
            end_time="2024-10-29 17:11:26",
            usage=279808,
            hyper_parameters=given,
        ),
        EmulatedJob("ft-2", ["a"], status="RUNNING", hyper_parameters={}),
        EmulatedJob("ft-3", ["a"], status="CANCELED"),
        EmulatedJob("ft-4", ["{'loss': 1.5}"], status="SUCCEEDED"),
        EmulatedJob("ft-5", ["a"], status="SUCCEEDED"),
    ]
    async with Emulator(jobs) as emulator:
        ended = await ftlogs("show", JOB, "ft-2", "ft-3", "ft-4", "ft-5", emulator=emulator)
        asked = await ftlogs("show", "ft-3", "--max-rate", "50", "--allow-http", emulator=emulator)
    assert asked.out.endswith(b"  ftlogs cat ft-3 --allow-http --max-rate 50.0\n")
    told = ended.out.decode()
    first, second, third, fourth, fifth = told.split("\n\n")
    for name, value in given.items():
        assert f"{name}={json.dumps(value, separators=(',', ':')) if name == 'lora' else value}" in first
    assert max(cell_len(line) for line in first.splitlines()) <= 80
    for fact in (
        "named       \u8bad\u7ec3",
        "created     2024-10-29 16:53:53",
        "ended       2024-10-29 17:11:26, after 17:33",
        "tokens      279,808",
    ):
        assert f"  {fact}\n" in first
    assert first.endswith(f"  next        ftlogs cat {JOB} --offset 0 --limit 30")
    assert "  next        ftlogs tail -f ft-2" in second
    assert "  next        ftlogs cat ft-3" in third
    assert "  next        ftlogs plot ft-4" in fourth
    assert "  next        ftlogs cat ft-5" in fifth  # there is nothing to draw


@pytest.mark.covered
async def test_a_number_that_json_has_no_word_for_is_told_to_people_and_null_to_programs(
    ftlogs: Any, tmp_path: Path
) -> None:
    given = {"lr": math.nan, "deep": [{"x": -math.inf, "\ud800": "\ud800"}]}
    jobs = [
        EmulatedJob(f"ft-{n}", ["{'loss': 1.5}"], hyper_parameters={**given, "n": n}) for n in (1, 2)
    ]
    async with Emulator(jobs) as emulator:
        show = await ftlogs("show", "ft-1", emulator=emulator)
        listed = await ftlogs("jobs", "--columns", "job,lr", emulator=emulator)
        words = ("download", "--all", "--settle", "0", "--out", str(tmp_path), "--json")
        download = await ftlogs(*words, emulator=emulator)
        report = await ftlogs("report", "ft-1", "ft-2", "-o", "-", emulator=emulator)
        rows = [
            (await ftlogs(*words, "--format", "jsonl", emulator=emulator)).out
            for words in (("jobs",), ("show", "ft-1", "ft-2"))
        ]
    assert 'lr=NaN  deep=[{"x":-Infinity,"\\\\ud800":"\\\\ud800"}]  n=1' in show.out.decode()
    assert listed.out.split() == [b"JOB", b"ID", b"LR", b"ft-1", b"nan", b"ft-2", b"nan"]
    assert (download.code, report.code) == (0, 0)
    data = re.findall(rb"<script type=.application/json.[^>]*>(.*?)</script>", report.out, re.DOTALL)
    assert data
    manifests = [(tmp_path / f"ft-{n}.manifest.json").read_bytes() for n in (1, 2)]
    for text in (*manifests, *data, *download.out.splitlines()):
        json.loads(text, parse_constant=pytest.fail)
    for row in b"".join(rows).splitlines():
        told = json.loads(row, parse_constant=pytest.fail)
        parameters = told.get("job", told)["hyper_parameters"]
        assert (parameters["lr"], parameters["deep"][0]["x"]) == (None, None)


@pytest.mark.covered
@pytest.mark.parametrize("command", ["show", "metrics", "plot", "report"])
async def test_one_that_is_not_there_does_not_end_the_others(
    ftlogs: Any, command: str, log: Path, tmp_path: Path
) -> None:
    words = ("-o", str(tmp_path / "x.html")) if command == "report" else ()
    async with Emulator([EmulatedJob(JOB, LINES)]) as emulator:
        broken = tmp_path / "broken.gz"
        broken.write_bytes(b"\x1f\x8b broken")
        sources = ("ft-404", "nope", JOB, str(broken), str(log))
        ended = await ftlogs(command, *sources, *words, emulator=emulator)
        none = await ftlogs(command, "ft-404", "nope", *words, emulator=emulator)
    assert ended.code == none.code == 4
    assert (ended.out != b"") == (command != "report")
    assert (tmp_path / "x.html").exists() == (command == "report")
    for told in ("begins or ends with 'nope'", "job ft-404", "compressed data is broken"):
        assert ended.err.count(told) == 1
    assert none.out == b""
    assert none.err.count("begins or ends with 'nope'") == none.err.count("job ft-404") == 1


SAVED = [
    *(EmulatedCheckpoint(4, epoch) for epoch in (4, 3, 2, 1)),
    EmulatedCheckpoint(1, 1, status="PENDING"),
]


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED", "FAILED"])
async def test_the_checkpoints_of_a_job_are_told_whatever_became_of_it(ftlogs: Any, status: str) -> None:
    jobs = [
        EmulatedJob(JOB, LINES, status=status, model="cosyvoice-v3-flash", checkpoints=SAVED),
        EmulatedJob("ft-2", LINES, status=status, checkpoints=SAVED[3:]),
    ]
    async with Emulator(jobs) as emulator:
        text = await ftlogs("show", JOB, "ft-2", emulator=emulator)
        rows = await ftlogs("show", JOB, "--format", "jsonl", emulator=emulator)
    assert (text.code, text.err, rows.code, rows.err) == (0, "", 0, "")
    first, second = text.out.decode().split("\n\n")
    begin, end = (
        first.index("  checkpoints"),
        first.index("  failed of" if status == "FAILED" else "  next"),
    )
    told = first[begin:end].splitlines()
    assert told[:2] == [
        "  checkpoints checkpoint-00040004  SUCCEEDED  until 2026-06-11T18:07:16",
        "              cosyvoice-v3-flash-ft-1",
    ]
    assert (len(told), told[-1]) == (9, "              and 1 more, with --format jsonl")
    assert "              checkpoint-00010001  PENDING  until 2026-06-11T18:07:16\n" in second
    assert "more" not in second
    (row,) = map(json.loads, rows.out.splitlines())
    assert [one["step"] for one in row["checkpoints"]] == [40004, 40003, 40002, 40001, 10001]
    assert row["checkpoints"][-1] == {
        "checkpoint": "checkpoint-00010001",
        "status": "PENDING",
        "job_id": "ft-1",
        "checkpoint_id": "ft-1:checkpoint-00010001",
        "full_name": "ft-1:checkpoint-00010001",
        "model_name": None,
        "model_display_name": None,
        "step": 10001,
        "create_time": "2026-05-27T18:07:16",
        "expire_time": "2026-06-11T18:07:16",
    }


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("400", ""),
        ("404", ""),
        ("403", ""),
        ("405=MethodNotAllowed", ""),
        ("ok=UnsupportedOperation", ""),
        ("500", "HTTP 500 InternalError"),
        ("429:retry-after=0", "HTTP 429 Throttling"),
        ("reset", "no answer"),
        ("html=200", "not a JSON object"),
    ],
)
async def test_a_service_that_gives_no_checkpoints_breaks_nothing(
    ftlogs: Any, fault: str, told: str
) -> None:
    fault = f"{fault}{',' if ':' in fault else ':'}endpoint=checkpoints"
    async with Emulator([EmulatedJob(JOB, LINES, checkpoints=SAVED)], faults=[fault]) as emulator:
        text = await ftlogs("show", JOB, emulator=emulator)
        rows = await ftlogs("show", JOB, "--format", "jsonl", emulator=emulator)
        asked = sum(one.endpoint == "checkpoints" for one in emulator.journal)
    assert (text.code, rows.code) == (0, 0)
    assert "checkpoint" not in text.out.decode()
    assert text.out.decode().startswith("ft-1  SUCCEEDED  qwen3-14b  sft\n")
    assert json.loads(rows.out)["checkpoints"] is None
    for ended in (text, rows):
        assert ended.err.count("ft-1: its checkpoints are not known: ") == (told != "")
        assert told in ended.err
    assert asked <= 8  # two tries, each of which aiohttp repeats where its connection was reset


async def test_no_checkpoints_yet_are_an_empty_list(ftlogs: Any) -> None:
    async with Emulator([EmulatedJob(JOB, LINES, status="RUNNING", checkpoints=[])]) as emulator:
        text = await ftlogs("show", JOB, emulator=emulator)
        rows = await ftlogs("show", JOB, "--format", "jsonl", emulator=emulator)
    assert "checkpoint" not in text.out.decode()
    assert json.loads(rows.out)["checkpoints"] == []


async def test_a_checkpoint_cannot_repaint_the_terminal(ftlogs: Any) -> None:
    job = EmulatedJob(JOB, LINES, model="\x1b[2J", checkpoints=SAVED)
    async with Emulator([job]) as emulator:
        ended = await ftlogs("show", JOB, emulator=emulator)
    assert b"\x1b" not in ended.out


async def test_an_archive_asks_nobody_for_checkpoints(ftlogs: Any, tmp_path: Path) -> None:
    async with Emulator([EmulatedJob(JOB, LINES, checkpoints=SAVED)]) as emulator:
        archive = str(tmp_path / "archive")
        assert (await ftlogs("download", JOB, "--out", archive, emulator=emulator)).code == 0
        asked = len(emulator.journal)
        ended = await ftlogs("show", archive, "--format", "jsonl", emulator=emulator)
        assert len(emulator.journal) == asked
    assert json.loads(ended.out)["checkpoints"] is None


async def test_a_step_that_each_epoch_has_is_told_with_its_epoch(ftlogs: Any, tmp_path: Path) -> None:
    path = tmp_path / "keras.log"
    bar = "{}/10 [====>....] - loss: {}"
    lines = ["Epoch 1/2", bar.format(4, 2.5), bar.format(10, 2.0), "Epoch 2/2", bar.format(4, "nan")]
    path.write_text("\n".join(lines))
    rows = (await ftlogs("show", str(path))).out.decode().splitlines()
    assert "  not finite  loss: 1 of 3, first nan, step 4 of epoch 2" in rows
    assert "  at best     2, step 10 of epoch 1" in rows
    told = f"nan: {path.name} line 5, epoch 2: {bar.format(4, 'nan')}"
    assert told in (await ftlogs("tail", str(path), "--fail-on", "nan")).err


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            [" 50%|███| 20/40 [00:10<00:10,  2.00it/s]", "done"],
            "step 20 of 40, as its last progress bar tells",
        ),
        (
            ["{'loss': 2.5, 'global_step/max_steps': '10/40'}", "{'eval_loss': 2.5, 'step': 10}"],
            "step 10 of 40",
        ),
        (
            ["{'loss': 2.5, 'global_step/max_steps': '10/40'}", "{'eval_loss': 2.5, 'step': 50}"],
            "step 50",
        ),
        (["{'loss': 2.5, 'step': 10}", "{'eval_loss': 2.5, 'step': 10}"], "step 10"),
        (
            ["{'loss': 2.5, 'global_step/max_steps': '10/40'}", "Test set: Average loss: 0.5"],
            "step 10 of 40",
        ),
        (["{'loss': 2.5}", "{'eval_loss': 2.5}"], ""),
        (["Loading shards:  67%|███| 2/3 [00:02<00:01,  1.42s/it]"], None),
    ],
)
async def test_how_far_it_came_is_told_by_bars_alone_too_and_with_the_total_that_training_told(
    ftlogs: Any, tmp_path: Path, lines: list[str], told: str | None
) -> None:
    path = tmp_path / "some.log"
    path.write_text("\n".join(lines))
    rows = (await ftlogs("show", str(path))).out.decode().splitlines()
    assert [row for row in rows if "came to" in row] == ([f"  came to     {told}"] if told else [])
