"""Every line of your fine-tuning logs on Alibaba Cloud Model Studio (DashScope): once, in order, fast.

Example:
    Print the whole log of a job; key and endpoint come from where the vendor's SDK keeps them::

        import asyncio
        from dashscope_ftlogs import LogSession

        async def main() -> None:
            async with LogSession() as session:
                async for line in session.lines("ft-202410291653-1c7f"):
                    print(line)

        asyncio.run(main())
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dashscope_ftlogs.blocks import parse_lines
    from dashscope_ftlogs.config import DEFAULT_REGION, REGIONS
    from dashscope_ftlogs.download import Downloaded, Progress
    from dashscope_ftlogs.errors import (
        APIError,
        ArchiveError,
        ArchiveWriteError,
        AuthenticationError,
        ConfigError,
        ConflictError,
        FTLogsError,
        IncompleteLogError,
        InternalServerError,
        InvalidArgumentError,
        InvalidParameterError,
        LogRewrittenError,
        MalformedResponseError,
        NotFoundError,
        PermissionDeniedError,
        ResponseTooLargeError,
        SessionStateError,
        ThrottlingError,
        TransportError,
        UnsupportedOperationError,
    )
    from dashscope_ftlogs.follow import LogFollower
    from dashscope_ftlogs.followed import EventKind, Followed, FollowEvent
    from dashscope_ftlogs.many import JobLog
    from dashscope_ftlogs.metrics import MetricsTable
    from dashscope_ftlogs.models import Job, LogLine, LogPage
    from dashscope_ftlogs.paginator import LogPaginator
    from dashscope_ftlogs.records import parse_line
    from dashscope_ftlogs.retry import RetryPolicy
    from dashscope_ftlogs.session import LogSession
    from dashscope_ftlogs.verify import Verdict, verify_archive, verify_remotely

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_REGION",
    "REGIONS",
    "APIError",
    "ArchiveError",
    "ArchiveWriteError",
    "AuthenticationError",
    "ConfigError",
    "ConflictError",
    "Downloaded",
    "EventKind",
    "FTLogsError",
    "FollowEvent",
    "Followed",
    "IncompleteLogError",
    "InternalServerError",
    "InvalidArgumentError",
    "InvalidParameterError",
    "Job",
    "JobLog",
    "LogFollower",
    "LogLine",
    "LogPage",
    "LogPaginator",
    "LogRewrittenError",
    "LogSession",
    "MalformedResponseError",
    "MetricsTable",
    "NotFoundError",
    "PermissionDeniedError",
    "Progress",
    "ResponseTooLargeError",
    "RetryPolicy",
    "SessionStateError",
    "ThrottlingError",
    "TransportError",
    "UnsupportedOperationError",
    "Verdict",
    "__version__",
    "parse_line",
    "parse_lines",
    "verify_archive",
    "verify_remotely",
]

_HOMES = {
    "DEFAULT_REGION": "config",
    "REGIONS": "config",
    "Downloaded": "download",
    "EventKind": "followed",
    "FollowEvent": "followed",
    "Followed": "followed",
    "Job": "models",
    "JobLog": "many",
    "LogFollower": "follow",
    "LogLine": "models",
    "LogPage": "models",
    "LogPaginator": "paginator",
    "LogSession": "session",
    "MetricsTable": "metrics",
    "Progress": "download",
    "RetryPolicy": "retry",
    "Verdict": "verify",
    "parse_line": "records",
    "parse_lines": "blocks",
    "verify_archive": "verify",
    "verify_remotely": "verify",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used.

    The command's start-up, its completion above all, should not pay for an HTTP client that it may not
    need.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
