"""What a log line means: every format that real trainers print, and nothing that can make it fail."""

import math
import os
import re
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashscope_ftlogs import MetricsTable
from dashscope_ftlogs.reading.forms.flat_dicts import flat, flat_each, numbers
from dashscope_ftlogs.reading.forms.progress_bars import plain_count
from dashscope_ftlogs.reading.own_pattern import parse_line
from dashscope_ftlogs.reading.records import (
    Message,
    Metrics,
    ProgressBar,
    Record,
    Text,
    Tokens,
    last_record,
    whole,
)
from dashscope_ftlogs.reading.redrawn_lines import parts, without_escapes


def only(line: str) -> Any:
    (record,) = parse_line(line)
    return record


def kinds(line: str) -> list[str]:
    return [type(record).__name__ for record in parse_line(line)]


@pytest.mark.parametrize(
    ("line", "level", "time", "phase", "text"),
    [
        (
            "2025-12-06 20:26:57,402 - INFO - data download succeeded, start to pre-processor",
            *("INFO", "2025-12-06 20:26:57,402", "download"),
            "data download succeeded, start to pre-processor",
        ),
        (
            "2025-12-06 20:44:39,609 - ERROR - finetune-job failed",
            *("ERROR", "2025-12-06 20:44:39,609", "end", "finetune-job failed"),
        ),
        (
            "2025-12-06 20:44:40,108 - INFO - ##FT_COMPLETE##",
            *("INFO", "2025-12-06 20:44:40,108", "complete", "##FT_COMPLETE##"),
        ),
        (
            "[WARNING|trainer.py:12] 2024-06-02 02:15:48,409 >> careful",
            *("WARNING", "2024-06-02 02:15:48,409", None, "careful"),
        ),
        (
            "[2025-02-16 15:49:19,815] [INFO] [accelerator.py:203:get] using cuda",
            *("INFO", "2025-02-16 15:49:19,815", None, "[accelerator.py:203:get] using cuda"),
        ),
        (
            "07/15/2023 04:57:25 - WARNING - core.parse - must be False",
            *("WARNING", "07/15/2023 04:57:25", None, "core.parse - must be False"),
        ),
        (
            "2026-01-06 11:41:35,418 - __main__ - INFO - begin",
            *("INFO", "2026-01-06 11:41:35,418", None, "begin"),
        ),
        ("[INFO:swift] saved", "INFO", None, None, "saved"),
    ],
)
def test_messages_have_level_time_and_phase(
    line: str, level: str, time: str | None, phase: str | None, text: str
) -> None:
    assert only(line) == Message(text, level, time, phase, line)


@pytest.mark.parametrize(
    ("line", "kind", "step", "total", "epoch", "values"),
    [
        ("{'loss': 1.5, 'epoch': 0.25}", "train", None, None, 0.25, {"loss": 1.5, "epoch": 0.25}),
        ("{'loss': '1.5', 'epoch': '2'}", "train", None, None, 2.0, {"loss": 1.5, "epoch": 2.0}),
        (
            "{'eval_loss': 0.5, 'eval_ppl': 1.6, 'global_step/max_steps': '3/9'}",
            *("eval", 3, 9, None),
            {"eval_loss": 0.5, "eval_ppl": 1.6, "global_step/max_steps": "3/9"},
        ),
        (
            "{'train_runtime': 9.5, 'train_loss': 0.7, 'epoch': 3.0}",
            *("final", None, None, 3.0),
            {"train_runtime": 9.5, "train_loss": 0.7, "epoch": 3.0},
        ),
        (
            '{"current_steps": 2, "total_steps": 8, "loss": 0.5, "elapsed_time": "0:01:03"}',
            *("train", 2, 8, None),
            {"current_steps": 2.0, "total_steps": 8.0, "loss": 0.5, "elapsed_time": "0:01:03"},
        ),
        (
            "{'loss': np.float64(0.25), 'kl': tensor(0.5, device='cuda:0'), 'x': array(1., dtype=f)}",
            *("train", None, None, None),
            {"loss": 0.25, "kl": 0.5, "x": 1.0},
        ),
        ("{'loss': -inf, 'lr': 1e-05}", "train", None, None, None, {"loss": -math.inf, "lr": 1e-05}),
        ("{'loss': 0.5, 'kl': None}", "train", None, None, None, {"loss": 0.5}),
        (
            "{'loss': 0.5, 'global_step': inf, 'epoch': 'none'}",
            *("train", None, None, None),
            {"loss": 0.5, "global_step": math.inf, "epoch": "none"},
        ),
        (
            "{'loss': 0.5, 'global_step/max_steps': 'a/b'}",
            *("train", None, None, None),
            {"loss": 0.5, "global_step/max_steps": "a/b"},
        ),
    ],
)
def test_metrics_have_kind_step_and_epoch(
    line: str, kind: str, step: int | None, total: int | None, epoch: float | None, values: Any
) -> None:
    for form in (line, f"   {line}   ", f"\x1b[1m{line}\x00\x1b[0m"):
        record = only(form)
        assert (record.kind, record.step, record.total_steps, record.epoch) == (kind, step, total, epoch)
        assert dict(record.values) == values


