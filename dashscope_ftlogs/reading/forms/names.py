"""Which names a loss or a reward has, and which say that something is from an evaluation, or no point.

A name is taken apart into its words: `train/lm_loss` is a loss, `loss_scale` and `kl_loss_coef` are
settings, `lossless` is nothing.
"""

import re
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from typing import Final

_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_NUMBER_WITHIN: Final = re.compile(r"(?<!top)\s[-+(\[]{0,3}\.?\d[\w.,%+-]{0,60}[\s)\]]", re.IGNORECASE)
_PAIRED: Final = re.compile(r"\([^()]*+\)|\[[^\[\]]*+\]")
_BRACKETS: Final = re.compile(r"[()\[\]]")
_WORDS_AND_NUMBERS: Final = re.compile(r"[a-z]+|[0-9]+")


def some_words(text: str) -> frozenset[str]:
    """Return the words of a text with blanks between them."""
    return frozenset(text.split())


def _words_of(name: str) -> set[str]:
    return set(map(str.lower, _WORDS.findall(name)))


_MEASURED: Final = frozenset({"loss", "losses", "reward", "rewards"})
_SETTINGS: Final = some_words(
    """
    scale scaler scaling coef coeff coefs coefficient weight weights weighting type fn func function
    alpha beta gamma delta window factor lambda mask masks threshold steps name names every only
    path dir file model config class cls_name reduction kwargs args impl backend kind mode choices
    chunk chunks parallel enabled enable use py cpp cu json jsonl yaml txt log png pt md
    """
)
_OF_ALL: Final = some_words("loss losses lm train training total batch step avg mean running sft dpo")
"""What a loss is called that is the one to watch, and no part of it as `pg_loss` is."""
_OF_EVALUATION: Final = some_words(
    """
    eval evals evaluation evaluations evaluate evaluating val valid validation validations validate
    validating test testing dev cv
    """
)
NOT_DENIED: Final = "".join(
    rf"(?<!\b{word}[ _-])"
    for word in ("no", "not", "non", "without", "w/o", "skip", "skipping", "before", "until", "next")
)
"""Before a word of an evaluation, in a pattern: none of this does or has one."""
_OF_DATA: Final = some_words("set sets data dataset datasets split loss")
_OF_NO_POINT: Final = some_words(
    """
    best lowest minimum min previous prev initial loaded restored resumed target baseline expected
    config configuration args arguments params parameters hparams hyperparameters settings options
    defaults weights coefficients
    """
)
"""What a dict in another is called that repeats what was told, or sets what is to be."""
OF_TRAINING: Final = some_words("train training")
_CONTAINERS: Final = some_words(
    "metric metrics result results score scores value values data log logs stats statistics summary"
)
HISTORY: Final = "log_history"
"""The list in which Hugging Face's trainer keeps all that it has told."""
TIME_NAMES: Final = ("time", "timestamp", "@timestamp", "ts", "asctime", "receiveTimestamp")
STEP_NAMES: Final = (
    *("global_step", "current_steps", "step", "iteration", "iter"),
    *("num_updates", "train_num_updates", "valid_num_updates"),
    *(
        f"{of}/{name}"
        for of in ("train", "training", "trainer", "rollout")
        for name in ("global_step", "step")
    ),
    "_step",
)
"""Under which a dict may tell its step: the first that it has counts."""
OF_TRACKERS: Final = frozenset({"_step", "_runtime", "_timestamp"})
"""What W&B adds to each entry of its history."""
WHATEVER_ITS_NAME: Final = ("loss", "eval_loss")
"""By these, one asks for the loss of any log, in training and in evaluations."""
TOTAL_NAMES: Final = ("total_steps", "max_steps")
STEP_OF_ALL: Final = "global_step/max_steps"
"""Where both stand in one text, such as `3/9`."""
EPOCH_NAMES: Final = ("epoch", "train/epoch", "training/epoch")
_LONGEST: Final = 200
"""Characters of a name. What is longer is none."""


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


def is_of_test(name: str) -> bool:
    """Whether a name says that its value is of a test set, by which no checkpoint is chosen.

    >>> is_of_test("test/loss"), is_of_test("val/test_loss"), is_of_test("eval_loss")
    (True, False, False)
    """
    return is_of_evaluation(name) and _words_of(name) & _OF_EVALUATION <= {"test", "testing"}


def word_of_evaluation(text: str) -> str:
    """Return the word that says so, of a name that says that something is from an evaluation.

    >>> word_of_evaluation("after Eval 3")
    'Eval'
    """
    every: list[str] = _WORDS.findall(text)
    return next(word for word in every if word.lower() in _OF_EVALUATION)


def is_evaluation_alone(text: str) -> bool:
    """Whether a text says an evaluation and nothing else, as the name of a dataset may.

    >>> is_evaluation_alone("validation_set"), is_evaluation_alone("my_test")
    (True, False)
    """
    return is_of_evaluation(text) and _words_of(text) <= _OF_EVALUATION | _OF_DATA


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
    return is_container(name) or name.lower() in OF_TRAINING


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


def loss_of_evaluations(
    names: Iterable[str], is_told_by_evaluations: Callable[[str], bool]
) -> str | None:
    """Return what the losses of evaluations are called, or what comes nearest to them.

    Some trainers call it as in training, and say otherwise that it is one of an evaluation. What is said
    of a test set counts only where nothing is said of a validation.

    >>> loss_of_evaluations(["loss", "test_loss", "val_loss"], {"loss"}.__contains__)
    'val_loss'
    >>> loss_of_evaluations(["loss", "test_loss"], {"loss"}.__contains__)
    'loss'
    """
    measured = [name for name in names if is_loss_or_reward(name)]
    named = [name for name in measured if is_of_evaluation(name)]
    told = (
        [name for name in named if not is_of_test(name)]
        or [name for name in measured if not is_of_evaluation(name) and is_told_by_evaluations(name)]
        or named
    )
    return "eval_loss" if "eval_loss" in told else main_metric(told)


def loss_called(
    asked: str, names: Collection[str], is_told_by_evaluations: Callable[[str], bool]
) -> str | None:
    """Return under which of these names the `loss` of training is told, or the `eval_loss`."""
    if asked == "loss":
        return standing_for(asked, names)
    found = loss_of_evaluations(names, is_told_by_evaluations)
    return None if found is None or is_better_higher(found) else found


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
