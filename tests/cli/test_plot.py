"""`ftlogs plot`: what is drawn, on a terminal and in a picture, and what is said when it can't be."""

import doctest
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from plots import ANSI, GAP, job, log, losses

from dashscope_ftlogs.cli.terminal import axis_ticks
from dashscope_ftlogs.cli.terminal.terminal_chart import chart, marks
from dashscope_ftlogs.emulator import Emulator
from dashscope_ftlogs.metrics.curves import Curve, Panel


def inside(out: str) -> list[str]:
    """What is between the left and the right axis, from above."""
    return re.findall(r"^[^│┤\n]*[│┤](.*)│$", out, re.MULTILINE)


def deep(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"d": value}
    return value


def test_the_examples_hold() -> None:
    found = doctest.testmod(axis_ticks)
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize(
    ("low", "high", "written"),
    [
        (2.0, 2.0, ["2"]),
        (-1e308, 1e308, ["-1e+308", "1e+308"]),
        (0.0, 3e-5, ["0", "1e-05", "2e-05", "3e-05"]),
        (0.0, 2e9, ["0", "1e+09", "2e+09"]),
        (3.01, 3.02, ["3.010", "3.015", "3.020"]),
    ],
)
def test_marks_on_an_axis_tell_numbers_of_any_size_apart(
    low: float, high: float, written: list[str]
) -> None:
    assert [text for _, text in axis_ticks.round_ticks(low, high, 3)] == written


async def test_several_jobs_are_told_apart_beside_what_they_differ_in(ftlogs: Any) -> None:
    jobs = [
        job("ft-1", 0, hyper_parameters={"n_epochs": 3, "learning_rate": "1.6e-5", "batch_size": 16}),
        job("ft-2", 2, hyper_parameters={"n_epochs": "3", "learning_rate": 1.6e-05, "batch_size": 32}),
    ]
    async with Emulator(jobs) as emulator:
        ended = await ftlogs("plot", "ft-1", "ft-2", emulator=emulator)
    why = "since neither steps nor epochs tell all points apart"
    assert (ended.code, ended.err) == (0, f"ftlogs: loss: drawn over the line of the log, {why}\n")
    out = ended.out.decode()
    assert "\x1b" not in out
    rows = out.splitlines()
    assert rows[0] == "loss, smoothed by 0.6"
    assert len(rows) == 29, "and one for the prompt"
    assert max(map(len, rows)) == 100
    assert [row.split() for row in rows[-3:]] == [
        ["LOG", "batch_size"],
        ["*", "ft-1", "16"],
        ["o", "ft-2", "32"],
    ]
    drawn = "".join(inside(out))
    assert {"*", "o", "·"} <= set(drawn), "a line for each, and points behind them"


@pytest.mark.parametrize(("columns", "lines"), [(60, 20), (200, 50), (40, 14)])
async def test_it_fits_where_the_shell_says(
    ftlogs: Any, tmp_path: Path, columns: int, lines: int
) -> None:
    path = log(tmp_path, "a.log", *losses(3, 2, 1))
    ended = await ftlogs("plot", path, environ={"COLUMNS": str(columns), "LINES": str(lines)})
    rows = ended.out.decode().splitlines()
    assert (max(map(len, rows)), len(rows)) == (columns, lines - 1)


