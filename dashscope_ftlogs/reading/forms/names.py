"""Which names a loss or a reward has, and which names tell that a dict is something else.

A name is taken apart into its words: `train/lm_loss` is a loss, `loss_scale` and `kl_loss_coef` are
settings, `lossless` is nothing.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import dropwhile
from typing import Final, Literal

_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_NUMBER_WITHIN: Final = re.compile(r"(?<!top)\s[-+(\[]{0,3}\.?\d[\w.,%+-]{0,60}[\s)\]]", re.IGNORECASE)
_PAIRED: Final = re.compile(r"\([^()]*+\)|\[[^\[\]]*+\]")
_BRACKETS: Final = re.compile(r"[()\[\]]")
_WORDS_AND_NUMBERS: Final = re.compile(r"[a-z]+|[0-9]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _words_of(name: str) -> set[str]:
    return set(map(str.lower, _WORDS.findall(name)))


_MEASURED: Final = frozenset({"loss", "losses", "reward", "rewards"})
_SETTINGS: Final = _words(
    """
    scale scaler scaling coef coeff coefs coefficient weight weights weighting type fn func function
    alpha beta gamma delta window factor lambda mask masks threshold steps name names every only
    path dir file model config class cls_name reduction kwargs args impl backend kind mode choices
    chunk chunks parallel enabled enable use py cpp cu json jsonl yaml txt log png pt md
    """
)
_OF_ALL: Final = _words("loss losses lm train training total batch step avg mean running sft dpo")
"""What a loss is called that is the one to watch, and no part of it as `pg_loss` is."""
_OF_EVALUATION: Final = _words(
    "eval evals evaluation evaluations evaluate val valid validation validations validate test dev cv"
)
_OF_NO_POINT: Final = _words(
    """
    best lowest minimum min previous prev initial loaded restored resumed target baseline expected
    config configuration args arguments params parameters hparams hyperparameters settings options
    defaults weights coefficients
    """
)
"""What a dict in another is called that repeats what was told, or sets what is to be."""
_CONTAINERS: Final = _words(
    "metric metrics result results score scores value values data log logs stats statistics summary"
)
HISTORY: Final = "log_history"
"""The list in which Hugging Face's trainer keeps all that it has told."""
_OF_SETS: Final = ("set", "name", "dataset", "task", "split", "subset")
"""Under which one of several evaluations says which it is."""
_NAMES_OF_DATA: Final = frozenset({"dataset", "set", "Dataset", "Set"})
"""Under which a dataset may stand by a name of its own, too: what says anything else does not count."""
OF_PHASES: Final = _NAMES_OF_DATA.union(
    *((name, name.title()) for name in _words("mode split phase stage subset event type kind"))
)
"""Under which a dict may say in a word what it is of."""
_DATA: Final = _words("set sets data dataset datasets split loss")
_OF_TRAINING: Final = _words("train training")
TIME_NAMES: Final = ("time", "timestamp", "@timestamp", "ts", "asctime", "receiveTimestamp")
STEP_NAMES: Final = (
    *("global_step", "current_steps", "step", "iteration", "iter"),
    *("num_updates", "train_num_updates", "valid_num_updates"),
    *(
        f"{of}/{name}"
        for of in ("train", "training", "trainer", "rollout")
        for name in ("global_step", "step")
    ),
)
"""Under which a dict may tell its step: the first that it has counts."""
TOTAL_NAMES: Final = ("total_steps", "max_steps")
STEP_OF_ALL: Final = "global_step/max_steps"
"""Where both stand in one text, such as `3/9`."""
EPOCH_NAMES: Final = ("epoch", "train/epoch", "training/epoch")
_OF_RUNS: Final = frozenset({"consumed_train_tokens", "elapsed_time", "elapsed time"})
"""What tells how far all has come, in an evaluation, too."""
_PLACES: Final = frozenset((*STEP_NAMES, *TOTAL_NAMES, STEP_OF_ALL, *EPOCH_NAMES, *TIME_NAMES))
_PROGRESS: Final = _words("steps global_steps grad_norm episode eval_runtime train_runtime") | {
    *STEP_NAMES,
    *EPOCH_NAMES,
    STEP_OF_ALL,
}
OF_SAMPLES: Final = _words(
    """
    role content messages conversations prompt response responses completion text input inputs
    output outputs instruction query question answer answers chosen rejected system history images
    tools
    """
)
OF_TOKENS: Final = frozenset({"input_ids", "attention_mask", "labels", "token_ids", "pixel_values"})
"""What the rows of a dataset list."""
_OF_CONFIGURATIONS: Final = _words(
    """
    optimizer model model_name model_name_or_path dataset scheduler lr_scheduler lr_scheduler_type
    type class_name loss_type activation optim metric_for_best_model save_strategy
    """
)
_LONGEST: Final = 200
"""Characters of a name. What is longer is none."""
_LONG_TEXT: Final = 64


def mentioned(text: str) -> bool:
    """Whether a text may hold the name of a loss or a reward, judged in the shortest time."""
    return "loss" in text or "eward" in text or "Loss" in text or "LOSS" in text


@lru_cache(4096)
def is_loss_or_reward(name: str) -> bool:
    """Whether a name is that of a loss or a reward.

    >>> [is_loss_or_reward(name) for name in ("lm loss", "loss/policy_avg", "loss scale", "gloss")]
    [True, True, False, False]
    """
    if len(name) > _LONGEST:
        return False
    if not mentioned(name):
        return False
    words = _words_of(name)
    return not _MEASURED.isdisjoint(words) and _SETTINGS.isdisjoint(words)


