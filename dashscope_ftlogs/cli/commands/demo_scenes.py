"""The demo: these very commands at work, on a Model Studio that runs inside this process."""

import asyncio
import contextlib
import os
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence

import attrs
import typer

from dashscope_ftlogs.archive.directory import Archive
from dashscope_ftlogs.cli.run_command import run
from dashscope_ftlogs.cli.terminal.stdout import has_colours
from dashscope_ftlogs.emulator import EmulatedJob, Emulator, generate_job, ten_ways_to_fail

_LINES = 8_000
_LATENCY = 0.5
_LIVE_LINES = 40
_MATTERS = "eval_loss|succeeded"


def show() -> None:
    """Run it to its end, and exit."""
    run(_main())


async def _main() -> int:
    whole = generate_job("sft", lines=_LINES, seed=1)
    failed = generate_job("dpo", outcome="failed", lines=2_000, seed=2)
    running = generate_job("cpt", outcome="running", lines=3_000, seed=3)
    story = generate_job("sft", lines=_LIVE_LINES, seed=5)
    created, ended = story.create_time, story.end_time  # when its lines say so
    live = EmulatedJob(story.job_id, status="RUNNING", create_time=created, end_time=ended)
    async with Emulator([whole, failed, running, live], seed=4, time_scale=60) as emulator:
        stage = _Stage(emulator)
        stage.say(
            "A local Model Studio is up, with four jobs. What follows are real commands over HTTP."
        )

        stage.say("Which jobs are there?")
        await stage.run("jobs")

        stage.say("How did the failed one end? Its last lines:")
        await stage.run("cat", failed.job_id, "--offset", str(len(failed.lines) - 8))

        stage.say("One is training. What matters of its log, as it comes, until the job has ended:")
        async with asyncio.TaskGroup() as group:
            training = group.create_task(_train(live, story.lines, emulator))
            often = ("--shortest-poll", "0.1", "--longest-poll", "0.3", "--settle", "0.2")
            await stage.run("tail", "-f", live.job_id, *often, "--grep", _MATTERS)
            training.cancel()  # it waits still, if the command could not even begin to read

        stage.say("Now the server fails one request in four, in ten different ways.")
        emulator.faults = ten_ways_to_fail(0.25)
        text = await stage.read("cat", whole.job_id)
        exact = text == "".join(f"{line}\n" for line in whole.lines[:]).encode()
        verdict = "equal to the byte" if exact else "but NOT what was served"
        count = text.count(b"\n")
        stage.say(f"{count:,} lines, {verdict}. Requests: {_outcomes(emulator)}.")

        stage.say(f"Far away: every answer takes {_LATENCY * 1000:.0f} ms more. Pages are read ahead.")
        emulator.faults = ()
        emulator.latency = _LATENCY
        emulator.journal.clear()
        await stage.read("cat", whole.job_id)
        pages = [exchange for exchange in emulator.journal if exchange.status == 200]
        seconds = pages[-1].at - pages[0].at + _LATENCY
        stage.say(
            f"{len(pages)} pages in {seconds:.1f} s, from the first request to the last answer; "
            f"one after the other they take {len(pages) * _LATENCY:.1f} s."
        )

        stage.say("All of them to disk, two requests at a time. Amid that, it is killed with -9.")
        with tempfile.TemporaryDirectory(prefix="ftlogs-demo-") as folder:
            words = ("download", "--all", "--concurrency", "2", "--out", folder)
            await stage.kill(*words, when=lambda: _committed(folder, whole.job_id) > 0)
            kept = _committed(folder, whole.job_id)
            stage.say(
                f"{kept:,} of {len(whole.lines):,} lines of {whole.job_id} are committed. The same "
                "command again goes on from there: NEW is what it fetched."
            )
            emulator.latency = 0.0
            await stage.run(*words)
            stage.say(
                "Is every file what its manifest vouches for? The running job's will have more lines."
            )
            await stage.run("verify", folder)

        stage.say("A key that this gateway does not know:")
        stage.environ["DASHSCOPE_API_KEY"] = "sk-of-another-region"
        await stage.run("cat", whole.job_id)
        stage.say(
            "That was all for show, and is gone, the downloaded logs too. Next: `ftlogs emulator` to "
            "play on, `ftlogs --help`, and with your own key in DASHSCOPE_API_KEY, "
            "`ftlogs download --all --out logs`."
        )
    return 0 if exact else 1


