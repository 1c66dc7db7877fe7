"""A line of names and numbers in plain words: in English, and without what quotes or draws them.

`第 3 轮, 训练损失: 2.5, 学习率: 1e-5` says what `epoch 3, train_loss: 2.5, learning_rate: 1e-5`
does: the loss of a log is one to look at, and to compare with others, whatever it is called. Only what
is known as a whole is put so: of `预热步数` nothing, since it is no step.
"""

import re
from collections.abc import Mapping
from typing import Final

from dashscope_ftlogs.reading.forms.names import mentioned

_FULL_WIDTH: Final = str.maketrans(
    {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if not chr(code).isalnum()}
    | dict.fromkeys(map(ord, "\N{FULLWIDTH COMMA}\N{FULLWIDTH SEMICOLON}、。"), ", ")
    | dict(zip(map(ord, "【】│┃"), "[]||", strict=True))
)
LOSS: Final = "损失"
COUNTED_SETS: Final = ("(val)", "(test)")
"""Of which there is one in what counts the batches of an evaluation, and need not tell a loss."""
FOREIGN: Final = re.compile(
    r"""["`{}\\;$]|\w'|'\w|\w\[[a-z_]|==|->|\w\(\)|%[sdf]\b|\bself\.|\bNone\b|https?://"""
    "|improved? from "
)
"""What stands in code, options and prose, but not among names and numbers."""
ROOM: Final = re.compile(
    r"(?<=\S)\s+(?=[-+]?(?:\.?\d|(?:nan|inf)\b))|(?<=\))\s+(?=\[ *\d)", re.IGNORECASE
)
_SETS: Final = {
    "训练": "train",
    "验证": "val",
    "校验": "val",
    "评估": "eval",
    "评测": "eval",
    "测试": "test",
}
_PHASES: Final = {word + end: phase for word, phase in _SETS.items() for end in ("", "集", "阶段")}
_OF: Final = {"平均": "avg", "总": "total", "最佳": "best", "最低": "best", "最小": "best", "当前": ""}
_NAMES: Final = {
    **dict.fromkeys(("损失", "损失值", "损失函数", "损失函数值"), "loss"),
    **dict.fromkeys(("准确率", "正确率", "准确度"), "accuracy"),
    **dict.fromkeys(("耗时", "用时"), "time"),
    "精确率": "precision",
    "召回率": "recall",
    "困惑度": "perplexity",
    "学习率": "learning_rate",
    "奖励": "reward",
    "梯度范数": "grad_norm",
    "剩余时间": "eta",
}
_COUNTED: Final = {
    **dict.fromkeys(("轮次", "轮数", "训练轮次", "训练轮数", "当前轮次", "轮"), "epoch"),
    **dict.fromkeys(("步数", "步骤", "训练步数", "当前步数", "训练步骤", "步"), "step"),
    **dict.fromkeys(("全局步数", "全局步"), "global_step"),
    **dict.fromkeys(("迭代次数", "迭代", "迭代步数", "次迭代"), "iteration"),
    **dict.fromkeys(("批次", "个批次"), "batch"),
}
_PLACES: Final = set(_COUNTED.values()) - {"batch"}


def _any_of(words: dict[str, str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_WORD: Final = re.compile(
    r"(?<![\u4e00-\u9fff])(?:"
    rf"第\s?(?P<count>\d{{1,12}}(?:\s?/\s?\d{{1,12}})?)\s?(?P<unit>{_any_of(_COUNTED)})"
    rf"|(?P<counted>{_any_of(_COUNTED)})(?=\s?[:=#]?\s?[\[(]?\s?\d)"
    rf"|(?P<a>{_any_of(_OF)})?(?P<phase>{_any_of(_PHASES)})?的?(?P<b>{_any_of(_OF)})?"
    rf"(?P<name>{_any_of(_NAMES)})(?!\s(?!nan|inf)[A-Za-z])"
    rf"|(?P<before>{_any_of(_PHASES)}|平均)(?=[A-Za-z\s:])"
    r")(?![\u4e00-\u9fff])"
)


_QUOTED_SET: Final = re.compile(r"(?<= on )'([\w-]{1,40})'(?= (?:sub|data)?set\b)")
_SAME: Final = re.compile(r"\b([A-Za-z_]\w{0,60})=\[([-+.\de]{1,30})(?:, ?\2){0,200}\]")
"""A list of one number, as of groups of parameters that all have the same rate."""
_TENSOR: Final = re.compile(
    r"\btensor\(\[?([-+.\w]{1,40})\]?(?:, ?\w{1,20}=(?:'[\w:]{1,20}'|<\w{1,40}>|[\w.]{1,20})){0,4}\)"
)
_GRAPH: Final = re.compile(r"\|-{0,200}>$")
"""What llama.cpp draws at the end of a line."""
_BAR: Final = re.compile(r"(?<=\d )\[=*>?\.*\](?= )")
"""As Keras draws it."""


def glance(text: str) -> bool:
    """Whether a text may be such a line, judged in the shortest time."""
    return mentioned(text) or "step:" in text or LOSS in text


def counts_itself(text: str) -> bool:
    """Whether a text may be of an evaluation that need not tell a loss."""
    return COUNTED_SETS[0] in text or COUNTED_SETS[1] in text


def in_english(text: str) -> str:
    """Return a text with those words in English, and full-width punctuation as what it stands for.

    >>> in_english("第 3 轮, 训练损失: 2.5, 平均验证损失: 2.6, 预热步数: 9")
    'epoch 3, train_loss: 2.5, avg_val_loss: 2.6, 预热步数: 9'
    """
    return _WORD.sub(_english, text.translate(_FULL_WIDTH))


def keys_in_english(values: Mapping[str, float | str]) -> Mapping[str, float | str]:
    """Return the entries of a dict by names in English; as they are, if none of them tells a place.

    A loss that has no step and no epoch beside it may be one of money.

    >>> keys_in_english({"训练损失": 2.5, "步数": 10.0}), keys_in_english({"损失": 2.5})
    ({'train_loss': 2.5, 'step': 10.0}, {'损失': 2.5})
    """
    names = {name: in_english(f"{name}: 1").removesuffix(": 1") for name in values}
    if not _PLACES & set(names.values()) or len(set(names.values())) < len(names):
        return values
    return {names[name]: value for name, value in values.items()}


def without_quotes(text: str) -> str:
    """Return a text with what stands for itself in the place of what quotes it, or draws it."""
    if "'" in text:
        text = _QUOTED_SET.sub(r"\1", text)
    if "=[" in text:
        text = _SAME.sub(r"\1=\2", text)
    if "tensor(" in text:
        text = _TENSOR.sub(r"\1", text)
    if "=" in text and "]" in text:
        text = _BAR.sub("\u2501", text)
    return _GRAPH.sub("", text) if text.endswith(">") else text


def _english(found: "re.Match[str]") -> str:
    if found["count"]:
        return f"{_COUNTED[found['unit']]} {found['count']}"
    if found["counted"]:
        return _COUNTED[found["counted"]]
    if found["before"]:
        word = _PHASES.get(found["before"]) or _OF[found["before"]]
        return word + ("_" if found.string[found.end() : found.end() + 1].isalpha() else "")
    words = (
        _OF.get(found["a"]),
        _PHASES.get(found["phase"]),
        _OF.get(found["b"]),
        _NAMES[found["name"]],
    )
    return "_".join(filter(None, words))
