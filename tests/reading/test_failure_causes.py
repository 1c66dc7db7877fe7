"""Why jobs failed: the last error that tells it, and which errors are alike."""

import doctest
import time
from typing import Any

import pytest
from ended_logs import ENDED
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.emulator import generate_job
from dashscope_ftlogs.metrics.points import read_points
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.reading import failure_causes
from dashscope_ftlogs.reading.failure_causes import (
    ErrorReader,
    Failure,
    LogError,
    clusters,
    failure,
    last_error,
    normalised,
)
from dashscope_ftlogs.reading.failure_signs import may_tell, sign_of
from dashscope_ftlogs.reading.log_errors import LogErrors
from dashscope_ftlogs.reading.own_pattern import parse_lines
from dashscope_ftlogs.reading.records import Metrics, Text, last_record

BEGIN = "Traceback (most recent call last):"
FAILED = "2025-12-06 20:44:39,609 - ERROR - finetune-job failed"


def found(*lines: str) -> tuple[int, str] | None:
    error = last_error(parse_lines(lines))
    return None if error is None else (error.offset, error.text)


def read(*lines: str) -> ErrorReader:
    reader = ErrorReader()
    for number, record in parse_lines(lines):
        reader.read(number, record)
    return reader


def test_the_examples_hold() -> None:
    assert doctest.testmod(failure_causes).attempted > 5
    assert doctest.testmod(failure_causes).failed == 0


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], None),
        (["{'loss': 1.0}", "all is well", "2025-12-06 20:44:39,609 - INFO - finetune-job failed"], None),
        ([BEGIN, "  File", "OSError: disk full"], (0, "OSError: disk full")),
        (["x", BEGIN, "KeyError: 1", BEGIN, "KeyError: 2", "bye"], (3, "KeyError: 2")),
        (["[ERROR|trainer.py:12] 2024-06-02 02:15:48,409 >> broken"], (0, "broken")),
        (["2025-12-06 20:44:39,609 - CRITICAL - on fire"], (0, "on fire")),
        (["2025-12-06 20:44:39,609 - WARNING - smoke"], None),
        *(
            (
                [f"{stamp} 42 a.cc:9] Check failed: x", "Aborted (core dumped)"],
                (0, f"{stamp} 42 a.cc:9] Check failed: x"),
            )
            for stamp in ("F0105 03:04:05.000001", "F0105 03:04:05", "F20260105 03:04:05")
        ),
        (
            ["slurmstepd-gpu016: error: Detected 1 oom_kill event in StepId=2.batch."],
            (0, "slurmstepd-gpu016: error: Detected 1 oom_kill event in StepId=2.batch."),
        ),
        (
            ["  traceback : Signal 9 (SIGKILL) received by PID 3617183"],
            (0, "traceback : Signal 9 (SIGKILL) received by PID 3617183"),
        ),
        (
            ["[1] failed (exitcode: -9) local_rank: 2 (pid: 1)"],
            (0, "[1] failed (exitcode: -9) local_rank: 2 (pid: 1)"),
        ),
        ([BEGIN, "  cut off"], (0, f"{BEGIN} cut off")),
        ([BEGIN, "  cut off", "all is well"], None),
    ],
)
def test_the_last_error_of_a_log_is_found(lines: list[str], expected: tuple[int, str] | None) -> None:
    assert found(*lines) == expected