def _committed(folder: str, job_id: str) -> int:
    """Return how many lines of a log are sure to be on disk."""
    manifest = Archive(folder).manifest(job_id)
    return 0 if manifest is None else manifest.lines


async def _train(job: EmulatedJob, lines: Sequence[str], emulator: Emulator) -> None:
    """Let a job grow to its end, in a few seconds, once it is watched: a slow machine starts slowly."""
    watched = (job.job_id, "logs")
    while watched not in ((one.job_id, one.endpoint) for one in emulator.journal):  # noqa: ASYNC110  (it only grows)
        await asyncio.sleep(0.01)
    for line in lines:
        await asyncio.sleep(0.04)
        job.append(line)
    job.finish("SUCCEEDED")


def _outcomes(emulator: Emulator) -> str:
    """Say what became of the requests for log pages, the frequent first."""
    logs = [exchange for exchange in emulator.journal if exchange.endpoint == "logs"]
    seen = Counter(_outcome(exchange.fault, exchange.status) for exchange in logs)
    return ", ".join(f"{count} {what}" for what, count in seen.most_common())


_IN_WORDS = {
    None: "fine",
    "Reset": "connection reset",
    "Close": "connection closed",
    "CutBody": "body cut short",
    "BadJson": "invalid JSON",
    "OkWithCode": "error inside a 200",
    "EmptyPage": "empty page",
}


def _outcome(fault: str | None, status: int | None) -> str:
    return _IN_WORDS.get(fault) or f"HTTP {status}"


@attrs.define
class _Stage:
    """Runs commands against the emulator, and shows what it runs."""

    emulator: Emulator
    environ: dict[str, str] = attrs.field(init=False)
    bold: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # A setting of the user's own must not lead these commands elsewhere.
        self.environ = {**os.environ, **self.emulator.environ, "DASHSCOPE_CONFIG": os.devnull}
        self.bold = has_colours()

    def say(self, text: str) -> None:
        typer.echo(f"\n# {text}")

    async def run(self, *words: str) -> None:
        """Run a command that speaks for itself."""
        self._show(words)
        await self._start(words, stdout=None)

    async def read(self, *words: str) -> bytes:
        """Run a command; return what it printed."""
        self._show(words, f" > {words[-1]}.log")
        return await self._start(words, stdout=asyncio.subprocess.PIPE)

    async def kill(self, *words: str, when: Callable[[], bool]) -> None:
        """Start a command, and kill it without warning when it is time."""
        self._show(words)
        process = await asyncio.create_subprocess_exec(*_command(words), env=self.environ)
        try:
            while process.returncode is None and not when():  # noqa: ASYNC110  (the journal only grows)
                await asyncio.sleep(0.01)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        typer.echo("Killed")

    def _show(self, words: tuple[str, ...], redirected: str = "") -> None:
        line = f"$ ftlogs {shlex.join(words)}{redirected}"
        typer.echo(f"\x1b[1m{line}\x1b[0m" if self.bold else line)

    async def _start(self, words: tuple[str, ...], stdout: int | None) -> bytes:
        process = await asyncio.create_subprocess_exec(*_command(words), stdout=stdout, env=self.environ)
        try:
            printed, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return printed or b""


def _command(words: tuple[str, ...]) -> tuple[str, ...]:
    return (sys.executable, "-m", "dashscope_ftlogs", *words)
