"""Real logs: every metric is found, with the values that a slow and independent reader finds too."""

import ast
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_logs import corpus_folder

from dashscope_ftlogs.metrics.points import read_points
from dashscope_ftlogs.reading.own_pattern import parse_line, parse_lines
from dashscope_ftlogs.reading.records import Metrics, ProgressBar, Record, Tokens, Traceback

FOLDER = corpus_folder()
LOGS = sorted([*FOLDER.rglob("*.log"), *FOLDER.rglob("*.jsonl")]) if FOLDER else []

# Other people's logs can't be shipped. Where a folder of them is named, it has to hold them.
pytestmark = pytest.mark.skipif(FOLDER is None, reason="FTLOGS_CORPUS names no folder of real logs")


def read(name: str) -> list[str]:
    """The lines of a log as the service would give them: carriage returns stay inside."""
    (path,) = (path for path in LOGS if path.name == name)
    return path.read_bytes().decode("utf-8", "replace").split("\n")


def reference(line: str) -> Iterator[dict[str, Any]]:
    """The metric dicts of a line, by a regular expression and `ast.literal_eval`."""
    for part in re.split(r"\r\n|\n|\r", line):
        clean = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x00", "", part)
        for text in re.findall(r"\{[^{}]*\}", clean):
            try:
                found = literal(text)
            except (SyntaxError, ValueError):
                continue
            if isinstance(found, dict) and any(
                isinstance(key, str) and re.fullmatch(r"loss|.*_loss|train_runtime|eval_runtime", key)
                for key in found
            ):
                yield {key: number(value) for key, value in found.items()}


def literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        text = re.sub(r"(?:np\.\w+|tensor|array)\(([^,()]*)[^()]*\)", r"\1", text)
        return ast.literal_eval(re.sub(r"(?<=[:\s])(-?)(nan|inf)(?=\s*[,}])", r"\g<1>'\2'", text))


def number(value: Any) -> Any:
    try:
        return float(value)
    except ValueError:
        return value


def same(one: Any, other: Any) -> bool:
    both = isinstance(one, float) and isinstance(other, float)
    return one == other or (both and math.isnan(one) and math.isnan(other))


def test_the_corpus_is_there() -> None:
    assert len(LOGS) >= 20


@pytest.mark.parametrize("name", [path.name for path in LOGS])
def test_every_metric_dict_is_found_with_the_right_values(name: str) -> None:
    for offset, line in enumerate(read(name)):
        expected = list(reference(line))
        found = [record.values for record in parse_line(line) if isinstance(record, Metrics)]
        assert len(found) == len(expected), (offset, line[:300])
        for mine, other in zip(found, expected, strict=True):
            assert list(mine) == list(other), offset
            assert all(same(mine[key], other[key]) for key in other), (offset, mine, other)


def test_there_are_thousands_of_them() -> None:
    assert sum(len(list(reference(line))) for path in LOGS for line in read(path.name)) > 5000


@pytest.mark.parametrize("name", [path.name for path in LOGS])
def test_records_come_in_order_and_lose_no_line(name: str) -> None:
    lines = read(name)
    last = 0
    for number, record in parse_lines(lines):
        assert isinstance(record, Record)
        assert last <= number < len(lines)
        last = number


@given(st.data())
def test_no_log_raises_wherever_it_is_cut(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(LOGS))
    content = path.read_bytes()
    end = data.draw(st.integers(0, len(content)))
    cut = content[max(0, end - 3000) : end].decode("utf-8", "replace").split("\n")
    # What stands before it was parsed, whole, above.
    read_points(cut)
    for _, record in parse_lines(cut):
        assert isinstance(record, Record)


@pytest.mark.parametrize(
    ("name", "segments", "steps_known"),
    [
        ("chatglm-et-webqsp-lora.log", 3, True),
        ("crypto-fsl-crlf.log", 7, False),  # its epochs go back six times
        ("handbook-orpo.log", 1, True),
        ("degradation-zh-zero3.log", 1, True),
        ("smallville-unsloth-oom.log", 1, True),
        ("cnminiphi3-deepspeed.log", 1, False),
        ("dashscope-bailian-cpt-real.log", 1, True),
    ],
)
def test_restarts_are_segments_and_steps_are_never_guessed(
    name: str, segments: int, steps_known: bool
) -> None:
    points = read_points(read(name))
    assert points[-1].segment + 1 == segments
    train = [point.step for point in points if point.kind == "train"]
    assert (None not in train) == steps_known
    if steps_known:
        for segment in range(segments):
            own = [p.step for p in points if p.segment == segment and p.kind == "train"]
            assert own == sorted(own, key=lambda step: step or 0)
    else:
        assert set(train) == {None}


def test_the_platform_s_own_log_gives_steps_and_tokens() -> None:
    points = read_points(read("dashscope-bailian-cpt-real.log"))
    assert [(p.kind, p.step, p.total_steps, p.tokens) for p in points] == [
        ("train", 3, 3, 393216),
        ("eval", 3, 3, 393216),
    ]
    assert {point.time for point in points} == {None}  # stamps stand on other lines only
    counts = [
        record.count
        for _, record in parse_lines(read("dashscope-docs-wan-sample.log"))
        if isinstance(record, Tokens)
    ]
    assert len(counts) == 19
    assert counts == sorted(counts)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("poso-dpo-oom.log", "torch.OutOfMemoryError: CUDA out of memory."),
        ("crypto-fsl-crlf.log", "RuntimeError: [enforce fail at inline_container.cc:"),
        ("smallville-unsloth-oom.log", "torch.OutOfMemoryError: CUDA out of memory."),
    ],
)
def test_tracebacks_end_with_what_went_wrong(name: str, error: str) -> None:
    blocks = [record for _, record in parse_lines(read(name)) if isinstance(record, Traceback)]
    assert any(block.error.startswith(error) for block in blocks), [block.error for block in blocks]


def test_the_number_of_progress_bars_is_about_what_was_counted_by_hand() -> None:
    bars = [r for _, r in parse_lines(read("cleancode-qwen-dpo.log")) if isinstance(r, ProgressBar)]
    assert abs(len(bars) - 508) <= 10


def test_lines_of_a_jsonl_log_hold_what_json_reads_there() -> None:
    lines = [line for line in read("360-llamafactory-trainer_log.jsonl") if line]
    for line, point in zip(lines, read_points(lines), strict=True):
        row = json.loads(line)
        assert (point.step, point.total_steps) == (row["current_steps"], row["total_steps"])
        assert point.values["loss"] == row["loss"]
