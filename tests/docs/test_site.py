"""What the pages show is what happens, and the site in build/docs is whole."""

import os
import re
import subprocess
import sys
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from pages import blocks, run_page
from small_store import SmallStore

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SITE = ROOT / "build/docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text("utf-8") for path in DOCS.glob("**/*.md")}


def languages(page: str) -> set[str]:
    return {block.language for block in blocks(page)}


EXECUTED = sorted(name for name, page in PAGES.items() if {"console", "python"} & languages(page))


@contextmanager
def model_studio(environ: dict[str, str]) -> Generator[dict[str, str], None, None]:
    """Give the settings of an `ftlogs emulator` like the tutorial's."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dashscope_ftlogs", "emulator", "--time-scale", "60"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        exports = (process.stdout.readline().strip().removeprefix("export ") for _ in range(2))
        try:
            yield dict(export.split("=", 1) for export in exports)
        finally:
            process.terminate()


class Forward(BaseHTTPRequestHandler):
    """What a proxy does with a plain GET."""

    def do_GET(self) -> None:
        assert self.path.startswith("http://")
        request = Request(self.path, headers=dict(self.headers))
        with build_opener(ProxyHandler({})).open(request) as answer:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() != "transfer-encoding":
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.read())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def proxy() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Forward) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def outcomes(
    proxy: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[dict[str, Future[int]], None, None]:
    """Execute all pages, two at a time: the tutorial, which starts what it needs, beside the others."""
    home = tmp_path_factory.mktemp("home")
    environ = {key: value for key, value in os.environ.items() if not key.startswith("DASHSCOPE_")}
    environ |= {"HOME": str(home), "USERPROFILE": str(home), "COMPANY_PROXY": proxy}

    def execute(name: str, settings: dict[str, str]) -> int:
        folder = tmp_path_factory.mktemp(Path(name).stem)
        return run_page(PAGES[name], folder, environ | settings)

    with (
        SmallStore().serving() as store,
        ThreadPoolExecutor(2) as pool,
        model_studio(environ := environ | store.environ) as settings,
    ):
        # First what follows a job that runs, while it does.
        order = sorted(EXECUTED, key=["howto/following.md", "tutorial.md"].__contains__, reverse=True)
        yield {
            name: pool.submit(execute, name, {} if name == "tutorial.md" else settings) for name in order
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", EXECUTED)
def test_what_a_page_shows_is_what_happens(name: str, outcomes: dict[str, Future[int]]) -> None:
    assert outcomes[name].result() >= 2


def test_the_command_reference_has_every_command_and_option() -> None:
    text = (SITE / "reference/commands.html").read_text("utf-8")
    listing = help_of()
    commands = re.findall(r"^  (\w+)  ", listing.partition("Commands:")[2], re.MULTILINE)
    assert len(commands) >= 10
    for command in commands:
        assert f"ftlogs {command}" in text
        for option in set(re.findall(r"(?<=[ /])--[a-z-]+", help_of(command))) - {"--help"}:
            assert option in text, (command, option)


def help_of(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dashscope_ftlogs", *command, "--help"],
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout


def test_the_site_needs_no_other_host() -> None:
    pages = list(SITE.glob("**/*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        text = page.read_text("utf-8")
        assert not re.findall(
            r'(?:<script[^>]* src|<img[^>]* src|<link[^>]* href)="(?:https?:)?//', text
        )
    for style in SITE.glob("**/*.css"):
        assert not re.findall(r"url\(['\"]?(?:https?:)?//|@import", style.read_text("utf-8"))
