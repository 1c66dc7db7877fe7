"""The report in a real browser: it draws, finds, jumps, and no log can make it do anything else.

The browser is Chromium: the one that FTLOGS_CHROMIUM names, or that is found under its usual names.
"""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from dashscope_ftlogs.emulator import EmulatedJob, Emulator, generate_job

pytestmark = pytest.mark.browser

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
              const canvas = document.querySelector("#chart canvas");
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

    async def image(self) -> str:
        return await self.look("document.querySelector('#chart canvas').toDataURL()")

    async def current(self) -> str:
        return await self.page.locator(".row[aria-selected=true] .text").inner_text()


Open = Callable[..., Awaitable[Opened]]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        one = await playwright.chromium.launch(executable_path=chromium(), args=OPTIONS)
        yield one
        await one.close()


@pytest.fixture
async def show(browser: Browser, ftlogs: Any, tmp_path: Path) -> AsyncIterator[Open]:
    """Make a report of jobs or files with the command, and open it from disk."""
    opened: list[Opened] = []

    async def show(*sources: EmulatedJob | Path, **options: Any) -> Opened:
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
        context.on("request", lambda sent: one.amiss.append(f"request: {sent.url}"))
        await page.goto(one.address)
        return one

    yield show
    for one in opened:
        assert await one.look("window.pwned") is None
        assert one.amiss == [f"request: {one.address}"]


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


async def test_every_curve_is_drawn_and_can_be_hidden(show: Open) -> None:
    report = await show(*some_jobs())
    await report.ready()
    before = await report.drawn()
    assert len(before) == 3
    assert min(before) > 50
    await report.page.get_by_role("checkbox", name="ft-2").uncheck()
    after = await report.drawn()
    assert after[1] == 0
    assert min(after[0], after[2]) > 50
    await report.page.get_by_role("checkbox", name="ft-2").check()
    assert await report.drawn() == before


async def test_the_choosers_change_what_is_drawn(show: Open) -> None:
    report = await show(*some_jobs())
    await report.ready()
    images = [await report.image()]
    assert await report.page.locator("#metric").evaluate("it => it.selectedOptions[0].label") == "loss"
    await report.page.locator("#metric").select_option("learning_rate")
    images.append(await report.image())
    await report.page.locator("#metric").select_option("loss")
    assert await report.image() == images[0]
    for axis in ("Epoch", "Line"):
        await report.page.locator("#axis").select_option(axis)
        images.append(await report.image())
    await report.page.locator("#smoothing").fill("0.9")
    await expect(report.page.locator("#smoothing-value")).to_have_text("0.90")
    await expect(report.page.locator("#legend-smooth")).to_be_visible()
    images.append(await report.image())
    assert len(set(images[1:])) == 4
    await report.page.locator("#metric").select_option("rewards/chosen")
    await expect(report.page.locator("#chart-note")).to_contain_text(
        "Not drawn, as they lack it: ft-1, ft-2"
    )


async def test_dragging_zooms_and_a_double_click_shows_the_whole_again(show: Open) -> None:
    report = await show(*some_jobs())
    await report.ready()
    whole = await report.image()
    box = await report.page.locator("#chart .u-over").bounding_box()
    assert box is not None
    at = box["y"] + box["height"] / 2
    await report.page.mouse.move(box["x"] + 100, at)
    await report.page.mouse.down()
    await report.page.mouse.move(box["x"] + 300, at)
    await report.page.mouse.up()
    await expect(report.page.locator("#unzoom")).to_be_enabled()
    assert await report.image() != whole
    await report.page.mouse.dblclick(box["x"] + 400, at)
    await expect(report.page.locator("#unzoom")).to_be_disabled()
    await report.page.mouse.move(5, 5)


