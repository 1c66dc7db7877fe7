"""What is said to whoever typed a key where something else belongs does not repeat it."""

import os
from typing import Final

from dashscope_ftlogs.client.redaction import hidden
from dashscope_ftlogs.text import without_keys

_SHORTEST: Final = 8
"""What is shorter is nobody's key, and may be a part of many words."""


def without_key(message: str) -> str:
    """Return a message with all that looks like a key blacked out, and the one that is set anyhow."""
    key = os.environ.get("DASHSCOPE_API_KEY", "").strip()
    if len(key) >= _SHORTEST and key.isascii() and key.isprintable():
        message = hidden(key, message)
    return without_keys(message)
