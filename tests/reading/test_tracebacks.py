"""Tracebacks in a log become one record each, wherever they begin and however they end."""

import json
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from raised import formatted

from dashscope_ftlogs import InvalidArgumentError
from dashscope_ftlogs.reading.own_pattern import parse_lines
from dashscope_ftlogs.reading.records import Metrics, Record, Traceback
from dashscope_ftlogs.reading.tracebacks import RecordReader

BEGIN = "Traceback (most recent call last):"
FRAME = '  File "train.py", line 7, in main'
DURING = "During handling of the above exception, another exception occurred:"


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


@pytest.mark.covered
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


METRIC = "{'loss': 0.5, 'epoch': 0.1}"
BAR = " 10%|█         | 10/100 [00:10<01:30,  1.00s/it]"
MESSAGE = "2026-01-05 03:04:05,006 - INFO - start to save checkpoint"
ERRORS = (
    "StopIteration",
    "_queue.Empty",
    "SystemExit: 1",
    "KeyboardInterrupt",
    "GeneratorExit",
    "zlib.error: Error -3 while decompressing data",
    "__main__.main.<locals>.Boom: it went off",
    "Boom",
    "ray.exceptions.RayTaskError(ValueError): ray::train() (pid=1)",
    "ValueError:",
    "Überlauf: Gerät voll",
)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("after", [METRIC, BAR, MESSAGE, "all is well"])
def test_whatever_the_exception_is_called_nothing_after_it_is_taken(error: str, after: str) -> None:
    records = list(parse_lines([BEGIN, FRAME, "    step()", error, after, METRIC]))
    assert [number for number, _ in records] == [0, 4, 5]
    assert records[0][1] == Traceback(error, f"{BEGIN}\n{FRAME}\n    step()\n{error}")
    assert records[1:] == list(parse_lines([after, METRIC], 4))


@pytest.mark.parametrize("after", [METRIC, BAR, f" {BAR}", MESSAGE, "all is well", "训练完成", "done"])
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_nothing_after_one_that_is_cut_off_is_taken(cut: int, after: str) -> None:
    records = list(parse_lines([*[BEGIN, FRAME, "    step()"][:cut], after, METRIC]))
    assert records == [(0, records[0][1]), *parse_lines([after, METRIC], cut)]
    assert isinstance(records[0][1], Traceback)
    assert records[0][1].error == ""


def test_code_that_logs_a_metric_is_no_metric() -> None:
    lines = [BEGIN, FRAME, "    log({'loss': 0.5, 'epoch': 0.1})", "    ^^^^^^^^^^^", "OSError: full"]
    assert found(lines) == [(0, "OSError: full")]


def test_only_a_line_that_ends_with_the_words_begins_one() -> None:
    line = f"I get this: {BEGIN} File a.py, line 3. What can I do?"
    assert found([line, FRAME, METRIC]) == [(0, line), (1, FRAME.rstrip()), (2, METRIC)]


def test_a_metric_to_which_it_is_glued_is_found() -> None:
    records = [type(record) for _, record in parse_lines([METRIC + BEGIN, FRAME, "OSError: full"])]
    assert records == [Metrics, Traceback]


PREFIXES: dict[str, Callable[[int], str]] = {
    "nothing": lambda _: "",
    "a rank": lambda _: "[rank1]: ",
    "Ray": lambda _: "(Worker pid=4242, ip=10.0.0.7) ",
    "mpirun": lambda _: "[1,0]<stderr>:",
    "srun": lambda _: "0: ",
    "docker compose": lambda _: "trainer-1  | ",
    "kubectl": lambda n: f"2026-01-05T03:04:{n % 60:02}.{n:09}Z ",
    "a stamp without a fraction now and then": lambda n: f"2026-01-05T03:04:05{'.5' * (n % 2)}Z ",
    "CRI": lambda n: f"2026-01-05T03:04:{n % 60:02}.{n:09}+08:00 stderr F ",
    "journald": lambda n: f"Jan 05 03:04:{n % 60:02} node7 python[4242]: ",
    "glog": lambda n: f"E0105 03:04:{n % 60:02}.{n:06} 4242 train.py:12] ",
    "glog with the year": lambda n: f"E202601{n % 28 + 1:02} 03:04:{n % 60:02} 4242 train.py:12] ",
    "seconds": lambda n: f"[{n}.{n:06}] ",
    "a logger, once": lambda n: "[INFO:swift] " if n == 0 else "",
    "Ray, and a logger once": lambda n: "(W pid=1) " + "ERROR:2026-01-05 03:04:05,526:" * (n == 0),
    "stamps, and a rank": lambda n: f"2026-01-05 03:04:{n % 60:02},{n:03} [rank3]: ",
}


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_the_prefixes_of_its_lines_may_differ_in_their_times(prefix: Callable[[int], str]) -> None:
    block = [BEGIN, FRAME, "    step()", "KeyError: 'x'", "", DURING, "", BEGIN, FRAME, "OSError: full"]
    lines = [prefix(number) + text for number, text in enumerate(block)]
    after = [prefix(number) + text for number, text in enumerate((METRIC, BAR, "end"), len(block))]
    records = list(parse_lines([*lines, *after]))
    assert records[0] == (0, Traceback("OSError: full", "\n".join(lines)))
    assert records[1:] == list(parse_lines(after, len(lines)))