async def test_hovering_tells_the_values_and_a_click_shows_the_line(show: Open, tmp_path: Path) -> None:
    report = await show(a_file(tmp_path, "begin", *losses("4", "3", "2.5", "2"), "end"))
    await report.ready()
    place = await report.look(
        """() => {
          const box = document.querySelector("#chart .u-over").getBoundingClientRect();
          return [box.left + box.width / 3, box.top + box.height / 2];
        }"""
    )
    await report.page.mouse.move(*place)
    cells = report.page.locator("#legend tbody td")
    await expect(cells.nth(0)).to_have_text("2")
    await expect(cells.nth(1)).to_have_text("3")
    await expect(cells.nth(3)).to_have_text("2")
    await report.page.mouse.click(*place)
    await expect(report.page.locator("#lines")).to_be_focused()
    assert await report.current() == "{'loss': 3, 'step': 2}"


async def test_a_line_leads_to_its_point_and_the_point_back_to_the_line(
    show: Open, tmp_path: Path
) -> None:
    lines = [*losses("4", "3", "2.5"), "{'eval_loss': 2.25, 'step': 3}", "end"]
    report = await show(a_file(tmp_path, *lines))
    await report.ready()
    rows = report.page.locator("#rows .row")
    await rows.nth(4).click()
    await expect(report.page.locator("#to-point")).to_be_disabled()
    await rows.nth(3).click()
    await report.page.locator("#to-point").click()
    await expect(report.page.locator("#chart")).to_be_focused()
    await expect(report.page.locator("#metric")).to_have_value("1")
    await expect(report.page.locator("#point")).to_have_text("some.log: Step 3, eval_loss 2.25, line 3")
    await report.page.keyboard.press("Enter")
    await expect(report.page.locator("#lines")).to_be_focused()
    assert await report.current() == lines[3]


async def test_losses_and_failures_lead_to_their_lines(show: Open) -> None:
    jobs = some_jobs()
    report = await show(*jobs)
    await report.page.locator("#failures a").click()
    await expect(report.page.locator("#which")).to_have_value("1")
    assert (await report.current()).startswith("Traceback")
    await report.page.get_by_role("row", name="ft-3").locator("a").nth(1).click()
    await expect(report.page.locator("#which")).to_have_value("2")
    assert "'loss'" in await report.current()


async def test_search_counts_steps_and_marks(show: Open, tmp_path: Path) -> None:
    lines = [f"line {number}" for number in range(5_000)]
    for number in (40, 2_000, 4_999):
        lines[number] += " a.b(NEEDLE"
    report = await show(a_file(tmp_path, *lines))
    await report.ready()
    await report.page.keyboard.press("/")
    await expect(report.page.locator("#query")).to_be_focused()
    await report.page.keyboard.type("A.B(needle")
    hits = report.page.locator("#hits")
    await expect(hits).to_have_text("3 lines")
    for key, said, number in (
        ("Enter", "1 of 3 lines", 40),
        ("Enter", "2 of 3 lines", 2_000),
        ("Enter", "3 of 3 lines", 4_999),
        ("Enter", "1 of 3 lines", 40),
        ("Shift+Enter", "3 of 3 lines", 4_999),
        ("Shift+Enter", "2 of 3 lines", 2_000),
    ):
        await report.page.keyboard.press(key)
        await expect(hits).to_have_text(said)
        assert await report.current() == lines[number]
        assert await report.page.locator(".row[aria-selected=true] mark").inner_text() == "a.b(NEEDLE"
    await report.page.keyboard.type("?")
    await expect(hits).to_have_text("Not found")


