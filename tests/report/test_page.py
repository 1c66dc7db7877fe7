"""The page of a report: what it tells, what it leaves out, and that no log is ever markup in it."""

import doctest
import json
import math
import re
from collections import Counter
from datetime import timedelta
from html.parser import HTMLParser
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashscope_ftlogs.metrics.curves import places
from dashscope_ftlogs.metrics.point_columns import PointColumns
from dashscope_ftlogs.metrics.points import LogPoints
from dashscope_ftlogs.models import Job
from dashscope_ftlogs.report import (
    jinja_environment,
    json_in_html,
    kept_lines,
    loss_and_duration,
    scripts_and_styles,
)
from dashscope_ftlogs.report.json_in_html import chart_data
from dashscope_ftlogs.report.log_digest import LogReader, ReadLog, fit
from dashscope_ftlogs.report.page import page
from dashscope_ftlogs.report.scripts_and_styles import load, source_hash

ASSETS = load()
BEGIN = "Traceback (most recent call last):"


class Elements(HTMLParser):
    """Takes a page apart as browsers do: how many elements of each kind, and what its data are."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.data: dict[str, Any] = {}
        self.policy = ""
        self.shown: list[str] = []
        self._raw = ""
        self._id: str | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.counts[tag] += 1
        self.attributes |= named.keys()
        self._raw = tag if tag in {"script", "style"} else ""
        self._id = named.get("id") if named.get("type") == "application/json" else None
        if named.get("http-equiv") == "Content-Security-Policy":
            self.policy = named["content"] or ""

    def handle_endtag(self, tag: str) -> None:
        self._raw = ""

    def handle_comment(self, data: str) -> None:
        self.counts["!--"] += 1

    def handle_data(self, data: str) -> None:
        if self._id is not None and self._raw == "script":
            self.data[self._id] = json.loads(data)
        elif not self._raw:
            self.shown.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.shown).split()).replace("\N{EN DASH}", "-")


def read(*lines: str, name: str = "some.log", job: Job | None = None, room: int = 10**6) -> ReadLog:
    reader = LogReader(name, job, room)
    reader.read(list(enumerate(lines)))
    return reader.end()


def columns(*lines: str) -> PointColumns:
    log = LogPoints()
    log.read_all(lines, 0)
    return log.columns()


def html(*logs: ReadLog) -> str:
    return "".join(page(logs, ASSETS, version="1.2.3", made="today"))


def parsed(*logs: ReadLog) -> Elements:
    return Elements(html(*logs))


@pytest.mark.parametrize(
    "module",
    [scripts_and_styles, json_in_html, kept_lines, jinja_environment, loss_and_duration],
    ids=lambda module: module.__name__,
)
def test_the_examples_hold(module: Any) -> None:
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


# What it tells


def test_curves_are_called_as_in_a_plot_by_names_of_jobs_and_by_ids_where_those_repeat() -> None:
    names = {"ft-1": "warm", "ft-2": "again", "ft-3": "again"}
    logs = [
        read("{'loss': 2.0}", name=one, job=Job(one, "RUNNING", job_name=name, model=one))
        for one, name in names.items()
    ]
    assert [one["name"] for one in chart_data(logs, {})["logs"]] == ["warm", "ft-2", "ft-3"]
    assert "Those in which jobs differ Job model warm ft-1 ft-2" in parsed(*logs).text


def test_the_type_of_training_stands_beside_losses_where_it_differs_however_much_else_does() -> None:
    logs = [
        read(
            "{'loss': 2.0}",
            name=kind,
            job=Job(kind, "RUNNING", training_type=kind, hyper_parameters=dict.fromkeys("abcde", kind)),
        )
        for kind in ("sft", "dpo_lora")
    ]
    (table, *_) = parsed(*logs).text.split("Curves")
    assert "Job Model training_type Status" in table
    assert "dpo_lora RUNNING" in table


def test_what_is_known_of_a_job_is_shown() -> None:
    job = Job(
        "ft-1",
        "SUCCEEDED",
        job_name="nightly",
        model="qwen3-8b",
        create_time="2026-01-01 10:00:00",
        end_time="2026-01-02 11:01:01",
        usage=1234567,
    )
    text = parsed(
        read("{'loss': 2.0, 'step': 1}", "{'loss': 3.0, 'step': 2}", name="ft-1", job=job)
    ).text
    for part in (
        "ft-1 nightly qwen3-8b SUCCEEDED",
        "1 day, 1:01:01",
        "1,234,567",
        "3 step 2",
        "2 step 1",
    ):
        assert part in text


def test_jobs_are_told_apart_by_the_few_hyper_parameters_in_which_they_differ() -> None:
    def logs(**others: list[object]) -> list[ReadLog]:
        names = [f"ft-{number}" for number in range(len(next(iter(others.values()))))]
        return [
            read(
                "{'loss': 2.0}",
                name=name,
                job=Job(
                    name,
                    "RUNNING",
                    model=f"m{number}",
                    hyper_parameters={
                        name: values[number] for name, values in others.items() if values[number]
                    },
                ),
            )
            for number, name in enumerate(names)
        ]

    few = parsed(*logs(learning_rate=["1e-4", 5e-5], lora=[8, None]))
    assert "Job Model learning_rate lora Status " in few.text
    assert "ft-1 m1 5e-05 - RUNNING" in few.text
    assert [log["given"] for log in few.data["chart-data"]["logs"]] == [
        "model m0, learning_rate 1e-4, lora 8",
        "model m1, learning_rate 5e-05",
    ]
    many = parsed(*logs(**{f"p{number}": [1, 2] for number in range(4)}))
    assert "Job Model Status " in many.text
    assert [log["given"] for log in many.data["chart-data"]["logs"]] == ["", ""]


def test_what_is_not_known_is_a_dash_and_no_guess() -> None:
    assert "some.log - - - - - - - - - 1 " in parsed(read("hello")).text


@pytest.mark.parametrize(
    ("create", "end"),
    [
        (None, "2026-01-01 10:00:00"),
        ("2026-01-01 10:00:00", None),
        ("2026-01-02 10:00:00", "2026-01-01 10:00:00"),
        ("yesterday", "today"),
    ],
)
def test_a_duration_that_makes_no_sense_is_none(create: str | None, end: str | None) -> None:
    job = Job("ft-1", "RUNNING", create_time=create, end_time=end)
    assert loss_and_duration.summary(job, PointColumns(), None).duration is None


def test_a_summary_tells_final_and_best_loss_and_tokens() -> None:
    lines = ["{'loss': 2.0}", "{'loss': 1.0}", "{'loss': 1.0}", "{'eval_loss': 0.5}", "{'loss': nan}"]
    found = loss_and_duration.summary(None, columns(*lines, "{'train_runtime': 3.0, 'loss': 0.1}"), 7)
    assert found.final is not None
    assert found.best is not None
    assert math.isnan(found.final.value)
    assert (found.best.value, found.best.offset, found.tokens) == (1.0, 1, 7)
    job = Job("ft-1", "X", usage=0, create_time="2026-01-01 10:00:00", end_time="2026-01-01 10:00:00")
    assert loss_and_duration.summary(job, PointColumns(), 7) == loss_and_duration.Summary(
        timedelta(0), 0, None, None
    )
    assert loss_and_duration.summary(None, columns("{'loss': inf}"), None).best is None


def test_the_last_and_the_best_loss_of_evaluations_stand_beside_those_of_training() -> None:
    told = [0.75, 0.5, math.nan, 0.625]
    lines = [f"{{'eval_loss': {value}, 'step': {step}}}" for step, value in enumerate(told)]
    assert "0.625 step 3 0.5 step 1 4 " in parsed(read(*lines)).text
    rewards = [f"{{'eval_reward': {value}, 'epoch': 0.5}}" for value in (1.0, 3.0, 2.0)]
    assert (
        "2 epoch 0.5, line 3, eval_reward 3 epoch 0.5, line 2, eval_reward 3 "
        in parsed(read(*rewards)).text
    )
    epochs = [f"Epoch [{n}/2], Step [{at}/20], Loss: {3 - n / 2}" for n in (1, 2) for at in (10, 20)]
    assert "2 step 20 of epoch 2, Loss 2 step 10 of epoch 2, Loss " in parsed(read(*epochs)).text
    assert loss_and_duration.best_evaluation(columns("{'eval_loss': nan}")) is None
    assert loss_and_duration.best_evaluation(columns("{'loss': 1.0}")) is None


def test_the_tokens_that_the_log_counts_stand_in_for_the_bill() -> None:
    line = "2025-12-06 20:44:40,093 - INFO - training usage 4321"
    assert "4,321" in parsed(read(line)).text


def test_failures_are_told_with_what_the_service_says() -> None:
    failed = Job("ft-1", "FAILED", code="InternalError", message="it broke")
    logs = [
        read(BEGIN, "OSError: /a/1 is full", name="ft-1", job=failed),
        read("x", BEGIN, "OSError: /b/2 is full", name="some.log"),
        read("hello", name="ft-2", job=Job("ft-2", "FAILED")),
        read(BEGIN, "ValueError: went on", name="ft-3", job=Job("ft-3", "SUCCEEDED")),
    ]
    text = parsed(*logs).text
    assert "2 logs OSError: PATH is full OSError: /a/1 is full" in text
    assert "ft-1 , line 1; the service says: InternalError: it broke" in text
    assert "some.log , line 2 ; a guess from the log alone" in text
    assert "1 log No error is known ft-2" in text
    assert "went on" not in text


def test_without_a_failure_there_is_no_digest() -> None:
    assert 'id="failures"' not in html(read("hello"))


def test_hyper_parameters_that_differ_are_a_table() -> None:
    jobs = [
        Job(f"ft-{n}", "RUNNING", hyper_parameters={"n_epochs": 3, "batch_size": n, "deep": deep})
        for n, deep in ((1, "a"), (2, None))
    ]
    text = parsed(*(read(name=job.job_id, job=job) for job in jobs), read()).text
    assert "Job batch_size deep ft-1 1 a ft-2 2 - some.log - -" in text
    assert "Those that all jobs share What all jobs were given Name Value n_epochs 3 " in text
    assert "None: as far as is known" in parsed(read(job=jobs[0]), read(name="other", job=jobs[0])).text
    assert "Hyper-parameters" not in parsed(read(), read(name="other")).text


def test_what_the_only_job_was_given_is_a_table_too() -> None:
    job = Job("ft-1", "RUNNING", model="qwen3-8b", hyper_parameters={"n_epochs": 3, "x": None})
    for others in ([], [read(name="other")]):
        text = parsed(read(job=job), *others).text
        assert (
            "Hyper-parameters What the job was given Name Value model qwen3-8b n_epochs 3 Logs" in text
        )


def test_a_hyper_parameter_that_is_nested_too_deeply_stops_nothing() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    jobs = [Job(f"ft-{n}", "RUNNING", hyper_parameters={"x": deep} if n else {}) for n in (0, 1)]
    try:
        assert (
            "nested too deeply to show" in parsed(*(read(name=job.job_id, job=job) for job in jobs)).text
        )
    finally:
        while deep:  # or freeing it would go as deep
            deep = deep.pop()


def test_points_are_there_with_their_lines_and_odd_numbers_by_name() -> None:
    lines = ["hi", "{'loss': 2.5, 'epoch': 0.1}", "{'loss': nan}", "{'eval_loss': -inf, 'note': 'x'}"]
    chart = parsed(read(*lines)).data["chart-data"]
    assert chart["metrics"] == [["loss", "line"], ["eval_loss", "line"]]
    assert chart["evaluations"] == {"loss": "eval_loss"}
    (log,) = chart["logs"]
    assert (log["lines"], log["points"], log["offsets"], log["segments"]) == (4, 3, [1, 2, 3], [0, 0, 0])
    assert log["x"] == {"epoch": [0.1, None, None], "line": [2, 3, 4]}
    assert log["y"] == {"loss": [[0, 1], [2.5, "nan"]], "eval_loss": [[2], ["-inf"]]}


def test_each_log_tells_what_it_calls_the_evaluation_of_its_loss() -> None:
    logs = [
        read("{'loss': 2.5, 'step': 1}", *lines)
        for lines in (
            ["{'eval_loss': 2.0, 'step': 1}"],
            ["{'step': 1, 'eval': {'loss': 2.0}}"],
            ["{'step': 1, 'evals': [{'loss': 2.0}]}"],
            ["{'step': 1, 'evals': [{'reward': 2.0}]}"],
            ["{'split': 'val', 'loss': 2.0, 'step': 1}"],
            [],
        )
    ]
    told = [log["evaluations"]["loss"] for log in parsed(*logs).data["chart-data"]["logs"]]
    assert told == ["eval_loss", "eval/loss", "evals/0/loss", None, "val/loss", None]


def test_the_page_is_made_piece_by_piece() -> None:
    logs = [read("x" * 10**5, name=name) for name in "abc"]
    pieces = [len(piece) for piece in page(logs, ASSETS, version="1.2.3", made="today")]
    assert max(pieces) < 2 * 10**5 < 3 * 10**5 < sum(pieces)


def test_the_loss_comes_first_over_what_training_and_evaluation_tell() -> None:
    lines = ["{'lr': 0.1, 'loss': 2.5, 'step': 1, 'epoch': 0.1}", "{'eval_loss': 2.0, 'epoch': 0.2}"]
    chart = parsed(read(*lines)).data["chart-data"]
    assert chart["metrics"] == [["loss", "epoch"], ["eval_loss", "epoch"], ["lr", "step"]]


def test_steps_of_each_epoch_are_counted_on_also_where_points_are_left_out() -> None:
    lines = [f"Epoch [{n}/2], Step [{at}/4], loss: 1.5" for n in (1, 2) for at in (1, 2, 3, 4)]
    log, going_on = read(*lines), read("{'loss': 1.5, 'step': 9}")
    chart = parsed(log, going_on).data["chart-data"]
    assert chart["metrics"] == [["loss", "global_step"]]
    assert [one["x"]["global_step"] for one in chart["logs"]] == [[1, 2, 3, 4, 5, 6, 7, 8], [9]]
    assert places(log.points.fewer(3), "global_step", log.points.steps) == [1, 4, 7]
    assert "global_step" not in parsed(going_on).data["chart-data"]["logs"][0]["x"]


def test_over_lines_a_bar_is_drawn_only_where_nothing_else_is_told() -> None:
    bars = [
        "\r".join(f"Epoch {n}: 9%| | {at}/9 [00:05<00:05, 2.0it/s, loss=1.5]" for at in range(1, 10))
        for n in (1, 2)
    ]
    ended = "Epoch 2: train_loss=1.1 val_loss=1.8"
    assert parsed(read(*bars, ended)).data["chart-data"]["metrics"][0] == ["loss", "global_step"]
    longer = bars[1].replace("/9", "/10")
    chart = parsed(read(bars[0], longer, ended)).data["chart-data"]
    assert chart["metrics"][0] == ["loss", "line"]


def test_a_loss_by_another_name_stands_for_the_loss() -> None:
    logs = [read(f"{{'{name}': 2.0, 'step': 1}}", name=name) for name in ("pg_loss", "lm loss", "loss")]
    chart = parsed(*logs).data["chart-data"]
    assert [log["stand_ins"] for log in chart["logs"]] == [
        {"loss": None},
        {"loss": "lm loss"},
        {"loss": "loss"},
    ]


@pytest.mark.long
def test_more_points_and_metrics_than_a_chart_can_show_are_thinned_and_counted() -> None:
    log = read(*(f"{{'loss': 1.0, 'm{n % 300}': 2.0}}" for n in range(300 * 337)))
    chart = parsed(log).data["chart-data"]
    assert (len(chart["metrics"]), chart["metrics_left_out"]) == (200, 101)
    (found,) = chart["logs"]
    assert (found["points"], len(found["offsets"])) == (101_100, 50_550)


# What it leaves out


def test_a_small_log_is_there_whole() -> None:
    lines = ["a", "", "  b\r", "\ud800", "\x00", "</script>"]
    assert parsed(read(*lines)).data["log-data-0"] == {"runs": [[0, 6]], "lines": lines}
    assert parsed(read()).data["log-data-0"] == {"runs": [], "lines": []}


def test_of_a_large_log_the_end_stays_and_before_it_what_has_a_point_or_an_error() -> None:
    lines = ["x" * 92] * 1000
    lines[1] = "{'loss': 1.0}"
    lines[10:12] = [BEGIN, "OSError: full"]
    lines[20] = "{'loss': 2.0}"
    log = read(*lines, room=8000)
    numbers = [number for number, _ in log.lines]
    assert numbers[:3] == [1, 10, 20]
    assert numbers[3:] == list(range(930, 1000))
    found = parsed(log)
    assert found.data["log-data-0"]["runs"] == [[1, 1], [10, 1], [20, 1], [930, 70]]
    assert "some.log: 927 of 1,000 lines are left out, to keep this page fluid." in found.text


def test_the_last_line_stays_however_long_it_is() -> None:
    log = read("x", "y" * 1000, room=100)
    assert [line for _, line in log.lines] == ["y" * 1000]


def test_many_large_logs_share_one_page() -> None:
    logs = [read(*["x" * 92] * 100, name="large"), read("small", name="small")]
    fit(logs, 5000)
    assert [log.lines.left_out > 0 for log in logs] == [True, False]
    assert sum(log.lines.size for log in logs) <= 5000


# That nothing of a log is markup

HOSTILE = st.one_of(
    st.text(max_size=40),
    st.text(st.characters(codec=None), max_size=40),
    st.sampled_from(
        [
            *("</script>", "<script>alert(1)</script>", "<!--<script>", "-->", "]]>", "<![CDATA["),
            *("'\"><img src=x onerror=alert(1)>", "</style>", "</title>", "&lt;&#60;", "{{scripts}}"),
            *("{'loss': 1.0, '<b>\"': 2.0}", "\x1b[2J\x1b]0;x\x07", "\u2028\u2029\u202e", "\ud800"),
            *(BEGIN, "ValueError: <b onclick='x'>", "[ERROR:swift] </pre><script>"),
        ]
    ),
)
PLAIN = parsed(*(read("x", job=Job("j", "FAILED", "n", "m", code="c", message="m")) for _ in "12"))


@pytest.mark.unmeasured
@given(st.lists(HOSTILE, max_size=6), HOSTILE)
def test_no_text_of_a_log_or_a_job_is_ever_markup(lines: list[str], word: str) -> None:
    job = Job(
        word,
        *("FAILED", word, word),
        hyper_parameters={word: word},
        create_time=word,
        code=word,
        message=word,
    )
    text = html(read(*lines, name=word, job=job), read(*lines, word, name=word))
    found = Elements(text)
    assert text.encode()
    assert found.counts["script"] == PLAIN.counts["script"]
    assert found.counts["style"] == PLAIN.counts["style"]
    assert found.counts.keys() <= PLAIN.counts.keys() | {
        *("small", "em", "article", "h3", "pre", "ul", "li", "section", "span", "table", "p"),
    }
    assert found.attributes <= PLAIN.attributes | {"data-line"}
    assert found.data["log-data-0"]["lines"] == lines
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", found.text)


@pytest.mark.unmeasured
@given(
    st.recursive(
        HOSTILE | st.integers() | st.none(),
        lambda inner: st.lists(inner) | st.dictionaries(HOSTILE, inner),
    )
)
def test_embedded_json_is_what_it_was_and_cannot_end_its_element(value: Any) -> None:
    try:
        text = json_in_html.embedded(value)
    except OverflowError:  # an integer larger than any that is embedded
        return
    assert not re.search("[<>&\u2028\u2029]", text)
    assert json.loads(text) == value
    assert text.encode()


# What every page holds


def test_the_policy_allows_the_scripts_and_styles_that_are_there_and_nothing_else() -> None:
    text = html(read("x"))
    policy = Elements(text).policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    code = re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", text, re.DOTALL)
    assert len(code) == 16
    assert all(source_hash(one) in policy for one in code)


def test_no_asset_can_end_its_own_element_or_make_markup_of_text() -> None:
    ours = "".join(script for script in ASSETS.scripts if "uPlot=function" not in script)
    for script in (*ASSETS.scripts, *ASSETS.styles):
        assert not re.search(r"</(script|style)|<!--", script, re.IGNORECASE)
    banned = r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|DOMParser"
    assert not re.search(banned, "".join(ASSETS.scripts))
    assert not re.search(r"fetch|XMLHttp|WebSocket|sendBeacon|import\(|url\(", ours)


def test_the_page_names_nothing_on_the_network() -> None:
    text = html(read("x"))
    code = "".join(ASSETS.scripts)
    addresses = set(re.findall(r"https?://[^\s\"'`)]+", text))
    assert addresses <= {"https://github.com/leeoniya/uPlot", "http://www.w3.org/2000/svg"}
    assert all(address in code for address in addresses)


def test_the_chart_library_comes_with_its_licence_and_its_version() -> None:
    vendor = resources.files("dashscope_ftlogs.report") / "vendor"
    assert (vendor / "uPlot.LICENSE").read_text("utf-8") in html(read("x")).replace("&#34;", '"')
    version = (vendor / "VERSION").read_text().split()[1].removesuffix(":")
    assert f"(v{version})" in (vendor / "uPlot.iife.min.js").read_text("utf-8")[:200]
