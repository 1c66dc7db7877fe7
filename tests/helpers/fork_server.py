"""Commands without the wait for their imports: one process has them done, and forks a child for each.

A child is a process like any other: it has the streams, environment, folder, umask and limits that it
was started with, no other descriptors, and gets signals. What runs in it is what `python -m
dashscope_ftlogs` runs, and the interpreter itself brings it to its end. Only what an interpreter reads
once, when it starts, comes too late for it: where a test sets such a variable, an interpreter starts.

It has a single thread, as forking asks for, and so it can't be the process that runs the tests.
"""

import asyncio
import atexit
import gc
import marshal
import os
import pickle
import posix
import resource
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import IO, Any

import attrs

PACKAGE = "dashscope_ftlogs"

# What commands import only when they come to it, but for what starts threads.
OTHERS = (
    *("aiohttp", "backoff", "plotext", "uvloop", "rich.console", "rich.progress"),
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg"),
    *("arro3.core", "obstore.store", "pyarrow.compute", "pyarrow.parquet"),
    *("tensorboardX.event_file_writer", "tensorboardX.proto.event_pb2", "tensorboardX.summary"),
)

# Neither numpy nor what allocates pyarrow's memory starts threads.
WITHOUT_THREADS = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}

READ_AT_THE_START = ("PYTHON", "LC_", "LANG", "SSL_CERT_", "MPL")

LIMITS = sorted({value for name, value in vars(resource).items() if name.startswith("RLIMIT_")})

_NUMBER = struct.Struct("i")


@attrs.frozen
class Command:
    """What a process is given when it starts, but for its streams."""

    words: tuple[str, ...]
    environ: dict[str, str]
    folder: str
    umask: int
    limits: dict[int, tuple[int, int]]

    @classmethod
    def now(cls, words: Sequence[str], environ: Mapping[str, str]) -> "Command":
        """Give it what a child of this process would inherit."""
        os.umask(umask := os.umask(0o077))
        limits = {limit: resource.getrlimit(limit) for limit in LIMITS}
        return cls(tuple(words), dict(environ), str(Path.cwd()), umask, limits)


class ForkServer:
    """The process that forks, as seen by the tests."""

    def __init__(self) -> None:
        self._environ = dict(os.environ)
        self._ours, theirs = socket.socketpair()
        package = import_module(PACKAGE)
        assert package.__file__
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                # The package that is tested.
                env=os.environ
                | WITHOUT_THREADS
                | {"PYTHONPATH": str(Path(package.__file__).parents[1])},
            )
        (self.threads,) = _NUMBER.unpack(self._ours.recv(_NUMBER.size))

    def can_give(self, environ: Mapping[str, str]) -> bool:
        """Whether a process with this environment would be the same if it were forked."""
        return all(
            self._environ.get(name) == environ.get(name)
            for name in self._environ.keys() | environ.keys()
            if name.startswith(READ_AT_THE_START)
        )

    def start(self, command: Command, streams: Sequence[int]) -> "tuple[int, socket.socket]":
        """Start it; return its process id, and where its exit code will be told."""
        message = pickle.dumps(attrs.asdict(command, recurse=False))
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._ours, [_NUMBER.pack(len(message))], [theirs.fileno(), *streams])
        self._ours.sendall(message)
        (pid,) = _NUMBER.unpack(ours.recv(_NUMBER.size))
        return pid, ours

    def end(self) -> None:
        """Let it end, with what it has measured."""
        self._ours.close()
        assert self._process.wait() == 0