def test_what_is_not_finite_is_kept_as_it_is() -> None:
    assert math.isnan(only("{'loss': nan}").values["loss"])
    assert math.isnan(only("{'loss': 'nan', 'epoch': 1.0}").values["loss"])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            " 50%|████▍    | 5/10 [1:00:00<2 days, 0:00:30,  4.17s/it]",
            ProgressBar(50, "", 5, 10, 3600, 172_830, 4.17, "s/it"),
        ),
        (
            "Train:   0%|    | 0/40 [00:00<?, ?it/s]",
            ProgressBar(0, "Train", 0, 40, 0, None, None, "it/s"),
        ),
        (
            "Fetching model.json: 100%|███| 1.5k/1.5k [00:00<00:00, 116kB/s]",
            ProgressBar(100, "Fetching model.json", 1500, 1500, 0, 0, 116, "kB/s"),
        ),
        ("  0% 0/3 [00:09<?, ?it/s, loss=0.5]", ProgressBar(0, "", 0, 3, 9, None, None, "it/s")),
        ("  0% 0/30 [00:00<?, ?it/s]", ProgressBar(0, "", 0, 30, 0, None, None, "it/s")),
        ("Downloading:   7%|▌   | 0.00/8.0", ProgressBar(7, "Downloading")),
        (
            "Map:  50%|█ | 1.2.3/9 [00:00<0:0:0:0:, ?it/s]",
            ProgressBar(50, "Map", None, 9, 0, None, None, "it/s"),
        ),
    ],
)
def test_progress_bars_are_read_as_far_as_they_go(line: str, expected: ProgressBar) -> None:
    record = only(line)
    assert record == ProgressBar(
        *(getattr(expected, name) for name in list(ProgressBar.__slots__)[:8]), raw=line.rstrip()
    )


@pytest.mark.parametrize("line", ["saved 50% of it", "100% done", "50%% | x"])
def test_a_percentage_in_words_is_no_progress(line: str) -> None:
    assert only(line) == Text(line)