@pytest.mark.parametrize(
    "consequence",
    [
        (FAILED,),
        (BEGIN, "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: "),
        (BEGIN, "subprocess.CalledProcessError: Command 'train' returned non-zero exit status 1."),
        (BEGIN, "KeyboardInterrupt"),
    ],
    ids=lambda lines: lines[-1][:30],
)
def test_what_only_follows_from_an_error_does_not_hide_it(consequence: tuple[str, ...]) -> None:
    assert found(BEGIN, "ValueError: bad row", *consequence) == (0, "ValueError: bad row")
    alone = found("begin", *consequence)
    assert alone is not None
    assert alone[0] == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CUDA error at 0x7f3a11", "CUDA error at 0xdeadbeef"),
        ("file /mnt/a/b-1.bin missing", "file /other/place missing"),
        (r"file C:\data\x.bin missing", "file ~/x.bin missing"),
        ("row 17 of 2,000 is bad", "row 999 of 3.5e6 is bad"),
        ("job ft-202512062026-fc67 died", "job ft-202410291653-1c7f died"),
        ("id 976bd01a-f30b-4414-86fd-50c54486e3ef", "id 00000000-0000-0000-0000-000000000000"),
        ("commit 3f5a9c1 lost", "commit deadbee0123456789 lost"),
        ("Tried to allocate 22.00 MiB.", "Tried to allocate 1.12 GiB."),
        ("\x1b[31mboom\x1b[0m", "boom"),
        ("worker gpu016  died", "worker gpu7 died"),
        ("the same" + " and so on" * 20 + "1", "the same" + " and so on" * 20 + "x"),
    ],
)
def test_errors_that_differ_in_what_always_differs_are_alike(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("KeyError: 'content'", "KeyError: 'role'"),
        ("ValueError: no answer", "TypeError: no answer"),
        ("deadline passed", "headline passed"),
    ],
)
def test_errors_that_say_something_else_are_not(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


@pytest.mark.unmeasured
@given(st.text(max_size=300))
def test_any_text_is_normalised_and_then_stays_so(text: str) -> None:
    once = normalised(text)
    assert len(once) <= 121
    assert "\n" not in once


@pytest.mark.parametrize("text", ["/" * 10**6, "0" * 10**6, "a1" * 10**6, "1,1" * 10**6, "ft-1" * 10**6])
def test_a_huge_error_takes_no_time(text: str) -> None:
    begun = time.perf_counter()
    normalised(text)
    assert found(f"{FAILED}{text}", f"CUDA out of memory {text}") is not None
    assert time.perf_counter() - begun < 2


def job(status: str, **facts: Any) -> Job:
    return Job("ft-1", status, **facts)


def test_only_a_job_that_failed_is_a_failure() -> None:
    errors = read(BEGIN, "ValueError: bad row")
    for status in ("RUNNING", "SUCCEEDED", "CANCELED", "PENDING", "SOMETHING_NEW"):
        assert failure("ft-1", job(status), errors) is None
    got = failure("ft-1", job("FAILED", code="InternalError", message="no"), errors)
    assert got == Failure("ft-1", LogError(0, "ValueError: bad row"), False, "InternalError", "no")


def test_a_failed_job_without_any_error_in_its_log_is_what_the_service_says() -> None:
    got = failure("ft-1", job("FAILED", code="InternalError", message="no"), read("fine"))
    assert got is not None
    assert (got.error, got.text) == (None, "InternalError: no")
    silent = failure("ft-1", job("FAILED"), read())
    assert silent is not None
    assert silent.text == ""


def test_the_service_knows_more_than_a_log_that_only_says_failed() -> None:
    told = failure("ft-1", job("FAILED", code="DataError", message="no rows"), read(FAILED))
    untold = failure("ft-1", job("FAILED"), read(FAILED))
    assert told is not None
    assert untold is not None
    assert (told.text, untold.text) == ("DataError: no rows", "finetune-job failed")


def test_of_an_unknown_job_the_last_error_is_a_guess() -> None:
    got = failure("x.log", None, read(BEGIN, "ValueError: bad row"))
    assert got is not None
    assert got.guessed
    assert failure("x.log", None, read("fine")) is None


def test_a_log_that_says_that_its_job_succeeded_is_believed() -> None:
    done = "2025-12-06 20:44:39,609 - INFO - finetune-job succeeded"
    assert failure("x.log", None, read(BEGIN, "ValueError: bad row", done)) is None


def test_the_most_frequent_failures_come_first() -> None:
    errors = ("KeyError: 1", "disk full at /a", "disk full at /b", "", "")
    all_of_them = [
        Failure(f"ft-{number}", LogError(number, text) if text else None, False)
        for number, text in enumerate(errors)
    ]
    got = [(one.text, [each.source for each in one.failures]) for one in clusters(all_of_them)]
    assert got == [
        ("disk full at PATH", ["ft-1", "ft-2"]),
        ("", ["ft-3", "ft-4"]),
        ("KeyError: N", ["ft-0"]),
    ]
    assert clusters([]) == []


@pytest.mark.covered
@pytest.mark.parametrize("name", ENDED)
def test_what_a_job_failed_of_is_found_and_nothing_where_it_did_not(name: str) -> None:
    lines, cause = ENDED[name]
    got = failure("x.log", None, read(*lines))
    if cause is None:
        assert got is None
    else:
        assert got is not None
        assert cause in got.text
        assert got.guessed


@pytest.mark.parametrize("name", ENDED)
@pytest.mark.parametrize(
    "prefix", ["2026-01-05T03:04:05.5Z ", "2026-01-05T03:04:05.5Z stderr F ", "trainer-1  | ", "0: "]
)
def test_so_it_is_behind_what_carries_the_log(name: str, prefix: str) -> None:
    lines, cause = ENDED[name]
    got = failure("x.log", None, read(*(prefix + line for line in lines)))
    if cause is None:
        assert got is None
    else:
        assert got is not None
        assert cause in got.text


@pytest.mark.covered
@pytest.mark.parametrize("name", ENDED)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_page_by_page_and_mostly_unread_the_same_is_found(name: str, size: int) -> None:
    lines = [*["fine"] * 5, *ENDED[name][0]]
    errors = LogErrors()
    for begin in range(0, len(lines), size):
        errors.read(list(enumerate(lines[begin : begin + size], begin)))
    assert failure("x", None, errors.end()) == failure("x", None, read(*lines))


LINES = sorted({line for lines, _ in ENDED.values() for line in lines})


@given(st.lists(st.sampled_from(LINES), max_size=40), st.integers(1, 7))
def test_in_any_order_too(lines: list[str], size: int) -> None:
    errors = LogErrors()
    for begin in range(0, len(lines), size):
        errors.read(list(enumerate(lines[begin : begin + size], begin)))
    assert failure("x", None, errors.end()) == failure("x", None, read(*lines))


@given(st.text(max_size=200))
def test_a_line_without_a_telling_word_tells_nothing(text: str) -> None:
    assert may_tell(text) or sign_of(Text(text)) is None


def test_of_ranks_that_fail_the_first_counts_and_of_one_program_the_last() -> None:
    first, second = [BEGIN, "  File", "ValueError: 1"], [BEGIN, "  File", "KeyError: 2"]
    ranks = [*(f"[rank3]: {line}" for line in first), *(f"[rank1]: {line}" for line in second)]
    assert found(*ranks) == (0, "ValueError: 1")
    assert found(*first, *second) == (3, "KeyError: 2")
    agent = "[2026-01-05 03:04:05,489] [ERROR] [api.py:1] failed (exitcode: 1) local_rank: 3"
    assert found(*first, *second, agent) == (0, "ValueError: 1")


def test_an_error_that_is_told_again_stands_where_training_last_did_not_go_on_after_it() -> None:
    error = [BEGIN, "  File", "ValueError: 1"]
    assert found(*error, "{'loss': 1}", *error, *error) == (4, "ValueError: 1")
    assert found(*error, *error, "{'loss': 1}", *error, "ERROR: over") == (7, "ValueError: 1")
    reader = read(*error, *error, "bye")
    reader.went_on(2)
    assert reader.cause == LogError(3, "ValueError: 1")
    reader.went_on(9)
    assert (reader.cause, reader.last) == (None, LogError(3, "ValueError: 1"))


def test_of_a_job_that_is_known_to_have_failed_what_it_went_on_after_is_better_than_nothing() -> None:
    errors = read(BEGIN, "  File", "ValueError: bad row", "{'loss': 1.0}")
    assert failure("x.log", None, errors) is None
    got = failure("ft-1", job("FAILED"), errors)
    assert got is not None
    assert got.error == LogError(0, "ValueError: bad row")


def test_a_metric_behind_an_error_may_be_from_before_it_where_the_bar_stands_still() -> None:
    def bar(step: int) -> str:
        return f" {step}%|█  | {step}/100 [00:10<01:30,  1.00s/it]"

    error = [BEGIN, "  File", "ValueError: bad row"]
    assert found(bar(3), *error, "{'loss': 1.0}", bar(3)) == (1, "ValueError: bad row")
    assert found(bar(3), *error, "{'loss': 1.0}", bar(4)) is None
    assert found(bar(100), *error, "{'loss': 1.0}") is None  # a bar that is done is not training's
    assert found("Map:   3%|█  | 3/100 [00:10<01:30,  1.00s/it]", *error, "{'loss': 1.0}") is None


OWN = [BEGIN, '  File "train.py", line 7, in main', "    step()", "ValueError: bad row"]
PREFIXES = ["[rank1]: ", "2026-01-05T03:04:05.5Z stderr F ", "(W pid=1) ", "trainer-1  | "]
OF_OTHERS = [
    "{'loss': 1.0, 'epoch': 0.5}",
    "[rank0]: step 3 loss 2.5",
    "saving",
    " 3%|█  | 3/100 [00:1<1:0,  1.0s/it]",
]


@given(
    st.sampled_from(PREFIXES),
    st.lists(st.lists(st.sampled_from(OF_OTHERS), max_size=3), min_size=4, max_size=4),
)
def test_what_others_print_between_the_lines_of_a_traceback_is_from_before_its_error(
    prefix: str, between: list[list[str]]
) -> None:
    lines = [line for own, others in zip(OWN, between, strict=True) for line in (*others, prefix + own)]
    assert found(*lines) == (len(between[0]), "ValueError: bad row")
    points = read_points(lines)
    assert len(points) == sum("loss" in line for line in lines)
    errors = LogErrors()
    errors.read(list(enumerate(lines)))
    assert errors.end().cause == read(*lines).cause


def test_a_bar_that_is_drawn_again_behind_such_a_traceback_is_no_further() -> None:
    bar = " {0}%|█  | {0}/100 [00:10<01:30,  1.00s/it]"
    told = [
        bar.format(2),
        *(f"[rank1]: {line}" for line in OWN[:2]),
        bar.format(3),
        f"[rank1]: {OWN[3]}",
    ]
    assert found(*told) == (1, "ValueError: bad row")
    assert found(*told, bar.format(3)) == (1, "ValueError: bad row")
    assert found(*told, bar.format(4)) is None


CUT = 'Traceback (most recent call last): cut off at File "train.py", line 7, in main'


@pytest.mark.parametrize("end", [2, 3])
@pytest.mark.parametrize("prefix", ["", *PREFIXES])
def test_a_log_that_ends_in_a_traceback_failed_there(prefix: str, end: int) -> None:
    lines = [prefix + line for line in OWN[:end]]
    assert found(*lines) == (0, CUT)
    assert found("{'loss': 1.0}", *lines, "", " ") == (1, CUT)
    assert found(prefix + BEGIN) == (0, f"{BEGIN} cut off")
    errors = LogErrors()
    errors.read(list(enumerate(lines)))
    assert failure("x.log", None, errors.end()) == Failure("x.log", LogError(0, CUT), guessed=True)


def test_a_traceback_that_is_cut_off_elsewhere_or_that_does_no_harm_is_no_cause() -> None:
    for after in (
        "all is well",
        "{'loss': 1.0}",
        " 3%|█  | 3/100 [00:10<01:30,  1.00s/it]",
        f"{BEGIN}\nKeyError: 1",
    ):
        assert found(*OWN[:2], after) in {None, (2, "KeyError: 1")}
    assert found("Exception ignored in: <x>", *OWN[:2]) is None
    assert found("2025-12-06 20:44:39,609 - WARNING - " + BEGIN, OWN[1]) is None
    assert found(
        f"[rank0]: {OWN[0]}", f"[rank1]: {OWN[0]}", f"[rank0]: {OWN[1]}", f"[rank1]: {OWN[1]}"
    ) == (0, CUT)
    assert found("CUDA out of memory. Tried to allocate 1 GiB", *OWN[:2]) == (
        0,
        "CUDA out of memory. Tried to allocate 1 GiB",
    )
    got = failure("ft-1", job("FAILED", message="the disk is full"), read(*OWN[:2]))
    assert got is not None
    assert got.text == "the disk is full"


DURING = ("", "During handling of the above exception, another exception occurred:", "", BEGIN)
DIED_OF_SIGNAL = "RuntimeError: DataLoader worker (pid 7) is killed by signal: Killed."
FULL = "OSError: [Errno 28] No space left on device"


@pytest.mark.parametrize(
    ("errors", "cause"),
    [
        ((FULL, "RuntimeError: unexpected pos 118144 vs 118040"), FULL),
        (("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1 GiB", "ValueError: x"), None),
        (("KeyError: 'loss'", FULL, "ValueError: x", "RuntimeError: y"), FULL),
        (("KeyError: 1", "subprocess.CalledProcessError: x"), "KeyError: 1"),
        (("_queue.Empty", DIED_OF_SIGNAL), DIED_OF_SIGNAL),
        (("KeyError: 1", "torch.distributed.DistNetworkError: x"), "KeyError: 1"),
        (("ConnectionResetError: x", "BrokenPipeError: y"), "BrokenPipeError: y"),
        (("KeyError: 1", "ValueError: x"), "ValueError: x"),
        (("_queue.Empty", "KeyboardInterrupt"), "KeyboardInterrupt"),
        (
            ("_queue.Empty", DIED_OF_SIGNAL, "RuntimeError: DataLoader worker exited unexpectedly"),
            DIED_OF_SIGNAL,
        ),
        (
            ("_queue.Empty", "RuntimeError: DataLoader worker exited unexpectedly"),
            "RuntimeError: DataLoader worker exited unexpectedly",
        ),
        (
            ("pa.ArrowInvalid: bad", "DatasetGenerationError: An error occurred while x"),
            "pa.ArrowInvalid: bad",
        ),
    ],
)
def test_of_errors_in_a_chain_the_last_counts_unless_one_before_it_explains_it(
    errors: tuple[str, ...], cause: str | None
) -> None:
    lines = [BEGIN, errors[0], *(line for error in errors[1:] for line in (*DURING, error))]
    assert found(*lines) == (0, cause or errors[0])
    assert found(*(f"[rank1]: {line}" for line in lines)) == (0, cause or errors[0])


@pytest.mark.parametrize(
    ("said", "is_cause"),
    [
        ("1 Workers (tasks / actors) killed due to memory pressure (OOM), 0 Workers crashed", True),
        ("0 Workers (tasks / actors) killed due to memory pressure (OOM), 2 Workers crashed", False),
        ("System memory low. Used memory (23.63GB) exceeds threshold 0.7, killing latest task", True),
    ],
)
def test_whom_ray_killed_for_memory_did_not_die_unexpectedly(said: str, is_cause: bool) -> None:
    killed = f"(raylet) [2026-01-05 03:04:05,000 E 7 9] (raylet) node_manager.cc:3069: {said}"
    died = "ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task."
    assert found(killed, BEGIN, died) == ((0, killed) if is_cause else (1, died))


@pytest.mark.parametrize(
    "said",
    [
        "W1127 10:00:00.101000 140 torch/api.py:704] Received 15 death signal, shutting down workers",
        "Received SIGTERM, saving a checkpoint",
        "2026-01-05T03:04:05Z Warning  Evicted  pod/a  The node was low on resource: ephemeral-storage.",
    ],
)
def test_who_was_stopped_says_so(said: str) -> None:
    assert found("{'loss': 1.0}", said) == (1, said)
    assert found("{'loss': 1.0}", said, "{'train_runtime': 1.0}") is None


def test_an_error_that_only_speaks_of_another_does_not_hide_it() -> None:
    inner = "EI0006: 2026-01-05-03:04:05.123 Getting socket times out."
    assert found("RuntimeError: The Inner error is reported as above.", inner) == (1, inner)


RUN = [" 20%|█ | 20/100 [00:20<01:20,  1.0s/it]", "{'loss': 1.0}", "Killed"]
ANEW = "  0%|  | 0/100 [00:00<?, ?it/s]"


@pytest.mark.parametrize(
    ("lines", "killed"),
    [
        ((*RUN, ANEW, "{'loss': 1.0}"), False),
        ((*RUN, ANEW, " 10%|█ | 10/100 [00:01<00:09,  1.0s/it]"), False),
        (("Killed", ANEW, "{'loss': 1.0}"), False),
        ((*RUN, "{'loss': 1.0}"), True),  # it may have been kept back until the end
        ((*RUN, " 10%|█ | 10/100 [00:01<00:09,  1.0s/it]"), True),
        ((*RUN, ANEW), True),
        ((*RUN, "  0%|  | 0/7 [00:00<?, ?it/s]", "{'loss': 1.0}"), True),  # of an evaluation
        ((*RUN, ANEW, "Segmentation fault", "{'loss': 1.0}"), True),
    ],
)
def test_what_ended_a_run_is_no_failure_once_training_has_begun_again(
    lines: tuple[str, ...], killed: bool
) -> None:
    assert (read(*lines).cause is not None) is killed
    errors = LogErrors()
    errors.read(list(enumerate(lines)))
    assert (errors.end().cause is not None) is killed


def test_a_message_is_not_followed_without_end() -> None:
    lines = [BEGIN, "  File", "ValueError: rows:", *(f"  row {number}" for number in range(100)), "end"]
    text = (found(*lines) or (0, ""))[1].split("\n")
    assert text[:2] == ["ValueError: rows:", "  row 0"]
    assert len(text) < 20
    many = [f"[rank{rank}]: {line}" for rank in range(200) for line in (BEGIN, f"KeyError: {rank}")]
    assert found(*many) == (0, "KeyError: 0")


def test_tokens_and_metrics_tell_of_no_failure() -> None:
    assert read("number of consumed tokens is 5").cause is None
    assert sign_of(Metrics({"loss": 1.5}, "")) is None


def test_an_error_behind_the_place_where_training_went_on_stays_as_it_is() -> None:
    reader = read("bye", "Killed", "Killed")
    before = reader.cause
    reader.went_on(1)
    assert reader.cause == before is not None


def test_the_bar_of_an_evaluation_tells_nothing_of_training() -> None:
    errors = LogErrors()
    errors.read([(0, "Evaluating:  10%|# | 1/10 [00:01<00:09,  1.0s/it]")])
    errors.read([(1, "Killed")])
    assert errors.end().cause == LogError(1, "Killed")


def test_the_last_of_what_a_line_holds_is_known_without_the_rest() -> None:
    assert last_record("a\r \r") == Text("a")
    assert last_record(" \r\n") is None


def test_a_launcher_that_ends_is_no_other_cause_than_a_death_that_training_survived() -> None:
    launcher = "[2026-01-05 03:04:05,835] [ERROR] [launch.py:325:main] exits with return code = 1"
    assert found("Killed", "{'loss': 1.0}", launcher) == (0, "Killed")


@pytest.mark.parametrize("kind", ["sft", "cpt", "dpo"])
@pytest.mark.parametrize("seed", range(6))
def test_a_job_that_the_platform_says_has_failed_has_a_cause_and_one_that_succeeded_has_none(
    kind: Any, seed: int
) -> None:
    failed = read(*generate_job(kind, seed=seed, outcome="failed", lines=120).lines)
    assert failed.cause is not None
    assert "finetune-job failed" not in failed.cause.text
    assert read(*generate_job(kind, seed=seed, lines=120).lines).cause is None