async def test_a_screen_too_small_for_a_chart_gets_a_small_one(ftlogs: Any, tmp_path: Path) -> None:
    path = log(tmp_path, "a.log", *losses(3, 2, 1))
    ended = await ftlogs("plot", path, environ={"COLUMNS": "1", "LINES": "1"})
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.parametrize(
    "environ", [{"TERM": "xterm"}, {"TERM": "vt100", "NO_COLOR": "1"}, {"TERM": "dumb"}]
)
async def test_a_terminal_has_colours_unless_they_are_not_wanted(
    start_ftlogs: Any, terminal: Any, tmp_path: Path, environ: dict[str, str]
) -> None:
    paths = [log(tmp_path, f"{name}.log", *losses(*[3, 2, name, 1] * 10)) for name in (1, 2)]
    environ = {"COLUMNS": "80", "LINES": "24", **environ}
    async with terminal() as screen:
        process = await start_ftlogs(["plot", *paths], None, environ, stdout=screen.end)
        _, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    rows = ANSI.sub("", screen.shown).splitlines()
    assert len(rows) == 23
    if environ["TERM"] != "xterm":
        assert "\x1b" not in screen.shown
        assert rows[-1] == "o  2.log"
    else:
        assert "\x1b[38;5;39m●\x1b[0m  1.log" in screen.shown
        assert "\x1b[38;5;208m●\x1b[0m  2.log" in screen.shown
        assert "\x1b[2m" in screen.shown or "\x1b[38;5;39;2m" in screen.shown, "points are fainter"


