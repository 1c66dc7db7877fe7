"""Tracebacks in a log become one record each, wherever they begin and however they end."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.reading.records import Record, Traceback
from dashscope_ftlogs.reading.tracebacks import RecordReader, parse_lines

BEGIN = "Traceback (most recent call last):"
FRAME = '  File "train.py", line 7, in main'


def found(lines: Sequence[str]) -> list[tuple[int, str]]:
    return [
        (number, record.error if isinstance(record, Traceback) else record.raw)
        for number, record in parse_lines(lines)
    ]


def test_a_traceback_ends_with_its_error() -> None:
    assert found(["before", BEGIN, FRAME, "    step()", "OSError: disk full", "after"]) == [
        (0, "before"),
        (1, "OSError: disk full"),
        (5, "after"),
    ]


def test_an_error_without_words_ends_it_too() -> None:
    assert found([BEGIN, FRAME, "KeyboardInterrupt", "after"]) == [
        (0, "KeyboardInterrupt"),
        (3, "after"),
    ]
    assert found([BEGIN, FRAME, "my.own.StrangeError", "x"]) == [(0, "my.own.StrangeError"), (3, "x")]


def test_chained_tracebacks_are_one_and_the_last_error_counts() -> None:
    lines = [
        *(BEGIN, FRAME, "KeyError: 'loss'", ""),
        *("During handling of the above exception, another exception occurred:", ""),
        *(BEGIN, FRAME, "RuntimeError: no loss", "next"),
    ]
    assert found(lines) == [(0, "RuntimeError: no loss"), (9, "next")]


def test_each_rank_s_prefix_is_taken_off() -> None:
    lines = [f"[rank1]: {text}" for text in (BEGIN, FRAME, "ValueError: bad")]
    assert found(lines) == [(0, "ValueError: bad")]


def test_it_may_stand_in_one_line_of_the_log_with_the_bar_before_it() -> None:
    line = " 10%|█ | 1/10 [00:01<00:09,  1.0s/it]\n" + f"{BEGIN}\n{FRAME}\nValueError: bad\non"
    (_, bar), *rest = found([line, "later"])
    assert bar.startswith(" 10%")
    assert rest == [(0, "ValueError: bad"), (0, "on"), (1, "later")]


def test_one_that_is_cut_off_has_no_error() -> None:
    ((number, record),) = parse_lines([BEGIN, FRAME])
    assert (number, record) == (0, Traceback("", f"{BEGIN}\n{FRAME}"))


def test_one_that_never_ends_is_given_up_after_a_thousand_lines() -> None:
    records = found([BEGIN, *(["  more"] * 3000), "{'loss': 0.5}"])
    assert records[0] == (0, "")
    assert records[-1] == (3001, "{'loss': 0.5}")
    assert records[1][0] == 1000


def test_metrics_after_a_traceback_are_found_again() -> None:
    records = list(parse_lines([BEGIN, FRAME, "ValueError: bad row", "{'loss': 0.5}"]))
    assert [type(record).__name__ for _, record in records] == ["Traceback", "Metrics"]


@given(
    st.lists(
        st.sampled_from(
            [
                *(BEGIN, FRAME, "", "ValueError: x", "text", "[rank0]: " + BEGIN, "\r", "{'loss': 1}"),
                "The above exception was the direct cause of the following exception:",
            ]
        )
        | st.text(max_size=8),
        max_size=30,
    )
)
def test_line_by_line_it_says_the_same_as_at_once(lines: list[str]) -> None:
    reader = RecordReader()
    read: list[tuple[int, Record]] = []
    for number, line in enumerate(lines):
        read += reader.read(number, line)
    read += reader.end()
    assert repr(read) == repr(list(parse_lines(lines)))
    assert [number for number, _ in read] == sorted(number for number, _ in read)
