"""When a line was written, as it says itself, and where what it says begins.

Loggers, containers, clusters and launchers put stamps, levels, ranks and places before what a program
says, one before the other. A stamp without a date or without a year tells no time.
"""

import re
from datetime import UTC, datetime
from typing import Final

_STAMP: Final = re.compile(
    r"(?<!\d)(?:(?P<y>\d{4})[-/](?P<m>\d\d)[-/](?P<d>\d\d)[ T]"
    r"|(?P<us_m>\d\d)/(?P<us_d>\d\d)/(?P<us_y>\d{4}|\d\d)[ ,]"
    r"|(?<=[IWEF])(?P<g_y>\d{4})(?P<g_m>\d\d)(?P<g_d>\d\d) )"
    r" ?(?P<H>\d\d):(?P<M>\d\d):(?P<S>\d\d)(?:[,.](?P<f>\d{1,9}))?"
)
_FAR: Final = 400
"""Characters in which a line's stamp must have begun."""
_LEVEL: Final = r"(?:DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|SUCCESS|NOTICE)"
LOGGED: Final = re.compile(rf"(?<![A-Za-z]){_LEVEL}(?![A-Za-z])")
"""What a logger writes before a message."""
_BEFORE: Final = re.compile(
    rf"""(?:
      \[?\d{{4}}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:\ ?Z|\ ?[+-]\d\d:?\d\d)?\]?:?(?=\s|\||-)
    | \[?\d\d/\d\d(?:/\d{{2,4}})?[ ,]\ ?\d\d:\d\d:\d\d(?:\ ?[AP]M)?\]?(?=\s)
    | \[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?(?=\s)
    | (?:stdout|stderr)\ [FP](?=\s)                                          # CRI
    | (?:[A-Z][a-z]{{2}}\ [\ \d]?\d\ \d\d:\d\d:\d\d\ )?[\w.-]+\ [\w./@-]+\[\d+\]:  # journald
    | \[?[IWEF]\d{{4,8}}\ \d\d:\d\d:\d\d\.\d+\ +\d+\ [^\s\]]{{1,200}}\]              # glog
    | \([\w.-]+(?:\ [\w.-]+)?\ (?:\w+=[^\s()]+[\s,]*)+\)                       # Ray
    | \[(?![^\]]*(?:step|iter|epoch|batch|Step|Iter|Epoch|Batch|STEP))(?!\s*\d+\s*/\s*\d+\s*\])
        [^\[\]]{{0,200}}\](?:<std\w+>)?:?
    | {_LEVEL}:[\w.]+:
    | [A-Za-z_][\w.]{{0,80}}\ +(?={_LEVEL}\ ?:\s)                                 # Paddle
    | {_LEVEL}(?![A-Za-z])\s*:?
    | (?:rank|node|worker|gpu|proc|process|trainer|default|local_rank)[-_ ]?\d+\s*[:|](?=\s)
    | [\w.-]{{1,80}}[-_]\d+\s+\|                                                 # docker compose
    | \d{{1,4}}:(?=\s)                                                        # srun -l
    | [\w.<>/-]{{1,120}}:[\w.<>]{{1,80}}:\d+\ +[-|](?=\s)                            # loguru
    | [\w.<>/-]{{1,120}}:\d+\ +>>
    | [A-Za-z_][\w./]{{0,80}}(?:\[[^\[\]]{{1,200}}\])?\ +-\ +(?=[A-Za-z_\[{{*|])
    | [A-Za-z_][\w.]{{0,80}}\ +\|\ +(?=[A-Za-z_\[])
    | [-|>:]+(?=\s)
    )\s*""",
    re.VERBOSE,
)
_MOST: Final = 12
"""What stands before can't be longer than so many pieces."""


def milliseconds(stamp: str | None) -> int | None:
    """Return a time as printed by a logger as milliseconds since 1970 on the clock that it shows.

    >>> milliseconds("1970-01-01 00:00:01,500"), milliseconds("yesterday")
    (1500, None)
    """
    found = _STAMP.match(stamp) if stamp else None
    return None if found is None else _moment(found)


def time_in(before: str) -> int | None:
    """Return the time that the beginning of a line tells.

    >>> time_in("[rank0]: 1970-01-01T00:00:02.5Z ")
    2500
    """
    for found in _STAMP.finditer(before, 0, _FAR):
        if (moment := _moment(found)) is not None:
            return moment
    return None


def _moment(found: "re.Match[str]") -> int | None:
    parts = found.groupdict()
    year = next(parts[name] for name in ("y", "us_y", "g_y") if parts[name])
    month = next(parts[name] for name in ("m", "us_m", "g_m") if parts[name])
    day = next(parts[name] for name in ("d", "us_d", "g_d") if parts[name])
    fraction = int((parts["f"] or "")[:3].ljust(3, "0"))
    try:
        moment = datetime(
            int(year) + (2000 if len(year) == 2 else 0),
            int(month),
            int(day),
            int(parts["H"]),
            int(parts["M"]),
            int(parts["S"]),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000 + fraction


def message_at(text: str) -> int:
    """Return where in a line begins what the program says.

    >>> line = "2026-01-05T03:04:05Z stdout F (Worker pid=7) [INFO] step 3"
    >>> line[message_at(line) :]
    'step 3'
    """
    at = len(text) - len(text.lstrip())
    for _ in range(_MOST):
        found = _BEFORE.match(text, at)
        if found is None:
            break
        at = found.end()
    return at
