"""What one record says of why a job failed, and how much that explains.

A log tells errors that were handled, what ranks died of because another one had died, and last of all
the launcher, which only knows that something ended. So each sign has a weight. A sign stands where a
line begins, behind what carriers of logs put there, or is worded as nothing else is: a dataset's row may
speak of anything.
"""

import re
from enum import IntEnum
from typing import Final

import attrs

from dashscope_ftlogs.reading.line_prefixes import text_of
from dashscope_ftlogs.reading.records import Message, Record, Text, Traceback, led_to
from dashscope_ftlogs.reading.traceback_block import BEGIN, error_name

_SEEN: Final = 2000
"""Characters of a line in which a sign is looked for."""


class Weight(IntEnum):
    """How much a sign explains: where there are several, the greatest counts."""

    LAUNCHER = 0
    """A launcher, an agent or a shell says that something ended."""
    ABORTED = 1
    """It ended itself after it had said why, or was ended by those who knew."""
    LOGGED = 2
    """A logger calls it an error. Trainers go on after many of them."""
    STOPPED = 3
    """Somebody stopped it."""
    PEER = 4
    """Another rank did not answer, most often because it had failed."""
    DIED = 5
    """By which signal it died; or an error that was told, but not raised as far as the log shows."""
    CAUSE = 6
    """Why."""


@attrs.frozen
class Sign:
    """What a record says of it."""

    weight: Weight
    text: str


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


_SEVERE: Final = frozenset({"ERROR", "CRITICAL"})
_ACCELERATOR: Final = r"(?:CUDA|HIP|ROCm|NPU|XPU|MPS|MLU|MUSA|GCU|HPU|GPU|TPU|DCU|HBM)"
_DEADLY: Final = r"(?:-(?:4|7|8|9|11)|13[2569]|137|247)"
"""Exit codes of who was killed, but for the signals that stop a process, or that it raises itself."""

