"""`ftlogs emulator`: a local Model Studio, to try things out against."""

import asyncio
import shlex
import signal
import sys
from collections.abc import Generator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer

from dashscope_ftlogs.cli.running import complain, run
from dashscope_ftlogs.emulator import (
    EmulatedJob,
    Emulator,
    Exchange,
    Fault,
    RateLimit,
    generate_job,
    parse_fault,
    ten_ways_to_fail,
)
from dashscope_ftlogs.emulator.files import jobs_from_paths

_MOST_NAMED = 20


def emulator(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATHS]...",
            help="Log files, or folders of them: one job each. None: three made-up jobs.",
        ),
    ] = None,
    *,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 0,
    api_key: Annotated[
        str, typer.Option(help="The made-up key that it accepts.")
    ] = "sk-emulator-0123456789abcdef",
    seed: Annotated[int, typer.Option(help="Of all that is left to chance.")] = 0,
    latency: Annotated[
        str, typer.Option(help="Seconds before each answer, or LOWEST-HIGHEST, such as 0.02-0.3.")
    ] = "0",
    rate_limit: Annotated[
        float | None, typer.Option(help="Requests per second; beyond it, status 429.")
    ] = None,
    burst: Annotated[
        float | None, typer.Option(help="Requests at once after a rest; needs --rate-limit.")
    ] = None,
    page_cap: Annotated[
        int | None, typer.Option(help="Give at most so many lines, whatever is asked for.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEC",
            help="How to fail, such as 429:p=0.1,retry-after=2 or reset:on=3+7 or "
            "stall=5:endpoint=list. May be given many times.",
        ),
    ] = None,
    flaky: Annotated[
        float, typer.Option(help="Fail this share of log requests, 0 to 1, in ten ways.")
    ] = 0.0,
    time_scale: Annotated[float, typer.Option(help="Seconds of a running job's life per second.")] = 1.0,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show each request on stderr.")
    ] = False,
) -> None:
    """Serve fine-tuning logs on this machine, the way Model Studio does, until it is stopped.

    Its address and key are printed as shell commands: `ftlogs emulator > env &`, then `. ./env`.
    """
    try:
        jobs = jobs_from_paths(paths) if paths else _made_up(seed)
        if not jobs:
            raise ValueError("there is no log file in what was named")  # noqa: TRY301 - one way out
        local = Emulator(
            jobs,
            api_key=api_key,
            host=host,
            port=port,
            faults=[*map(parse_fault, fault or ()), *_flakiness(flaky)],
            seed=seed,
            latency=_latency(latency),
            rate_limit=_rate_limit(rate_limit, burst),
            page_cap=page_cap,
            time_scale=time_scale,
            on_end=_show if verbose else _ignore,
        )
    except OSError as error:
        complain(f"can't read {error.filename}: {error.strerror}")
        raise typer.Exit(2) from None
    except ValueError as error:
        complain(str(error))
        raise typer.Exit(2) from None
    run(_serve(local, host, port))


def _made_up(seed: int) -> list[EmulatedJob]:
    return [
        generate_job("sft", seed=seed, start="2025-12-06 20:26:40"),
        generate_job("dpo", outcome="failed", seed=seed, start="2025-12-06 21:40:05"),
        generate_job("cpt", outcome="running", seed=seed, start="2025-12-07 09:12:31"),
    ]


def _latency(text: str) -> float | tuple[float, float]:
    low, dash, high = text.partition("-")
    try:
        return (float(low), float(high)) if dash else float(low)
    except ValueError:
        raise ValueError(f"latency must be seconds or LOWEST-HIGHEST, not {text!r}") from None


def _flakiness(share: float) -> tuple[Fault, ...]:
    with _about("--flaky"):
        return ten_ways_to_fail(share)


def _rate_limit(per_second: float | None, burst: float | None) -> RateLimit | None:
    if per_second is not None:
        with _about("--rate-limit"):
            return RateLimit(per_second, 1 if burst is None else burst)
    if burst is not None:
        raise ValueError("--burst means nothing without --rate-limit")
    return None


@contextmanager
def _about(option: str) -> Generator[None, None, None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{option}: {error}") from None


async def _serve(local: Emulator, host: str, port: int) -> int:
    with _asked_to_stop() as stop:
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(local)
            except OSError as error:
                reason = error.strerror or str(error)
                complain(f"can't listen on {host} port {port}; choose another: {reason}")
                return 2
            for name, value in local.environ.items():
                sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
            sys.stdout.flush()
            _introduce(list(local.jobs.values()))
            complain(f"serving at {local.base_url}; stop it with Ctrl-C")
            await stop.wait()
    complain(f"stopped after {len(local.journal)} requests")
    return 0


@contextmanager
def _asked_to_stop() -> Generator[asyncio.Event, None, None]:
    """An event for Ctrl-C and SIGTERM, both of which are how this is meant to end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask(*_: object) -> None:
        loop.call_soon_threadsafe(stop.set)

    # Not the loop's own add_signal_handler(), which Windows lacks.
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _introduce(jobs: Sequence[EmulatedJob]) -> None:
    for job in jobs[:_MOST_NAMED]:
        lines = len(job.lines)
        what = f"{lines} lines" if job.schedule is None else f"{lines} lines in the end"
        complain(f"{job.job_id}  {job.status}  {what}")
    if len(jobs) > _MOST_NAMED:
        complain(f"and {len(jobs) - _MOST_NAMED} more jobs")


def _show(exchange: Exchange) -> None:
    query = f"?{urlencode(exchange.query)}" if exchange.query else ""
    status = exchange.status or "broken off"
    lines = f" {exchange.lines} lines" if exchange.lines else ""
    fault = f" {exchange.fault}" if exchange.fault else ""
    complain(f"{exchange.number} {exchange.method} {exchange.path}{query} {status}{lines}{fault}")


def _ignore(_: Exchange) -> None:
    pass
