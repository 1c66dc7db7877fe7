"""The vendor's own SDK against the emulator: a client that nobody here wrote, and so another reading of
the vendor's pages than ours. What it finds is compared with what the emulator holds.

Needs `dashscope`; `nox -s vendor` has it.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from dashscope_ftlogs.cli.commands.emulator_options import jobs
from dashscope_ftlogs.emulator import EmulatedJob

SDK = Path(__file__).with_name("sdk.py")
LINES = {
    "ft-long": [f"{n} 训练 {{'loss': {1 / (n + 1)}}}" for n in range(2_500)],
    "ft-odd": ["", "\x1b[2J", "a\rb", "\x00", "one\u2028line", "[trainer]", "  ", '"\\', "\U0001f600"],
    "ft-page": [str(n) for n in range(1_000)],
    "ft-none": [],
}
GENERATIONS = pytest.mark.parametrize("generation", ["first", "second", "async"])


@attrs.frozen
class Asked:
    """The SDK in a process of its own, and the Model Studio that its environment names."""

    environ: dict[str, str]
    process: "subprocess.Popen[str]"

    def ask(self, generation: str, call: str, **words: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([generation, call, words]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    @classmethod
    @contextmanager
    def about(cls, *words: str) -> "Generator[Asked, None, None]":
        """Serve in another process what `ftlogs emulator` is told to, and let the SDK find it."""
        serve = [sys.executable, "-m", "dashscope_ftlogs", "emulator", "--time-scale", "0", *words]
        with subprocess.Popen(
            serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as own:
            assert own.stdout is not None
            try:
                exports = [shlex.split(own.stdout.readline())[1] for _ in range(3)]
                # Ours alone are to have no certificates in the tests; the SDK insists on some.
                kept = {name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"}
                environ = kept | dict(export.split("=", 1) for export in exports)
                with subprocess.Popen(
                    [sys.executable, SDK],
                    env=environ,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                ) as process:
                    yield cls(environ, process)
            finally:
                own.terminate()


@pytest.fixture(scope="module")
def of_files(tmp_path_factory: pytest.TempPathFactory) -> Generator[Asked, None, None]:
    folder = tmp_path_factory.mktemp("logs")
    for name, lines in LINES.items():
        text = "".join(f"{line}\n" for line in lines)
        (folder / f"{name}.log").write_text(text, encoding="utf-8", newline="")
    with Asked.about(str(folder)) as asked:
        yield asked


@pytest.fixture(scope="module")
def made_up() -> Generator[Asked, None, None]:
    with Asked.about() as asked:
        yield asked


def facts(job: EmulatedJob) -> dict[str, Any]:
    return dict(job.facts(0))


FORGOTTEN = {"workspace_id", "code", "message"}
"""What the first generation does not take over from a job."""
RENAMED = {
    "finetuned_output": "finetuned_model",
    "create_time": "created_at",
    "end_time": "finished_at",
}


def as_told_by(generation: str, job: dict[str, Any]) -> dict[str, Any]:
    """What becomes of a job in the hands of the SDK."""
    if generation == "first":
        return {name: value for name, value in job.items() if name not in FORGOTTEN}
    told = {RENAMED.get(name, name): value for name, value in job.items()}
    if "usage" in told:
        told["usage"] = {"input_tokens": 0, "output_tokens": 0, "total_tokens": told["usage"]}
    return told


def shown(answer: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    """What of an answer has a counterpart."""
    return {name: answer.get(name) for name in like}


@GENERATIONS
def test_it_gets_each_job_as_it_is(generation: str, made_up: Asked) -> None:
    held = [facts(job) for job in jobs((), seed=0)]
    assert {job["status"] for job in held} == {"SUCCEEDED", "FAILED", "PENDING"}
    for job in held:
        answer = made_up.ask(generation, "get", job_id=job["job_id"])
        expected = as_told_by(generation, job)
        assert shown(answer["output"] if generation == "first" else answer, expected) == expected
        assert len(answer["request_id"]) == 36


@GENERATIONS
def test_it_lists_the_jobs_page_by_page(generation: str, made_up: Asked) -> None:
    held = [as_told_by(generation, facts(job)) for job in jobs((), seed=0)]
    for number in (1, 2, 3):
        answer = made_up.ask(generation, "list", page_no=number, page_size=2)
        output = answer["output"] if generation == "first" else answer
        assert output["total" if generation == "first" else "total_count"] == 3
        assert (output["page_no"], output["page_size"]) == (number, 2)
        expected = held[2 * number - 2 : 2 * number]
        assert [shown(*pair) for pair in zip(output["jobs"], expected, strict=True)] == expected


@GENERATIONS
@pytest.mark.parametrize("job_id", LINES)
def test_it_reads_every_line_if_it_is_told_where_a_log_begins(
    generation: str, job_id: str, of_files: Asked
) -> None:
    lines = LINES[job_id]
    for offset in range(0, 3_001, 1000):
        size = {"line" if generation == "first" else "lines": 1000}
        answer = of_files.ask(generation, "logs", job_id=job_id, offset=offset, **size)
        expected = lines[offset : offset + 1000]
        if generation == "first":
            assert answer["output"] == {"total": len(lines), "logs": expected}
        else:  # it joins them, and tells no total
            assert answer["content"] == "\n".join(expected)


@GENERATIONS
def test_by_itself_it_skips_the_first_line(generation: str, of_files: Asked) -> None:
    """The page counts from 0, and the SDK from 1: the emulator goes with the page."""
    answer = of_files.ask(generation, "logs", job_id="ft-page")
    lines = LINES["ft-page"][1:]
    if generation == "first":
        assert answer["output"] == {"total": 1_000, "logs": lines}
    else:
        assert answer["content"] == "\n".join(lines)


@GENERATIONS
@pytest.mark.parametrize(
    ("call", "words", "status", "code", "kind"),
    [
        ("get", {"job_id": "ft-404"}, 404, "NotFound", "NotFoundError"),
        ("logs", {"job_id": "ft-404"}, 404, "NotFound", "NotFoundError"),
        ("list", {"api_key": "sk-wrong"}, 401, "InvalidApiKey", "AuthenticationError"),
        ("logs", {"job_id": "ft-odd", "offset": -1}, 400, "InvalidParameter", "BadRequestError"),
        ("list", {"page_size": 101}, 400, "InvalidParameter", "BadRequestError"),
    ],
)
def test_it_understands_what_is_refused(
    generation: str,
    call: str,
    words: dict[str, Any],
    status: int,
    code: str,
    kind: str,
    of_files: Asked,
) -> None:
    answer = of_files.ask(generation, call, **words)
    assert (answer["status_code"], answer["code"]) == (status, code)
    assert answer["message"]
    assert len(answer["request_id"]) == 36
    assert answer.get("kind", kind) == kind


def test_it_is_throttled_and_its_second_generation_asks_again() -> None:
    with Asked.about("--fault", "429:endpoint=list,on=1+2+4,retry-after=0") as asked:
        answer = asked.ask("first", "list")
        assert (answer["status_code"], answer["code"]) == (429, "Throttling")
        assert asked.ask("second", "list")["total_count"] == 3
        assert asked.ask("async", "list")["total_count"] == 3


def test_its_command_finds_the_emulator_by_what_that_exports(made_up: Asked) -> None:
    command = [str(Path(sys.executable).with_name("dashscope")), "fine-tunes", "list"]
    environ = made_up.environ | {"COLUMNS": "200"}
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    for job in map(facts, jobs((), seed=0)):
        assert (
            f"job: {job['job_id']}, status: {job['status']}, base model: {job['model']}" in ended.stdout
        )