@lru_cache(4096)
def is_one_name(text: str) -> bool:
    """Whether a text before a number is its name, and not another number with what follows that.

    >>> is_one_name("avg 1.6) lr"), is_one_name("lr (avg"), is_one_name("top 5 acc (%)")
    (False, False, True)
    """
    return _NUMBER_WITHIN.search(text) is None and _BRACKETS.search(_PAIRED.sub("", text)) is None


@lru_cache(4096)
def is_of_evaluation(name: str) -> bool:
    """Whether a name says that its value is from an evaluation.

    >>> [is_of_evaluation(name) for name in ("val-core/gsm8k/acc/mean@1", "value_loss", "std_dev")]
    [True, False, False]
    """
    if len(name) > _LONGEST:
        return False
    words = _words_of(name) & _OF_EVALUATION
    return bool(words) and (words != {"dev"} or "std" not in _words_of(name))


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
    if value.lower() in _OF_TRAINING:
        return "train"
    if not is_of_evaluation(value) or (
        name in _NAMES_OF_DATA and not _words_of(value) <= _OF_EVALUATION | _DATA
    ):
        return None
    return "eval"


@lru_cache(4096)
def is_of_no_point(name: str) -> bool:
    """Whether a dict of that name in another repeats what was told, or sets what is to be.

    >>> is_of_no_point("best_metrics"), is_of_no_point("metrics")
    (True, False)
    """
    return len(name) <= _LONGEST and not _OF_NO_POINT.isdisjoint(_words_of(name))


def is_container(name: str) -> bool:
    """Whether a dict of that name in another is only there to hold what stands in it."""
    return name.lower() in _CONTAINERS


def shares_place(name: str) -> bool:
    """Whether what stands in a dict of that name is of the same point as what stands beside it.

    >>> shares_place("metrics"), shares_place("train"), shares_place("eval")
    (True, True, False)
    """
    return is_container(name) or name.lower() in _OF_TRAINING


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
        before = said if said.replace("_", "").isalpha() else _word_of_evaluation(said)
    if not before:
        return values
    kept = _PLACES.union(OF_PHASES, _OF_SETS, OF_SAMPLES, OF_TOKENS, _OF_RUNS)
    own = (name in kept or is_of_evaluation(name) for name in values)
    return {
        name if is_own else f"{before}/{name}": value
        for is_own, (name, value) in zip(own, values.items(), strict=True)
    }


def _word_of_evaluation(text: str) -> str:
    words: list[str] = _WORDS.findall(text)
    return next(word for word in words if word.lower() in _OF_EVALUATION)


def main_metric(names: Iterable[str]) -> str | None:
    """Return what to look at first: the loss; where there is none, the reward, or what is most like it.

    >>> main_metric(["lr", "eval_loss", "lm loss"]), main_metric(["pg_loss", "reward_std", "reward"])
    ('lm loss', 'reward')
    """
    measured = [name for name in names if is_loss_or_reward(name)]
    if "loss" in measured:
        return "loss"
    of_training = [name for name in measured if not is_of_evaluation(name)] or measured
    words = {name: _words_of(name) for name in of_training}
    rewards = [name for name in of_training if not {"reward", "rewards"}.isdisjoint(words[name])]
    whole = [name for name in of_training if _OF_ALL.issuperset(words[name])]
    # The shortest is the one that the others are parts of, or are made of.
    return min(whole or rewards or of_training, key=lambda name: len(words[name]), default=None)


def loss_first(names: Iterable[str]) -> list[str]:
    """Return names in the order in which one looks at them: the main one, its evaluation, other losses.

    >>> loss_first(["lr", "pg_loss", "eval_loss", "loss"])
    ['loss', 'eval_loss', 'pg_loss', 'lr']
    """
    own = list(names)
    main = main_metric(own)
    evaluation = None if main is None else evaluation_of(main, own)
    return sorted(own, key=lambda one: (one != main, one != evaluation, not is_loss_or_reward(one)))


def evaluation_of(metric: str, names: Iterable[str]) -> str | None:
    """Return the name under which evaluations tell what training tells as `metric`.

    >>> evaluation_of("train/acc@1", ["val/acc@2", "val/acc@1"])
    'val/acc@1'
    """
    own = _told_apart(metric)
    if is_of_evaluation(metric):
        return None
    return next((name for name in names if is_of_evaluation(name) and _told_apart(name) == own), None)


@lru_cache(4096)
def _told_apart(name: str) -> frozenset[str]:
    """Return the words of a name, but for those that say whether it is of training."""
    words = frozenset(_WORDS_AND_NUMBERS.findall(name[:_LONGEST].lower()))
    return words - _OF_EVALUATION - {"train", "training"}


def standing_for(metric: str, names: Collection[str]) -> str | None:
    """Return what a log with these names calls a metric: the loss has many names.

    >>> names = ["pg_loss", "lm loss", "lr"]
    >>> standing_for("lr", names), standing_for("loss", names), standing_for("loss", ["pg_loss"])
    ('lr', 'lm loss', None)
    """
    if metric in names:
        return metric
    similar = main_metric(names) if _is_whole_loss(metric) else None
    return similar if similar is not None and _is_whole_loss(similar) else None


def _is_whole_loss(name: str) -> bool:
    return is_loss_or_reward(name) and _OF_ALL.issuperset(_words_of(name))


def is_better_higher(name: str) -> bool:
    """Whether more of it is better: it is a reward's, and no loss.

    >>> is_better_higher("critic/rewards/mean"), is_better_higher("reward_loss")
    (True, False)
    """
    words = _words_of(name)
    return not words.isdisjoint({"reward", "rewards"}) and words.isdisjoint({"loss", "losses"})


def only_of_evaluation(names: Iterable[str]) -> bool:
    """Whether there are losses or rewards, and all are from an evaluation."""
    measured = [name for name in names if is_loss_or_reward(name)]
    return bool(measured) and all(map(is_of_evaluation, measured))


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
