"""Charts of any numbers and names, in a terminal and as a picture in a file."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plots import ANSI, GAP, job, log, losses, names_in

from dashscope_ftlogs.cli.terminal.picture_file import write_picture
from dashscope_ftlogs.cli.terminal.terminal_chart import chart
from dashscope_ftlogs.emulator import Emulator
from dashscope_ftlogs.metrics.curves import AXES, Curve, Panel

# What the kernel of numbers may be: only finite places, but any value.
PLACES = st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 9).map(float)

TIMES = st.floats(-6.2e10, 2.5e11)


@st.composite
def drawings(draw: Any) -> tuple[dict[str, list[Curve]], Any]:
    x = draw(st.sampled_from(list(AXES)))
    spots = st.lists(st.tuples(TIMES if x == "time" else PLACES, st.floats()), min_size=1, max_size=8)
    logs = draw(st.lists(st.lists(spots, min_size=1, max_size=2), min_size=1, max_size=3))
    names = draw(st.lists(st.text(max_size=20), min_size=len(logs), max_size=len(logs), unique=True))
    curves = {
        name: [
            Curve(name, "loss", segment, *map(tuple, zip(*one, strict=True)), tuple(range(len(one))))
            for segment, one in enumerate(own)
        ]
        for name, own in zip(names, logs, strict=True)
    }
    return curves, x


@pytest.mark.unmeasured
@given(drawings(), st.floats(0, 0.99), st.integers(40, 120), st.integers(12, 40), st.booleans())
def test_any_numbers_can_be_drawn(
    drawing: Any, weight: float, width: int, height: int, colours: bool
) -> None:
    logs, x = drawing
    rows = ANSI.sub(
        "", chart(Panel("loss", x, logs), weight, width, height, colours=colours)
    ).splitlines()
    assert len(rows) == height
    assert max(map(len, rows[1:-1])) == width
    gaps = any(not math.isfinite(y) for own in logs.values() for curve in own for y in curve.y)
    assert any(GAP in row for row in rows) == gaps


@pytest.mark.long
@pytest.mark.extras
@settings(max_examples=15)
@given(drawings(), st.floats(0, 0.99), st.sampled_from([".png", ".svg"]), st.booleans())
def test_any_numbers_and_names_make_a_picture(
    tmp_path_factory: Any, drawing: Any, weight: float, ending: str, tabulated: bool
) -> None:
    logs, x = drawing
    path = tmp_path_factory.mktemp("any") / f"curve{ending}"
    parameters = {"$p$\x00": [name or None for name in logs]} if tabulated else {}
    write_picture(path, [Panel("loss", x, logs)] * 2, weight, parameters)
    if ending == ".png":
        assert path.read_bytes().startswith(b"\x89PNG")
    else:
        ET.parse(path)


@pytest.mark.extras
async def test_a_picture_names_all_as_they_are(ftlogs: Any, tmp_path: Path) -> None:
    names = ["_hidden.log", "$x^2$.log", "<&>.log", "训练.log"]
    paths = [log(tmp_path, name, *losses(3, "nan", "inf", 2, name="$a$_loss")) for name in names]
    picture = tmp_path / "curve.svg"
    ended = await ftlogs("plot", *paths, "-o", str(picture), "--metric", "$a$_loss")
    assert (ended.code, ended.out) == (0, b"")
    assert ended.err == f"ftlogs: {picture}: $a$_loss of {len(names)} logs\n"
    texts = {
        "".join(one.itertext()).strip() for one in ET.parse(picture).iter() if one.tag.endswith("text")
    }
    assert {*names, "$a$_loss", "step", "not a finite number"} <= texts
    assert [name for name in names_in(tmp_path) if "svg" in name] == ["curve.svg"], "and nothing else"


@pytest.mark.extras
async def test_a_picture_tells_in_what_jobs_differ(ftlogs: Any, tmp_path: Path) -> None:
    jobs = [
        job(f"ft-{number}", number, hyper_parameters={"batch_size": 2**number, "n_epochs": 3})
        for number in range(12)
    ]
    picture = tmp_path / "curve.svg"
    async with Emulator(jobs) as emulator:
        words = [one.job_id for one in jobs]
        ended = await ftlogs("plot", *words, "-o", str(picture), "--x", "line", emulator=emulator)
    assert (ended.code, ended.out) == (0, b"")
    assert ended.err == f"ftlogs: {picture}: loss of 12 logs\n"
    texts = [
        "".join(one.itertext()).strip() for one in ET.parse(picture).iter() if one.tag.endswith("text")
    ]
    assert "batch_size" in texts
    assert "n_epochs" not in texts
    assert "2048" in texts
    assert all(texts.count(one.job_id) == 2 for one in jobs), "in the legend, and in the table"


@pytest.mark.extras
async def test_a_picture_has_a_panel_for_each_metric(ftlogs: Any, tmp_path: Path) -> None:
    steps = [f"{{'loss': {n}, 'lr': 0.1, 'step': {n}}}" for n in range(3)]
    path = log(tmp_path, "a.log", *steps, "{'loss': 1, 'grad_norm': 2.0}")
    other = log(tmp_path, "b.log", *losses(2, 1, name="lm loss"))
    picture = tmp_path / "curve.svg"
    metrics = [word for name in ("lm loss", "lr", "loss", "grad_norm") for word in ("--metric", name)]
    assert (await ftlogs("plot", path, other, "-o", str(picture), *metrics)).code == 0
    texts = [
        "".join(one.itertext()).strip() for one in ET.parse(picture).iter() if one.tag.endswith("text")
    ]
    assert {"lm loss", "lr", "loss", "grad_norm", "a.log", "b.log (lm loss)"} <= set(texts)
    assert (texts.count("step"), texts.count("line of the log")) == (2, 2)


@pytest.mark.covered
@pytest.mark.extras
async def test_a_picture_replaces_the_one_before_or_says_why_not(ftlogs: Any, tmp_path: Path) -> None:
    path = log(tmp_path, "a.log", *losses(3, 2, 1))
    picture = tmp_path / "curve.png"
    picture.write_text("the one before")
    assert (await ftlogs("plot", path, "-o", str(picture))).code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    ended = await ftlogs("plot", path, "-o", str(tmp_path / "nowhere" / "curve.png"))
    assert ended.code == 2
    assert "there is no directory" in ended.err


@pytest.mark.covered
def test_without_matplotlib_it_says_how_to_install_it(tmp_path: Path) -> None:
    path = log(tmp_path, "a.log", *losses(3, 2, 1))
    program = (
        "import sys; sys.modules['matplotlib'] = None\nfrom dashscope_ftlogs.cli import main; main()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "plot", path, "-o", str(tmp_path / "curve.png")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr == (
        "ftlogs: matplotlib is not installed: pip install 'dashscope-ftlogs[plot]'.\n"
    )
    assert not (tmp_path / "curve.png").exists()


async def test_a_picture_over_time_has_a_clock_below(ftlogs: Any, tmp_path: Path) -> None:
    lines = [f"2025-12-06 08:{n:02d}:00 {{'loss': {9 - n}, 'step': {n}}}" for n in range(9)]
    picture = tmp_path / "curve.svg"
    words = (log(tmp_path, "a.log", *lines), "-o", str(picture), "--x", "time")
    ended = await ftlogs("plot", *words)
    assert (ended.code, ended.err) == (0, f"ftlogs: {picture}: loss of 1 log\n")
    assert "08:04" in picture.read_text()


@pytest.mark.extras
async def test_a_picture_goes_to_stdout_as_a_png(ftlogs: Any, tmp_path: Path) -> None:
    ended = await ftlogs("plot", log(tmp_path, "a.log", *losses(9)), "-o", "-")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(b"\x89PNG")


async def test_but_not_onto_a_terminal(start_ftlogs: Any, terminal: Any, tmp_path: Path) -> None:
    words = ("plot", log(tmp_path, "a.log", *losses(9)), "-o", "-")
    async with terminal() as screen:
        process = await start_ftlogs(words, None, stdout=screen.end)
        _, err = await process.communicate()
    assert (process.returncode, screen.shown) == (2, "")
    assert b"-o -: a picture is nothing for a terminal" in err
