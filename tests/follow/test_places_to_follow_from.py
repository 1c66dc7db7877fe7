"""Where a following begins is said for one job or for each, and whatever is no place is refused."""

import pytest

from dashscope_ftlogs import (
    InvalidArgumentError,
    LogSession,
)


async def test_what_is_meant_by_several_jobs_or_positions_is_said() -> None:
    session = LogSession("sk-1")
    position = {"offset": 1, "last": []}
    with pytest.raises(InvalidArgumentError, match="one position is for one job"):
        session.follow(["ft-1", "ft-2"], at=position)
    with pytest.raises(InvalidArgumentError, match=r"session.follow\(\[job, ...\]\)"):
        session.follow("ft-1", "ft-2")
    for wrong in ({"ft-1": 5}, {"offset": 1}, 7, {"ft-1": {"offset": 1, "last": ["x"]}}):
        with pytest.raises(InvalidArgumentError, match="must be a position"):
            session.follow("ft-1", at=wrong)
    with pytest.raises(InvalidArgumentError, match="settle"):
        session.follow("ft-1", settle=-1)