def test_a_blank_line_may_lack_its_prefix_or_the_blanks_of_it() -> None:
    block = [BEGIN, FRAME, "KeyError: 1", None, DURING, None, BEGIN, FRAME, "OSError: full"]
    for blank in ("", "[rank0]:"):
        lines = [blank if text is None else f"[rank0]: {text}" for text in block]
        assert found([*lines, "next"]) == [(0, "OSError: full"), (9, "next")]


def test_ranks_that_fail_at_once_are_told_apart() -> None:
    blocks = {rank: [BEGIN, FRAME, "    step()", f"OSError: rank {rank} is full"] for rank in range(3)}
    lines = [f"[rank{rank}]: {blocks[rank][at]}" for at in range(4) for rank in blocks]
    lines.insert(5, METRIC)
    lines.insert(8, BAR)
    assert found([*lines, "next"]) == [
        *((rank, f"OSError: rank {rank} is full") for rank in range(3)),
        (5, METRIC),
        (8, BAR),
        (14, "next"),
    ]


def test_a_rank_of_which_no_more_comes_does_not_hold_up_the_others_for_long() -> None:
    reader = RecordReader()
    assert list(reader.read(0, f"[rank0]: {BEGIN}")) == []
    told = [number for number in range(1, 200) if list(reader.read(number, "[rank1]: fine"))]
    assert told[0] < 80
    assert not reader.in_traceback


@pytest.mark.slow
def test_more_of_them_at_once_than_are_told_apart_cost_no_more() -> None:
    def seconds(count: int) -> float:
        lines = [f"[rank{rank}]: {BEGIN}" for rank in range(count)]
        begun = time.process_time()
        assert [number for number, _ in parse_lines(lines)] == list(range(count))
        return time.process_time() - begun

    assert min(seconds(800) for _ in range(3)) < 3 * 8 * max(seconds(100) for _ in range(3))


GROUP = [
    "  + Exception Group Traceback (most recent call last):",
    '  |   File "a.py", line 3, in <module>',
    "  |     main()",
    "  | ExceptionGroup: unhandled errors in a TaskGroup (2 sub-exceptions)",
    "  +-+---------------- 1 ----------------",
    "    | Traceback (most recent call last):",
    '    |   File "a.py", line 9, in f',
    "    |     g()",
    "    | ValueError: bad row 17",
    "    +---------------- 2 ----------------",
    "    | OSError: full",
    "    +------------------------------------",
]


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_a_group_of_exceptions_is_one_and_tells_each_of_them(prefix: Callable[[int], str]) -> None:
    lines = [prefix(number) + text for number, text in enumerate(GROUP)]
    after = [prefix(99) + text for text in (METRIC, "  | a | table |", "end")]
    records = list(parse_lines([*lines, *after]))
    errors = "ExceptionGroup: unhandled errors in a TaskGroup (2 sub-exceptions)"
    assert records[0] == (
        0,
        Traceback(f"{errors}\nValueError: bad row 17\nOSError: full", "\n".join(lines)),
    )
    assert records[1:] == list(parse_lines(after, len(lines)))


def test_a_group_that_is_cut_off_takes_nothing_after_it() -> None:
    for cut in range(1, len(GROUP)):
        records = list(parse_lines([*GROUP[:cut], METRIC, BAR, "end"]))
        assert records[1:] == list(parse_lines([METRIC, BAR, "end"], cut))


def quoted(lines: Sequence[str], form: str) -> list[str]:
    if form == "docker":
        return [json.dumps({"log": f"{line}\n", "stream": "stderr", "time": "2026"}) for line in lines]
    return [f"      {json.dumps(line + chr(10))}," for line in lines]


@pytest.mark.parametrize("form", ["docker", "notebook"])
@pytest.mark.parametrize("begin", [BEGIN, f"[INFO:swift] {BEGIN}"])
def test_one_in_the_strings_of_json_ends_as_any_other(form: str, begin: str) -> None:
    lines = quoted(
        [begin, FRAME, "    f('\"')", 'ValueError: no "x"', "", DURING, "", BEGIN, FRAME], form
    )
    after = quoted(["OSError: full", METRIC, "end"], form)
    records = list(parse_lines([*lines, *after]))
    assert records[0] == (0, Traceback("OSError: full", "\n".join([*lines, after[0]])))
    assert records[1:] == list(parse_lines(after[1:], len(lines) + 1))


