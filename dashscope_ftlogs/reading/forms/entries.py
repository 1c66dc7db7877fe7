"""What the entries of a dict say together: whether it is a point, where from, and of which phase.

One that says that it is of an evaluation has names that say so, too, whatever form that stands in: its
loss would be taken for one of training.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import dropwhile
from typing import Final, Literal

from dashscope_ftlogs.reading.forms.names import (
    EPOCH_NAMES,
    OF_TRAINING,
    STEP_NAMES,
    STEP_OF_ALL,
    TIME_NAMES,
    TOTAL_NAMES,
    is_container,
    is_evaluation_alone,
    is_loss_or_reward,
    is_of_evaluation,
    some_words,
    word_of_evaluation,
)

_OF_SETS: Final = ("set", "name", "dataset", "task", "split", "subset")
"""Under which one of several evaluations says which it is."""
_NAMES_OF_DATA: Final = frozenset({"dataset", "set", "Dataset", "Set"})
"""Under which a dataset may stand by a name of its own, too: what says anything else does not count."""
OF_PHASES: Final = _NAMES_OF_DATA.union(
    *((name, name.title()) for name in some_words("mode split phase stage subset event type kind"))
)
"""Under which a dict may say in a word what it is of."""
_LONG_TEXT: Final = 64
_OF_RUNS: Final = frozenset({"consumed_train_tokens", "elapsed_time", "elapsed time"})
"""What tells how far all has come, in an evaluation, too."""
_PLACES: Final = frozenset((*STEP_NAMES, *TOTAL_NAMES, STEP_OF_ALL, *EPOCH_NAMES, *TIME_NAMES))
_PROGRESS: Final = some_words("steps global_steps grad_norm episode eval_runtime train_runtime") | {
    *STEP_NAMES,
    *EPOCH_NAMES,
    STEP_OF_ALL,
}
OF_SAMPLES: Final = some_words(
    """
    role content messages conversations prompt response responses completion text input inputs
    output outputs instruction query question answer answers chosen rejected system history images
    tools
    """
)
OF_TOKENS: Final = frozenset({"input_ids", "attention_mask", "labels", "token_ids", "pixel_values"})
"""What the rows of a dataset list."""
_KEPT: Final = _PLACES.union(OF_PHASES, _OF_SETS, OF_SAMPLES, OF_TOKENS, _OF_RUNS)
"""What keeps its name in an evaluation."""
_OF_CONFIGURATIONS: Final = some_words(
    """
    optimizer model model_name model_name_or_path dataset scheduler lr_scheduler lr_scheduler_type
    type class_name loss_type activation optim metric_for_best_model save_strategy
    """
)


def evaluation_said(values: Mapping[str, float | str]) -> str:
    """Return what a dict says that it is of, if that is an evaluation; else nothing.

    >>> evaluation_said({"mode": "val", "loss": 0.5}), evaluation_said({"mode": "train", "val": 1})
    ('val', '')
    """
    if OF_PHASES.isdisjoint(values):  # as most are
        return ""
    told = (value for name, value in values.items() if phase_of(name, value) == "eval")
    return str(next(told, ""))


def phase_of(name: str, value: float | str) -> Literal["train", "eval"] | None:
    """Return which phase an entry says that what stands beside it is of; None if it says none.

    >>> phase_of("split", "val"), phase_of("dataset", "training"), phase_of("dataset", "my_test")
    ('eval', 'train', None)
    """
    if name not in OF_PHASES or type(value) is not str:
        return None
    if value.lower() in OF_TRAINING:
        return "train"
    is_told = is_evaluation_alone if name in _NAMES_OF_DATA else is_of_evaluation
    return "eval" if is_told(value) else None


def path_to(
    around: Sequence[str], name: str, number: int | None, values: Mapping[str, float | str]
) -> Sequence[str]:
    """Return the names around a dict and its own; in a list, also what it calls its set, or its number.

    >>> path_to(["eval"], "sets", 1, {"loss": 0.5}), path_to([], "evals", 0, {"dataset": "c4"})
    (['eval', 'sets', '1'], ['evals', 'c4'])
    """
    if number is None:
        return [*around, name]
    told = (values.get(said) for said in _OF_SETS)
    own = next((one for one in told if type(one) is str and 0 < len(one) <= _LONG_TEXT), str(number))
    return [*around, name, own]


def within_evaluation(
    path: Iterable[str], values: Mapping[str, float | str]
) -> Mapping[str, float | str]:
    """Return a dict's entries by names that say of which evaluation they are, as the names around it do.

    >>> within_evaluation(["metrics", "eval", "c4"], {"loss": 0.5, "step": 3})
    {'eval/c4/loss': 0.5, 'step': 3}
    >>> within_evaluation(["metrics"], {"loss": 0.5}), within_evaluation(["val"], {"val_loss": 0.5})
    ({'loss': 0.5}, {'val_loss': 0.5})
    >>> within_evaluation([], {"split": "val", "loss": 0.5, "step": 3})
    {'split': 'val', 'val/loss': 0.5, 'step': 3}
    """
    if not path and OF_PHASES.isdisjoint(values):  # as most are
        return values
    names = list(dropwhile(lambda name: not is_of_evaluation(name), path))
    before = "/".join(name for name in names if not is_container(name))
    if not before and (said := evaluation_said(values)):
        # With a number in it, such as that of the step, it would be another one each time.
        before = said if said.replace("_", "").isalpha() else word_of_evaluation(said)
    if not before:
        return values
    own = (name in _KEPT or is_of_evaluation(name) for name in values)
    return {
        name if is_own else f"{before}/{name}": value
        for is_own, (name, value) in zip(own, values.items(), strict=True)
    }


def named_after(word: str, values: Mapping[str, float | str]) -> Mapping[str, float | str]:
    """Return entries by names that say what a word beside them says: that they are of an evaluation.

    Where each loss and reward says so itself, they stay as they are; so does Megatron's `lm loss value`.

    >>> named_after("Eval", {"loss": 0.5, "epoch": 1.0}), named_after("Eval", {"val_loss": 0.5, "a": 1})
    ({'Eval/loss': 0.5, 'epoch': 1.0}, {'val_loss': 0.5, 'a': 1})
    """
    measured = filter(is_loss_or_reward, values)
    if all(is_of_evaluation(name) or name.endswith((" value", " PPL")) for name in measured):
        return values
    # What is told anew for each step, such as `eval_500`, is no name.
    return within_evaluation((word_of_evaluation(word) if is_of_evaluation(word) else "eval",), values)


def is_point(values: Mapping[str, float | str], *, is_placed: bool = False) -> bool:
    """Whether a dict is one of metrics: it has a loss or a summary, and is no sample or setting.

    Where its loss is called otherwise, or it has only a reward, it must tell how far training has come,
    too, unless that is known.

    >>> is_point({"loss": 2.5}), is_point({"loss": "mse"}), is_point({"loss": 1.0, "role": "user"})
    (True, False, False)
    >>> is_point({"reward": 0.5}), is_point({"reward": 0.5, "epoch": 0.1})
    (False, True)
    """
    if not _has_loss(values):
        measured = any(
            type(value) is float and is_loss_or_reward(name) for name, value in values.items()
        )
        if not measured or (_PROGRESS.isdisjoint(values) and not is_placed):
            return False
    for name, value in values.items():
        if type(value) is str and _is_told_text(name, value, values):
            return False
    return True


def place_of(
    values: Mapping[str, float | str], *, with_numbers: bool = False
) -> Mapping[str, float | str] | None:
    """Return what a dict says of where those are from that stand in it; None if it is a sample.

    >>> place_of({"step": 3, "host": "a"}), place_of({"step": 3, "prompt": "a"})
    ({'step': 3}, None)
    """
    texts = [name for name, value in values.items() if type(value) is str]
    if any(name in OF_SAMPLES or name in OF_TOKENS for name in texts):
        return None
    is_evaluation = bool(evaluation_said(values))
    return {
        name: value
        for name, value in values.items()
        if name in _PLACES
        or (with_numbers and type(value) is float)
        or (is_evaluation and name in OF_PHASES)
    }


def _has_loss(values: Mapping[str, float | str]) -> bool:
    if type(values.get("loss")) is float or type(values.get("eval_loss")) is float:
        return True
    return any(
        type(value) is float and (name.endswith("_loss") or name in {"train_runtime", "eval_runtime"})
        for name, value in values.items()
    )


def _is_told_text(name: str, value: str, values: Mapping[str, float | str]) -> bool:
    """Whether an entry that is text shows that the whole dict is no point."""
    if name in OF_SAMPLES or name in OF_TOKENS:
        return True
    if not _PROGRESS.isdisjoint(values):
        return False
    return len(value) > _LONG_TEXT or (name in _OF_CONFIGURATIONS and phase_of(name, value) is None)
