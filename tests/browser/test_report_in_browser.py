"""The report in a real browser: it draws, finds, jumps, and no log can make it do anything else.

The browser is Chromium: the one that FTLOGS_CHROMIUM names, or that is found under its usual names.
"""

from pathlib import Path

import pytest
from playwright.async_api import expect
from report_in_browser import Open, a_file, losses, some_jobs

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


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


async def test_where_there_is_no_loss_the_reward_is_drawn_first(show: Open, tmp_path: Path) -> None:
    lines = [f"{{'kl': 0.1, 'policy_loss': 0.0, 'reward': {n}.0, 'step': {n}}}" for n in range(3)]
    report = await show(a_file(tmp_path, *lines))
    await report.ready()
    assert (
        await report.page.locator("#metric-0").evaluate("it => it.selectedOptions[0].label") == "reward"
    )


async def test_the_choosers_change_what_is_drawn(show: Open) -> None:
    report = await show(*some_jobs())
    await report.ready()
    images = [await report.image()]
    assert await report.page.locator("#metric-0").evaluate("it => it.selectedOptions[0].label") == "loss"
    await report.page.locator("#metric-0").select_option("learning_rate")
    images.append(await report.image())
    await report.page.locator("#metric-0").select_option("loss")
    assert await report.image() == images[0]
    for axis in ("Epoch", "Line"):
        await report.page.locator("#axis").select_option(axis)
        images.append(await report.image())
    await report.page.locator("#smoothing").fill("0.9")
    await expect(report.page.locator("#smoothing-value")).to_have_text("0.90")
    await expect(report.page.locator("#legend-smooth")).to_be_visible()
    images.append(await report.image())
    assert len(set(images[1:])) == 4
    await report.page.locator("#metric-0").select_option("rewards/chosen")
    await expect(report.page.locator("#chart-note")).to_contain_text(
        "rewards/chosen is not drawn of ft-1, ft-2, which lack it."
    )


async def test_dragging_zooms_and_a_double_click_shows_the_whole_again(show: Open) -> None:
    report = await show(*some_jobs())
    await report.ready()
    whole = await report.image()
    await report.page.mouse.move(*await report.at(0.1, 0.5))
    await report.page.mouse.down()
    await report.page.mouse.move(*await report.at(0.3, 0.5))
    await report.page.mouse.up()
    await expect(report.page.locator("#unzoom")).to_be_enabled()
    assert await report.image() != whole
    await report.page.mouse.dblclick(*await report.at(0.4, 0.5))
    await expect(report.page.locator("#unzoom")).to_be_disabled()
    await report.page.mouse.move(5, 5)


async def test_hovering_tells_the_values_and_a_click_shows_the_line(show: Open, tmp_path: Path) -> None:
    report = await show(a_file(tmp_path, "begin", *losses("4", "3", "2.5", "2"), "end"))
    await report.ready()
    place = await report.point(1 / 3, 0.5)
    cells = report.page.locator("#legend tbody td")
    await expect(cells.nth(0)).to_have_text("2")
    await expect(cells.nth(1)).to_have_text("3")
    await expect(cells.nth(4)).to_have_text("3")
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
    await expect(report.page.locator("#chart-0")).to_be_focused()
    await expect(report.page.locator("#point")).to_have_text("some.log: Step 3, eval_loss 2.25, line 4")
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


async def test_all_of_it_works_from_the_keyboard(show: Open, tmp_path: Path) -> None:
    lines = ["begin", *losses("4", "3", "nan", "2"), "a long line " * 200, "end"]
    report = await show(a_file(tmp_path, *lines))
    await report.ready()
    keyboard = report.page.keyboard
    reached: list[str] = []
    for _ in range(40):
        await keyboard.press("Tab")
        reached.append(
            await report.look("document.activeElement.id || document.activeElement.localName")
        )
    wanted = (
        *("axis", "smoothing", "logarithmic", "metric-0", "chart-0"),
        *("which", "query", "next", "previous", "lines"),
    )
    assert [name for name in dict.fromkeys(reached) if name in wanted] == list(wanted)
    await report.page.locator("#chart-0").focus()
    point = report.page.locator("#point")
    for key, said in (
        ("ArrowRight", "Step 1, loss 4, line 2"),
        ("ArrowRight", "Step 2, loss 3, line 3"),
        ("ArrowRight", "Step 3, loss nan, line 4"),
        ("End", "Step 4, loss 2, line 5"),
        ("ArrowLeft", "Step 3, loss nan, line 4"),
        ("Home", "Step 1, loss 4, line 2"),
        ("ArrowDown", "Step 1, loss 4, line 2"),
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
    await expect(report.page.locator("#chart-0")).to_be_focused()
    await expect(point).to_have_text("some.log: Step 4, loss 2, line 5")


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
        "A cross on the frame is a value that is no number"
    )
    for name in await report.page.locator("#metric-0 option").all_inner_texts():
        await report.page.locator("#metric-0").select_option(label=name)
        for axis in await report.page.locator("#axis option").all_inner_texts():
            await report.page.locator("#axis").select_option(label=axis)
            await report.page.locator("#chart-0").press("ArrowRight")
            for key in ("+",) * 60 + ("-", "End", "Home", "Escape"):
                await report.page.keyboard.press(key)
            assert await report.page.locator("#point").inner_text()
    await report.page.locator("#logarithmic").check()
    for name in await report.page.locator("#metric-0 option").all_inner_texts():
        await report.page.locator("#metric-0").select_option(label=name)
        await report.page.locator("#chart-0").press("End")
        assert await report.page.locator("#point").inner_text()


async def test_a_curve_does_not_lead_back_from_before_a_restart(show: Open, tmp_path: Path) -> None:
    report = await show(a_file(tmp_path, *losses("4", "3", "2"), *losses("4.5", "3.5")))
    await report.ready()
    point = report.page.locator("#point")
    for key, said in (("End", "Step 3, loss 2, line 3"), ("ArrowDown", "Step 2, loss 3.5, line 5")):
        await report.page.locator("#chart-0").press(key)
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
    await report.frame()
    assert min(light) > 50
    assert min(await report.drawn()) > 50


async def test_a_phone_shows_it_without_scrolling_sideways(show: Open) -> None:
    phone = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    report = await show(*some_jobs(), **phone)
    await report.ready()
    assert await report.look("document.documentElement.scrollWidth") == 360
    await report.page.locator("#chart-0 .u-over").tap()
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
    await report.page.locator("#chart-0").press("ArrowRight")
    await report.page.locator("#lines").press("End")
    await report.page.locator("#lines").press("Enter")
    await report.page.locator("#query").fill("x")
    await report.page.keyboard.press("Enter")
    await expect(report.page.locator("#hits")).to_have_text("Not found")