_LIMITS: Final = _any(
    r"\*\*\* (?:JOB|STEP) \S+ ON \S+ CANCELLED AT .*DUE TO\b",
    r"\boom[-_]kill(?: event|:)",
    r"\b[Oo]ut of memory: Kill(?:ed)? process\b",
    r"(?<![\d,.])[1-9]\d* Workers \(tasks / actors\) killed due to memory pressure\b",
    r"\bexceeds threshold [\d.]+, killing\b",
    r"\bThe node was low on resource: ",
    r"\bOOM[Kk]illed\b",
    r"^srun: error: .*: Out Of Memory",
    r"\bexceeded (?:job |virtual |step )?memory limit\b",
    r"\bPBS: job killed\b",
    r"\bTERM_(?:RUNLIMIT|MEMLIMIT|CPULIMIT|SWAP): ",
    r"^srun: error: .*\b[Nn]ode failure on\b",
)
_MEMORY: Final = _any(
    # At the beginning, or after what ends a prefix: advice on what to do about it has words before.
    rf"(?:^|[:\])>] ?){_ACCELERATOR}(?: backend| error:)? [Oo]ut of [Mm]emory\b",
    rf"(?:^|[:\])>] ?)[Oo]ut of memory(?: error)? (?:on|when|while|trying).{{0,40}}\b{_ACCELERATOR}\b",
    r"\b[Oo]ut of memory\. ?Tried to allocate\b",
    r"(?:^|: )RESOURCE_EXHAUSTED: ",
    r"\bcudaErrorMemoryAllocation\b",
    r"\bCuda failure (?:\d+ )?'out of memory'",
    r"\bEL0004\b",
)
_DISK: Final = _any(r"(?::|\]) (?:No space left on device|Disk quota exceeded)\b")
_KILLED: Final = _any(
    rf"\b(?:exitcode ?: |exitcode  : |return code = |exit code:? |exit status:? ){_DEADLY}\b",
    r"\bdied with <Signals\.SIG(?:KILL|SEGV|BUS|ILL|FPE)\b",
    r"\bSignal (?:4|7|8|9|11) \(SIG[A-Z]+\)",
    r"\b(?:terminated|killed) (?:with|by) signal (?:SIG)?(?:KILL|SEGV|BUS|ILL|FPE|4|7|8|9|11)\b",
    r"\bon signal (?:4|7|8|9|11) \(",
    r"\bis killed by signal: ",
)
_FAILED: Final = _any(r"^finetune-job failed")
_LAUNCHER: Final = _any(
    r"\bexits with return code = (?!0\b)-?\d",
    r"\bfailed \(exitcode: -?\d",
    r"\bexitcode +: -?\d",
    r"^(?:\w+\.)*(?:ChildFailedError|CalledProcessError|RayTaskError|RayActorError|ActorDiedError"
    r"|WorkerCrashedError|ProcessRaisedException|ProcessExitedException|BrokenProcessPool)(?:[(:]|$)",
    r"\bsubprocesses has abruptly died\b",
    r"^srun: error: .*: Exited with exit code",
    r"^srun: (?:Job step aborted|Terminating )",
    r"\breturned (?:a )?non-zero (?:exit )?(?:status|code)\b",
    r"\bexited with (?:non-zero|exit) (?:status|code)\b",
    r"\bterminated with code -?[1-9]",
    r"`conda run .{0,300} failed\b",
    r"^make(?:\[\d+\])?: \*\*\* ",
    r"^(?:\w+\.)*DatasetGenerationError: An error occurred",
    r"\bThe Inner error is reported as above\b",
)
_STOPPED: Final = _any(
    r"^(?:\w+\.)*(?:KeyboardInterrupt|SystemExit|SignalException|CancelledError|GracefulExit)(?::|$)",
    r"\bSignal 2 \(SIGINT\)",
    r"\*\*\* (?:JOB|STEP) \S+ ON \S+ CANCELLED AT\b",
    r"\bTERM_OWNER: ",
    r"\b[Rr]eceived (?:\d{1,2} death signal|(?:signal )?SIG(?:TERM|INT|USR1))\b",
)
_ABORTED: Final = _any(
    r"\bSignal (?:6|15) \(SIG[A-Z]+\)",
    r"\bdied with <Signals\.SIG(?:TERM|ABRT)\b",
    r"^terminate called without an active exception",
)
_PEER: Final = _any(
    r"\bcollective operation timeout\b",
    r"\bWatchdog caught\b",
    r"\b[NHR]CCL (?:error|operations? ha(?:ve|s) (?:failed|timed))",
    r"\bnccl(?:System|Internal|Remote|UnhandledCuda|InvalidUsage)\w*\b",
    r"\bDist(?:Backend|Network|Store)Error\b",
    r"\bRendezvous\w*Error\b",
    r"\b[Cc]onnection (?:was )?(?:reset|closed) by (?:remote )?peer\b",
    r"^(?:\w+\.)*(?:Connection(?:Reset|Aborted|Refused)Error|BrokenPipeError|EOFError)\b",
    r"\b(?:Timed out|wait timeout) after \d+ ?ms\b",
    r"\bSocket Timeout\b",
    r"\bHCCL\b.{0,80}\b[Tt]ime ?out\b",
    r"\bEI00\d\d\b",
    r"\bworker .{0,40}\bexited unexpectedly\b",
)
_WEIGHTS: Final = (
    (_LIMITS, Weight.CAUSE),
    (_MEMORY, Weight.CAUSE),
    (_DISK, Weight.CAUSE),
    (_KILLED, Weight.DIED),
    (_ABORTED, Weight.ABORTED),
    (_LAUNCHER, Weight.LAUNCHER),
    (_FAILED, Weight.LAUNCHER),
    (_STOPPED, Weight.STOPPED),
    (_PEER, Weight.PEER),
)