def test_only_training_bars_say_which_step_a_dict_is_from() -> None:
    bar, point = parse_line(" 50%|█  | 5/10 [00:05<00:05,  1.0s/it]{'loss': 0.5}")
    assert isinstance(bar, ProgressBar)
    assert bar.is_training
    assert (point.step, point.total_steps) == (5, 10)
    _, point = parse_line("Loading: 50%|█  | 5/10 [00:05<00:05,  1.0s/it]{'loss': 0.5}")
    assert point.step is None
    _, point = parse_line(" 50%|█  | 5/10 [00:05<00:05,  1.0s/it]{'loss': 0.5, 'step': 6}")
    assert point.step == 6


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (" 10%|█ | 1/10 [00:01<00:09]\r 20%|██| 2/10 [0", ["ProgressBar", "ProgressBar"]),
        ("{'loss': nan, 'epoch': 0.0}7/10 [00:31<00:08,  2.71s/it]", ["Metrics", "Text"]),
        ("{'loss': 1.0}{'loss': 2.0}\r\n{'eval_loss': 1.0}", ["Metrics", "Metrics", "Metrics"]),
        ("03/12/2024 11:24:33 - INFO - cb - {'loss': 0.5, 'epoch': 0.01}", ["Message", "Metrics"]),
        (" 0%|  | 0/40 [00:00<?, ?it/s][INFO:swift] keep: True", ["ProgressBar", "Message"]),
        (" 0%|  | 0/40 [00:00<?, ?it/s]" * 3, ["ProgressBar"] * 3),
        ("{'role': 'user', 'loss of text': 'x'}", ["Text"]),
        ("{'loss': 0.5, 'grad_n", ["Text"]),
        ("{'loss': 0.5, 'grad_norm': }", ["Text"]),
        ("{'loss': 0.5 'grad_norm': 1}", ["Text"]),
        ("{'a': {'loss': 0.5}}", ["Text", "Metrics", "Text"]),
        ("}{'loss': 0.5}", ["Text", "Metrics"]),
        ("{'loss': 1, 'x': 'half \ud83d'}", ["Metrics"]),
        ("{'loss': 'half \ud83d', 'x': 1}", ["Text"]),
        ("\r\n \r", []),
        ("", []),
        (" Actual number of consumed tokens is 215040 !", ["Tokens"]),
        ("2025-12-06 20:44:40,093 - INFO - training usage 393216", ["Message", "Tokens"]),
        ("[no message", ["Text"]),
    ],
)
def test_glued_cut_and_nested_forms_are_taken_apart(line: str, expected: list[str]) -> None:
    assert kinds(line) == expected


def test_tokens_are_counted() -> None:
    assert only(" Actual number of consumed tokens is 279808!").count == 279808


def test_the_raw_text_stays_at_hand() -> None:
    line = "{'loss': 0.5, 'epoch': 1.0}" + " " * 100
    assert only(line).raw == line


PIECES = st.sampled_from([
    *("{", "}", "'", '"', ":", ",", " ", "\r", "\n", "\x1b[", "\x00", "(", ")", "[", "]", "|", "%", "<"),
    *("'loss': ", "0.5", "nan", "np.float64(", "tensor(", "eval_loss", "'train_runtime'", "100%|"),
    *("{'loss': 1}", "1e999", "-", "9" * 400, "global_step/max_steps", "INFO", "[INFO|", "½", "/"),
    *("2025-12-06 20:26:57,402", " - ", "training usage ", "tokens is ", "2 days, ", "\ud83d"),
    *("1/10 [00:01<00:09, 1.0s/it]", " 10%|█ | ", " [00:01<00:09, 1.0s/it]", "'step': "),
])  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=3), max_size=30).map("".join))
def test_no_line_raises_and_every_record_keeps_its_text(line: str) -> None:
    for record in parse_line(line):
        assert isinstance(record, Record)
        assert record.raw
        if isinstance(record, Metrics):
            assert all(isinstance(value, float | str) for value in record.values.values())
            assert record.kind in {"train", "eval", "final"}
            assert record.total_steps is None or record.total_steps < 2**63
        if isinstance(record, Metrics | ProgressBar):
            assert record.step is None or -(2**63) < record.step < 2**63


@pytest.mark.parametrize("steps", ["/5", "", " ", "a/5", "/"])
def test_a_step_that_is_not_told_is_none_and_not_the_first(steps: str) -> None:
    assert only(f"{{'loss': 1.0, 'global_step/max_steps': '{steps}'}}").step is None
    assert only(f"{{'loss': 1.0, 'step': '{steps}'}}").step is None