class Forked:
    """A command that runs: what tests use of `asyncio.subprocess.Process`."""

    stdin: asyncio.StreamWriter | None = None
    stdout: asyncio.StreamReader | None = None
    stderr: asyncio.StreamReader | None = None

    def __init__(self, pid: int, code: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._code = code
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(code, self._end)

    @classmethod
    async def start(
        cls, server: ForkServer, words: Sequence[str], environ: Mapping[str, str], **streams: Any
    ) -> "Forked":
        pipes: dict[str, IO[bytes]] = {}
        given, to_close = [], []
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            stream = streams.get(name, number)
            if stream == subprocess.PIPE:
                reading, writing = os.pipe()
                stream, mine = (reading, writing) if name == "stdin" else (writing, reading)
                to_close.append(stream)
                pipes[name] = os.fdopen(mine, "wb" if name == "stdin" else "rb", 0)
            given.append(stream if isinstance(stream, int) else stream.fileno())
        self = cls(*server.start(Command.now(words, environ), given))
        for descriptor in to_close:
            os.close(descriptor)
        for name, pipe in pipes.items():
            setattr(self, name, await (_writer if name == "stdin" else _reader)(pipe))
        return self

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._code)
        with self._code:
            (self.returncode,) = _NUMBER.unpack(self._code.recv(_NUMBER.size))
        self._ended.set()

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    async def communicate(self, given: bytes = b"") -> tuple[bytes, bytes]:
        """Write this to stdin; return all that comes from stdout and stderr, where these are pipes."""
        if self.stdin:
            with suppress(BrokenPipeError, ConnectionResetError):  # it may have read enough
                self.stdin.write(given)
                await self.stdin.drain()
            self.stdin.close()
        out, err = await asyncio.gather(*(_all(one) for one in (self.stdout, self.stderr)))
        await self.wait()
        return out, err

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):  # it has ended, and we are about to hear of it
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


async def _all(stream: asyncio.StreamReader | None) -> bytes:
    return await stream.read() if stream else b""


async def _reader(pipe: IO[bytes]) -> asyncio.StreamReader:
    stream = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
    return stream


async def _writer(pipe: IO[bytes]) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    # Only the flow control of this protocol is used; there is nothing to read.
    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    transport, _ = await loop.connect_write_pipe(lambda: protocol, pipe)
    return asyncio.StreamWriter(transport, protocol, None, loop)


