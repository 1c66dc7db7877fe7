"""A Chromium, and reports that are open in it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, async_playwright
from report_in_browser import OPTIONS, Open, Opened, chromium

from dashscope_ftlogs.emulator import EmulatedJob, Emulator


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        one = await playwright.chromium.launch(executable_path=chromium(), args=OPTIONS)
        yield one
        await one.close()


@pytest_asyncio.fixture(loop_scope="session")
async def show(browser: Browser, ftlogs: Any, tmp_path: Path) -> AsyncIterator[Open]:
    """Make a report of jobs or files with the command, and open it from disk, with some view of it."""
    opened: list[Opened] = []

    async def show(*sources: EmulatedJob | Path, view: str = "", **options: Any) -> Opened:
        path = tmp_path / "report.html"
        jobs = [source for source in sources if isinstance(source, EmulatedJob)]
        words = [source.job_id if isinstance(source, EmulatedJob) else str(source) for source in sources]
        async with Emulator(jobs) as emulator:
            ended = await ftlogs("report", *words, "-o", str(path), emulator=emulator)
        assert ended.code == 0, ended.err
        options.setdefault("viewport", {"width": 1280, "height": 900})
        context = await browser.new_context(**options)
        page = await context.new_page()
        one = Opened(page, path.as_uri(), [])
        opened.append(one)
        page.on("console", lambda message: one.amiss.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: one.amiss.append(f"error: {error}"))
        page.on("dialog", lambda dialog: one.amiss.append(f"dialog: {dialog.message}"))
        context.on("page", lambda new: one.amiss.append(f"window: {new.url}"))
        context.on("request", lambda sent: one.amiss.append(f"request: {sent.url.split('#')[0]}"))
        await page.goto(f"{one.address}#{view}" if view else one.address)
        return one

    yield show
    for one in opened:
        assert await one.look("window.pwned") is None
        assert one.amiss == [f"request: {one.address}"]
        await one.page.context.close()