@pytest.mark.parametrize("digits", [18, 19, 40, 400])
@pytest.mark.parametrize(
    "line",
    [
        *("{'loss': 1.0, 'step': N}", "{'loss': 1.0, 'global_step': 'N', 'max_steps': N}"),
        *("{'loss': 1.0, 'global_step/max_steps': 'N/N'}", "{'loss': 1.0, 'consumed_train_tokens': N}"),
        " 10%|█ | N/N [00:01<00:09, 1.0s/it]{'loss': 1.0}",
        " 10%|█ | N/N [00:01<00:09, 1.0s/it]\r{'loss': 1.0}",
    ],
)
def test_a_count_of_any_length_is_a_step_or_none(line: str, digits: int) -> None:
    (row,) = MetricsTable.from_lines([line.replace("N", "9" * digits)]).rows()
    assert row["loss"] == 1.0
    assert ("step" in row) == (digits == 18 and "tokens" not in line)


ESCAPES = ("\x1b[31m", "\x1b[0m", "\x1b", "\x1b[", "[3", "m", "\0", "text")


@given(st.lists(st.sampled_from(ESCAPES), min_size=1), st.integers(2**16 - 40, 2**16 + 10))
def test_escapes_are_left_out_wherever_they_are_in_a_long_text(near: list[str], before: int) -> None:
    text = "".join(near)
    long = ("." * before + text) * 2
    assert without_escapes(long) == ("." * before + without_escapes(text)) * 2


@given(st.text("a\r\n"))
def test_line_ends_of_any_kind_and_number_part_what_was_shown(line: str) -> None:
    assert parts(line) == re.split("[\r\n]+", line)


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    "unit",
    [
        *("{", "}", "{'", "{}", "[", "(", "{'loss': ", "{'loss': tensor(", "'", " ", "% ", "1% ", "9"),
        *("\r", "\r 10%|█ | 1/10 [00:01<00:09,  1.0s/it]", "100%|", "{'loss': 1}", "\x1b[", "\x1b[1;"),
        *(" - ", "1:", "training usage ", "{'loss': 1,", "loss}", "{'a': 'b', ", "2 days, ", "[INFO|"),
        *("0.", "5% 5/5 [1<1, 1", "5% 5/5 [1<1, 1] ", "5%| 5/5 [1<1, 1]{'loss': 1}"),
    ],
)
def test_any_long_line_takes_time_in_proportion(unit: str) -> None:
    assert in_proportion(unit, 250_000)


@pytest.mark.unmeasured
@pytest.mark.parametrize("unit", ["\r 10%|█ | 1/10 [00:01<00:09,  1.0s/it]", "{", "{'loss': [", "[" * 9])
def test_so_does_a_megabyte_of_redraws_or_brackets(unit: str) -> None:
    assert in_proportion(unit, 1_000_000)


