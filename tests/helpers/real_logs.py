"""Where real logs are, on machines that have some."""

import os
from pathlib import Path

_BESIDE = Path(__file__).parents[3] / "shared" / "corpus"


def corpus_folder() -> Path | None:
    """What FTLOGS_CORPUS names, or else lies beside the clone; if it is set and empty, nothing does."""
    named = os.environ.get("FTLOGS_CORPUS")
    if named is None:
        return _BESIDE if _BESIDE.is_dir() else None
    return Path(named) if named else None