def test_strings_that_do_not_end_are_no_part_of_it() -> None:
    begin, frame = quoted([BEGIN, FRAME], "docker")
    for broken in (frame.partition("line")[0], frame.replace("train", "\\x"), METRIC):
        records = list(parse_lines([begin, frame, broken, METRIC]))
        assert records[1:] == list(parse_lines([broken, METRIC], 2))


ALL_LINES = (METRIC, BAR, MESSAGE, "all is well", "", "wandb: done", "[rank9]: fine", "{'loss': 1.5}\r")


@pytest.mark.covered
@given(
    formatted(),
    st.sampled_from(sorted(PREFIXES)),
    st.lists(st.sampled_from(ALL_LINES), max_size=4),
    st.lists(st.sampled_from(ALL_LINES), max_size=4),
    st.booleans(),
)
@example((["Traceback (most recent call last):", "OSError"], True), "a rank", [], ["wandb: done"], True)
def test_of_what_python_prints_all_is_found_and_nothing_else_is_taken(
    raised: tuple[list[str], bool], scheme: str, before: list[str], after: list[str], own: bool
) -> None:
    block, is_plain = raised
    prefix = PREFIXES[scheme]
    lines = [prefix(number) + text for number, text in enumerate(block)]
    after = [(prefix(99) if own else "") + text for text in after]
    begin, end = len(before), len(before) + len(lines)
    records = list(parse_lines([*before, *lines, *after]))
    told = [(number, record) for number, record in records if not begin <= number < end]
    assert repr(told) == repr([*parse_lines(before), *parse_lines(after, end)])
    blocks: list[Any] = [record for number, record in records if isinstance(record, Traceback)]
    # What is not taken of a message that goes on is told as what it would be elsewhere.
    assert "\n".join(lines).startswith(blocks[0].raw.split("\n")[0])
    for one in blocks:
        assert one.raw in "\n".join(lines)
    if is_plain:
        assert [one.raw for one in blocks] == ["\n".join(lines).rstrip()]
        assert blocks[0].error.split("\n")[0] in "\n".join(block)


@pytest.mark.parametrize(
    "line",
    [
        BEGIN * 200_000,
        "[rank0]: " * 10**6 + BEGIN,
        " " * 10**7 + BEGIN,
        "1:" * 10**6 + BEGIN,
        "x" * 10**7,
    ],
    ids=["begins", "ranks", "blanks", "times", "text"],
)
def test_a_huge_line_takes_no_time(line: str) -> None:
    begun = time.process_time()
    list(parse_lines([line, line, BEGIN, line, FRAME, line]))
    assert time.process_time() - begun < 10


def a_group_of_chained() -> None:
    try:
        try:
            raise ExceptionGroup("inner", [KeyError(1)])
        except ExceptionGroup as group:
            raise OSError("full") from group
    except OSError as error:
        first = error
    raise ExceptionGroup("outer", [ExceptionGroup("one", [TypeError(3)]), first, ValueError(2)])


def one_while_a_group_was_handled() -> None:
    try:
        a_group_of_chained()
    except ExceptionGroup as group:
        raise OSError("disk full") from group


def a_group_while_another_was_handled() -> None:
    try:
        one_while_a_group_was_handled()
    except OSError as error:
        raise ExceptionGroup("outer", [ValueError(1)]) from error


@pytest.mark.parametrize("prefix", ["", "[rank1]: ", "2026-01-05T03:04:05Z stderr F "])
@pytest.mark.parametrize(
    "make",
    [a_group_of_chained, one_while_a_group_was_handled, a_group_while_another_was_handled],
    ids=["a group", "one", "another group"],
)
def test_groups_are_whole_with_what_led_to_them_and_what_they_led_to(
    make: Callable[[], None], prefix: str
) -> None:
    try:
        make()
    except Exception:
        lines = [prefix + line for line in traceback.format_exc().splitlines()]
    block, *after = [record for _, record in parse_lines([*lines, prefix + "bye"])]
    assert isinstance(block, Traceback)
    assert [line.rstrip() for line in block.raw.splitlines()] == [line.rstrip() for line in lines]
    assert len(after) == 1


def test_an_error_that_was_announced_may_come_without_its_frames() -> None:
    lines = [BEGIN, FRAME, "KeyError: 1", "", DURING, "", "OSError: full", "bye"]
    assert found(lines) == [(0, "OSError: full"), (7, "bye")]


def test_a_group_ends_where_its_margin_does() -> None:
    assert [number for number, _ in found([*GROUP[:4], "bye"])] == [0, 4]


def test_what_is_no_string_is_refused_among_the_lines() -> None:
    with pytest.raises(InvalidArgumentError, match="line=5: must be"):
        list(RecordReader().read(0, 5))  # type: ignore[arg-type]


def test_a_line_of_another_program_in_its_place_is_no_frame() -> None:
    lines = [f"INFO: {BEGIN}", 'INFO: (pid=1)   File "a.py", line 3', "INFO: OSError: full"]
    assert [number for number, _ in parse_lines(lines)][:1] == [0]