_DEATH: Final = r"(?:Killed|Segmentation fault|Bus error|Illegal instruction|Floating point exception)"
_ABORT: Final = r"(?:Aborted|Terminated|Hangup)"
# [script: line 3:] [[1]+] [pid] WORD [(core dumped)] [command], as shells write it
_BEFORE_DEATH: Final = r"^(?:[^\s:]{1,200}: line \d+: *)?(?:\[\d+\] ?[-+]? *)?(?:\d+ +)?"
_AFTER_DEATH: Final = r"(?: *\(core dumped\))?(?: {2,}\S.*|\s*|: \d+)$"
_SIGNALS: Final = _any(
    rf"{_BEFORE_DEATH}{_DEATH}{_AFTER_DEATH}",
    r"^(?:zsh: |\[\d+\] +[-+]? *\d+ )(?:killed|segmentation fault|bus error)\b",
    rf"^srun: error: .*: {_DEATH}",
    r"^Fatal Python error: (?!Aborted)",
    r"^\*\*\* SIG(?:SEGV|BUS|ILL|FPE) (?:\(@\S+\) )?received\b",
    r"^!+ Segfault encountered !",
    r"\bCaught signal (?:4|7|8|11) \(",
    r"^\[\S+:\d+\] Signal: (?:Segmentation fault|Bus error|Illegal instruction|Floating point)",
    r"^(?:double free or corruption|corrupted size vs|free\(\): invalid|(?:malloc|munmap_chunk)\(\): )",
    r"^\*\*\* stack smashing detected \*\*\*",
    r"^terminate called after throwing an instance of ",
)
_ABORTS: Final = _any(
    rf"{_BEFORE_DEATH}{_ABORT}{_AFTER_DEATH}",
    r"^(?:zsh: |\[\d+\] +[-+]? *\d+ )(?:abort|terminated)\b",
    rf"^srun: error: .*: {_ABORT}",
    r"^Fatal Python error: Aborted",
    r"^\*\*\* SIGABRT (?:\(@\S+\) )?received\b",
)
_GLOG: Final = re.compile(
    r"(?:\[rank\d+\]:)?\[?(?P<level>[EF])\d{3,8} \d\d:\d\d:\d\d[.\d]* [^\]]{1,200}\] ?(?P<text>.*)"
)
_LOGGER: Final = re.compile(
    r"(?:\[?[\d/-]{8,10}[ T][\d:.,]{8,15}Z?\]?[ :|-]{0,5})?(?:[\w.]{1,80} - )?"
    r"(?:- )?[\[(|]? ?(?:ERROR|CRITICAL|FATAL)(?:[\])|:]| +[|-])[\s|:-]*(?P<text>.*)"
)
_USAGE: Final = _any(
    r"^[\w./-]{1,100}: error: (?=\D)",  # argparse's
    r"^(?:[\w./-]{0,100}/)?(?:ba|da|z|k)?sh: .*"
    r"(?:command not found|No such file or directory|Permission denied)$",
    r"^\S{0,100}python[\d.]*: (?:can't open file|No module named|Error while finding module)",
)
_WAITED: Final = re.compile(
    r"(?:\w+\.)*(?:Empty|Full|Timeout\w*|StopIteration|EOFError|BrokenPipeError)\b"
)
"""What is raised while somebody waits for another, who has failed."""
_ERROR_NAME: Final = re.compile(r"(?:Error|Exception|Interrupt)(?:\(\w+\))?$")
_DATA: Final = ("{", '"', "'", "[{", '["', "['", "<", "|")
"""A line that begins so is no one's last words: data, that may quote anything."""
_QUIET_LEVELS: Final = re.compile(r"\b(?:DEBUG|INFO|WARN|WARNING)\b")
_HEAD: Final = 60
"""Characters. A level stands among them."""

_TELLING: Final = (
    *(
        "rror",
        "ERROR",
        "CRITICAL",
        "FATAL",
        "Traceback (",
        "xception",
        "Interrupt",
        "xit",
        "illed",
        "ignal",
        "SIG",
    ),
    *(
        "fault",
        "Illegal",
        "Floating p",
        "CANCELLED",
        "emory",
        "oom",
        "OOM",
        "low on resource",
        "EXHAUSTED",
        "EL0004",
        "EI00",
    ),
    *(
        "o space left",
        "quota exceeded",
        "return code",
        "ode failure",
        "fail",
        "erminat",
        "TERM_",
        "abruptly",
    ),
    *(
        "atchdog",
        "imeout",
        "imed out",
        " peer",
        "bort",
        "Hangup",
        "nccl",
        "smashing",
        "free",
        "corrupted",
    ),
    *("malloc", "munmap", "not found", "such file", "denied", "an't open", "o module named", "non-zero"),
    *(
        "train_runtime",
        "succeeded",
        "ompleted",
        "End time",
        "fit` stopped",
        "after training",
    ),
    *("train metrics", "CancelledE", "zsh: ", "DistS", "Broken"),
)
"""Of which each line has one that says that training failed or came to its end."""


