"""What the pages show is what happens, and the site in build/docs is whole."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from company_wall import Wall
from pages import blocks, run_page
from small_store import SmallStore

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SITE = ROOT / "build/docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text("utf-8") for path in DOCS.glob("**/*.md")}


def languages(page: str) -> set[str]:
    return {block.language for block in blocks(page)}


# What Polars asks for, where our own package looks at the address.
PLAIN_HTTP = {"AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}

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


@contextmanager
def behind_a_wall(settings: dict[str, str], folder: Path) -> Generator[dict[str, str], None, None]:
    """Give the settings of who reaches that Model Studio by TLS only, through a proxy or not."""
    wall = Wall(folder)
    port = int(settings["DASHSCOPE_BASE_URL"].split(":")[2].split("/")[0])
    made: Future[dict[str, str]] = Future()
    done = asyncio.Event()
    loop = asyncio.new_event_loop()

    async def stand() -> None:
        async with wall.tls(port, "localhost") as tls, wall.proxy(tls) as proxy:
            url = f"https://localhost:{tls}/api/v1"
            made.set_result(
                {"COMPANY_PROXY": proxy, "COMPANY_PEM": wall.ca_file, "DASHSCOPE_BASE_URL": url}
            )
            await done.wait()

    thread = Thread(target=lambda: loop.run_until_complete(stand()))
    thread.start()
    try:
        yield settings | made.result(30)
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, Future[int]], None, None]:
    """Execute all pages, two at a time, beside the one that waits 45 seconds for late lines."""
    home = tmp_path_factory.mktemp("home")
    environ = {key: value for key, value in os.environ.items() if not key.startswith("DASHSCOPE_")}
    environ |= {"HOME": str(home), "USERPROFILE": str(home)}

    def execute(name: str, settings: dict[str, str]) -> int:
        folder = tmp_path_factory.mktemp(Path(name).stem)
        return run_page(PAGES[name], folder, environ | settings)

    with (
        SmallStore().serving() as store,
        model_studio(environ := environ | store.environ | PLAIN_HTTP) as settings,
        behind_a_wall(settings, home) as walled,
        ThreadPoolExecutor(3) as pool,
    ):
        others = {"tutorial.md": {}, "howto/proxies.md": walled}
        # First what follows a job that runs, while it does.
        order = sorted(EXECUTED, key=["howto/following.md", "tutorial.md"].__contains__, reverse=True)
        yield {name: pool.submit(execute, name, others.get(name, settings)) for name in order}
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
