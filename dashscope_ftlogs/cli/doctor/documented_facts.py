"""Which of the documented facts hold, told from a few answers about one job's log.

Nothing of the log itself is told, only whether lines are the same.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

import attrs

from dashscope_ftlogs.cli.doctor.findings import Finding, RawAnswer, State
from dashscope_ftlogs.cli.doctor.verdicts import Read, listed, read, said
from dashscope_ftlogs.errors import FTLogsError
from dashscope_ftlogs.text import counted

_MOST: Final = 1000
_USUAL: Final = 100
_PAST: Final = 1000
_NO_JOB: Final = "ft-000000000000-none"
_REPORT: Final = "Please report it, with this output."
_COMPRESSED: Final = 1024
"""Bytes of a body that is worth compressing."""

FIRST: Final = "logs?offset=0&line=10"
"""What is asked for first: how many lines there are decides the rest."""


@attrs.frozen
class Page:
    """The lines of an answer, and the total that it names."""

    lines: list[Any]
    total: int


def page(answer: RawAnswer | FTLogsError) -> Page | None:
    """Return the page in an answer, if there is one."""
    output = None if isinstance(answer, FTLogsError) else _given(read(answer)).output
    found = listed(output, "logs")
    return None if found is None else Page(*found)


def _given(found: Read) -> Read:
    return found if found.is_given else attrs.evolve(found, output=None)


def questions(job_id: str, total: int) -> dict[str, str]:
    """Return what else is asked, by names: paths below the base URL."""
    logs = f"fine-tunes/{job_id}/logs"
    return {
        "second": f"{logs}?offset=1&line=9",
        "bare": logs,
        "most": f"{logs}?offset=0&line={_MOST}",
        "more": f"{logs}?offset=0&line={_MOST + 1}",
        "last": f"{logs}?offset={max(total - 1, 0)}&line=1",
        "end": f"{logs}?offset={total}&line=10",
        "past": f"{logs}?offset={total + _PAST}&line=10",
        "nobody": f"fine-tunes/{_NO_JOB}/logs?offset=0&line=1",
        "checkpoints": f"fine-tunes/{job_id}/checkpoints",
    }


Answers = Mapping[str, RawAnswer | FTLogsError]


def facts(answers: Answers, *, is_final: bool) -> Iterator[Finding]:
    """Tell of each documented fact whether it holds.

    Args:
        answers: What was answered, by the names of `questions`; and `first`.
        is_final: Whether the job has ended, so that its log grows no more.
    """
    for judge in (_offset, _usual, _most, _more, _total, _past_the_end, _strings, _unknown_job):
        name, told, state = judge(answers, is_final)
        serious = state is State.WRONG
        advice = _REPORT if serious or state is State.ODD else ""
        yield Finding(name, state, told, advice, 5 if serious else 0)
    yield _request_ids(answers)
    yield _compression(answers)
    yield _retry_after(answers)
    yield _checkpoints(answers)


Judged = tuple[str, str, State]


def _asked(
    *names: str,
) -> Callable[[Callable[..., tuple[str, State]]], Callable[[Answers, bool], Judged]]:
    """Let a judge have the pages of these answers; where one is none, nothing can be told."""

    def with_pages(judge: Callable[..., tuple[str, State]]) -> Callable[[Answers, bool], Judged]:
        label = (judge.__doc__ or "").strip(".")

        def judged(answers: Answers, is_final: bool) -> Judged:
            pages: list[Page] = []
            for name in names:
                found = page(answers[name])
                if found is None:
                    return label, f"{_came(answers[name])} in place of lines", State.WRONG
                pages.append(found)
            return label, *judge(*pages, is_final=is_final)

        return judged

    return with_pages


def _came(answer: RawAnswer | FTLogsError) -> str:
    return answer.summary() if isinstance(answer, FTLogsError) else said(answer)


@_asked("first", "second")
def _offset(first: Page, second: Page, *, is_final: bool) -> tuple[str, State]:
    """Offset 0 is the first line."""
    del is_final
    some = min(len(first.lines) - 1, len(second.lines))  # the log may grow meanwhile
    skips, repeats = (second.lines[:some] == first.lines[at : at + some] for at in (1, 0))
    if len(first.lines) > 1 and not second.lines:
        return "there is no line at offset 1", State.WRONG
    if some < 1 or (skips and repeats):
        return "the lines there do not tell", State.UNKNOWN
    if skips:
        return "offset 1 skips one line", State.OK
    if repeats:
        return "offset 1 gives the same first line as offset 0: it counts from 1", State.WRONG
    return "what offset 1 gives is not in what offset 0 gives", State.WRONG


@_asked("bare", "first")
def _usual(bare: Page, first: Page, *, is_final: bool) -> tuple[str, State]:
    """Without parameters, 100 lines from the first."""
    del is_final
    got, due = len(bare.lines), min(_USUAL, bare.total)
    some = min(len(bare.lines), len(first.lines))
    if bare.lines[:some] != first.lines[:some]:
        return "it begins at another line than offset 0", State.ODD
    return f"{got} of {bare.total:,} lines", State.OK if got == due else State.ODD


@_asked("most")
def _most(most: Page, *, is_final: bool) -> tuple[str, State]:
    """1000 lines at once."""
    del is_final
    got, due = len(most.lines), min(_MOST, most.total)
    if got == due < _MOST:
        return f"all {counted(got, 'line')}; the log is too short to tell", State.UNKNOWN
    return counted(got, "line"), State.OK if got == due else State.ODD


def _more(answers: Answers, _is_final: bool) -> Judged:
    answer, label = answers["more"], "No more than 1000 lines at once"
    if isinstance(answer, FTLogsError):
        return label, answer.summary(), State.UNKNOWN
    found = page(answer)
    if found is None:
        return (
            label,
            f"1001 are refused: {said(answer)}",
            State.OK if answer.status == 400 else State.ODD,
        )
    return label, f"1001 are asked for, and {len(found.lines):,} given", State.ODD


@_asked("first", "last", "end", "most")
def _total(first: Page, last: Page, end: Page, most: Page, *, is_final: bool) -> tuple[str, State]:
    """The total is how many lines there are."""
    totals = [one.total for one in (first, last, end, most)]
    if (is_final and len(set(totals)) > 1) or totals[1] < totals[0] or totals[2] < totals[1]:
        return f"answers name different ones: {', '.join(map(str, totals))}", State.WRONG
    if first.total and len(last.lines) != 1:
        return f"{first.total:,}, but there is no line at offset {first.total - 1:,}", State.WRONG
    if end.lines and (is_final or end.total == first.total):
        return f"{first.total:,}, but there are lines from that offset on", State.WRONG
    return f"{first.total:,}, and there is a last line, and none behind it", State.OK


@_asked("past")
def _past_the_end(past: Page, *, is_final: bool) -> tuple[str, State]:
    """Past the end there are no lines, which is no error."""
    if past.lines:
        return counted(len(past.lines), "line"), State.WRONG if is_final else State.UNKNOWN
    return "none", State.OK


@_asked("most")
def _strings(most: Page, *, is_final: bool) -> tuple[str, State]:
    """Each line is a string."""
    del is_final
    others = sum(not isinstance(one, str) for one in most.lines)
    if not others:
        return f"all {len(most.lines):,}", State.OK
    return f"{others} of {len(most.lines):,} are none: they are kept as JSON", State.ODD


def _unknown_job(answers: Answers, _is_final: bool) -> Judged:
    answer, label = answers["nobody"], "A job that does not exist is 404 NotFound"
    if isinstance(answer, FTLogsError):
        return label, answer.summary(), State.UNKNOWN
    found = read(answer)
    as_documented = (found.status, found.code) == (404, "NotFound")
    return label, said(answer), State.OK if as_documented else State.ODD


def _raw(answers: Answers) -> list[RawAnswer]:
    return [one for one in answers.values() if not isinstance(one, FTLogsError)]


def _request_ids(answers: Answers) -> Finding:
    raw = _raw(answers)
    bodies = sum(bool(read(one).request_id) for one in raw)
    headers = sum("x-request-id" in one.headers for one in raw)
    told = f"of {len(raw)} answers {bodies} in the body, {headers} in a header"
    state = State.OK if bodies == len(raw) else State.ODD
    return Finding("Each answer has a request id", state, told)


def _compression(answers: Answers) -> Finding:
    name, answer = "Answers are compressed (not documented)", answers["most"]
    if isinstance(answer, FTLogsError):
        return Finding(name, State.UNKNOWN, answer.summary())
    encoding, size = answer.headers.get("content-encoding", ""), len(answer.body)
    if encoding:
        return Finding(name, State.OK, f"{encoding[:20]}, {size:,} bytes when unpacked")
    state = State.UNKNOWN if size < _COMPRESSED else State.ODD
    return Finding(name, state, f"not this one, of {size:,} bytes")


def _retry_after(answers: Answers) -> Finding:
    name = "A refusal says when to try again (not documented)"
    refused = [one for one in _raw(answers) if one.status == 429 or one.status >= 500]
    if not refused:
        return Finding(name, State.UNKNOWN, "none of these was refused for being too many")
    asked = [one for one in refused if {"retry-after", "retry-after-ms"} & one.headers.keys()]
    state = State.OK if len(asked) == len(refused) else State.ODD
    return Finding(name, state, f"{len(asked)} of {len(refused)} do")


def _checkpoints(answers: Answers) -> Finding:
    name, answer = "A job's checkpoints are a list", answers["checkpoints"]
    if isinstance(answer, FTLogsError):
        return Finding(name, State.UNKNOWN, answer.summary())
    output = _given(read(answer)).output
    if isinstance(output, list):
        return Finding(name, State.OK, f"of {len(cast('list[object]', output))}")
    return Finding(name, State.UNKNOWN, f"{said(answer)}, as from models that keep one only")