def in_proportion(unit: str, size: int) -> bool:
    """Whether eight times as much takes less than 20 times as long: 64 times would be quadratic.

    What else the machine does can only add to a figure, so one fair measurement of a few is enough.
    """
    return any(seconds(unit, size, 1) < 8 * 2.5 * seconds(unit, size // 8, 3) + 0.02 for _ in range(8))


def seconds(unit: str, size: int, times: int) -> float:
    line = unit * (size // len(unit))
    best = math.inf
    for _ in range(times):
        begin = time.process_time()
        parse_line(line)
        best = min(best, time.process_time() - begin)
    return best


COMPARED = """
import ast, random, time
from dashscope_ftlogs import parse_line
chance = random.Random(1)
lines = [
    f"{{'loss': {chance.random():.4f}, 'grad_norm': {chance.random()!r}, "
    f"'learning_rate': {chance.random() * 1e-5!r}, 'epoch': {n / 100:.2f}}}"
    for n in range(1_000)
]
def cost(read):
    begin = time.process_time()
    for line in lines:
        read(line)
    return time.process_time() - begin
slow = fast = float("inf")
# What else this machine does makes either of them slower, never faster: the best of many is theirs, and
# the shorter each is, the surer it is left alone.
for _ in range(40):
    slow, fast = min(slow, cost(ast.literal_eval)), min(fast, cost(parse_line))
print(slow / fast)
"""


@pytest.mark.long
def test_metric_lines_are_read_fifteen_times_as_fast_as_by_literal_eval() -> None:
    # In a process of its own: coverage and dev mode would slow down only one of the two.
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTHON"))
    }
    done = subprocess.run(
        [sys.executable, "-c", COMPARED], env=environ, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) >= 15


def test_tokens_are_records_of_their_own() -> None:
    assert only("training usage 12") == Tokens(12, "training usage 12")


@pytest.mark.parametrize("value", [None, "", "1e3", "x", float("inf"), 2.0**63, "9" * 400])
def test_what_is_no_count_of_64_bits_is_none(value: Any) -> None:
    assert whole(value) is None


BAR_PIECES = st.sampled_from((
    *(" ", "  ", "Train:", "sft", "7", "10%", "120%", "|", "█", "1/10", " 3/9", "0/0", "/", "1.5"),
    *(" [", "00:01", "1:02:03", "2:", "<", "?", "00:09", "1 day, 0:00:01", ", ", ",", "1.0", "9" * 16),
    *("[1:", "12k/1M", "it/s]", "s/it]", "]", "it/s", "\x1b[A", "é", "٣"),
))  # fmt: skip
COMMON_BARS = st.tuples(
    st.sampled_from(("", " ", "  ", "Train: ", "x")),
    st.integers(0, 1200),
    st.text("█# |%", max_size=3),
    st.integers(0, 10**16),
    st.integers(0, 10**16),
    st.sampled_from(("00:01", "1:2:3", "7", "1:1:1:1")),
    st.sampled_from(("00:09, 1.0s/it]", "?, ?it/s]", "1 day, 0:00:01, 12it/s]", "0:1,1s/it]x")),
)
BARS = st.lists(BAR_PIECES, max_size=14).map("".join) | COMMON_BARS.map(
    lambda told: "{}{}%|{}| {}/{} [{}<{}".format(*told)
)


@given(BARS)
def test_bars_that_are_read_in_the_shortest_time_say_the_same(line: str) -> None:
    count, bar = plain_count(line), last_record(line)
    if count is not None:
        assert isinstance(bar, ProgressBar)
        assert bar.is_training
        assert (count.step, count.total, count.elapsed) == (bar.step, bar.total, bar.elapsed)


@pytest.mark.parametrize(
    "line", ["  3%|3  | 10/375 [1:02:09<?, 12.05s/it]", "100%|█| 9/9 [00:01<00:00, 9it/s]"]
)
def test_common_bars_are_read_in_the_shortest_time(line: str) -> None:
    assert plain_count(line) is not None
    assert plain_count(f"x{line}") is None


DICTS = st.lists(
    st.sampled_from((
        *("{'loss': 1.5}", "{'loss': 2, 'epoch': '0.5'}", '{"a": "x"}', "{'a': 1}, {'b': 2}", "{", "{}"),
        *("{'a': nan}", '{"a": "x', '{y", "b": 1}', "{'a': {'b': 1}}", "{'a': 1},", "{'a': 1}]", "{} "),
        *("{'a': ", "{'a': 1, 'a': '2'}", "{'a': '\\n'}", '{"a\\": 1}', "{'it\"s': 1}", "{'a': true}"),
        *("{[1]}", "{'a'"),
    ))
)  # fmt: skip


@given(DICTS)
def test_dicts_that_are_read_together_say_what_each_says(texts: list[str]) -> None:
    assert repr(list(flat_each(texts))) == repr([flat(text) for text in texts])


@given(
    st.dictionaries(st.text("""'"\\=: ,1ab""", min_size=1, max_size=9), st.floats(0, 9), max_size=3),
    st.sampled_from("'\""),
)
@example({"'=cmd": 1.0}, "'")
def test_no_short_way_takes_a_quote_in_a_name_for_another(values: dict[str, float], quote: str) -> None:
    def quoted(name: str) -> str:
        return quote + name.replace("\\", "\\\\").replace(quote, f"\\{quote}") + quote

    text = f"{{{', '.join(f'{quoted(name)}: {value}' for name, value in values.items())}}}"
    for read in (numbers, flat):
        found = read(text)
        assert found is None or found == values
