"""Pages that are searched as a whole give the points that reading line by line gives, for any text."""

import json
import math
import time
from collections.abc import Sequence
from itertools import cycle, pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashscope_ftlogs.metrics.points import LogPoints, Point
from dashscope_ftlogs.reading.own_pattern import parse_line
from dashscope_ftlogs.reading.page_scan import Page
from dashscope_ftlogs.reading.records import ProgressBar, Text

BAR = "█| {}/10 [00:0{}<00:09,  1.0s/it]"
PIECES = st.sampled_from([
    *("", " ", "text", "\r", "\n", "\x1b[1m", "\x00", "{", "}", "'", '"', ",", ":", "|", "\t", "  "),
    *("{'loss': 1.5, 'epoch': 0.1}", "{'loss': 2, 'epoch': 0.2}", "{'eval_loss': 1, 'step': 3}"),
    *("{'loss': 1,", "'epoch': 0.3}", "{'a': {'loss': 0.5}}", '{"log_history": [', "]}", "{'loss': "),
    *(" 10%|" + BAR.format(1, 1), " 20%|" + BAR.format(2, 2), "100%|" + BAR.format(10, 9)),
    *("Loading: 50%|█| 5/10 [00:01<00:02, 1.0s/it]", "Train:  0%|  | 0/10 [00:00<?, ?it/s]"),
    *("SFT: 10%|█| 1/10 [00:01<00:09, 1.0s/it, loss=2.5]", "Epoch 0: 10%|#| 1/10 [00:01<00:09, pg=1]"),
    *("step 3 | loss: 2.5 | lr 1e-5", "step:1 - val/acc:0.5", "step: 4, reward: 1"),
    *("***** eval metrics *****", "  eval_loss   =   2.5", "  epoch   =   1.0", "x = y"),
    *("Step\tTraining Loss", "10\t2.5", "20\t2.0", "| Step | Loss |", "|---|---|", "| 1 | 2 |"),
    *("Traceback (most recent call last):", "  File 'a.py'", "ValueError: x"),
    *("2025-12-06 20:28:19,002 - INFO - ", "start to fine-tune", "[INFO|a.py:1] ", "training usage 12"),
    *('{"log":"step 3 loss 2.5\\n","stream":"stdout","time":"2025-12-06T20:28:19Z"}', '"text\\n",'),
    *('"\\u007b\'loss\': 1}\\n",', '{"message":"{\'epoch\': 1,","level":"info"}', '"\\u0020\\n",'),
    *("{'loss': 1, 'global_step/max_steps': '3/9/10'}", '"\\t 10%|█| 1\\/10 [00:01<0:09, 1s\\/it]\\n",'),
    *("  0%|  | 0/10 [00:00<?, ?it/s]", " 10%|█ | 1/10 [00:00<?, ?it/s]"),
    *("=== Step 3/9 ===", "[batch=3/9]:", "  \u2022 Loss: 2.5", "time: 2.5s", "Validation:"),
    *("epoch,step,loss", "1,2,2.5", "1,,2", "2/9 [==] - 1s - loss: 2", "{'step': 3, 'a': {'loss': 1}}"),
    *("Epoch 1/5", "Epoch 2/5", '"Epoch 2/5\\n",', "2/9 - 1s - loss: 2", " - 2s - loss: 0.5 - acc: 1"),
    *("│ Training result │", "├──┤", "│ loss   1 │", "│ step   3 │", "╰──╯"),
    *("| Test metric | DataLoader 0 |", "|---|---|", "| val_loss | 2 |", '"val": {', '"loss": 1'),
    *("{'step': 3, 'loss': 1, 'val': {'loss': 2}}", "{'mode': 'val', 'loss': 2, 'step': 3}"),
    *("{'train_runtime': 5.0, 'epoch': 1.0}", "'elapsed_time': '5s'", "global_step/max_steps"),
    *("Evaluation results at step 3:", "*** Eval results ***", "Best eval:", '"Eval:\\n",'),
    *("Epoch(val) [3][9/9] acc: 75.5", "Iter(test) [9/9]  mIoU: 1", "[3/9] loss 2.5", "[1,  20] loss 2"),
    *(" 20%|2/10 [00:02<00:09,  1.0s/it]", "step:1K epch:0.5 loss:2", "(val)", "Train (no eval): 9%|"),
])  # fmt: skip
LINES = st.lists(st.lists(PIECES | st.text(max_size=2), max_size=4).map("".join), max_size=25)


