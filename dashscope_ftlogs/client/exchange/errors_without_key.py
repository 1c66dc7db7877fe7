"""Errors of answers in which the key was repeated."""

from typing import Any, cast

import attrs

from dashscope_ftlogs.client.redaction import hidden_beginning
from dashscope_ftlogs.client.wire import beginning, words
from dashscope_ftlogs.errors import FTLogsError


def without_key(key: str, error: FTLogsError, body: bytes) -> FTLogsError:
    """Return an error of an answer as one that no copy of the key went into."""
    shown = {one(body): one for one in (words, beginning)}
    told: dict[str, Any] = {}
    for name in attrs.fields_dict(cast("type[attrs.AttrsInstance]", type(error))):
        value = getattr(error, name)
        if isinstance(value, str) and value:
            # What is only a beginning is cut off once there is no key in it.
            how = shown.get(value)
            data = value.encode("utf-8", "surrogatepass") if how is None else body
            clean = hidden_beginning(key, data)
            value = clean.decode("utf-8", "surrogatepass") if how is None else how(clean)
        told[name] = value
    return type(error)(**told)
