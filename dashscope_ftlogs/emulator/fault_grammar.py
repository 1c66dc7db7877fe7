"""Faults from the command line: a tiny grammar for `Fault`."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dashscope_ftlogs.emulator.fault_rules import Fault
from dashscope_ftlogs.emulator.faulty_answers import (
    BadJson,
    Bomb,
    Close,
    CutBody,
    Drip,
    EmptyPage,
    Endless,
    Html,
    OkWithCode,
    Redirect,
    Refuse,
    Reply,
    ReportTotal,
    Reset,
    ShortPage,
    Stall,
)


def _whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def _number(text: str) -> float:
    if not re.fullmatch(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", text):
        raise ValueError(f"{text!r} is not a number")
    return float(text)


_BARE: Mapping[str, Callable[[], Reply]] = {
    "badjson": BadJson,
    "close": Close,
    "cut": CutBody,
    "empty": EmptyPage,
    "endless": Endless,
    "html": Html,
    "ok": OkWithCode,
    "reset": Reset,
}
_WITH_VALUE: Mapping[str, Callable[[str], Reply]] = {
    "bomb": lambda value: Bomb(_whole(value)),
    "cut": lambda value: CutBody(_number(value)),
    "drip": lambda value: Drip(_number(value)),
    "html": lambda value: Html(_whole(value)),
    "ok": OkWithCode,
    "redirect": Redirect,
    "short": lambda value: ShortPage(_whole(value)),
    "stall": lambda value: Stall(_number(value)),
    "total": lambda value: ReportTotal(_whole(value)),
}
# Each option's keyword of `Fault` or, for a refusal, of `Refuse`, and how its value is read.
_OPTIONS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "p": ("probability", _number),
    "on": ("on", lambda value: [_whole(number) for number in value.split("+")]),
    "times": ("times", _whole),
    "endpoint": ("endpoint", str),
    "job": ("job_id", str),
}
_WAITS = {"retry-after": "retry_after", "retry-after-ms": "retry_after_ms"}
_STATUS = re.compile(r"[1-9][0-9]{2}")


def parse_fault(text: str) -> Fault:
    """Read one fault: `WHAT`, or `WHAT=VALUE`, then perhaps `:OPTION=VALUE,OPTION=VALUE,...`.

    WHAT is an HTTP status, with or without a code of its own, or one of the replies by name:

    >>> parse_fault("500").reply, parse_fault("429=Throttling.RateQuota").reply.code
    (Refuse(status=500, code=None, message='', retry_after=None, retry_after_ms=None, headers=()), \
'Throttling.RateQuota')
    >>> [parse_fault(text).reply for text in ("reset", "close", "endless", "badjson", "empty")]
    [Reset(), Close(), Endless(), BadJson(), EmptyPage()]
    >>> [parse_fault(text).reply for text in ("cut", "cut=0.9", "short=10", "total=-5")]
    [CutBody(share=0.5), CutBody(share=0.9), ShortPage(lines=10), ReportTotal(by=-5)]
    >>> [parse_fault(text).reply for text in ("stall=5", "drip=100", "bomb=64")]
    [Stall(seconds=5.0), Drip(bytes_per_second=100.0), Bomb(mebibytes=64)]
    >>> [parse_fault(text).reply for text in ("html", "html=504", "redirect=https://example.org/")]
    [Html(status=502), Html(status=504), Redirect(location='https://example.org/', status=302)]
    >>> parse_fault("ok=Throttling").reply
    OkWithCode(code='Throttling', message='')

    Options say which requests: `p` a probability, `on` request numbers joined by a plus sign,
    `times` at most so many, `job` one job's, `endpoint` one of logs (the default), list, job,
    checkpoints, any.

    >>> fault = parse_fault("reset:p=0.05,times=3,job=ft-1")
    >>> fault.probability, fault.times, fault.job_id
    (0.05, 3, 'ft-1')
    >>> fault = parse_fault("close:on=3+7,endpoint=list")
    >>> sorted(fault.on), fault.endpoint
    ([3, 7], 'list')

    A status may also have `retry-after` and `retry-after-ms`, sent as they stand:

    >>> parse_fault("429:p=0.1,retry-after=2").reply.retry_after
    '2'

    Raises:
        ValueError: names the text, what is wrong with it, and what is allowed.
    """
    # A colon or comma is ours only with an option behind it: addresses and dates hold others.
    what, *rest = re.split(r":(?=[a-z-]+=)", text, maxsplit=1)
    name, _, value = what.partition("=")
    try:
        options = _options(re.split(r",(?=[a-z-]+=)", rest[0]) if rest else ())
        waits = {_WAITS[option]: options.pop(option) for option in _WAITS if option in options}
        reply = _reply(name, value if "=" in what else None, waits)
        return Fault(reply, **dict(_read(option, given) for option, given in options.items()))
    except ValueError as error:
        raise ValueError(f"can't read the fault {text!r}: {error}") from None


def _options(items: Iterable[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    for item in items:
        option, _, value = item.partition("=")
        if option not in _OPTIONS and option not in _WAITS:
            raise ValueError(f"no option {option!r}: there are {', '.join((*_OPTIONS, *_WAITS))}")
        if option in options:
            raise ValueError(f"{option} is given twice")
        if not value:
            raise ValueError(f"{option} has no value")
        options[option] = value
    return options


def _read(option: str, value: str) -> tuple[str, Any]:
    keyword, read = _OPTIONS[option]
    return keyword, read(value)


def _reply(name: str, value: str | None, waits: Mapping[str, Any]) -> Reply:
    if value == "":
        raise ValueError(f"{name!r} has nothing behind its =")
    if _STATUS.fullmatch(name):
        return Refuse(int(name), value, **waits)
    if waits:
        raise ValueError(f"{name!r} can't have a retry-after: only a status can")
    if value is None and name in _BARE:
        return _BARE[name]()
    if value is not None and name in _WITH_VALUE:
        return _WITH_VALUE[name](value)
    if name in _BARE:
        raise ValueError(f"{name!r} takes no value")
    if name in _WITH_VALUE:
        raise ValueError(f"{name!r} needs a value, as in {name}=...")
    known = ", ".join(sorted({*_BARE, *_WITH_VALUE}))
    raise ValueError(f"no reply {name!r}: there are HTTP statuses, {known}")
