"""Run a command's coroutine to its end, and turn every end into an exit code and one clear message."""

import asyncio
import errno
import importlib
import logging
import os
import re
import selectors
import stat
import sys
import threading
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import typer

from dashscope_ftlogs import errors
from dashscope_ftlogs.archive.threads import NAME
from dashscope_ftlogs.cli.exit_codes import exit_code
from dashscope_ftlogs.cli.key_in_messages import without_key
from dashscope_ftlogs.cli.signals import Stopping, end_now
from dashscope_ftlogs.text import escaped

_NAME: Final = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
"""What Python calls an option of several words."""
_ADVICE: Final[Mapping[str, str]] = {
    errors.NotFoundError.advice: errors.NotFoundError.advice.replace(
        "(a whole one: only commands find it by its end)", "(`ftlogs jobs` lists those that are left)"
    ),
    errors.ThrottlingError.advice: "Try later, or allow more tries: --max-tries.",
    errors.ResponseTooLargeError.advice: "`ftlogs cat --page-size` asks for fewer lines a page.",
    "Allow larger answers: LogSession(max_answer=...).": "One line of it is more than is read at once.",
    "are read at once, or max_answer if that is less": "are read at once",
    "The key is from the argument api_key.": "The key is from --api-key-file.",
    "with region=... (or DASHSCOPE_REGION, or --region)": "with --region (or DASHSCOPE_REGION)",
    "--ca-file FILE, ca_file=... or SSL_CERT_FILE": "--ca-file FILE or SSL_CERT_FILE",
    "(--proxy, proxy=..., HTTPS_PROXY or ALL_PROXY)": "(--proxy, HTTPS_PROXY or ALL_PROXY)",
    "--proxy none, proxy='none', or": "--proxy none, or",
    "unless you pass allow_http=True (--allow-http)": "unless you say --allow-http",
}
"""What advises a program, and what the command says instead."""
_DESCRIPTORS: Final = 16
"""So many a command needs: uvloop's loop has eleven, and there is a connection, and a file."""
_TOO_FEW_FILES: Final = "too few files may be open at once: raise the limit (ulimit -n)"


def complain(message: str) -> None:
    """Say something on stderr, marked as ours and harmless to a terminal."""
    try:
        sys.stderr.write(f"ftlogs: {escaped(without_key(message))}\n")
        sys.stderr.flush()
    except OSError:
        # Full, or its reader has gone: that is no reason to leave off, and there is nowhere to say so.
        discard(2)


def told(error: errors.FTLogsError) -> str:
    """Return what an error says, in terms of the command: a wrong argument is an option there."""
    words = str(error)
    for said, instead in _ADVICE.items():
        words = words.replace(said, instead)
    name = error.argument if isinstance(error, errors.InvalidArgumentError) else None
    if name is None:
        return words
    value, must, allowed = words.removeprefix(f"{name}=").partition(": must be ")
    return f"{_option(name)} {value}{must}{_NAME.sub(lambda other: _option(other[0]), allowed)}"


def _option(name: str) -> str:
    return name if name.startswith("-") else f"--{name.replace('_', '-')}"


def run(
    main: Coroutine[Any, Any, int],
    *,
    on_interrupt: Callable[[], str] = lambda: "interrupted",
    meant_to_be_stopped: bool = False,
    show_retries: bool = True,
) -> None:
    """Run `main` and exit with the code that it returns.

    Args:
        main: The command's work. Ctrl-C and SIGTERM cancel it, and let it put things in order; a second
            one ends the process at once, whatever it waits for.
        on_interrupt: What to say after Ctrl-C or SIGTERM, asked for then.
        meant_to_be_stopped: Whether that is how the command is meant to end.
        show_retries: Say when a request failed and will be sent again.
    """
    if _has_few_descriptors():
        main.close()
        complain(_TOO_FEW_FILES)
        raise typer.Exit(1)
    _show_warnings(logging.INFO if show_retries else logging.WARNING)
    stopping = Stopping(complain, code=0 if meant_to_be_stopped else None)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            code = runner.run(_while_read(stopping, main))
            sys.stdout.flush()
    except errors.FTLogsError as error:
        complain(told(error))
        code = exit_code(error)
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        discard(sys.stdout.fileno())
        code = 0
    except OSError as error:
        cannot_write(error)
        code = 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        code = stopping.code
        if stopping.nobody_reads:
            discard(sys.stdout.fileno())
        else:
            complain(on_interrupt())
    if any(thread.name.startswith(NAME) for thread in threading.enumerate()):
        # One still waits for whoever writes or reads the other end of a pipe, and so would we.
        end_now(code)
    raise typer.Exit(code)


def _has_few_descriptors() -> bool:
    """Whether hardly a file more may be opened. A loop that is half made then leaves tracebacks."""
    held: list[int] = []
    try:
        for _ in range(_DESCRIPTORS):
            held.append(os.dup(2))  # noqa: PERF401  (those that it could open are closed)
    except OSError:
        return True
    finally:
        for one in held:
            os.close(one)
    return False


async def _while_read(stopping: Stopping, main: Coroutine[Any, Any, int]) -> int:
    with _reader_of_output(stopping.stop_for_want_of_readers):
        return await stopping.work_until_stopped(main)


@contextmanager
def _reader_of_output(gone: Callable[[], None]) -> Generator[None]:
    """Notice that who reads our output has gone, though there is nothing to write.

    `ftlogs tail -f JOB | grep -m1 succeeded` ends with grep, not with the next line.
    """
    if sys.platform == "win32" or not stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
        yield
        return
    loop = asyncio.get_running_loop()
    # A selector of its own, watched by the loop: uvloop makes what it watches itself non-blocking, and
    # then a write to a full pipe would fail.
    with selectors.DefaultSelector() as pipe:
        pipe.register(sys.stdout, selectors.EVENT_READ)
        watched = pipe.fileno()  # Linux' and BSD's kinds have one

        def notice() -> None:
            loop.remove_reader(watched)
            gone()

        loop.add_reader(watched, notice)
        try:
            yield
        finally:
            loop.remove_reader(watched)


def cannot_write(error: OSError) -> None:
    """Say why there is no output, or not all of it."""
    discard(sys.stdout.fileno())
    of_files = error.errno in {errno.EMFILE, errno.ENFILE}
    complain(_TOO_FEW_FILES if of_files else f"cannot write the output: {error}")


def discard(descriptor: int) -> None:
    """Let what Python still holds for a stream go nowhere, or it would fail once more at the exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's, where the extra `fast` brought it."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ModuleNotFoundError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


class _Stderr(logging.Handler):
    """Shows what the library logs as the command's own messages."""

    def emit(self, record: logging.LogRecord) -> None:
        complain(record.getMessage())


def _show_warnings(level: int) -> None:
    log = logging.getLogger("dashscope_ftlogs")
    log.setLevel(logging.INFO)
    log.addHandler(_Stderr(level))
