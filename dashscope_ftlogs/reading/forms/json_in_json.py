r"""What a program said, where something else wrote it down as JSON.

Docker's files, journald, and many collectors write a line as an object, with the text under one key and
the time under another. A notebook's file holds each line as a string of its own, `"{'loss': 2.5}\n",`.
"""

import re
from typing import Any, Final

import msgspec

from dashscope_ftlogs.reading.forms.names import TIME_NAMES, mentioned
from dashscope_ftlogs.reading.forms.stamps import milliseconds

_SAID: Final = ("log", "message", "msg", "MESSAGE", "textPayload")
KEYS: Final = tuple(f'"{key}"' for key in _SAID)
"""One of these stands in each object that is taken apart."""
_BESIDE: Final = frozenset(
    (
        "stream",
        "time",
        "ts",
        "timestamp",
        "@timestamp",
        "level",
        "severity",
        "levelname",
        "asctime",
        "created",
        "logger",
        "name",
        "__REALTIME_TIMESTAMP",
        "_HOSTNAME",
        "PRIORITY",
        "kubernetes",
        "receiveTimestamp",
    )
)
"""Without any of these, an object is not a collector's: the rows of a dataset have texts, too."""
_KEY: Final = re.compile(r'"(?:log|message|msg|MESSAGE|textPayload)"\s*:\s*"')
_LONGEST: Final = 1 << 20
"""Characters of a line that is taken apart as a whole."""
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_text = msgspec.json.Decoder(str).decode


def inner(text: str) -> tuple[str, int | None] | None:
    r"""Return what was said, and when, as far as that is told; None if a text is no such JSON.

    >>> inner('{"log":"step 3\\n","stream":"stdout","time":"1970-01-01T00:00:01Z"}')
    ('step 3\n', 1000)
    >>> inner('   "step 3\\n",'), inner('{"message": "of a dataset"}')
    (('step 3\n', None), None)
    """
    if len(text) > _LONGEST:
        return None
    text = text.strip()
    try:
        if text.startswith('"'):
            quoted = text.removesuffix(",")
            return (_decode_text(quoted), None) if quoted.endswith('\\n"') else None
        if text.startswith("{") and text.endswith("}") and _KEY.search(text) is not None:
            found = _collected(_decode_object(text))
            # Where metrics stand beside what was said, the object is theirs.
            return None if found and mentioned(text) and not mentioned(found[0]) else found
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        pass
    return None


def time_told(values: Any) -> int | None:
    """Return the time that a dict tells itself; a number under `time` is how long something took."""
    told = next((found for name in TIME_NAMES if (found := _stamp(values.get(name))) is not None), None)
    since = values.get("_timestamp")  # W&B's, seconds since 1970
    return round(since * 1000) if told is None and type(since) is float and 1e9 < since < 1e10 else told


def _stamp(value: Any) -> int | None:
    return milliseconds(value) if type(value) is str else None


def _collected(found: dict[str, Any]) -> tuple[str, int | None] | None:
    said = next((found[key] for key in _SAID if type(found.get(key)) is str), None)
    if said is None or _BESIDE.isdisjoint(found):
        return None
    micro = found.get("__REALTIME_TIMESTAMP")
    if type(micro) is str and micro.isascii() and micro.isdigit() and len(micro) <= 18:
        return said, int(micro) // 1000
    return said, time_told(found)