async def test_all_of_it_works_from_the_keyboard(show: Open, tmp_path: Path) -> None:
    lines = ["begin", *losses("4", "3", "nan", "2"), "a long line " * 200, "end"]
    report = await show(a_file(tmp_path, *lines))
    await report.ready()
    keyboard = report.page.keyboard
    reached: list[str] = []
    for _ in range(30):
        await keyboard.press("Tab")
        reached.append(
            await report.look("document.activeElement.id || document.activeElement.localName")
        )
    wanted = ("metric", "axis", "smoothing", "chart", "which", "query", "next", "previous", "lines")
    assert [name for name in dict.fromkeys(reached) if name in wanted] == list(wanted)
    await report.page.locator("#chart").focus()
    point = report.page.locator("#point")
    for key, said in (
        ("ArrowRight", "Step 1, loss 4, line 1"),
        ("ArrowRight", "Step 2, loss 3, line 2"),
        ("ArrowRight", "Step 3, loss nan, line 3"),
        ("End", "Step 4, loss 2, line 4"),
        ("ArrowLeft", "Step 3, loss nan, line 3"),
        ("Home", "Step 1, loss 4, line 1"),
        ("ArrowDown", "Step 1, loss 4, line 1"),
    ):
        await keyboard.press(key)
        await expect(point).to_have_text(f"some.log: {said}")
    await keyboard.press("+")
    await expect(report.page.locator("#unzoom")).to_be_enabled()
    await keyboard.press("Escape")
    await expect(report.page.locator("#unzoom")).to_be_disabled()
    await keyboard.press("Enter")
    await expect(report.page.locator("#lines")).to_be_focused()
    assert await report.current() == lines[1]
    await keyboard.press("End")
    await keyboard.press("ArrowUp")
    await keyboard.press("Space")
    await expect(report.page.locator("#whole-text")).to_be_focused()
    assert await report.page.locator("#whole-text").text_content() == lines[5]
    await keyboard.press("Escape")
    await expect(report.page.locator("#lines")).to_be_focused()
    await keyboard.press("ArrowUp")
    await keyboard.press("Enter")
    await expect(report.page.locator("#chart")).to_be_focused()
    await expect(point).to_have_text("some.log: Step 4, loss 2, line 4")


async def test_hostile_lines_do_nothing_but_stand_there(show: Open, tmp_path: Path) -> None:
    report = await show(
        EmulatedJob(
            "ft-1",
            HOSTILE,
            status="FAILED",
            job_name=HOSTILE[1],
            model=HOSTILE[3],
            code=HOSTILE[0],
            message=HOSTILE[2],
            hyper_parameters={HOSTILE[3]: HOSTILE[0]},
        ),
        EmulatedJob("ft-2", [], status=HOSTILE[8]),
        a_file(tmp_path, *HOSTILE),
    )
    await report.ready()
    rows = report.page.locator("#rows .row .text")
    await expect(rows.nth(0)).to_have_text(HOSTILE[0])
    await expect(rows.nth(1)).to_have_text(HOSTILE[1])
    await expect(rows.nth(6)).to_have_text(
        r"\x1b]0;title\x07\x1b[2J\x1b[31mred\x00\x08\x7f\x9b1m", use_inner_text=True
    )
    await expect(rows.nth(7)).to_contain_text(r"\u202egnp.exe\u2066 \u2028 \u2029 \ud800")
    scripts = await report.look("[...document.scripts].filter((one) => one.type === '').length")
    assert scripts == 7
    assert await report.look("document.images.length + document.querySelectorAll('iframe').length") == 0
    names = await report.page.locator("#metric option").all_inner_texts()
    assert names == ["loss", f"<img src=x onerror={SCRIPT}>", "__proto__", "constructor"]
    for name in names[1:]:
        await report.page.locator("#metric").select_option(label=name)
        assert max(await report.drawn()) > 0
    for index in ("2", "1", "0"):
        await report.page.locator("#which").select_option(index)
    await report.page.locator("#query").fill("<script>")
    await report.page.keyboard.press("Enter")
    await expect(report.page.locator("#hits")).to_contain_text("1 of")


async def test_a_line_of_a_megabyte_is_cut_in_its_row_and_whole_on_demand(
    show: Open, tmp_path: Path
) -> None:
    long = "x" * 2**20 + "needle" + "y" * 5_000
    report = await show(a_file(tmp_path, "short", long, "last"))
    await report.ready()
    rows = report.page.locator("#rows .row .text")
    assert len(await rows.nth(1).inner_text()) < 1_100
    await expect(rows.nth(1)).to_contain_text("1,053,582 characters")
    await report.page.locator("#query").fill("needle")
    await report.page.keyboard.press("Enter")
    await expect(report.page.locator("mark")).to_be_in_viewport()
    await report.page.locator("#to-whole").click()
    more = report.page.locator("#whole-more")
    while await more.is_visible():
        await more.click()
    assert await report.page.locator("#whole-text").text_content() == long