def import_all() -> None:
    """Import what any command may need."""
    package = import_module(PACKAGE)
    for module in walk_packages(package.__path__, f"{PACKAGE}."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for name in OTHERS:
        with suppress(ModuleNotFoundError):  # an extra that is not installed
            import_module(name)


EARLY = {signal.SIGINT, signal.SIGTERM}


def threads() -> int:
    """Count this process's threads, those that Python knows nothing of too where the system tells."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.exists() else threading.active_count()


class Measured:
    """What coverage sees in commands: they tell the server what is new, and the server saves it, once.

    Each could save a file of its own, as other processes do. That takes half as long as the command
    itself, and nearly all that the file would hold is what other commands have covered.
    """

    def __init__(self) -> None:
        coverage = sys.modules.get("coverage")
        self._coverage = coverage.Coverage.current() if coverage else None
        self._known: dict[str, set[Any]] = {}
        if self._coverage:
            descriptor, told = tempfile.mkstemp()
            self._told = Path(told)
            self._listening = os.fdopen(descriptor, "rb")
            # What the imports covered, so that no child tells it.
            self._coverage.save()
            self._coverage.get_data().close()

    def listen(self) -> None:
        """Take what commands have told by now."""
        if self._coverage and os.fstat(self._listening.fileno()).st_size > self._listening.tell():
            for name, arcs in self._read():
                self._known.setdefault(name, set()).update(arcs)

    def _read(self) -> Iterator[tuple[str, set[Any]]]:
        while True:
            try:
                yield from marshal.load(self._listening).items()
            except EOFError:
                return

    def hold(self) -> None:
        """Keep coverage, in a command that ends, from saving a file of its own."""
        if self._coverage:
            atexit.unregister(self._coverage._atexit)

    def tell(self) -> bool:
        """Tell, in a command that ends, what is new, and whether there is nothing left to save."""
        if not self._coverage:
            return True
        self._coverage.stop()
        seen = self._coverage._collector.data.items()
        new = {name: arcs - self._known.get(name, set()) for name, arcs in seen}
        if message := {name: arcs for name, arcs in new.items() if arcs}:
            told = marshal.dumps(message)
            try:
                # Not made anew: a command that outlives the server saves a file of its own.
                with os.fdopen(os.open(self._told, os.O_WRONLY | os.O_APPEND), "wb", 0) as telling:
                    return telling.write(told) == len(told)
            except OSError:  # also of the limits that it runs under
                return False
        return True

    def save(self) -> None:
        """Give coverage, in the server, all that it was told."""
        if self._coverage:
            self.listen()
            self._listening.close()
            self._told.unlink()
            for name, arcs in self._known.items():
                self._coverage._collector.data.setdefault(name, set()).update(arcs)


def serve(requests: socket.socket, measured: Measured) -> tuple[Command, list[int]] | None:
    """Fork whenever it is asked for; return only in a child, and when nobody can ask any more."""
    # To be held back until a child can take them: those for this process's group are not meant for it,
    # and what coverage does on SIGTERM would find the descriptors of its own file taken away.
    signal.pthread_sigmask(signal.SIG_BLOCK, EARLY)
    woken, waking = socket.socketpair()
    for end in (woken, waking):
        end.setblocking(False)
    signal.set_wakeup_fd(waking.fileno())
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([requests, woken], [], [])
        if woken in ready:
            with suppress(BlockingIOError):
                woken.recv(4096)
            tell_who_ended(running)
        if requests not in ready:
            continue
        size, descriptors, _, _ = socket.recv_fds(requests, _NUMBER.size, 4)
        if not size:
            return None
        command = Command(**pickle.loads(requests.recv(*_NUMBER.unpack(size), socket.MSG_WAITALL)))
        measured.listen()
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for one in (woken, waking, *running.values()):
                one.close()
            return command, descriptors[1:]
        for descriptor in descriptors[1:]:
            os.close(descriptor)
        running[pid] = socket.socket(fileno=descriptors[0])
        running[pid].send(_NUMBER.pack(pid))


def tell_who_ended(running: dict[int, socket.socket]) -> None:
    """Tell the exit code of each child that has ended to who started it."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            break
        with running.pop(pid) as asking, suppress(OSError):  # who may have gone
            asking.send(_NUMBER.pack(os.waitstatus_to_exitcode(status)))


def become(command: Command, streams: Sequence[int]) -> None:
    """Make this process what an interpreter is that has just been started with these."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    os.environ.clear()
    os.environ.update(command.environ)
    time.tzset()
    os.chdir(command.folder)
    os.umask(command.umask)
    for limit, values in command.limits.items():
        if resource.getrlimit(limit) != values:
            resource.setrlimit(limit, values)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        old = getattr(sys, name)
        options = {"encoding": old.encoding, "errors": old.errors, "closefd": False}
        if mode == "w":
            options |= {"newline": "\n", "buffering": 1 if name == "stderr" else -1}
        new = os.fdopen(number, mode, **options)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    sys.argv[1:] = command.words
    signal.pthread_sigmask(signal.SIG_UNBLOCK, EARLY)


def run(measured: Measured) -> None:
    """Run the command, and end."""
    try:
        runpy.run_module(PACKAGE, run_name="__main__", alter_sys=True)
        code: object = 0
    except SystemExit as end:
        code = end.code or 0
    if not isinstance(code, int):
        sys.exit(code)  # a message
    # What else an interpreter does in the end is to take all modules apart, which here would cost four
    # times as much as all the rest. Whatever the command left lying about is found nevertheless.
    gc.collect()
    threading._shutdown()
    measured.hold()
    atexit._run_exitfuncs()
    sys.stderr.flush()
    sys.stdout.flush()
    # What coverage saves is saved in os._exit, too.
    (posix if measured.tell() else os)._exit(code & 0xFF)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        import_all()
        measured = Measured()
        # What is there now stays where it is, in memory that all children share.
        gc.collect()
        gc.freeze()
        requests.send(_NUMBER.pack(threads()))
        asked = serve(requests, measured)
    if asked:
        become(*asked)
        run(measured)
    measured.save()