def lines_that_matter(lines: Sequence[str], *, bars: bool = False, word: str = "") -> list[int]:
    return Page(lines).lines_that_matter(bars=bars, word=word)


def told_of(log: LogPoints) -> list[Any]:
    return [
        (*(getattr(point, name) for name in list(Point.__slots__)[:8]), repr(dict(point.values)))
        for point in log.points()
    ]


def line_by_line(lines: Sequence[str]) -> list[Any]:
    log = LogPoints()
    for number, line in enumerate(lines, 5):
        log.read(number, line)
    return told_of(log)


@given(LINES, st.lists(st.integers(0, 25), max_size=3))
@example(["text", '"\\u0020\\n",', "text"], [])
def test_pages_cut_anywhere_give_what_lines_give(lines: list[str], cuts: list[int]) -> None:
    log = LogPoints()
    edges = sorted({0, len(lines), *(cut for cut in cuts if cut < len(lines))})
    for begin, end in pairwise(edges):
        log.read_all(lines[begin:end], begin + 5)
    assert told_of(log) == line_by_line(lines)


def test_long_logs_are_read_in_pages_that_know_of_each_other() -> None:
    bar = " 10%|█   | {}/3000 [00:01<00:09,  1.0s/it]"
    lines = [text for step in range(1, 3001) for text in (bar.format(step), "", "{'loss': 1}")]
    lines.insert(1200, "x" * (1 << 20))
    log = LogPoints()
    log.read_all(lines, 0)
    points = log.points()
    assert len(points) == 3000
    assert [point.step for point in points] == list(range(1, 3001))
    assert math.isclose(
        sum(point.offset for point in points), sum(3 * n + 2 for n in range(3000)) + 2600
    )


def test_what_can_t_matter_is_passed_over() -> None:
    lines = ["text", "x = {}", " 10%|█ | 1/10 [00:01<00:09,  1.0s/it]", "[INFO] {'a': 1}"] * 100
    assert lines_that_matter(lines) == []
    assert lines_that_matter(lines, word="1/10 [") == list(range(2, 400, 4))


PLAIN = st.lists(
    st.sampled_from((
        *(" 10%|█| 1/10 [00:01<00:09, ", "1.0", "it/s", "s/it", "]", "it/s]", "s/it]", ", ", "v 3.5"),
        *("%", "|", "(", ")", ":", "'", "[", "<", "1", ",", "rst", " ", "dhis", "5 ", "{"),
        *("step", "loss=1", "sft: ", "RL", "Map: ", "%|", " examples/s]", "reward 2", "  9%|█| 2/9 ["),
    ))
)  # fmt: skip
ENDS = st.sampled_from(("it/s]", "s/it]", " examples/s]", " 203.3 examples/s]"))


@given(st.lists(st.tuples(PLAIN.map("".join), ENDS).map("".join), min_size=1))
def test_bars_that_are_not_searched_tell_nothing_beside_how_far_they_have_come(lines: list[str]) -> None:
    for line in lines:
        if not lines_that_matter([line]):
            told = [record for record in parse_line(line) if not isinstance(record, ProgressBar | Text)]
            assert told == []
    log, all_lines = LogPoints(), ["  0%|  | 0/10 [00:00<?, ?it/s]", *lines, "{'loss': 1}"]
    log.read_all(all_lines, 5)
    assert told_of(log) == line_by_line(all_lines)