def may_tell(text: str) -> bool:
    """Whether there is a word without which no line tells of a failure, nor of the end of training.

    >>> may_tell("{'loss': 0.5}"), may_tell("/bin/sh: 1: 4242 Killed")
    (False, True)
    """
    return any(word in text for word in _TELLING)


def sign_of(record: Record) -> Sign | None:
    """Return what a record says of a failure; None if nothing.

    >>> sign_of(Text("/bin/bash: line 1:  4242 Killed                  python train.py")).weight.name
    'DIED'
    """
    if isinstance(record, Traceback):
        return _raised(record)
    if isinstance(record, Message):
        if record.level in _SEVERE:
            return Sign(weight_of(record.text, Weight.LOGGED), record.text)
        found = _told(record.text, record.raw.strip())
        return found if found is not None and _is_final(record.text) else None
    if isinstance(record, Text):
        # Under a carrier's prefix, the words count; as text it stays whole.
        return _printed(text_of(record.raw[:_SEEN].rstrip()), record.raw.strip())
    return None


def weight_of(text: str, otherwise: Weight) -> Weight:
    """Return how much an error explains that is worded so."""
    seen = text[:_SEEN]
    return next((weight for pattern, weight in _WEIGHTS if pattern.search(seen)), otherwise)


def cut_off(record: Traceback) -> str | None:
    r"""Return what is known of a traceback without its error; None if a logger calls it no error.

    >>> cut_off(Traceback("", 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n'))
    'Traceback (most recent call last): cut off at File "a.py", line 3, in f'
    """
    if _is_quiet(record):
        return None
    frame = record.raw.rpartition('File "')[2].partition("\n")[0]
    return f'{BEGIN} cut off at File "{frame}' if 'File "' in record.raw else f"{BEGIN} cut off"


def _is_quiet(record: Traceback) -> bool:
    return _QUIET_LEVELS.search(record.raw[:_SEEN].partition(BEGIN)[0]) is not None


def _raised(record: Traceback) -> Sign | None:
    if not record.error:
        return None
    otherwise = Weight.LOGGED if _is_quiet(record) else Weight.CAUSE
    weight = weight_of(record.error, otherwise)
    if weight is not Weight.STOPPED:
        for error in led_to(record):
            why = weight_of(error, otherwise)
            of_another = weight in {Weight.LAUNCHER, Weight.PEER} and why > weight
            if (of_another and _WAITED.match(error) is None) or _is_of_resources(error):
                return Sign(why, error)
    return Sign(weight, record.error)


def _is_of_resources(error: str) -> bool:
    """Whether something was used up: what was raised while that was handled is hardly another cause."""
    return any(pattern.search(error, 0, _SEEN) for pattern in (_LIMITS, _MEMORY, _DISK))


def _printed(text: str, raw: str) -> Sign | None:
    if not may_tell(text):
        return None
    if found := _GLOG.match(text):
        fatal = found["level"] == "F"
        return Sign(weight_of(found["text"], Weight.DIED if fatal else Weight.LOGGED), raw)
    if found := _LOGGER.match(text):
        return Sign(weight_of(found["text"], Weight.LOGGED), found["text"].strip() or raw)
    return None if text.lstrip().startswith(_DATA) else _ended(text, raw)


def _ended(text: str, raw: str) -> Sign | None:
    if _ABORTS.search(text):
        return Sign(Weight.ABORTED, raw)
    if _SIGNALS.search(text) or _USAGE.search(text):
        return Sign(weight_of(text, Weight.DIED), raw)
    name = error_name(text)
    if name is not None and _ERROR_NAME.search(name) is not None:
        return Sign(weight_of(text, Weight.DIED), text_of(raw))
    return _told(text, raw)


def _told(text: str, raw: str) -> Sign | None:
    """Return what is worded as nothing else is, whoever says it."""
    weight = weight_of(text, Weight.LOGGED)
    if weight is Weight.LOGGED or (_QUIET_LEVELS.search(text, 0, _HEAD) and not _is_final(text)):
        return None
    return Sign(weight, raw)


def _is_final(text: str) -> bool:
    """Whether nothing goes on after it, though it is called a warning."""
    return any(pattern.search(text, 0, _SEEN) for pattern in (_LIMITS, _KILLED, _LAUNCHER))
