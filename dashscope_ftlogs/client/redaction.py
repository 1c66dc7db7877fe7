"""Answers in which a secret is blacked out, however the service spelled it."""

import json
import re
from collections.abc import Mapping

_SHOWN = "[secret]"
_ESCAPE = re.compile(rb"\\(?:u00([2-7][0-9A-Fa-f])|(.))", re.DOTALL)


def without(
    secret: str, status: int, headers: Mapping[str, str], body: bytes
) -> tuple[int, dict[str, str], bytes]:
    r"""Return an answer with every copy of `secret`, which is visible ASCII, blacked out.

    >>> without("sk-1/2", 401, {"X-Echo": "sk-1/2"}, b'{"message": "no: sk\\u002d1\\/2"}')
    (401, {'x-echo': '[secret]'}, b'{"message": "no: [secret]"}')
    """
    clean = {name.lower(): value.replace(secret, _SHOWN) for name, value in headers.items()}
    body = body.replace(secret.encode(), _SHOWN.encode())
    if b"\\" in body:
        # JSON may spell any character as an escape, and many encoders do so for / = + & and '.
        plain, in_json = _ESCAPE.sub(_unescaped, body), json.dumps(secret)[1:-1].encode()
        if in_json in plain:
            body = plain.replace(in_json, _SHOWN.encode())
    return status, clean, body


def _unescaped(escape: re.Match[bytes]) -> bytes:
    """Return the character that needed no escape; any other escape as it is."""
    character = escape[2] if escape[1] is None else bytes([int(escape[1], 16)])
    if character in b'"\\\x7f' or (escape[1] is None and character != b"/"):
        # A quote and a backslash in their shortest form.
        return b"\\" + character if character in b'"\\' else escape[0]
    return character
