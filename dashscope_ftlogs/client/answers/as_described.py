"""Answers in the form that the service's page describes, made of others."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, cast

import attrs
import msgspec

from dashscope_ftlogs.models import Checkpoint, Job

_SUCCESS: Final = frozenset({"", "0", "200", "ok", "success"})
"""What gateways put where an error's code stands when there is none, in lower case."""


def says_success(code: object) -> bool:
    """Whether what stands where an error's code does says that there is none."""
    return code is None or (
        (isinstance(code, str) or _is_number(code)) and str(code).lower() in _SUCCESS
    )


def as_described(plain: dict[str, Any]) -> dict[str, Any]:
    """Return an answer in the page's own form, where what it says can't be misunderstood.

    The vendor's own tools expect a payload under `data`, and entries that are objects. Of a job, only id
    and status are needed: what else is of another type is made what it should be, or None.
    """
    told = dict(plain)
    if told.get("output") is None and "data" in told:
        told["output"] = told["data"]
    if _is_number(told.get("request_id")):
        told["request_id"] = str(told["request_id"])
    if says_success(told.get("code")):
        told["code"] = None
    else:
        told.pop("output", None)  # a failure, whatever stands beside it
    if "output" in told:
        told["output"] = _output_as_described(told["output"])
    return told


def _output_as_described(told: object) -> object:
    if isinstance(told, list):
        return [_fitted(one, Checkpoint) for one in cast("list[object]", told)]
    as_told = told
    output = dict(cast("dict[str, object]", told)) if isinstance(told, dict) else {}
    if "total" not in output:
        return _fitted(as_told, Job)
    output["total"] = total = _whole(output["total"])
    if isinstance(entries := output.get("logs"), list):
        output["logs"] = list(map(_text, cast("list[object]", entries)))
    if isinstance(jobs := output.get("jobs"), list):
        output["jobs"] = [_fitted(one, Job) for one in cast("list[object]", jobs)]
    if total == 0:  # then there is nothing to leave out
        for name in ("logs", "jobs"):
            if output.get(name) is None:
                output[name] = []
    return output


def lines_of(entries: Iterable[msgspec.Raw]) -> tuple[str, ...]:
    """Return what stands for lines, as it was sent, as lines: see `_text`."""
    return tuple(_line(bytes(entry)) for entry in entries)


def _line(entry: bytes) -> str:
    if b"\\" not in entry and not entry.startswith(b'"'):  # it need not be taken apart
        return msgspec.json.format(entry, indent=-1).decode()
    return _text(json.loads(entry))


def _text(entry: object) -> str:
    """Return what stands for a text as one: its compact JSON text, if it is no string."""
    # Not msgspec, which refuses lone surrogates, and for which NaN is null.
    compact = (",", ":")
    return entry if isinstance(entry, str) else json.dumps(entry, ensure_ascii=False, separators=compact)


def _fitted(told: object, kind: type[Job | Checkpoint]) -> object:
    """Return the fields of a job or a checkpoint, each that may be left out as what it should be."""
    if not isinstance(told, dict):
        return told
    fields = attrs.fields_dict(kind)
    return {
        name: _fit(value, fields[name].type) if fields[name].default is None else value
        for name, value in cast("dict[str, object]", told).items()
        if name in fields
    }


def _fit(value: object, kind: object) -> object:
    if value is None:
        return None
    if kind == str | None:
        return _text(value)
    if kind == int | None:
        whole = _whole(value)
        return whole if _is_number(whole) else None
    if kind == tuple[str, ...] | None:
        return list(map(_text, cast("list[object]", value))) if isinstance(value, list) else None
    if kind == Mapping[str, Any] | None:
        if isinstance(value, str):
            with suppress(ValueError, RecursionError):
                value = cast("object", json.loads(value))
        return cast("dict[str, object]", value) if isinstance(value, dict) else None
    return None  # the time of the answer, which no body tells


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(number: object) -> object:
    if isinstance(number, float) and number.is_integer():
        return int(number)
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) < 16:
        return int(number)
    return number
