"""Run a command's coroutine to its end, and turn every end into an exit code and one clear message."""

import asyncio
import importlib
import logging
import os
import selectors
import signal
import stat
import sys
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import typer

from dashscope_ftlogs import errors
from dashscope_ftlogs.archive.threads import NAME
from dashscope_ftlogs.cli.exit_codes import exit_code
from dashscope_ftlogs.text import escaped

_CODES: Final = {signal.SIGINT: 130, signal.SIGTERM: 143}
_PATIENCE: Final = 1.0
"""Seconds after which an end that takes its time is explained."""
_SHOW_CURSOR: Final = b"\x1b[?25h"


def complain(message: str) -> None:
    """Say something on stderr, marked as ours and harmless to a terminal."""
    sys.stderr.write(f"ftlogs: {escaped(message)}\n")
    sys.stderr.flush()


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
    if show_retries:
        _show_retries()
    stopping = _Stopping()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            code = runner.run(stopping.watched(main))
            sys.stdout.flush()
    except errors.FTLogsError as error:
        complain(str(error))
        code = exit_code(error)
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        _discard_output()
        code = 0
    except OSError as error:
        _discard_output()
        complain(f"cannot write the output: {error}")
        code = 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        code = stopping.code
        if code:
            complain(on_interrupt())
        else:
            _discard_output()
        code = 0 if meant_to_be_stopped else code
    if any(thread.name.startswith(NAME) for thread in threading.enumerate()):
        # One still waits for whoever writes or reads the other end of a pipe, and so would we.
        _end_now(code)
    raise typer.Exit(code)


class _Stopping:
    """What may end a command before its work is done, and the code that this means."""

    def __init__(self) -> None:
        self.code = _CODES[signal.SIGINT]

    async def watched(self, main: Coroutine[Any, Any, int]) -> int:
        """Do the work; cancel it on Ctrl-C, SIGTERM, and when nobody reads what it prints any more."""
        loop = asyncio.get_running_loop()
        work = loop.create_task(main)

        def stop(code: int) -> None:
            self.code = code
            work.cancel()

        def explain() -> None:
            loop.call_later(
                _PATIENCE, complain, "finishing what has begun; Ctrl-C once more ends at once"
            )

        def on_signal(number: int, _frame: object) -> None:
            for asked in _CODES:
                signal.signal(asked, _end_at_once)
            loop.call_soon_threadsafe(stop, _CODES[signal.Signals(number)])
            loop.call_soon_threadsafe(explain)

        # Not the loop's own add_signal_handler(), which Windows lacks.
        for number in _CODES:
            # What was started to ignore Ctrl-C, as shells do in the background, goes on ignoring it.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, on_signal)
        with _reader_of_output(lambda: stop(0)):
            return await work


def _end_at_once(number: int, _frame: object) -> NoReturn:
    """End without waiting, for a hung disk for instance; files survive that as they survive a kill."""
    if os.isatty(2):
        os.write(2, _SHOW_CURSOR)
    os.write(2, b"ftlogs: ended at once\n")
    _end_now(_CODES[signal.Signals(number)])


def _end_now(code: int) -> NoReturn:
    os._exit(code)


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


def _discard_output() -> None:
    """Let what Python still holds for stdout go nowhere, or it would fail once more at the exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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


def _show_retries() -> None:
    log = logging.getLogger("dashscope_ftlogs")
    log.setLevel(logging.INFO)
    log.addHandler(_Stderr())