async def test_numbers_out_of_all_proportion_are_marked_and_stop_nothing(
    show: Open, tmp_path: Path
) -> None:
    odd = ("nan", "inf", "-inf", "1e308", "-1e308", "1e29", "-1e29", "5e-324", "0.0", "-0.0", "1e-40")
    lines = [
        *losses(*odd),
        "{'loss': 1.0, 'step': 1000000000000000000}",
        "{'only': 1.0}",
        "{'same': nan}",
    ]
    lines += [f"{{'loss': 1.0, 'flat': 1e-300, 'lr': {n}e-320, 'grad_norm': 7.0}}" for n in range(9)]
    report = await show(a_file(tmp_path, *lines))
    await report.ready()
    await expect(report.page.locator("#chart-note")).to_contain_text(
        "A cross is a value that is no number"
    )
    for name in await report.page.locator("#metric option").all_inner_texts():
        await report.page.locator("#metric").select_option(label=name)
        for axis in await report.page.locator("#axis option").all_inner_texts():
            await report.page.locator("#axis").select_option(label=axis)
            await report.page.locator("#chart").press("ArrowRight")
            for key in ("+",) * 60 + ("-", "End", "Home", "Escape"):
                await report.page.keyboard.press(key)
            assert await report.page.locator("#point").inner_text()


@pytest.mark.slow
async def test_a_log_of_twenty_megabytes_stays_fluid(show: Open, tmp_path: Path) -> None:
    lines = [f"{{'loss': {1 + 1000 / (n + 1):.5f}, 'step': {n}}} {'.' * 60}" for n in range(200_000)]
    lines[150_000] = "the needle"
    report = await show(a_file(tmp_path, *lines))
    await report.ready()
    ready = await report.look("performance.now()")
    # Generous: shared machines are slow, and a page that lays out every row takes minutes.
    assert ready < 10_000
    assert await report.page.locator("#rows .row").count() < 100
    frames = await report.look(
        """() => new Promise((resolve) => {
          const place = document.querySelector("#lines");
          const took = [];
          let last = performance.now();
          const step = (now) => {
            took.push(now - last);
            last = now;
            place.scrollTop = (place.scrollHeight * took.length) / 60;
            if (took.length < 60) requestAnimationFrame(step);
            else resolve(took.sort((one, other) => one - other));
          };
          requestAnimationFrame(step);
        })"""
    )
    assert frames[30] < 100
    await report.page.locator("#lines").press("End")
    assert await report.current() == lines[-1]
    await report.page.locator("#query").fill("the needle")
    await report.page.keyboard.press("Enter")
    await expect(report.page.locator("#hits")).to_have_text("1 of 1 line")
    assert await report.current() == "the needle"


@pytest.mark.slow
async def test_a_log_that_is_taller_than_any_page_can_be_scrolled_through(
    show: Open, tmp_path: Path
) -> None:
    lines = [str(number) for number in range(450_000)]
    report = await show(a_file(tmp_path, *lines))
    await report.ready()
    await report.page.locator("#lines").press("End")
    assert await report.current() == "449999"
    await expect(report.page.locator("#rows .row").last).to_have_text("449,999449999")
    for _ in range(3):
        await report.page.keyboard.press("ArrowUp")
    assert await report.current() == "449996"
    await expect(report.page.locator(".row[aria-selected=true]")).to_be_in_viewport()
    await report.page.locator("#query").fill("254321")
    await report.page.keyboard.press("Enter")
    await expect(report.page.locator("#hits")).to_have_text("1 of 1 line")
    await expect(report.page.locator(".row[aria-selected=true]")).to_be_in_viewport()


async def test_lines_keep_their_numbers_where_others_are_missing(show: Open, tmp_path: Path) -> None:
    rows = [
        f'{{"offset": {number}, "line": "{{\'loss\': {number}}}"}}' for number in (3, 4, 1_000, 5_000)
    ]
    report = await show(a_file(tmp_path, *rows))
    await report.ready()
    assert await report.page.locator("#rows .number").all_inner_texts() == ["3", "4", "1,000", "5,000"]
    for key, number in (("Home", 3), ("ArrowRight", 4), ("ArrowRight", 1_000), ("End", 5_000)):
        await report.page.locator("#chart").press(key)
        await report.page.keyboard.press("Enter")
        assert await report.current() == f"{{'loss': {number}}}"


