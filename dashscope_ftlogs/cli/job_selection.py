"""Which jobs a command is about: ids, a file of ids, or those of the listing that fit."""

import fnmatch
import sys
from collections.abc import Iterable
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from dashscope_ftlogs import InvalidArgumentError, Job
from dashscope_ftlogs.archive.threads import Thread
from dashscope_ftlogs.cli.key_in_messages import without_key
from dashscope_ftlogs.cli.short_job_ids import whole_job_ids

if TYPE_CHECKING:
    from dashscope_ftlogs import LogSession


@attrs.frozen(kw_only=True)
class Selection:
    """What the options say about it."""

    job_ids: tuple[str, ...]
    from_file: Path | None
    everything: bool
    status: str | None
    model: str | None
    since: str | None
    match: str | None

    def __attrs_post_init__(self) -> None:
        filters = (self.status, self.model, self.since, self.match)
        listed = self.everything or any(option is not None for option in filters)
        named = bool(self.job_ids) or self.from_file is not None
        if listed == named:
            raise InvalidArgumentError(
                "say which jobs: by id or --from-file, or else by --all, --status, --model, --since or "
                "--match"
            )
        if self.since is not None:
            _comparable(self.since)

    async def jobs(self, session: "LogSession") -> list[str | Job]:
        """Return the jobs; those that were named stand as ids."""
        with Thread(patience=0) as reading:  # a pipe may take its time, and Ctrl-C should not
            from_file = await reading.run(self._from_file)
        named = [*self.job_ids, *from_file]
        together = "\n".join(named)
        if without_key(together) != together:
            raise InvalidArgumentError("a job id: that looks like an API key; nothing was sent")
        if named or self.from_file is not None:
            meant = await whole_job_ids(session, self.job_ids)
            return [*chain.from_iterable(meant), *from_file]
        listing = session.jobs(status=self.status, model=self.model)
        return [job async for job in listing if self._fits(job)]

    def _fits(self, job: Job) -> bool:
        if self.since is not None and (job.create_time or "") < _comparable(self.since):
            return False
        names = (job.job_id, job.job_name or "", job.finetuned_output or "")
        return self.match is None or any(fnmatch.fnmatchcase(name, self.match) for name in names)

    def _from_file(self) -> Iterable[str]:
        if self.from_file is None:
            return ()
        try:
            text = sys.stdin.read() if str(self.from_file) == "-" else self.from_file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidArgumentError(f"--from-file {self.from_file}: {error}") from None
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        return [line for line in lines if line]


def _comparable(since: str) -> str:
    """Return a date, or a date and time, as the service writes times: without a zone."""
    try:
        return datetime.fromisoformat(since).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        raise InvalidArgumentError(
            f"--since {since!r}: must be a date such as 2024-10-29 or '2024-10-29 16:53:53', as the "
            "service writes them"
        ) from None
