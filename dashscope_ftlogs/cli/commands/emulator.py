"""`ftlogs emulator`: a local Model Studio, to try things out against."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from dashscope_ftlogs.checks import above_zero, refused
from dashscope_ftlogs.cli.options import number, whole_number
from dashscope_ftlogs.text import counted


def _share(name: str, value: Any) -> float:
    if not isinstance(value, float) or not 0 <= value <= 1:
        raise refused(name, value, "from 0 to 1")
    return value


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
    port: Annotated[int, whole_number("0 takes a free one.", 0, 65535)] = 0,
    api_key: Annotated[
        str, typer.Option(help="The made-up key that it accepts.")
    ] = "sk-emulator-0123456789abcdef",
    recent: Annotated[
        bool,
        typer.Option(
            "--recent",
            help="Jobs of the last days, not of the past that the documentation shows. Of the made-up "
            "ones, the last begins now.",
        ),
    ] = False,
    seed: Annotated[
        int | None,
        whole_number(
            "Of all that is left to chance.", 0, show_default="0, but with new request ids each time"
        ),
    ] = None,
    latency: Annotated[
        str, typer.Option(help="Seconds before each answer, or LOWEST-HIGHEST, such as 0.02-0.3.")
    ] = "0",
    rate_limit: Annotated[
        float | None, number("Requests per second; beyond it, status 429.", above_zero)
    ] = None,
    burst: Annotated[
        float | None, number("Requests at once after a rest; needs --rate-limit.", above_zero)
    ] = None,
    page_cap: Annotated[
        int | None, whole_number("Give at most so many lines, whatever is asked for.", 1)
    ] = None,
    lag: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SECONDS",
            help="A machine that sees all as it was so many seconds ago, or LOWEST-HIGHEST, such as "
            "0-40. Once for each of several machines.",
        ),
    ] = None,
    machine_by: Annotated[
        Literal["request", "connection"] | None,
        typer.Option(help="What a machine is chosen for, request if not said; needs --lag."),
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
        float, number("Fail this share of log requests, 0 to 1, in ten ways.", _share)
    ] = 0.0,
    time_scale: Annotated[
        float, number("Seconds of a running job's life per second.", partial(above_zero, or_zero=True))
    ] = 1.0,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show each request on stderr.")
    ] = False,
) -> None:
    """Serve fine-tuning logs on this machine as Model Studio does.

    Its address and key are printed as shell commands, once it serves: `ftlogs emulator > env &`, then,
    in a script, `until [ -s env ]; do sleep 0.1; done; . ./env`.
    """
    from dashscope_ftlogs.cli.commands import emulator_options  # noqa: PLC0415  (a web server takes long to import)
    from dashscope_ftlogs.cli.run_command import run  # noqa: PLC0415
    from dashscope_ftlogs.emulator import Emulator  # noqa: PLC0415

    with emulator_options.refusals():
        local = Emulator(
            emulator_options.jobs(paths or (), seed or 0, emulator_options.now() if recent else None),
            api_key=api_key,
            host=host,
            port=port,
            faults=emulator_options.faults(fault or (), flaky),
            seed=seed,
            latency=emulator_options.latency(latency),
            rate_limit=emulator_options.rate_limit(rate_limit, burst),
            page_cap=page_cap,
            machines=emulator_options.machines(lag or ()),
            machine_by=emulator_options.machine_by(machine_by, lag or ()),
            time_scale=time_scale,
            on_end=emulator_options.show if verbose else emulator_options.ignore,
        )
    run(
        emulator_options.serve(local, host, port),
        on_interrupt=lambda: f"stopped after {counted(len(local.journal), 'request')}",
        meant_to_be_stopped=True,
    )
