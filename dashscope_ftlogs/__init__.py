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

# Type checkers know this name. To import it, with all of `typing`, would be most of what the command
# imports before it can see to Ctrl-C.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dashscope_ftlogs import errors as errors
    from dashscope_ftlogs.archive.manifest import Compression, Format
    from dashscope_ftlogs.archive.outcomes import (
        Downloaded,
        DownloadState,
        Progress,
        Verdict,
        VerifyState,
    )
    from dashscope_ftlogs.archive.verify import verify_archive, verify_remotely
    from dashscope_ftlogs.client.config import DEFAULT_REGION, REGIONS
    from dashscope_ftlogs.client.exchange.request_events import RequestEvent
    from dashscope_ftlogs.client.fed_iterators import Stream, Unfolded
    from dashscope_ftlogs.client.many_jobs.fetch_many import JobLog, Jobs
    from dashscope_ftlogs.client.paginator import LogPaginator
    from dashscope_ftlogs.client.retry_on_429_and_5xx import RetryDecision, RetryPolicy
    from dashscope_ftlogs.errors import (
        APIError,
        ArchiveBusyError,
        ArchiveError,
        ArchiveGoneError,
        ArchiveMismatchError,
        ArchivePathError,
        ArchiveStoreError,
        ArchiveWriteError,
        AuthenticationError,
        CertificateError,
        ConfigError,
        ConflictError,
        DamagedLogError,
        FTLogsError,
        IncompleteLogError,
        InternalServerError,
        InvalidArgumentError,
        InvalidParameterError,
        LogGoneError,
        LogRewrittenError,
        MalformedResponseError,
        ManifestError,
        NotFoundError,
        PermissionDeniedError,
        ProxyError,
        ResponseTooLargeError,
        SessionStateError,
        StoreDeniedError,
        StoreNotFoundError,
        ThrottlingError,
        TransportError,
        UnsupportedOperationError,
    )
    from dashscope_ftlogs.follow.events import EventKind, Followed, FollowEvent
    from dashscope_ftlogs.follow.follower import LogFollower
    from dashscope_ftlogs.follow.line_delay import Lags
    from dashscope_ftlogs.metrics.points import Point
    from dashscope_ftlogs.metrics.table import MetricsTable, MetricValue
    from dashscope_ftlogs.models import Checkpoint, Job, LogLine, LogPage
    from dashscope_ftlogs.reading.metrics_in_line import MetricValues
    from dashscope_ftlogs.reading.own_pattern import parse_line, parse_lines
    from dashscope_ftlogs.reading.records import (
        Beside,
        Message,
        Metrics,
        MetricsKind,
        ProgressBar,
        Record,
        Text,
        Tokens,
        Traceback,
    )
    from dashscope_ftlogs.session import LogSession
    from dashscope_ftlogs.text import Position

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_REGION",
    "REGIONS",
    "APIError",
    "ArchiveBusyError",
    "ArchiveError",
    "ArchiveGoneError",
    "ArchiveMismatchError",
    "ArchivePathError",
    "ArchiveStoreError",
    "ArchiveWriteError",
    "AuthenticationError",
    "Beside",
    "CertificateError",
    "Checkpoint",
    "Compression",
    "ConfigError",
    "ConflictError",
    "DamagedLogError",
    "DownloadState",
    "Downloaded",
    "EventKind",
    "FTLogsError",
    "FollowEvent",
    "Followed",
    "Format",
    "IncompleteLogError",
    "InternalServerError",
    "InvalidArgumentError",
    "InvalidParameterError",
    "Job",
    "JobLog",
    "Jobs",
    "Lags",
    "LogFollower",
    "LogGoneError",
    "LogLine",
    "LogPage",
    "LogPaginator",
    "LogRewrittenError",
    "LogSession",
    "MalformedResponseError",
    "ManifestError",
    "Message",
    "MetricValue",
    "MetricValues",
    "Metrics",
    "MetricsKind",
    "MetricsTable",
    "NotFoundError",
    "PermissionDeniedError",
    "Point",
    "Position",
    "Progress",
    "ProgressBar",
    "ProxyError",
    "Record",
    "RequestEvent",
    "ResponseTooLargeError",
    "RetryDecision",
    "RetryPolicy",
    "SessionStateError",
    "StoreDeniedError",
    "StoreNotFoundError",
    "Stream",
    "Text",
    "ThrottlingError",
    "Tokens",
    "Traceback",
    "TransportError",
    "Unfolded",
    "UnsupportedOperationError",
    "Verdict",
    "VerifyState",
    "__version__",
    "parse_line",
    "parse_lines",
    "verify_archive",
    "verify_remotely",
]

_HOMES = {
    "DEFAULT_REGION": "client.config",
    "REGIONS": "client.config",
    "Checkpoint": "models",
    "Compression": "archive.manifest",
    "DownloadState": "archive.outcomes",
    "Downloaded": "archive.outcomes",
    "EventKind": "follow.events",
    "FollowEvent": "follow.events",
    "Followed": "follow.events",
    "Format": "archive.manifest",
    "Job": "models",
    "JobLog": "client.many_jobs.fetch_many",
    "Jobs": "client.many_jobs.fetch_many",
    "Lags": "follow.line_delay",
    "LogFollower": "follow.follower",
    "LogLine": "models",
    "LogPage": "models",
    "LogPaginator": "client.paginator",
    "LogSession": "session",
    "Message": "reading.records",
    "MetricValue": "metrics.table",
    "MetricValues": "reading.metrics_in_line",
    "Metrics": "reading.records",
    "MetricsKind": "reading.records",
    "MetricsTable": "metrics.table",
    "Point": "metrics.points",
    "Position": "text",
    "Progress": "archive.outcomes",
    "Beside": "reading.records",
    "ProgressBar": "reading.records",
    "Record": "reading.records",
    "RequestEvent": "client.exchange.request_events",
    "RetryDecision": "client.retry_on_429_and_5xx",
    "RetryPolicy": "client.retry_on_429_and_5xx",
    "Stream": "client.fed_iterators",
    "Text": "reading.records",
    "Tokens": "reading.records",
    "Traceback": "reading.records",
    "Unfolded": "client.fed_iterators",
    "Verdict": "archive.outcomes",
    "VerifyState": "archive.outcomes",
    "parse_line": "reading.own_pattern",
    "parse_lines": "reading.own_pattern",
    "verify_archive": "archive.verify",
    "verify_remotely": "archive.verify",
}


def __getattr__(name: str) -> "Any":
    """Import a public name when it is first used.

    The command's start-up, its completion above all, should not pay for an HTTP client that it may not
    need.
    """
    if name not in {*__all__, "errors"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    home = import_module(f"{__name__}.{_HOMES.get(name, 'errors')}")
    value = home if name == "errors" else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
