"""Make the README's pictures from the demo's jobs: nothing in them is typed in by hand.

python docs/screenshots.py            all of them, into docs/images; FTLOGS_CHROMIUM names the browser

Needs Chromium, and the packages of the dependency group `browser`.
"""

import asyncio
import io
import os
import pty
import re
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, async_playwright
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

from dashscope_ftlogs.emulator import Emulator, generate_job

IMAGES = Path(__file__).parent / "images"
COLUMNS, LINES = 110, 34
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars")
JOBS = [
    generate_job("sft", seed=3, outcome="failed", start="2026-01-12 09:30:00"),
    generate_job("sft", seed=5, outcome="failed", start="2026-01-12 11:05:00"),
    generate_job("sft", seed=9, outcome="failed", start="2026-01-12 12:40:00"),
    generate_job("sft", seed=12, start="2026-01-12 14:20:00"),
    generate_job("sft", seed=8, start="2026-01-12 17:45:00"),
    generate_job("dpo", seed=4, start="2026-01-13 08:10:00"),
]


async def ftlogs(*words: str, environ: dict[str, str], screen: int | None = None) -> None:
    """Run the command; it has to succeed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dashscope_ftlogs", *words),
        env={**os.environ, **environ},
        stdout=screen,
    )
    if await process.wait():
        sys.exit(f"ftlogs {' '.join(words)} failed")


async def report(browser: Browser, environ: dict[str, str], folder: Path) -> None:
    """The report in a browser, with smoothed curves and the cursor on a point."""
    path = folder / "report.html"
    await ftlogs("report", *(job.job_id for job in JOBS), "-o", str(path), environ=environ)
    page = await browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
    await page.goto(path.as_uri())
    await page.wait_for_selector("#rows .row")
    await page.locator("#axis").select_option("progress")
    await page.locator("#smoothing").fill("0.8")
    await page.locator("#chart-0").focus()
    for _ in range(40):
        await page.keyboard.press("ArrowRight")
    await page.evaluate("document.activeElement.blur()")
    await page.evaluate("scrollTo(0, 0)")
    end = await page.locator("#curves .wide").bounding_box()
    height = 1400 if end is None else int(end["y"] + end["height"]) + 24
    await page.screenshot(
        path=IMAGES / "report.png",
        clip={"x": 0, "y": 0, "width": 1280, "height": height},
        full_page=True,
    )


async def plot(browser: Browser, environ: dict[str, str]) -> None:
    """The terminal chart, as a terminal of that size shows it."""
    master, end = pty.openpty()
    terminal = {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(LINES)}
    words = ("plot", *(job.job_id for job in JOBS[3:]))
    reading = asyncio.create_task(asyncio.to_thread(drained, master))
    try:
        await ftlogs(*words, environ={**environ, **terminal}, screen=end)
    finally:
        os.close(end)
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    shown = (await reading).decode().replace("\r\n", "\n").rstrip("\n")
    console.print(f"$ ftlogs plot {' '.join(words[1:])}", markup=False, highlight=False, soft_wrap=True)
    console.print(Text.from_ansi(shown), soft_wrap=True)
    svg = console.export_svg(title="ftlogs plot", theme=DIMMED_MONOKAI, unique_id="plot")
    page = await browser.new_page(viewport={"width": 1400, "height": 1000})
    await page.set_content(re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL))
    await page.locator("svg").screenshot(path=IMAGES / "plot.png", omit_background=True)


def drained(terminal: int) -> bytes:
    """Read all that is shown on a terminal until nobody has it open any more."""
    data = b""
    try:
        while chunk := os.read(terminal, 65536):
            data += chunk
    except OSError:  # Linux's word for the end of a terminal
        pass
    os.close(terminal)
    return data


async def main() -> None:
    """Serve the jobs, and take the pictures."""
    browser_path = os.environ.get("FTLOGS_CHROMIUM") or next(
        filter(None, map(shutil.which, BROWSERS)), None
    )
    if browser_path is None:
        sys.exit("no browser: install Chromium, or name it in FTLOGS_CHROMIUM")
    IMAGES.mkdir(exist_ok=True)
    async with Emulator(JOBS) as emulator, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path, args=OPTIONS)
        with tempfile.TemporaryDirectory() as folder:
            await report(browser, emulator.environ, Path(folder))
        await plot(browser, emulator.environ)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
