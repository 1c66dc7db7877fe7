"""What is said of a dict before it, on its line or in a title above it: where it is from, and of what.

`Evaluation results at step 100:` tells the step, and that what follows is no loss of training.
"""

import re
from typing import Final

import attrs

from dashscope_ftlogs.reading.forms.dicts import EPOCH_BEFORE, NEAR, STEP_BEFORE
from dashscope_ftlogs.reading.forms.names import NOT_DENIED
from dashscope_ftlogs.reading.forms.progress_bars import whole
from dashscope_ftlogs.reading.forms.stamps import message_at

_EVALUATED: Final = re.compile(
    rf"(?:^|[^A-Za-z]){NOT_DENIED}(eval\w*|val(?:id\w*)?|test(?:ing)?)"
    r"(?: (?!train)[A-Za-z_]{1,20}){0,4}"
    r"(?:(?: [(\[]?(?:step|epoch|iter)[A-Za-z]{0,5}[ =:#]{1,2}| )\d{1,18}(?: ?/ ?\d{1,18})?[)\]]?)?"
    r"['\"]?[\s:=>|-]{0,6}$",
    re.IGNORECASE,
)
"""What says before a dict that it is of an evaluation."""
_BEFORE_IT: Final = re.compile(
    r"(?:(?:the|final|current|full|best|results?|metrics?|scores?|performance|on|of|for|from|in|at|after"
    r"|dev|epoch|step|iter(?:ation)?)(?![A-Za-z_])|[\s\d()\[\]|,:#.*=>-]|(?<=\d)/(?=\d))*",
    re.IGNORECASE,
)
"""What may stand in a title before that: behind `Next` or in a path, it is of something else."""
_RULED: Final = re.compile(
    r"[*=#-]{3,40} (?=.{0,40}(?:result|metric|score))(.*?):? [*=#-]{3,40}$", re.IGNORECASE
)
"""A title between rules: without a word of what follows, it may be that of anything."""


@attrs.frozen
class Said:
    """What is said before a dict."""

    step: int | None = None
    total_steps: int | None = None
    epoch: float | None = None
    evaluation: str = ""
    """The word that says that it is of one."""


def said_before(text: str, begin: int, end: int) -> Said:
    """Return what is said there, straight before a dict that begins at `end`.

    >>> text = "Evaluation results at step 100: "
    >>> said_before(text, 0, len(text))
    Said(step=100, total_steps=None, epoch=None, evaluation='Evaluation')
    """
    near = max(begin, end - NEAR)
    step = STEP_BEFORE.search(text, near, end)
    epoch = EPOCH_BEFORE.search(text, near, end)
    evaluated = _EVALUATED.search(text, near, end)
    return Said(
        None if step is None else whole(step[1]),
        None if step is None else whole(step[2]),
        None if epoch is None else float(epoch[1]),
        "" if evaluated is None else evaluated[1],
    )


def is_no_message(text: str) -> bool:
    """Whether a text is only what loggers put before one.

    >>> is_no_message("2025-12-06 20:28:19 - INFO -"), is_no_message("[INFO:swift] text")
    (True, False)
    """
    return not text[message_at(text) :].strip(" ->|")


def title(text: str) -> str:
    """Return what a line says of a dict that begins in the next, if it's the title of an evaluation's.

    >>> title("2025-12-06 20:28:19 - INFO - Eval results:"), title("*** Eval results ***")
    ('Eval results: ', 'Eval results: ')
    >>> title("Training results:"), title("Evaluation has begun"), title("*** Evaluation ended ***")
    ('', '', '')
    >>> title("Next evaluation at step 400:"), title("Model saved to /out/eval:")
    ('', '')
    """
    said = text[-NEAR:].rstrip()
    if said[-1:] not in {":", "*", "=", "#", "-"}:
        return ""
    said = text[message_at(text) :].strip()
    if len(said) > NEAR:
        return ""
    ruled = _RULED.match(said)
    said = said if ruled is None else f"{ruled[1]}:"
    evaluated = _EVALUATED.search(said) if said.endswith(":") else None
    if evaluated is None or _BEFORE_IT.fullmatch(said, 0, evaluated.start(1)) is None:
        return ""
    return f"{said} "