async def test_a_curve_does_not_lead_back_from_before_a_restart(show: Open, tmp_path: Path) -> None:
    report = await show(a_file(tmp_path, *losses("4", "3", "2"), *losses("4.5", "3.5")))
    await report.ready()
    point = report.page.locator("#point")
    for key, said in (("End", "Step 3, loss 2, line 2"), ("ArrowDown", "Step 2, loss 3.5, line 4")):
        await report.page.locator("#chart").press(key)
        await expect(point).to_have_text(f"some.log: {said}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_stands_out_in_light_and_dark(show: Open, scheme: str) -> None:
    report = await show(*some_jobs(), color_scheme=scheme)
    await report.ready()
    page, *pairs = await report.look(
        """() => {
          const style = getComputedStyle(document.documentElement);
          const colour = (name) => {
            const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
            context.fillStyle = style.getPropertyValue(name);
            context.fillRect(0, 0, 1, 1);
            return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => {
              const share = part / 255;
              return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
            });
          };
          const light = (name) => {
            const [red, green, blue] = colour(name);
            return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
          };
          const contrast = (one, other) => {
            const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
            return (high + 0.05) / (low + 0.05);
          };
          const texts = ["--ink", "--muted", "--link", "--good", "--bad", "--active"];
          return [
            light("--page"),
            ...texts.map((name) => [name, "--page", 4.5, contrast(name, "--page")]),
            ...texts.map((name) => [name, "--sheet", 4.5, contrast(name, "--sheet")]),
            ["--ink", "--note", 4.5, contrast("--ink", "--note")],
            ["--ink", "--row", 4.5, contrast("--ink", "--row")],
            ["--muted", "--row", 4.5, contrast("--muted", "--row")],
            ["--found-ink", "--found", 4.5, contrast("--found-ink", "--found")],
            ["--sheet", "--bad", 4.5, contrast("--sheet", "--bad")],
            ...[...Array(8).keys()]
              .map((number) => `--curve-${number}`)
              .map((name) => [name, "--sheet", 3, contrast(name, "--sheet")]),
          ];
        }"""
    )
    assert (page < 0.1) == (scheme == "dark")
    assert [pair for pair in pairs if pair[3] < pair[2]] == []
    assert min(await report.drawn()) > 50


async def test_a_change_of_scheme_redraws_the_curves(show: Open) -> None:
    report = await show(*some_jobs())
    await report.ready()
    light = await report.drawn()
    await report.page.emulate_media(color_scheme="dark")
    # The page hears of it with its next frame, and draws.
    await report.look("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert min(light) > 50
    assert min(await report.drawn()) > 50


async def test_a_phone_shows_it_without_scrolling_sideways(show: Open) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    report = await show(*some_jobs(), **phone)
    await report.ready()
    assert await report.look("document.documentElement.scrollWidth") == 360
    await report.page.locator("#chart .u-over").tap()
    jump = report.page.locator("#legend .jump").first
    await expect(jump).to_be_enabled()
    await jump.tap()
    await expect(report.page.locator("#lines")).to_be_focused()
    assert "'loss'" in await report.current()
    assert await report.look("document.documentElement.scrollWidth") == 360


async def test_logs_without_any_metric_or_line_say_so(show: Open, tmp_path: Path) -> None:
    report = await show(a_file(tmp_path))
    await expect(report.page.locator("#left-out")).to_have_text("This log has no lines.")
    await expect(report.page.locator("#chart-note")).to_have_text("No log here holds a metric.")
    await report.page.locator("#chart").press("ArrowRight")
    await report.page.locator("#lines").press("End")
    await report.page.locator("#lines").press("Enter")
    await report.page.locator("#query").fill("x")
    await report.page.keyboard.press("Enter")
    await expect(report.page.locator("#hits")).to_have_text("Not found")
