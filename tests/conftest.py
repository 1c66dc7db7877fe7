"""What the tests share: a clean environment, a local Model Studio, and sessions that talk to it."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from fork_server import Forked, ForkServer
from hypothesis import given, settings
from hypothesis.strategies import none
from real_logs import corpus_folder
from small_store import SmallStore

from dashscope_ftlogs import LogSession, RetryPolicy
from dashscope_ftlogs.emulator import Emulator

# The same examples in each run, so that a red run can be repeated; `--hypothesis-profile=search` looks
# for new ones, and `few` is for what other runs have looked at already.
settings.register_profile("repeatable", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("few", settings.get_profile("repeatable"), max_examples=20)
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile("repeatable")

# Whoever starts the tests in the background may have Ctrl-C ignored; the commands under test should not.
signal.signal(signal.SIGINT, signal.default_int_handler)

KEY = "sk-4f1cda7e91b26d53"
OBJECT_STORAGE = ("AWS_", "AZURE_", "GOOGLE_", "OSS_")
QUICK = RetryPolicy(base_delay=0.001, max_delay=0.002, lag=0.05)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=8, help="how often a download is killed with -9")
    parser.addoption("--stale-reads", type=int, default=8, help="how often a lagging service is read")
    parser.addoption("--hours", type=int, default=12, help="how long faults are followed through")
    parser.addoption("--old-jobs", type=int, default=100, help="how many jobs ended long ago")
    parser.addoption("--instants", type=int, default=5, help="at how many a command is interrupted")
    parser.addoption("--live", action="store_true", help="ask the real service, with the user's own key")
    parser.addoption("--cancels", type=int, default=12, help="how many downloads are cancelled")


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[object]:
    """Measure nothing meanwhile, as the fork server covers what imports do, and look for no garbage."""
    coverage = sys.modules.get("coverage")
    measured = coverage and coverage.Coverage.current()
    # A process that has workers only counts what they report.
    is_worker = hasattr(session.config, "workerinput")
    if measured and (is_worker or getattr(session.config.option, "numprocesses", None)):
        measured.stop()
    gc.disable()
    collected = yield
    gc.enable()
    if measured and is_worker:
        measured.start()
    return collected


def pytest_collection_finish() -> None:
    """Leave what stays to the end, half a million objects, out of each search for garbage to come."""
    # When Hypothesis first draws, it looks for what holds its numbers, and would not find it then.
    _draw()
    gc.freeze()


@given(none())
def _draw(_: None) -> None:
    pass


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, by name, what this system has no means for."""
    for name, here in (("posix", os.name == "posix"), ("linux", sys.platform == "linux")):
        if not here and item.get_closest_marker(name) is not None:
            pytest.skip(f"needs {name}")


EXTRAS = (
    *("arro3", "distributed", "duckdb", "matplotlib", "obstore", "pandas", "polars", "pyarrow"),
    *("tensorboard", "tensorboardX"),
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Keep packages of extras from tests that are not marked so: other sessions run them without."""
    with pytest.MonkeyPatch.context() as modules:
        if item.get_closest_marker("extras") is None:
            for name in EXTRAS:
                modules.setitem(sys.modules, name, None)
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def no_certificates() -> Iterator[None]:
    """No test goes where those of this machine would count, and to load them takes its time."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", os.devnull)
        yield


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without settings, so that no developer's own key is used, nor a proxy."""
    for name in os.environ:
        of_a_proxy = name.lower() in {"https_proxy", "http_proxy", "all_proxy", "no_proxy"}
        is_setting = name.startswith(("DASHSCOPE_", *OBJECT_STORAGE)) or name in {"COLUMNS", "LINES"}
        if of_a_proxy or is_setting:
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # or keys are looked for in the network
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    return folder


@pytest.fixture
def connect() -> Callable[..., LogSession]:
    """Make a session for an emulator, with waits that tests can afford."""

    def session(emulator: Emulator, **options: Any) -> LogSession:
        options.setdefault("retry", QUICK)
        return LogSession(emulator.api_key, base_url=emulator.base_url, **options)

    return session


@attrs.frozen
class Ended:
    """A command that has ended."""

    code: int
    out: bytes
    err: str


FTLogs = Callable[..., Any]


@pytest.fixture(scope="session")
def fork_server(no_certificates: None) -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.end()


@pytest.fixture
def ftlogs(start_ftlogs: FTLogs) -> FTLogs:
    """Run the command as a process of its own; an emulator tells it where to go."""

    async def run(
        *words: str, emulator: Emulator | None = None, environ: dict[str, str] | None = None
    ) -> Ended:
        process = await start_ftlogs(words, emulator, environ)
        out, err = await process.communicate()
        assert process.returncode is not None
        return Ended(process.returncode, out, err.decode())

    return run


@pytest.fixture
def start_ftlogs(fork_server: ForkServer) -> FTLogs:
    """Start the command, for tests that talk to it while it runs."""

    async def start(
        words: Sequence[str],
        emulator: Emulator | None,
        environ: dict[str, str] | None = None,
        **streams: Any,
    ) -> asyncio.subprocess.Process | Forked:
        environ = {**os.environ, **(emulator.environ if emulator else {}), **(environ or {})}
        streams = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE, **streams}
        if fork_server.can_give(environ):
            return await Forked.start(fork_server, words, environ, **streams)
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dashscope_ftlogs", *words), env=environ, **streams
        )

    return start


@pytest.fixture(scope="session")
def corpus() -> list[Path]:
    """Real logs, where they are at hand."""
    folder = corpus_folder()
    return sorted(folder.glob("**/*.log")) if folder else []


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., SmallStore]]:
    """Start a small object storage, of a dialect or another, which the environment then names."""
    with ExitStack() as stack:

        def start(dialect: Any = "s3") -> SmallStore:
            store = stack.enter_context(SmallStore(dialect).serving())
            for name, said in store.environ.items():
                monkeypatch.setenv(name, said)
            return store

        yield start


@pytest.fixture
def store(storage: Callable[..., SmallStore]) -> SmallStore:
    """Start one that speaks S3's dialect."""
    return storage()


class Screen:
    """A terminal that a command writes to."""

    def __init__(self) -> None:
        import pty  # does not exist on Windows

        self._master, self.end = pty.openpty()
        self.shown = ""

    def drain(self) -> None:
        data = b""
        try:
            while chunk := os.read(self._master, 65536):
                data += chunk
                self.shown = data.decode("utf-8", "replace")
        except OSError:  # Linux's word for the end of a terminal
            pass
        os.close(self._master)


@pytest.fixture
def terminal() -> Callable[[], AbstractAsyncContextManager[Screen]]:
    """Make a terminal; all that was shown there is known when its block ends."""
    pytest.importorskip("termios", reason="Windows has no such terminals")

    @asynccontextmanager
    async def screen() -> AsyncIterator[Screen]:
        one = Screen()
        draining = asyncio.create_task(asyncio.to_thread(one.drain))
        try:
            yield one
        finally:
            os.close(one.end)
            await draining

    return screen
