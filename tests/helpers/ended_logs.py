"""How training ends: small logs of our own making, each with what it failed of, if it did."""

import re
from pathlib import Path


def _read() -> dict[str, tuple[list[str], str | None]]:
    text = Path(__file__).with_suffix(".txt").read_text("utf-8").replace("\N{SYMBOL FOR ESCAPE}", "\x1b")
    _, *parts = re.split(r"^@@ (.*) @@ ?(.*)\n", text, flags=re.MULTILINE)
    return {
        name: (log.removesuffix("\n").split("\n"), cause or None)
        for name, cause, log in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    }


ENDED = _read()
