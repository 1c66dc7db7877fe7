"""What stands in a box below a title is read as it stands there, and a box of anything else is none."""

import io
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich import box as borders
from rich.console import Console
from rich.table import Column, Table

from dashscope_ftlogs.metrics.points import read_points

BEFORE = ["", "  ", "[rank0]: ", "2026-01-05T03:04:05.1Z stdout F ", "(W pid=4, ip=10.0.0.1) "]


def drawn(
    title: str, rows: dict[str, list[str]], sets: int = 1, *, ascii_only: bool = False, width: int = 120
) -> list[str]:
    """A table of PyTorch Lightning, as `rich` draws it."""
    heads = [title, *(f"DataLoader {number}" for number in range(sets))]
    table = Table(
        *(Column(head, justify="center", width=25) for head in heads),
        box=borders.ASCII2 if ascii_only else borders.HEAVY_HEAD,
    )
    for name, cells in rows.items():
        table.add_row(name, *cells)
    text = io.StringIO()
    Console(file=text, width=width, color_system=None).print(table)
    return text.getvalue().splitlines()


def plain(title: str, rows: dict[str, list[str]], sets: int = 1) -> list[str]:
    """The same without `rich`."""
    heads = [title, *(f"DataLoader {number}" for number in range(sets))]
    lines = [f"{''.join(f'{cell:^25}' for cell in row)}".rstrip() for row in (
        heads, *([name, *cells] for name, cells in rows.items())
    )]  # fmt: skip
    rule = "─" * 120
    return [rule, lines[0], rule, *lines[1:], rule]


def reported(rows: dict[str, str], title: str = "Training result") -> list[str]:
    """A box of Ray Train."""
    return [
        "╭──────────────────────────────────────────────────╮",
        f"│ {title:48} │",
        "├──────────────────────────────────────────────────┤",
        *(f"│ {name:30}{value:>18} │" for name, value in rows.items()),
        "╰──────────────────────────────────────────────────╯",
    ]


def told(lines: list[str]) -> list[Any]:
    return [(point.kind, point.step, point.epoch, dict(point.values)) for point in read_points(lines)]


ROWS = {"val_acc": ["0.8765000104904175"], "val_loss": ["0.5213000178337097"]}
VALUES = {"val_acc": 0.8765000104904175, "val_loss": 0.5213000178337097}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("title", ["Validate metric", "Test metric"])
def test_what_an_evaluation_came_to_is_one_and_its_step_is_not_guessed(title: str, before: str) -> None:
    for lines in (drawn(title, ROWS), drawn(title, ROWS, ascii_only=True), plain(title, ROWS)):
        assert told(["text", *(before + line for line in lines), "text"]) == [
            ("eval", None, None, VALUES)
        ]


def test_the_title_s_time_is_the_box_s() -> None:
    lines = ["1970-01-01 00:00:01.5 " + line for line in drawn("Test metric", ROWS)]
    assert [point.time for point in read_points(lines)] == [1500]


def test_several_sets_are_told_apart_as_the_trainer_s_own_names_do() -> None:
    rows = {"acc": ["0.5", " "], "val_loss": ["0.25", "nan"]}
    expected = {"acc/dataloader_idx_0": 0.5, "val_loss/dataloader_idx_0": 0.25}
    for lines in (drawn("Validate metric", rows, 2), drawn("Validate metric", rows, 2, ascii_only=True)):
        ((_, _, _, values),) = told(lines)
        assert math.isnan(values.pop("val_loss/dataloader_idx_1"))
        assert values == expected
    # Without edges, nobody knows whose number is missing.
    ((_, _, _, values),) = told(plain("Validate metric", rows, 2))
    assert sorted(values) == ["val_loss/dataloader_idx_0", "val_loss/dataloader_idx_1"]


def test_a_name_or_a_number_that_is_cut_is_none() -> None:
    cut = {"validation/of_a_very_long_name_loss": ["0.5"], "val_loss": ["0." + "5" * 30]}
    assert told(drawn("Test metric", {"test_loss": ["0.25"], **cut})) == [
        ("eval", None, None, {"test_loss": 0.25})
    ]
    words = {"test_loss": ["0.25"], "validation_of_a_long name_loss": ["0.5"]}
    assert told(drawn("Test metric", words)) == [("eval", None, None, {"test_loss": 0.25})]
    lines = plain("Test metric", ROWS)
    first, rest = f"{'a_long_':^25}{'0.25':^25}".rstrip(), f"{'loss':^25}".rstrip()
    assert told([*lines[:-1], first, rest, lines[-1]]) == [("eval", None, None, VALUES)]


