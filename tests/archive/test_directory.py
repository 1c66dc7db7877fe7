"""The directory: names, locks, links, and what can't be trusted."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs import InvalidArgumentError, LogSession
from dashscope_ftlogs.archive.manifest import (
    log_name,
    manifest_name,
    stem,
)

Connect = Callable[..., LogSession]
IDS = st.text("abAB019._-", min_size=1, max_size=128).filter(lambda value: value not in {".", ".."})
TRICKY = st.sampled_from(
    [
        *(
            "FT-1",
            "ft-1",
            "nul",
            "con.x",
            "COM1",
            "a.log",
            "a.manifest.json",
            "a.rewritten-1",
            "a.",
            ".a",
        ),
        *("-", "_a", "a.gz", "a.damaged-3", "ft-1.jsonl", ".ftlogs-lock", "lpt9.txt", "a..b"),
        *("a" * 100, "a" * 101, "a" * 128, "A" * 128),
    ]
)


@given(st.lists(IDS | TRICKY, unique=True, max_size=8))
def test_any_job_ids_give_safe_names_that_never_meet(job_ids: list[str]) -> None:
    names = [
        name
        for job_id in job_ids
        for name in (manifest_name(stem(job_id)), log_name(stem(job_id), "jsonl", "gzip"))
    ]
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert name == name.lower()
        assert name[0] not in ".-"
        assert not set(name) & set('/\\:*?"<>| \0')
        assert name.partition(".")[0] not in {"con", "prn", "aux", "nul", "com1", "lpt9"}
        assert len(name) <= 120
        # Not to be mistaken for an older generation of another job.
        assert not any(part in name for part in (".rewritten-", ".damaged-"))


@pytest.mark.parametrize("job_id", ["", "..", "../x", "a/b", "a\0", "C:x"])
def test_an_id_that_no_service_gives_has_no_name(job_id: str) -> None:
    with pytest.raises(InvalidArgumentError):
        stem(job_id)


def test_an_id_that_is_safe_is_the_name_up_to_a_hundred_characters() -> None:
    assert stem("a" * 100) == "a" * 100
    assert len(stem("a" * 101)) < 100
