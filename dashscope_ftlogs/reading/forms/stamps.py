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
_LEVEL: Final = r"(?:DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|SUCCESS|NOTICE|TRACE|FATAL)"
LOGGED: Final = re.compile(rf"(?<![A-Za-z]){_LEVEL}(?![A-Za-z])")
"""What a logger writes before a message."""
_CLOCK: Final = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_MONTH: Final = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_SAYS: Final = r"(?=\s+(?!(?i:nan|inf|none)\b)[A-Za-z_\[{*|=#(-])(?!\s+[\[(-]+\s*[\d.])"
"""Behind a name stands no number: then it would be that of a metric."""
_PLACE_WORD: Final = (
    r"(?:(?:global|current|optimizer)[_ ])?(?:steps?|iter(?:ation)?s?|epochs?|batch(?:es)?|updates?)"
)
_NO_LOGGER: Final = (
    rf"(?!(?i:{_PLACE_WORD}|num_updates|train(?:ing)?|eval(?:uat(?:ion|ing|e))?|val(?:id(?:at\w+)?)?"
    r"|test(?:ing)?|global|current|optimizer|mini|total|mode|split|phase|stage|subset|event|type|kind"
    r"|set|dataset|best|lowest|(?:load|restor|resum|sav)(?:e|ed|ing)|checkpoint|previous|initial|target"
    r"|baseline|expected|note|example|usage|default|at|after|before|since|until|from|for|in|on|of|by"
    r"|the|this|that|next|last|first|final|per|each|every|skip\w*|start\w*|finish\w*|complet\w*|end\w*)(?![\w.-])|\w*(?:[Ll]oss|LOSS|[Rr]eward)"
    r"|[\w.]+(?:Error|Exception|Warning|Exit|Interrupt)(?!\w))"
)
"""Names that say something of the numbers behind them are no logger's; nor are those of exceptions."""
_NAME: Final = rf"{_NO_LOGGER}[A-Za-z_][\w.-]{{0,80}}+(?:/[\w.-]{{1,80}}+){{0,4}}"
_THREAD: Final = r"(?:[A-Za-z]*Thread(?:-\d+)?|\w+(?:\.\w+)+|[A-Za-z][\w-]*\d)"
FILE: Final = r"[\w./<>-]{1,120}\.(?:pyx?|cc|cpp|cu|rs|go|ipynb)"
"""A file of a program."""
_BEFORE: Final = re.compile(
    rf"""(?:
      [\[(<]?\d{{4}}[-/.]?\d\d[-/.]?\d\d[-\ T]{_CLOCK}(?:\ ?(?:Z|UTC|GMT)\b|\ ?[+-]\d\d:?\d\d)?
        (?:\ [\w.-]{{1,40}}\]|[\])>]?)[:,]?(?=\s|\||-)
    | [\[(<]?\d\d[/-]\d\d(?:[/-]\d{{2,4}})?[ ,]\ ?{_CLOCK}(?:\ ?[AP]M)?[\])>]?:?(?=\s)
    | [\[(<]?{_CLOCK}(?:\ ?[AP]M)?[\])>]?:?(?=\s)
    | (?:stdout|stderr)\ [FP](?=\s)                                          # CRI
    | (?:[A-Z][a-z]{{2}}\ [\ \d]?\d\ \d\d:\d\d:\d\d\ )?[\w.-]+\ [\w./@-]+\[\d+\]:  # journald
    | (?:[A-Z][a-z]{{2}}\ )?{_MONTH}\ [\ \d]?\d\ {_CLOCK}(?:\ \d{{4}})?(?:\ [\w.-]+\ [\w./@-]+:)?(?=\s)
    | \d{{10}}(?:\.\d{{1,9}})?(?=\s)                                          # seconds since 1970
    | \[?[IWEF]\d{{4,8}}\ \d\d:\d\d:\d\d(?:\.\d+)?\ +\d+\ [^\s\]]{{1,200}}\]              # glog
    | \([\w.-]+(?:\ [\w.-]+)?\ (?:\w+=[^\s()]+[\s,]*)+\)                       # Ray
    | \[(?:debug|info|warning|error|critical)\ *\]\ (?:[A-Za-z_][A-Za-z_.-]*\ ){{1,8}}\ +
        (?:\[[\w.-]{{1,80}}\]\ +)?(?=[A-Za-z_][\w.-]*=)                         # structlog's event
    | \[{_LEVEL}[|:](?![^\]]{{0,200}}(?i:step|iter|epoch|batch)\w{{0,9}}:\d)[^\s\[\]=]{{1,200}}\]:?(?=\s)
    | [\[(<]?{_LEVEL}(?![A-Za-z])\s*[\])>]?[\s:|,;>/\xbb-]*(?:(?<=\s)\d{{1,7}}(?=\s+[A-Za-z_\[|-]))?\s*
        (?:[\[(<][\w.:-]{{1,120}}[\])>]:?\s*|{FILE}:\d+:(?=[A-Za-z_\[{{]))?
        (?:(?:{_THREAD}\s+)?{_NAME}(?:\(\d*\)|\[[\w:]{{1,80}}\])?
          (?:(?::{_NO_LOGGER}\w+)*\s?(?:[:,;|]|>>?|\s-){_SAYS}
            |[|:]{{1,2}}(?=[A-Za-z_\[{{|])(?!(?!(?i:{_PLACE_WORD}):)\w+:\d+\s))
        | {_NAME}(?=\s+(?i:{_PLACE_WORD})[\s:=\#\[(]*\d)
        | (?:(?:trainer|runner|root)(?=\s)|__\w+__|{_NO_LOGGER}[A-Za-z_]\w*(?:\.\w+)+){_SAYS})?
    | (?:{_NAME}(?:\[[\w:]{{1,80}}\])?[\s:|-]++){{1,3}}(?=[\[(<]?{_LEVEL}[\])>]?(?:[\s:|,-]|$))
    | \d{{1,7}}\s+(?=[\[(<]?{_LEVEL}[\])>]?[\s:|,-])
    | (?:debug|info|warning|warn)(?=\s+[A-Za-z_\[(])
    | \[(?![^\]]*(?:step|iter|epoch|batch|Step|Iter|Epoch|Batch|STEP))(?!\s*\d+(?:\s*/|,\s)\s*\d+\s*\])
        [^\[\]]{{0,200}}\](?:<std\w+>)?:?
    | [(<](?![^)>]*(?:step|iter|epoch|batch|Step|Iter|Epoch|Batch|STEP))
        [A-Za-z_][\w./-]{{0,80}}(?:(?::\w+){{0,3}}|\ \d+)[)>]:?(?=\s)
    | (?i:rank|node|worker|gpu|proc|process|trainer|default|local_rank)[-_ ]?\d+\s*[:|](?=\s)
    | \d{{1,3}}(?:\.\d{{1,3}}){{3}}:(?=\s)                                      # pdsh
    | [\w.-]{{1,80}}[-_]\d+\s+\|                                                 # docker compose
    | \d{{1,4}}:(?=\s)                                                        # srun -l
    | (?:{_NAME}:)?{FILE}(?::\d+(?!\d)|\(\d+\)|\[line:\d+\])(?:\ ?:|\ +[-|>]+)?(?=\s)
    | [\w.<>/-]{{1,120}}:[\w.<>]{{1,80}}:\d+(?::|\ +[-|>]+)(?=\s)                  # loguru
    | {_NAME}:\d+:(?=\s)
    | [\w.<>/-]{{1,120}}:\d+\ +>>
    | (?:time|ts|timestamp|level|lvl|severity|logger|caller|source|event|msg)=
        (?![-+]?[\d.]+(?:e[-+]?\d+)?[a-z]{{0,3}}\s)(?:"[^"]{{0,200}}"|[^\s"]{{1,200}})(?=\s)  # logfmt
    | [A-Za-z_][\w./]{{0,80}}(?:\[[^\[\]]{{1,200}}\])?\ +-\ +(?=[A-Za-z_\[{{*|])
    | [A-Za-z_][\w.]{{0,80}}\ +\|\ +(?=[A-Za-z_\[])
    | {_NAME}(?:\(\d*\)|\[[\w:]{{1,80}}\])?\s?:{_SAYS}
    | [-|>:\xbb]+(?=\s)
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