@pytest.mark.covered
@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z_]{0,12}_loss", fullmatch=True),
        st.lists(st.floats(allow_nan=False), min_size=2, max_size=2),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([drawn, plain]),
    st.integers(0, 9),
)
def test_of_any_table_every_number_is_told_and_of_one_that_is_cut_none_is_wrong(
    values: dict[str, list[float]], draw: Any, cut: int
) -> None:
    rows = {name: [repr(number) for number in numbers] for name, numbers in values.items()}
    lines = draw("Test metric", rows, 2)
    expected = {
        f"{name}/dataloader_idx_{at}": number
        for name, numbers in values.items()
        for at, number in enumerate(numbers)
    }
    whole, parts = (
        [
            {name.removeprefix("eval/"): number for name, number in values.items()}
            for *_, values in told(some)
        ]
        for some in (lines, lines[: cut + 2] + lines[cut + 3 :])
    )
    if draw is drawn:
        assert whole == [expected]
    # Without edges, a number that fills its column is no one's.
    for some in whole + parts:
        assert some.items() <= expected.items()


REPORT = {
    "checkpoint_dir_name": "checkpoint_000000",
    "time_total_s": "521.83827",
    "training_iteration": "1",
    "epoch": "4.704",
    "learning_rate": "0.",
    "weight_decay": "0.00001",
    "loss": "0.0065",
    "step": "150",
}
REPORTED = {
    "time_total_s": 521.83827,
    "training_iteration": 1.0,
    "loss": 0.0065,
    "epoch": 4.704,
    "step": 150.0,
}


@pytest.mark.parametrize("before", BEFORE)
def test_what_a_run_reported_is_from_the_step_it_says_less_what_was_rounded_away(before: str) -> None:
    lines = [before + line for line in reported(REPORT)]
    assert told(lines) == [("train", 150, 4.704, REPORTED)]


def test_a_report_of_what_the_trainer_has_told_is_not_one_more() -> None:
    worker = "(RayTrainWorker pid=4, ip=10.0.0.1) {'loss': 0.00651, 'learning_rate': 1e-9, 'epoch': 4.7}"
    (point,) = read_points([worker, *reported(REPORT), *reported(REPORT)])
    assert point.values["learning_rate"] == 1e-9
    assert len(read_points([*reported(REPORT), *reported(REPORT)])) == 1
    other = reported({**REPORT, "step": "160", "loss": "0.0071"})
    assert [point.step for point in read_points([*reported(REPORT), *other])] == [150, 160]


def test_a_report_of_nothing_but_an_evaluation_is_one() -> None:
    assert told(reported({"val_loss": "0.5", "step": "3", "a  b": "7"})) == [
        ("eval", 3, None, {"val_loss": 0.5, "step": 3.0})
    ]


STATUS = [
    "Trial status: 1 RUNNING",
    "╭──────────────────────────────────────────────────────────────╮",
    "│ Trial name       status      iter     total time (s)    loss │",
    "├──────────────────────────────────────────────────────────────┤",
    "│ train_a_00000    RUNNING       10            12.3        0.5 │",
    "╰──────────────────────────────────────────────────────────────╯",
]
OLD_STATUS = [
    "+---------------+----------+-------+--------+",
    "| Trial name    | status   |  iter |   loss |",
    "|---------------+----------+-------+--------|",
    "| train_a_00000 | RUNNING  |    10 |    0.5 |",
    "+---------------+----------+-------+--------+",
]


@pytest.mark.parametrize(
    "lines",
    [
        *(STATUS, OLD_STATUS, reported(REPORT, "Trial train_a_00000 result")),
        *(reported(REPORT, "Training config"), reported(REPORT, "Trial result of Training result x")),
        ["Result for train_a_00000:", "  loss: 0.5", "  training_iteration: 3"],
        reported({"accuracy": "0.5", "step": "3"}),
        drawn("Validate metric", {"val_acc": ["0.5"]}),
        drawn("Validate metric", {"val_loss": ["[0.5, 0.25]"], "b_loss": ["0x1f"], "c d": ["1"]}),
        drawn("Best metric", ROWS),
        drawn("Test metrics", ROWS),
        drawn("Test metric", ROWS)[:-1],
        [*drawn("Test metric", ROWS)[:4], "text", *drawn("Test metric", ROWS)[4:]],
        [line for line in drawn("Test metric", ROWS) if line[0] != "┡"],
        [*drawn("Test metric", ROWS)[:4], "│ " + "x" * 2000 + " │", *drawn("Test metric", ROWS)[4:]],
        [*drawn("Test metric", ROWS)[:4], "│ a │ 1 │ 2 │", *drawn("Test metric", ROWS)[4:]],
        [*drawn("Test metric", ROWS)[:4], *["│ a │ 1 │"] * 300, *drawn("Test metric", ROWS)[4:]],
        [*plain("Test metric", ROWS)[:4], "What is more than a name.", *plain("Test metric", ROWS)[4:]],
        [*drawn("Test metric", ROWS)[:5], *["{'a': 1}"] * 1200, drawn("Test metric", ROWS)[-1]],
        ["Validate metric val_loss by DataLoader 0", *plain("Test metric", ROWS)[2:]],
        ["The Training result is: loss 0.5 │", *reported(REPORT)[2:]],
    ],
)
def test_what_only_looks_like_such_a_box_gives_no_point(lines: list[str]) -> None:
    assert told(lines) == []


def test_a_box_below_a_heading_of_an_epoch_is_told_once() -> None:
    assert len(told(["Epoch 1/5", *reported({"loss": "0.5", "step": "3"})])) == 1
