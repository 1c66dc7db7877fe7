"""Manifests written by the page of the format, not by our code, with checksums that are right."""

import hashlib
import json
from pathlib import Path
from typing import Any


def sealed(twice: str = "", **facts: Any) -> bytes:
    """Return the manifest that says this; `twice` is said besides."""
    above = (
        f"{{\n {twice}" + json.dumps(facts, indent=1).removeprefix("{\n ").removesuffix("\n}") + ",\n"
    )
    return f'{above} "checksum": "{hashlib.sha256(above.encode()).hexdigest()}"\n}}\n'.encode()


def edit(path: Path, **facts: Any) -> None:
    """Change what a manifest says, checksum and all."""
    said = json.loads(path.read_bytes())
    del said["checksum"]
    path.write_bytes(sealed(**said | facts))
