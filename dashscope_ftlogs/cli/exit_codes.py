"""What the code means with which a command exits."""

from typing import Final

from dashscope_ftlogs import errors

INCOMPLETE: Final = 6
_NO_ANSWER: Final = 5
NOTHING_TO_WRITE: Final = 2
"""A file was asked for, and what was read has nothing to put in it."""


class NotWrittenError(errors.FTLogsError):
    """A file that is no archive could not all be written; what was there before stays."""

    advice = "Make room, or see to the disk or the limit (ulimit -f), then run the same again."


class UnaskedError(errors.FTLogsError):
    """A job that the service lists was not asked for, since no URL should hold its id.

    Nobody typed that, so it is no wrong usage.
    """


_EXIT_CODES: Final[tuple[tuple[type[errors.FTLogsError], int], ...]] = (
    (errors.ConfigError, 2),
    (errors.InvalidArgumentError, 2),
    (errors.InvalidParameterError, 2),
    (errors.UnsupportedOperationError, 2),
    (errors.ConflictError, 2),
    (errors.AuthenticationError, 3),
    (errors.PermissionDeniedError, 3),
    (errors.NotFoundError, 4),
    (errors.ThrottlingError, 5),
    (errors.InternalServerError, 5),
    (errors.TransportError, _NO_ANSWER),
    (errors.MalformedResponseError, 5),
    (errors.IncompleteLogError, 6),
    (errors.LogRewrittenError, 6),
    (errors.ArchiveBusyError, 5),
    (errors.ArchiveMismatchError, 2),
    (errors.ArchivePathError, 2),
    (errors.ManifestError, 6),
    (errors.DamagedLogError, 6),
    (errors.LogGoneError, 6),
    (errors.ArchiveWriteError, 6),
    (errors.StoreDeniedError, 3),
    (errors.StoreNotFoundError, 4),
    (errors.ArchiveStoreError, 5),
    (errors.ArchiveError, INCOMPLETE),
    (NotWrittenError, INCOMPLETE),
    (UnaskedError, INCOMPLETE),
)


def exit_code(error: errors.FTLogsError) -> int:
    """Return the exit code for an error; 1 for one that no rule names."""
    if isinstance(error, errors.APIError) and 300 <= error.status < 400:
        return _NO_ANSWER  # of the service's: a proxy's, or a login page's
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), 1)