def test_a_bar_that_tells_more_is_found_among_those_that_do_not() -> None:
    bar = " 10%|█ | 1/10 [00:01<00:09,  1.0s/it]"
    assert lines_that_matter([bar, f"{{'loss': 1}}{bar}", bar, "loss", "{'a': 'loss'}"]) == [1, 3, 4]
    assert lines_that_matter([bar, bar], word="1/10 [") == [0, 1]
    mapped = "Map (num_proc=4): 10%|█ | 1/10 [00:01<00:09, 203.3 examples/s]"
    several = [bar, mapped, f"reward{bar}", "Map: 1%|█ | 1/10 [00:01<00:09, loss=1 examples/s]", bar]
    assert lines_that_matter(several[:3]) == [2]
    assert lines_that_matter(several) == [2, 3]
    named = [f"Fetching model {number} of 9: {mapped}" for number in range(40)]
    assert lines_that_matter([*named, *several]) == [42, 43]
    assert lines_that_matter([f"[{line}" for line in named]) == []


@given(st.lists(st.tuples(PLAIN.map("".join), ENDS).map("".join), min_size=1), st.text("12/10 ["))
def test_a_bar_matters_among_others_if_it_does_alone(lines: list[str], word: str) -> None:
    page = Page(lines)
    for asked in ("", word, ""):  # a page may be asked more than once
        alone = {index for index, line in enumerate(lines) if lines_that_matter([line], word=asked)}
        assert alone <= set(page.lines_that_matter(word=asked))


def test_time_is_linear_where_every_other_line_is_no_dict() -> None:
    def seconds(pairs: int) -> float:
        lines = ["{'loss': 1}", "the loss is high"] * pairs
        begin = time.process_time()
        LogPoints().read_all(lines, 0)
        return time.process_time() - begin

    assert any(seconds(500) < 4 * 2.5 * seconds(125) + 0.005 for _ in range(4))


STRINGS = st.lists(
    st.sampled_from((
        *(" 10%|█| 1/10 [00:01<00:09, 1.0it/s]", "100%|█| 10/10 [00:09<00:00, 1.0s/it, loss=2]"),
        *("{'loss': 0.5, 'epoch': 0.1}", "{'loss': 1", "}", "loss", "\t", "\u2003", "step 3 | loss: 2"),
        *("/", "it/s", "\n", "é", "Traceback (most recent call last):", "training usage 7"),
        *("*****", "Epoch 1: "),
    )),
    max_size=4,
).map("".join)  # fmt: skip


def spelled(said: str, choices: Sequence[int]) -> str:
    """A string of JSON, some characters of which are written as escapes."""
    written = [
        f"\\u{ord(one):04x}"
        if choice == 0
        else "\\/"
        if one == "/" and choice == 1
        else json.dumps(one)[1:-1]
        for one, choice in zip(said, cycle(choices), strict=False)
    ]
    return f'"{"".join(written)}\\n",'


@pytest.mark.unmeasured
@given(st.lists(st.tuples(STRINGS, st.lists(st.integers(0, 9), min_size=1)), max_size=8))
def test_strings_of_json_are_read_however_they_are_spelled(said: list[tuple[str, list[int]]]) -> None:
    lines = ["  0%|  | 0/10 [00:00<?, ?it/s]", *(spelled(*one) for one in said), "{'loss': 0.5}"]
    log = LogPoints()
    log.read_all(lines, 5)
    assert told_of(log) == line_by_line(lines)


FORMS = ("{'loss': 1", "{'loss': 1}", "x = {", "{}" * 9, " 5%| 1<00:01, step]", '{"a": 1}', "é" * 40)


@pytest.mark.covered
@given(st.lists(st.sampled_from(FORMS), min_size=1), st.integers(2**16 - 300, 2**16 + 300))
def test_what_matters_is_the_same_wherever_a_page_is_cut_to_be_searched(
    forms: list[str], before: int
) -> None:
    near = [line for form in forms for line in (form, "x" * 60)]
    lines = [*["y" * 999] * (before // 1000), "y" * (before % 1000), *near]
    first = len(lines) - len(near)
    assert lines_that_matter(lines, bars=True) == [
        first + index for index in lines_that_matter(near, bars=True)
    ]


def test_a_line_that_is_too_long_to_be_searched_in_one_go_may_matter() -> None:
    long = "{}" * 2**15
    assert lines_that_matter(["{}", long, "{}", long]) == [1, 3]
    assert lines_that_matter(["x" * len(long), "x"]) == []
    assert lines_that_matter(["x", "x" * len(long) + "loss"]) == [1]
