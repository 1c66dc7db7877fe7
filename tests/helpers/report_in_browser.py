"""A report that is open in a browser, and what it can be made of."""

import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from playwright.async_api import Page

from dashscope_ftlogs.emulator import EmulatedJob, generate_job

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

SCRIPT = "window.pwned=1;alert(1)"

HOSTILE = [
    f"<script>{SCRIPT}</script>",
    f"</script><script>{SCRIPT}</script>",
    f"<!--<script>{SCRIPT}",
    f"]]><img src=x onerror='{SCRIPT}'><svg onload={SCRIPT}>",
    f"{{{{policy}}}}{{{{scripts}}}}\\u003cscript>{SCRIPT}\\u003c/script>",
    f"javascript:{SCRIPT}",
    "\x1b]0;title\x07\x1b[2J\x1b[31mred\x00\x08\x7f\x9b1m",
    "\u202egnp.exe\u2066 \u2028 \u2029 \ud800 \ufeff",
    "<iframe src='https://example.com/'></iframe><link rel=stylesheet href='//example.com/x.css'>",
    "x" * 2**20 + "needle at the end",
    f"{{'loss': 1.0, '<img src=x onerror={SCRIPT}>': 2.0, '__proto__': 3.0, 'constructor': 4.0}}",
    "Traceback (most recent call last):",
    f"ValueError: <script>{SCRIPT}</script>",
]


def chromium() -> str:
    found = os.environ.get("FTLOGS_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.fail(f"no browser: install Chromium, or name it in FTLOGS_CHROMIUM ({', '.join(NAMES)})")
    return found


@attrs.define
class Opened:
    """A report that is open, and all that happened in it which must not."""

    page: Page
    address: str
    amiss: list[str]

    async def ready(self) -> None:
        await self.page.wait_for_selector("#rows .row")

    async def look(self, expression: str, *arguments: Any) -> Any:
        return await self.page.evaluate(expression, *arguments)

    async def drawn(self) -> list[int]:
        """How many pixels of the chart are of each curve's colour, for the curves that are drawn."""
        return await self.look(
            """() => {
              const canvas = document.querySelector("#chart-0 canvas");
              const copy = new OffscreenCanvas(canvas.width, canvas.height);
              const probe = copy.getContext("2d", { willReadFrequently: true });
              probe.drawImage(canvas, 0, 0);
              const { data } = probe.getImageData(0, 0, canvas.width, canvas.height);
              const counts = new Map();
              for (let at = 0; at < data.length; at += 4) {
                const key = data[at] << 16 | data[at + 1] << 8 | data[at + 2];
                if (data[at + 3] > 200) counts.set(key, (counts.get(key) ?? 0) + 1);
              }
              return [...document.querySelectorAll("#legend .swatch")].map((swatch) => {
                probe.fillStyle = getComputedStyle(swatch).stroke;
                probe.fillRect(0, 0, 1, 1);
                const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
                return counts.get(red << 16 | green << 8 | blue) ?? 0;
              });
            }"""
        )

    async def image(self, number: int = 0) -> str:
        return await self.look(f"document.querySelector('#chart-{number} canvas').toDataURL()")

    async def at(self, x: float, y: float, number: int = 0) -> tuple[float, float]:
        """Where a share of a chart's width and height is on the screen, once it can be seen."""
        over = self.page.locator(f"#chart-{number} .u-over")
        await over.scroll_into_view_if_needed()
        box = await over.bounding_box()
        assert box is not None
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    async def point(self, x: float, y: float, number: int = 0) -> tuple[float, float]:
        """Move the mouse to there, and wait until the page, with its next frame, has heard of it."""
        place = await self.at(x, y, number)
        await self.page.mouse.move(*place)
        await self.frame()
        return place

    async def frame(self) -> None:
        """Wait until the page has done what it left for its next frame."""
        await self.look(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    async def current(self) -> str:
        return await self.page.locator(".row[aria-selected=true] .text").inner_text()


Open = Callable[..., Awaitable[Opened]]


def some_jobs() -> list[EmulatedJob]:
    return [
        generate_job("sft", seed=2, job_id="ft-1"),
        generate_job("sft", seed=9, outcome="failed", job_id="ft-2"),
        generate_job("dpo", seed=4, job_id="ft-3"),
    ]


def a_file(folder: Path, *lines: str) -> Path:
    path = folder / "some.log"
    path.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass"))
    return path


def losses(*values: str) -> list[str]:
    return [f"{{'loss': {value}, 'step': {step}}}" for step, value in enumerate(values, 1)]