def luminance(colour: int) -> float:
    """Of one of the cube of xterm's 256, from 0 for black to 1 for white."""
    levels = [(0, 95, 135, 175, 215, 255)[(colour - 16) // place % 6] / 255 for place in (36, 6, 1)]
    linear = (n / 12.92 if n <= 0.04 else ((n + 0.055) / 1.055) ** 2.4 for n in levels)
    return sum(share * n for share, n in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_each_colour_can_be_told_from_a_white_ground_and_from_a_black_one() -> None:
    for mark in marks(99, colours=True):
        assert mark.colour is not None
        assert 1.05 / (luminance(mark.colour) + 0.05) > 2.3, mark
        assert (luminance(mark.colour) + 0.05) / 0.05 > 5, mark


async def test_so_has_what_tail_highlights(start_ftlogs: Any, terminal: Any, tmp_path: Path) -> None:
    path = log(tmp_path, "a.log", *losses(1))
    for name, has_colours in (("xterm", True), ("dumb", False)):
        async with terminal() as screen:
            words = ("tail", path, "--highlight", "loss")
            process = await start_ftlogs(words, None, {"TERM": name}, stdout=screen.end)
            assert await process.wait() == 0
        assert ("\x1b[1;7mloss" in screen.shown, "\x1b" in screen.shown) == (has_colours, has_colours)


async def test_on_a_terminal_parameters_that_do_not_fit_are_named(
    start_ftlogs: Any, terminal: Any
) -> None:
    wide = {f"parameter_{number}": "x" * 30 for number in range(3)}
    jobs = [job("ft-1", hyper_parameters=wide), job("ft-2", hyper_parameters={"small": 1})]
    async with Emulator(jobs) as emulator, terminal() as screen:
        environ = {"COLUMNS": "60", "LINES": "24", "NO_COLOR": "1"}
        words = ["plot", "ft-1", "ft-2"]
        process = await start_ftlogs(words, emulator, environ, stdout=screen.end)
        _, err = await process.communicate()
    assert err.decode() == (
        "ftlogs: they differ also in parameter_1, parameter_2: not shown for want of room\n"
    )
    assert max(map(len, screen.shown.splitlines())) == 60
    assert screen.shown.splitlines()[-3].split() == ["LOG", "parameter_0", "small"]


async def test_what_is_not_finite_is_a_gap_with_a_mark_and_no_dip(ftlogs: Any, tmp_path: Path) -> None:
    values = (
        [5.0] * 20 + ["nan"] * 20 + [5.0] * 20 + ["inf"] + [5.0] * 20 + ["-inf"] + [5.0] * 18 + [4.0]
    )
    path = log(tmp_path, "a.log", *losses(*values))
    out = (await ftlogs("plot", path, "--smooth", "0")).out.decode()
    assert out.startswith(f"loss; {GAP} is not a finite number\n")
    rows = inside(out)
    above, below = rows[0], rows[-1]
    assert above.strip() == GAP, "infinity is above"
    assert below.count(GAP) >= 18
    begin, end = below.index(GAP), below.index(" ", below.index(GAP))
    for row in rows[:-1]:
        assert not row[begin + 1 : end - 1].strip(), "nothing is drawn across a gap"
    (level,) = [row for row in rows if row.count("*") > 50]
    assert level[:begin].strip(" *") == ""


async def test_nothing_but_nan_is_nothing_but_marks(ftlogs: Any, tmp_path: Path) -> None:
    ended = await ftlogs("plot", log(tmp_path, "a.log", *losses("nan", "nan")))
    assert (ended.code, ended.err) == (0, "")
    assert set("".join(inside(ended.out.decode()))) == {" ", GAP}


@pytest.mark.covered
async def test_a_spike_among_many_points_is_not_lost(ftlogs: Any, tmp_path: Path) -> None:
    values = [1.0] * 10_000
    values[4_321] = 99.0
    out = (await ftlogs("plot", log(tmp_path, "a.log", *losses(*values)))).out.decode()
    assert inside(out)[0].strip() == "·"


async def test_a_restart_draws_no_line_back(ftlogs: Any, tmp_path: Path) -> None:
    lines = [f"{{'loss': {loss}, 'step': {step}}}" for loss, step in [(1, 0), (1, 99), (9, 0), (9, 99)]]
    out = (await ftlogs("plot", log(tmp_path, "a.log", *lines), "--smooth", "0")).out.decode()
    assert [set(row) for row in inside(out)[1:-1]] == [{" "}] * (len(inside(out)) - 2)


@pytest.mark.covered
@pytest.mark.parametrize(
    ("x", "title", "labels"),
    [
        ("step", "step", "0 5 10 15 20"),
        ("epoch", "epoch", "0.0 0.5 1.0 1.5 2.0"),
        ("tokens", "tokens consumed", "0 500 1,000 1,500 2,000"),
        ("line", "line of the log", "5 10 15 20 25 30 35 40"),
        ("time", "time on the log's clock, 2025-12-06", "08:00 08:05 08:10 08:15 08:20"),
    ],
)
async def test_the_axis_is_the_one_asked_for(
    ftlogs: Any, tmp_path: Path, x: str, title: str, labels: str
) -> None:
    at, epoch, tokens = "2025-12-06 08", "'epoch'", "'consumed_train_tokens'"
    lines = [
        line
        for n in range(21)
        for line in (
            "go on",
            f"{at}:{n:02d}:00 {{'loss': {9 - n}, 'step': {n}, {epoch}: {n / 10}, {tokens}: {n}00}}",
        )
    ]
    out = (await ftlogs("plot", log(tmp_path, "a.log", *lines), "--x", x)).out.decode().splitlines()
    assert out[-2].strip() == title
    assert out[-3].split() == labels.split()


@pytest.mark.parametrize(
    ("first", "last", "labels"),
    [
        ("2025-12-06 08:00:00", "2025-12-06 08:00:20", ["08:00:00", "08:00:05", "08:00:10"]),
        ("2025-12-06 12:00:00", "2025-12-07 12:00:00", ["12-06", "12:00", "12-06", "18:00"]),
        ("2025-12-06 00:00:00", "2025-12-30 00:00:00", ["2025-12-08", "2025-12-13"]),
        ("0001-01-01 00:00:00", "9999-12-31 23:59:59", []),
    ],
)
def test_times_are_written_as_their_span_needs(first: str, last: str, labels: list[str]) -> None:
    origin = datetime.fromisoformat("1970-01-01")
    xs = tuple((datetime.fromisoformat(text) - origin).total_seconds() for text in (first, last))
    curve = Curve("a", "loss", 0, xs, (1.0, 2.0), (0, 1))
    rows = chart(Panel("loss", "time", {"a": [curve]}), 0, 90, 12, colours=False)
    assert rows.splitlines()[-2].split()[: len(labels)] == labels
    assert len(rows.splitlines()[-2].split()) <= 10


async def test_another_metric_is_drawn_where_there_is_no_loss(ftlogs: Any, tmp_path: Path) -> None:
    paths = [
        log(tmp_path, f"{name}.log", *losses(2, 1, name=f"{name}_loss")) for name in ("train", "eval")
    ]
    ended = await ftlogs("plot", *paths)
    assert ended.code == 0
    assert ended.err == (
        "ftlogs: there is no loss, so this is train_loss\nftlogs: eval.log: no train_loss\n"
    )
    out = ended.out.decode().splitlines()
    assert (out[0], out[-1]) == ("train_loss", "*  train.log")
    ended = await ftlogs("plot", *paths, "--metric", "eval_loss")
    assert ended.err == "ftlogs: train.log: no eval_loss\n"


async def test_a_metric_each_has_its_own_chart_and_logs_the_same_marks_in_all(
    ftlogs: Any, tmp_path: Path
) -> None:
    both = [f"{{'loss': {n}, 'lr': 0.1, 'step': {n}}}" for n in range(3)]
    paths = [log(tmp_path, "a.log", *losses(1, 2)), log(tmp_path, "b.log", *both)]
    words = ("--metric", "lr", "--metric", "loss", "--metric", "lr")
    ended = await ftlogs("plot", *paths, *words, environ={"COLUMNS": "60", "LINES": "41"})
    assert (ended.code, ended.err) == (0, "ftlogs: a.log: no lr\n")
    rows = ended.out.decode().splitlines()
    assert len(rows) == 40
    assert [row for row in rows if row in {"lr", "loss"}] == ["lr", "loss"]
    upper, lower = rows[: rows.index("loss")], rows[rows.index("loss") :]
    assert "*" not in "".join(inside("\n".join(upper)))
    assert {"*", "o"} <= set("".join(inside("\n".join(lower))))
    assert rows[-2:] == ["*  a.log", "o  b.log"]


async def test_one_metric_of_several_that_no_log_has_is_refused(ftlogs: Any, tmp_path: Path) -> None:
    path = log(tmp_path, "a.log", *losses(1, 2))
    ended = await ftlogs("plot", path, "--metric", "loss", "--metric", "nope")
    assert (ended.code, ended.out) == (2, b"")
    assert "--metric 'nope': no log has it; they have loss" in ended.err


@pytest.mark.parametrize(
    ("asked", "found"), [("loss", "lm loss"), ("eval_loss", "val_loss"), ("eval_accuracy", "")]
)
async def test_whoever_asks_for_the_loss_gets_what_the_log_calls_so(
    ftlogs: Any, tmp_path: Path, asked: str, found: str
) -> None:
    path = log(tmp_path, "a.log", *losses(3, 2, name="lm loss"), *losses(2, 1, name="val_loss"))
    ended = await ftlogs("plot", path, "--metric", asked)
    told = f"there is no {asked}, so this is {found}\n" if found else "no log has it"
    assert (ended.code, told in ended.err) == (0 if found else 2, True)


async def test_a_loss_by_another_name_stands_for_it_and_is_named(ftlogs: Any, tmp_path: Path) -> None:
    paths = [
        log(tmp_path, "hf.log", *losses(3, 2), "{'train_runtime': 1.0, 'train_loss': 2.5, 'step': 1}"),
        log(tmp_path, "megatron.log", *losses(4, 3, name="lm loss")),
        log(tmp_path, "ppo.log", *losses(1, 1, name="pg_loss")),
    ]
    ended = await ftlogs("plot", *paths)
    assert ended.err == (
        "ftlogs: megatron.log: its lm loss stands for the loss\nftlogs: ppo.log: no loss\n"
    )
    assert ended.out.decode().splitlines()[-2:] == ["*  hf.log", "o  megatron.log (lm loss)"]
    ended = await ftlogs("plot", *paths, "--metric", "train_loss")
    assert ended.err.count("no train_loss") == 2


async def test_so_does_the_loss_of_evaluations(ftlogs: Any, tmp_path: Path) -> None:
    paths = [
        log(tmp_path, "a.log", *losses(3, 2), "{'eval_loss': 2.5, 'step': 1}"),
        log(tmp_path, "b.log", *losses(4, 3), "{'step': 2, 'eval': {'loss': 3.5}}"),
        log(tmp_path, "c.log", *losses(4, 3), "{'step': 2, 'loss': 3, 'evals': [{'reward': 3.5}]}"),
        log(tmp_path, "d.log", *losses(4, 3)),
    ]
    ended = await ftlogs("plot", *paths, "--metric", "eval_loss")
    assert ended.err == (
        "ftlogs: b.log: its eval/loss stands for the eval_loss\n"
        "ftlogs: c.log: no eval_loss\nftlogs: d.log: no eval_loss\n"
    )
    assert ended.out.decode().splitlines()[-2:] == ["*  a.log", "o  b.log (eval/loss)"]
    ended = await ftlogs("plot", *paths, "--metric", "eval/loss")
    assert "a.log: its eval_loss stands for the eval/loss\n" in ended.err


async def test_few_points_are_drawn_as_they_are(ftlogs: Any, tmp_path: Path) -> None:
    few, many = [9, 1] * 5, [9, 1] * 20
    out = (await ftlogs("plot", log(tmp_path, "few.log", *losses(*few)), "--smooth", "0.9")).out.decode()
    assert out.startswith("loss\n")
    assert inside(out)[0].count("*") == 5
    out = (
        await ftlogs("plot", log(tmp_path, "many.log", *losses(*many)), "--smooth", "0.9")
    ).out.decode()
    assert out.startswith("loss, smoothed by 0.9\n")
    assert inside(out)[0].count("*") <= 1
    both = await ftlogs("plot", str(tmp_path / "many.log"), str(tmp_path / "few.log"))
    assert both.out.decode().startswith("loss, smoothed by 0.6, but for few points\n")


@pytest.mark.covered
async def test_jobs_are_called_by_their_names_and_by_ids_where_those_repeat(
    ftlogs: Any, tmp_path: Path
) -> None:
    names = {"ft-1": "warm start", "ft-2": "again", "ft-3": "again", "ft-4": None, "ft-5": "ft-4"}
    jobs = [job(one, number, job_name=name) for number, (one, name) in enumerate(names.items())]
    archive = str(tmp_path / "logs")
    async with Emulator(jobs) as emulator:
        ended = await ftlogs("plot", *names, emulator=emulator)
        assert (await ftlogs("download", *names, "--out", archive, emulator=emulator)).code == 0
    stored = await ftlogs("plot", archive)
    for out in (ended.out, stored.out):
        shown = [row.split(maxsplit=1)[1] for row in out.decode().splitlines()[-5:]]
        assert shown == ["warm start", "ft-2", "ft-3", "ft-4", "ft-5"]


async def test_points_that_do_not_tell_the_axis_are_left_out_and_counted(
    ftlogs: Any, tmp_path: Path
) -> None:
    path = log(tmp_path, "a.log", *losses(3, 2, 1), "{'loss': 9, 'epoch': 1.0}")
    other = log(tmp_path, "b.log", "{'loss': 9, 'epoch': 1.0}")
    ended = await ftlogs("plot", path, other, "--x", "step")
    assert ended.err == (
        "ftlogs: a.log: left out 1 of 4 points, which do not tell the step\n"
        "ftlogs: b.log: left out 1 of 1 point, which do not tell the step\n"
    )
    assert ended.out.decode().splitlines()[-1] == "*  a.log"


RESTARTING = [
    f"Epoch [{epoch}/3], Step [{step}/600], loss: {4 - epoch - step / 600}, lr: 0.1"
    for epoch in (1, 2, 3)
    for step in range(100, 601, 100)
]
NOTE = "ftlogs: steps begin again with each epoch in a.log: drawn over the "


async def test_steps_that_begin_again_with_each_epoch_are_counted_on(
    ftlogs: Any, tmp_path: Path
) -> None:
    words = ["--metric", "loss", "--metric", "lr"]
    other = log(tmp_path, "b.log", *losses(3, 2, 1))
    ended = await ftlogs("plot", log(tmp_path, "a.log", *RESTARTING), other, *words)
    assert ended.err.splitlines() == [
        "ftlogs: b.log: no lr",
        f"{NOTE}step, counted on from epoch to epoch; --x step draws them as they are",
    ]
    out = ended.out.decode()
    assert out.count(" step, counted on from epoch to epoch\n") == 2
    assert "1,500" in out


async def test_where_nothing_tells_how_to_count_on_they_are_no_axis(ftlogs: Any, tmp_path: Path) -> None:
    lines = [line.replace("/600", "") for line in RESTARTING]
    ended = await ftlogs("plot", log(tmp_path, "a.log", *lines))
    assert ended.err == f"{NOTE}line of the log; --x step draws them as they are\n"
    assert ended.out.decode().splitlines()[-2].strip() == "line of the log"


async def test_as_they_are_no_line_leads_back(ftlogs: Any, tmp_path: Path) -> None:
    path = log(tmp_path, "a.log", *RESTARTING)
    ended = await ftlogs("plot", path, "--x", "step", "--smooth", "0")
    assert ended.err == ""
    assert ended.out.decode().splitlines()[-2].strip() == "step"
    rows = [row.strip() for row in inside(ended.out.decode())]
    assert all(re.fullmatch(r"\**", row) for row in rows), "at each height one epoch, from left to right"


async def test_logs_and_parameters_that_look_alike_stay_apart(ftlogs: Any, tmp_path: Path) -> None:
    paths = []
    for folder in ("x", "y", "z"):
        (tmp_path / folder).mkdir()
        paths.append(log(tmp_path / folder, "a.log", *losses(3, 2, 1)))
    out = (await ftlogs("plot", *paths, paths[0])).out.decode().splitlines()
    assert out[-3] == "*  a.log"
    assert len({row[3:] for row in out[-3:]}) == 3
    long = "p" * 100
    jobs = [job(f"ft-{n}", hyper_parameters={f"{long}1": n, f"{long}2": n + 5}) for n in (1, 2)]
    async with Emulator(jobs) as emulator:
        out = (await ftlogs("plot", "ft-1", "ft-2", emulator=emulator)).out.decode().splitlines()
    assert out[-3].split()[1:] == ["p" * 30 + "…", "p" * 30 + "…", "(2)"]
    assert [row.split() for row in out[-2:]] == [["*", "ft-1", "1", "6"], ["o", "ft-2", "2", "7"]]


async def test_no_metrics_are_no_chart(ftlogs: Any, tmp_path: Path) -> None:
    ended = await ftlogs("plot", log(tmp_path, "a.log", "Training start!"))
    assert (ended.code, ended.out) == (0, b"")
    assert ended.err == "ftlogs: no metrics in a.log; what no known form fits is read by --pattern\n"


@pytest.mark.extras
@pytest.mark.parametrize("output", ["a.svg", "-"])
async def test_no_metrics_are_no_picture_and_that_is_an_error(
    ftlogs: Any, tmp_path: Path, output: str
) -> None:
    target = output if output == "-" else str(tmp_path / output)
    ended = await ftlogs("plot", log(tmp_path, "a.log", "Training start!"), "-o", target)
    assert (ended.code, ended.out) == (2, b"")
    assert ended.err == "ftlogs: no metrics in a.log; what no known form fits is read by --pattern\n"
    assert not (tmp_path / "a.svg").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metric", "nope"], "--metric 'nope': no log has it; they have loss, lr"),
        (["--metric", ""], "--metric '': no log has it; they have loss, lr"),
        (["--metric", "\x1b[2J"], r"--metric '\x1b[2J': no log has it"),
        (["--metric", "note"], "--metric 'note': no log has it"),
        (["--x", "tokens"], "--x tokens: no point of loss tells it; they tell step, line"),
        (["--x", "nope"], "nope"),
        (["--smooth", "1"], "'--smooth': '1': must be at least 0 and less than 1"),
        (["--smooth", "-0.1"], "'--smooth': '-0.1': must be"),
        (["--smooth", "nan"], "'--smooth': 'nan': must be"),
        (["-o", "curve.pdf"], "-o 'curve.pdf': must end with .png, .svg"),
        (["-o", "curve"], "-o 'curve': must end with"),
    ],
)
async def test_wrong_usage_is_refused(ftlogs: Any, tmp_path: Path, words: list[str], said: str) -> None:
    path = log(tmp_path, "a.log", "{'loss': 3, 'lr': 1e-05, 'step': 1, 'note': 'text'}")
    ended = await ftlogs("plot", path, *words)
    assert (ended.code, ended.out) == (2, b"")
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert "\x1b" not in ended.err


@pytest.mark.parametrize("words", [["--smooth", "1"], ["-o", "curve.jpg"]])
async def test_it_is_refused_before_any_request(ftlogs: Any, words: list[str]) -> None:
    async with Emulator([job("ft-1")]) as emulator:
        ended = await ftlogs("plot", "ft-1", *words, emulator=emulator)
        assert not emulator.journal
    assert ended.code == 2


async def test_of_many_metrics_some_are_named(ftlogs: Any, tmp_path: Path) -> None:
    many = ", ".join(f"'m{number}': 1" for number in range(100))
    ended = await ftlogs("plot", log(tmp_path, "a.log", f"{{'loss': 1, {many}}}"), "--metric", "nope")
    assert ended.err.rstrip().endswith("m17, m18, and 81 more.")


async def test_a_log_whose_only_numbers_are_no_metrics_has_none(ftlogs: Any, tmp_path: Path) -> None:
    ended = await ftlogs("plot", log(tmp_path, "a.log", "step:0 - val-core/acc/mean@1:0.25"))
    assert ended.code == 2
    assert "no log has it; they have val-core/acc/mean@1" in ended.err


async def test_a_job_that_is_not_there_ends_it(ftlogs: Any) -> None:
    async with Emulator([]) as emulator:
        ended = await ftlogs("plot", "ft-9", emulator=emulator)
    assert (ended.code, ended.out) == (4, b"")


async def test_whatever_the_service_says_of_a_job_it_is_drawn(ftlogs: Any) -> None:
    hostile = {f"p{number}": number for number in range(1000)} | {
        "p0": "\x1b[2J\r\n<b>[red]$x$",
        "p1": {"a": [1, {"b": "\u202e"}]},
        "p2": "x" * 100_000,
        "p3": deep(300),
        "p4": True,
        "p5": 1234567,
        "\x1b[31mname": 1,
    }
    jobs = [job("ft-1", hyper_parameters=hostile), job("ft-2", hyper_parameters={"p999": 999})]
    async with Emulator(jobs) as emulator:
        ended = await ftlogs("plot", "ft-1", "ft-2", emulator=emulator)
    assert ended.code == 0, ended.err
    assert ended.err == "ftlogs: shown are 20 of the 1,000 hyper-parameters in which they differ\n"
    out = ended.out.decode()
    assert "\x1b" not in out
    assert "\u202e" not in out
    header, first, second = out.splitlines()[-3:]
    assert header.split() == ["LOG", *(f"p{number}" for number in range(20))]
    assert r"\x1b[2J <b>[red]$x$" in first
    assert "True" in first
    assert "1234567" in first
    assert second.split() == ["o", "ft-2"] + ["-"] * 20


async def test_names_of_files_and_metrics_do_nothing_to_a_terminal(
    start_ftlogs: Any, terminal: Any, tmp_path: Path
) -> None:
    path = log(tmp_path, "\x1b[2J[red]{x}%s\n" + "y" * 200, *losses(2, 1, name="\x1b[31m\u202e_loss"))
    async with terminal() as screen:
        environ = {"COLUMNS": "90", "LINES": "24", "NO_COLOR": "1"}
        process = await start_ftlogs(["plot", path], None, environ, stdout=screen.end)
        await process.communicate()
    assert process.returncode == 0
    assert "\x1b" not in screen.shown
    assert "\u202e" not in screen.shown
    assert screen.shown.splitlines()[-1].startswith(r"*  \x1b[2J[red]{x}%s yyy")
    assert len(screen.shown.splitlines()[-1]) < 80
