"""The lines of a log in a browser: searched, scrolled, hostile, huge."""

from pathlib import Path

import pytest
from playwright.async_api import expect
from report_in_browser import HOSTILE, SCRIPT, Open, a_file

from dashscope_ftlogs.emulator import EmulatedJob

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


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
    assert scripts == 14
    assert await report.look("document.images.length + document.querySelectorAll('iframe').length") == 0
    names = await report.page.locator("#metric-0 option").all_inner_texts()
    assert names == ["loss", f"<img src=x onerror={SCRIPT}>", "__proto__", "constructor"]
    for name in names[1:]:
        await report.page.locator("#metric-0").select_option(label=name)
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


@pytest.mark.slow
async def test_a_log_of_twenty_megabytes_that_is_taller_than_any_page_stays_fluid(
    show: Open, tmp_path: Path
) -> None:
    lines = [f"{n:06} {'.' * 80}" for n in range(200_000)]
    # How many points a page stays fluid with is asked of the curves.
    lines[::10] = [
        f"{{'loss': {1 + 1000 / (n + 1):.5f}, 'step': {n}}} {'.' * 60}" for n in range(20_000)
    ]
    lines[150_000] = "the needle"
    lines += [str(number) for number in range(200_000, 450_000)]
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
    assert await report.current() == "449999"
    await expect(report.page.locator("#rows .row").last).to_have_text("450,000449999")
    for _ in range(3):
        await report.page.keyboard.press("ArrowUp")
    assert await report.current() == "449996"
    selected = report.page.locator(".row[aria-selected=true]")
    await expect(selected).to_be_in_viewport()
    for needle in ("the needle", "254321"):
        await report.page.locator("#query").fill(needle)
        await report.page.keyboard.press("Enter")
        await expect(report.page.locator("#hits")).to_have_text("1 of 1 line")
        assert await report.current() == needle
        await expect(selected).to_be_in_viewport()


async def test_lines_keep_their_numbers_where_others_are_missing(show: Open, tmp_path: Path) -> None:
    rows = [
        f'{{"offset": {number}, "line": "{{\'loss\': {number}}}"}}' for number in (3, 4, 1_000, 5_000)
    ]
    report = await show(a_file(tmp_path, *rows))
    await report.ready()
    assert await report.page.locator("#rows .number").all_inner_texts() == ["4", "5", "1,001", "5,001"]
    for key, number in (("Home", 3), ("ArrowRight", 4), ("ArrowRight", 1_000), ("End", 5_000)):
        await report.page.locator("#chart-0").press(key)
        await report.page.keyboard.press("Enter")
        assert await report.current() == f"{{'loss': {number}}}"
