"""The curves of a report, as they are read: pointed at, compared, chosen, and sent to somebody else."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect
from report_in_browser import Open, Opened, a_file, losses, some_jobs

from dashscope_ftlogs.emulator import EmulatedJob

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


def step(number: int, name: str = "loss", value: object = None) -> str:
    return f"{{'{name}': {number if value is None else value}, 'step': {number}}}"


def logs(folder: Path, **lines: list[str]) -> list[Path]:
    for name in lines:
        (folder / name).mkdir()
    return [a_file(folder / name, *own).rename(folder / f"{name}.log") for name, own in lines.items()]


async def drawn_logs(page: Page) -> list[str]:
    return await page.locator("#legend tbody label").all_inner_texts()


async def shown_jobs(page: Page) -> list[str]:
    return await page.locator("#jobs tbody tr:visible th a").all_inner_texts()


# Pointing


async def test_the_point_with_the_ring_is_told_beside_the_pointer_and_opened_by_a_click(
    show: Open, tmp_path: Path
) -> None:
    values = [4 - n / 20 + (n % 7) / 5 for n in range(60)]
    lines = [step(n, value=value) for n, value in enumerate(values)]
    report = await show(a_file(tmp_path, *lines), view="smooth=0.9")
    await report.ready()
    near = report.page.locator(".tip .nearest b")
    opened = []
    for share in range(1, 10):
        for height in (0.3, 0.45, 0.6):
            place = await report.point(share / 10, height)
            if not await near.is_visible():
                continue
            told = (await near.inner_text()).split()[0]
            ring = await report.page.locator(".ring").bounding_box()
            assert ring is not None
            assert abs(ring["x"] + ring["width"] / 2 - place[0]) < 50
            assert f" {told} " in f" {await report.page.locator('#legend tbody').inner_text()} ".replace(
                "\t", " "
            )
            await report.page.mouse.click(*place)
            await expect(report.page.locator("#lines")).to_be_focused()
            opened.append(re.search(r"'loss': ([^,]*)", await report.current()))
            assert f"{float(opened[-1][1]):.6g}" == told
    assert len(opened) > 5


async def test_where_no_point_is_near_nothing_is_opened(show: Open, tmp_path: Path) -> None:
    report = await show(a_file(tmp_path, *losses("4", "3", "2")))
    await report.ready()
    await report.page.mouse.click(*await report.at(0.9, 0.1))
    await expect(report.page.locator(".ring")).to_be_hidden()
    await expect(report.page.locator(".tip")).to_contain_text("Step 2.79")
    await report.page.mouse.move(2, 2)
    await expect(report.page.locator(".tip")).to_be_hidden()
    assert await report.page.locator(".row[aria-selected=true]").count() == 0


async def test_of_many_curves_the_nearest_are_told_and_the_others_counted(
    show: Open, tmp_path: Path
) -> None:
    many = {f"log{n}": [step(at, value=n) for at in (1, 2, 3)] for n in range(9)}
    report = await show(*logs(tmp_path, **many))
    await report.ready()
    await report.point(0.5, 0.5)
    rows = await report.page.locator(".tip > div").all_inner_texts()
    assert rows[0] == "Step 2"
    assert [row.split("\n")[-1] for row in rows[1:2]] == ["log4.log"]
    assert {row.split("\n")[-1] for row in rows[1:6]} == {f"log{n}.log" for n in range(2, 7)}
    assert rows[6:] == ["and 4 more"]


async def test_a_job_that_has_ended_before_is_not_told_as_if_it_had_not(
    show: Open, tmp_path: Path
) -> None:
    short, long = [step(n) for n in range(10)], [step(n) for n in range(100)]
    report = await show(*logs(tmp_path, short=short, long=long))
    await report.ready()
    await report.point(0.8, 0.2)
    cells = report.page.locator("#legend tbody tr").nth(0).locator("td:visible")
    assert await cells.all_inner_texts() == ["\N{EN DASH}"] * 3
    await expect(report.page.locator(".tip")).to_contain_text("long.log")
    await expect(report.page.locator(".tip")).not_to_contain_text("short.log")


async def told(report: Opened) -> tuple[bool, bool, str, list[str]]:
    """Whether the first chart has a ring, a tip, what the tip says, and what the legend does."""
    tip = report.page.locator("#chart-0 .tip")
    return (
        await report.page.locator("#chart-0 .ring").is_visible(),
        await tip.is_visible(),
        (await tip.text_content()) or "",
        await report.page.locator("#legend tbody td:visible").all_inner_texts(),
    )


async def test_who_changes_a_setting_stays_at_the_point(show: Open, tmp_path: Path) -> None:
    lines = [f"{{'loss': {5 - n / 100}, 'lr': 0.5, 'step': {n}}}" for n in range(1, 201)]
    report = await show(a_file(tmp_path, *lines))
    page, chart = report.page, report.page.locator("#chart-0")
    await report.ready()
    await chart.press("End")
    for _ in range(3):
        await chart.press("ArrowLeft")
    assert await told(report) == (True, True, "Step 1973.03some.log", ["197", "3.03", "197"])
    await page.locator("#smoothing").fill("0.9")
    await expect(page.locator("#smoothing-value")).to_have_text("0.90")
    await page.get_by_label("Logarithmic").check()
    await page.emulate_media(color_scheme="dark")
    await page.set_viewport_size({"width": 700, "height": 900})
    await report.frame()
    await page.locator("#add").click()
    await page.locator("#axis").select_option("line")
    ring, tip, said, legend = await told(report)
    assert (ring, tip) == (True, True)
    assert said.startswith("Line 1973.03 (3.1")
    assert legend[:2] == ["197", "3.03"]
    place = await page.locator("#chart-0 .ring").bounding_box()
    over = await page.locator("#chart-0 .u-over").bounding_box()
    assert place is not None
    assert over is not None
    assert 0.95 < (place["x"] + 7 - over["x"]) / over["width"] < 1
    await chart.press("ArrowLeft")
    await expect(page.locator("#point")).to_have_text("some.log: Line 196, loss 3.04, line 196")
    await page.get_by_role("checkbox", name="some.log").uncheck()
    await page.get_by_role("checkbox", name="some.log").check()
    assert (await told(report))[:2] == (False, False), "which was not drawn meanwhile"


async def test_zooming_from_the_keyboard_keeps_the_point_wherever_the_mouse_lies(
    show: Open, tmp_path: Path
) -> None:
    report = await show(a_file(tmp_path, *[step(n, value=5 - n / 100) for n in range(1, 201)]))
    await report.ready()
    await report.point(0.5, 0.5)
    chart = report.page.locator("#chart-0")
    for key in ("Home", *("ArrowRight",) * 20, "+", "+", "+"):
        await chart.press(key)
    await report.frame()
    assert (await told(report))[2:] == ("Step 214.79some.log", ["21", "4.79", "21"])
    ring = await report.page.locator(".ring").bounding_box()
    tip = await report.page.locator(".tip").bounding_box()
    assert ring is not None
    assert tip is not None
    assert tip["x"] == pytest.approx(ring["x"] + 7 + 16, abs=2)
    await chart.press("ArrowRight")
    await expect(report.page.locator("#point")).to_have_text("some.log: Step 22, loss 4.78, line 22")
    await report.point(0.1, 0.5)
    assert (await told(report))[2] != "Step 224.78some.log", "the mouse, once it is moved, has the say"


async def test_a_line_leads_to_its_point_also_where_that_is_not_drawn_yet(
    show: Open, tmp_path: Path
) -> None:
    lines = [step(n, value=n) for n in range(1, 9)]
    lines += [step(n, "pg_loss", n) for n in range(1, 9)]
    report = await show(a_file(tmp_path, *lines), view="log=0&line=12")
    await report.ready()
    await expect(report.page.locator("#line-name")).to_have_text("Line 12")
    await report.page.locator("#to-point").click()
    await expect(report.page.locator("#metric-0")).to_have_value("1")
    assert (await told(report))[2] == "Step 44some.log"
    await expect(report.page.locator("#unzoom")).to_be_disabled()


async def test_one_chart_at_a_time_tells_its_values(show: Open) -> None:
    report = await show(some_jobs()[0], view="metric=loss&metric=learning_rate")
    await report.ready()
    for number in range(2):
        await report.page.locator(f"#chart-{number}").press("Home")
    tips = report.page.locator(".tip")
    assert [await tips.nth(number).is_visible() for number in range(2)] == [False, True]


# What is drawn


async def test_training_and_evaluation_lie_over_each_other_unless_they_are_not_wanted(
    show: Open, tmp_path: Path
) -> None:
    lines = [step(n, value=5 - n / 100) for n in range(1, 101)]
    lines[50:50] = [step(50, "eval_loss", 4.75)]
    lines += [step(100, "eval_loss", 4.25)]
    report = await show(a_file(tmp_path, *lines))
    await report.ready()
    await report.point(0.5, 0.5)
    await expect(report.page.locator(".tip")).to_contain_text("eval_losssome.log")
    with_it = await report.image()
    await report.page.get_by_label("With evaluation").uncheck()
    await expect(report.page.locator("#legend-evaluation")).to_be_hidden()
    assert await report.image() != with_it
    await report.point(0.51, 0.5)
    await expect(report.page.locator(".tip")).to_contain_text("Step 51")
    await expect(report.page.locator(".tip")).not_to_contain_text("eval_loss")


async def test_one_job_shows_its_evaluation_loss_and_what_it_was_given(show: Open) -> None:
    report = await show(some_jobs()[0])
    await report.ready()
    heads = await report.page.locator("#jobs thead th").all_inner_texts()
    cells = await report.page.locator("#jobs tbody tr > *").all_inner_texts()
    row = dict(zip(heads, cells, strict=True))
    assert row["Eval loss"].startswith("0.6096")
    given = await report.page.locator("#parameters tbody tr").all_inner_texts()
    assert "n_epochs\t5" in given
    assert await report.page.locator("#axis").input_value() == "step", "which evaluations tell, too"


async def test_smoothing_leaves_few_points_and_those_of_evaluations_as_they_are(
    show: Open, tmp_path: Path
) -> None:
    training = [step(n, value=2 + n % 2) for n in range(1, 200)]
    evaluation = [step(n * 4, "eval_loss", 2 + n % 2) for n in range(1, 50)]
    few = losses("4", "2", "4", "2", "4")
    report = await show(*logs(tmp_path, much=training + evaluation, few=few))
    await report.ready()
    said: dict[str, str] = {}
    for weight, shown in (("0", "off"), ("0.9", "0.90")):
        await report.page.locator("#smoothing").fill(weight)
        await expect(report.page.locator("#smoothing-value")).to_have_text(shown)
        await report.page.locator("#chart-0").focus()
        for _ in range(3):
            await report.page.keyboard.press("ArrowDown")
            row = await report.page.locator(".tip .nearest").inner_text()
            value, *name = row.split("\n")
            said[" ".join([weight, *name])] = value
    assert {name.split(" ", 1)[1] for name, value in said.items() if "(" in value} == {"much.log"}
    told = report.page.locator(".panel .smoothed")
    await expect(told).to_have_text("smoothed by 0.9, but for few points and evaluations")
    await report.page.locator("#evaluations").uncheck()
    await report.page.locator("#legend input").nth(1).uncheck()
    await expect(told).to_have_text("smoothed by 0.9")
    await report.page.locator("#smoothing").fill("0")
    await expect(told).to_have_text("")
    assert {name for name in said if name.startswith("0.9")} == {
        "0.9 much.log",
        "0.9 eval_loss much.log",
        "0.9 few.log",
    }


async def test_a_loss_by_another_name_stands_for_it_and_is_named(show: Open, tmp_path: Path) -> None:
    here = [step(n, value=n) for n in (1, 2, 3)]
    there = [step(n, "lm loss", n + 1) for n in (1, 2, 3)]
    report = await show(*logs(tmp_path, hf=here, megatron=there))
    await report.ready()
    assert min(await report.drawn()) > 50
    await expect(report.page.locator("#chart-note")).to_have_text(
        "megatron.log: its lm loss stands for the loss."
    )
    assert (await drawn_logs(report.page))[1].split("\n") == ["megatron.log", "lm loss"]


async def test_so_does_the_evaluation_that_each_log_calls_its_own(show: Open, tmp_path: Path) -> None:
    training = [step(n, value=n) for n in (1, 2, 3)]
    megatron = [" validation loss at iteration 2 | lm loss value: 2.5E+00 | lm loss PPL: 1.2E+01 |"]
    report = await show(
        *logs(
            tmp_path,
            hf=[*training, step(2, "eval_loss", 1.5)],
            nest=[*training, "{'step': 2, 'eval': {'loss': 3.5}}"],
            own=[step(n, "lm loss", n) for n in (1, 2, 3)] + megatron,
            ppo=[*training, "{'step': 2, 'eval_reward': 3.5}"],
            none=training,
        )
    )
    await report.ready()
    drawn = await report.page.evaluate(
        """() => {
          const view = { axis: "step", logarithmic: false, evaluations: true };
          const curves = curvesOf(embedded("chart-data"), "loss", view).filter((one) => one.evaluation);
          return curves.map(({ log, metric, ys }) => [log, metric, ys]);
        }"""
    )
    assert drawn == [[0, "eval_loss", [1.5]], [1, "eval/loss", [3.5]], [2, "lm loss value", [2.5]]]
    await expect(report.page.locator("#chart-note")).to_have_text(
        "nest.log: its eval/loss stands for the eval_loss. "
        "own.log: its lm loss stands for the loss. "
        "own.log: its lm loss value stands for the eval_loss."
    )
    named = [text.split("\n") for text in await drawn_logs(report.page)]
    await report.page.locator("#metric-0").select_option("eval_loss")
    alone = [text.split("\n") for text in await drawn_logs(report.page)]
    assert alone == [["hf.log"], ["nest.log", "eval/loss"], ["own.log", "lm loss value"]]
    assert named == [
        ["hf.log"],
        ["nest.log", "eval/loss"],
        ["own.log", "lm loss, lm loss value"],
        ["ppo.log"],
        ["none.log"],
    ]


async def test_what_is_true_of_many_logs_is_one_sentence(show: Open, tmp_path: Path) -> None:
    there = {f"m{n:02}": [step(at, "lm loss", at + n) for at in (1, 2, 3)] for n in range(25)}
    report = await show(*logs(tmp_path, hf=[step(1), step(2)], **there))
    await report.ready()
    await expect(report.page.locator("#chart-note")).to_have_text(
        "m00.log, m01.log, m02.log, m03.log and 21 more: their lm loss stands for the loss."
    )


async def test_a_logarithmic_scale_says_what_has_no_place_on_it(show: Open, tmp_path: Path) -> None:
    report = await show(a_file(tmp_path, *losses("100", "10", "0", "-1", "nan", "1", "0.1")))
    await report.ready()
    linear = await report.image()
    await report.page.get_by_label("Logarithmic").check()
    assert await report.image() != linear
    await expect(report.page.locator("#chart-note")).to_have_text(
        "A cross on the frame is a value that is no number. "
        "2 values are not above 0, and have no place on this scale."
    )
    tops = [await height_of(report, number) for number in range(7)]
    assert tops[0] < tops[1] < tops[5] < tops[6]
    assert abs((tops[1] - tops[0]) - (tops[6] - tops[5])) < 1


async def test_what_is_no_number_stands_on_the_frame_where_it_can_be_pointed_at(
    show: Open, tmp_path: Path
) -> None:
    report = await show(a_file(tmp_path, *losses("4", "3", "nan", "inf", "-inf", "1e31", "2")))
    await report.ready()
    frame = await report.page.locator("#chart-0 .u-over").bounding_box()
    assert frame is not None
    top, bottom = frame["y"], frame["y"] + frame["height"]
    rings = [await height_of(report, number) for number in range(7)]
    half = rings[3] - top
    assert [round(ring - half - top) for ring in rings[3:6:2]] == [0, 0]
    assert [round(ring - half - bottom) for ring in (rings[2], rings[4])] == [0, 0]
    assert all(top + 5 < ring - half < bottom - 5 for ring in (rings[0], rings[1], rings[6]))
    await report.point(0.5, 0.5)
    for step, y, value in ((3, 0.99, "nan"), (4, 0.01, "inf"), (5, 0.99, "-inf")):
        await report.point((step - 1) / 6, y)
        await expect(report.page.locator(".tip")).to_have_text(f"Step {step}{value}some.log")
        ring = await report.page.locator(".ring").bounding_box()
        assert ring is not None
        assert ring["y"] == rings[step - 1]


async def height_of(report: Opened, number: int) -> float:
    await report.page.locator("#chart-0").press("Home")
    for _ in range(number):
        await report.page.keyboard.press("ArrowRight")
    ring = await report.page.locator(".ring").bounding_box()
    assert ring is not None
    return ring["y"]


async def test_on_relative_axes_jobs_of_other_days_and_lengths_lie_over_each_other(
    show: Open, tmp_path: Path
) -> None:
    short = [f"2025-12-06 08:{n:02d}:00 {step(n)}" for n in range(11)]
    long = [f"2025-12-07 20:{n:02d}:00 {step(100 + n)}" for n in range(41)]
    report = await show(*logs(tmp_path, short=short, long=long))
    await report.ready()
    point = report.page.locator("#point")
    for axis, ends in {
        "Progress, %": ("100", "100"),
        "Minutes since the first point": ("10", "40"),
        "Time on the log's clock": ("2025-12-06 08:10:00", "2025-12-07 20:40:00"),
    }.items():
        await report.page.locator("#axis").select_option(label=axis)
        await report.page.locator("#chart-0").press("ArrowRight")
        for name, end in zip(("short", "long"), ends, strict=True):
            await report.page.keyboard.press("End")
            await expect(point).to_contain_text(f"{name}.log: {axis} {end}, ")
            await report.page.keyboard.press("ArrowDown")


PLACES = """() => {
  const data = embedded("chart-data");
  return Object.keys(X_NAMES).flatMap((axis) => data.metrics.flatMap(([metric]) =>
    curvesOf(data, metric, { axis, logarithmic: false, evaluations: false }).map((curve) => {
      const log = data.logs[curve.log];
      const [all, row] = table([[curve.xs, curve.ys]]);
      return {
        axis,
        log: log.name,
        points: curve.xs.map((x, at) => [x, curve.offsets[at], curve.ys[at]]),
        drawn: [all, row],
        told: (log.x[axis] ?? []).map((x, at) => [x, log.offsets[at]]),
      };
    })));
}"""


async def test_every_place_is_one_that_the_log_told_and_no_point_hides_another(
    show: Open, tmp_path: Path
) -> None:
    """Steps that begin again or repeat, epochs that are rounded, a clock that goes back."""
    each = [
        f"Epoch [{epoch}/3], Step [{at}/600], loss: {9 - epoch - at / 900}"
        for epoch in (1, 2, 3)
        for at in (200, 400, 600)
    ]
    twice = [step(n, value=n) for n in (1, 2, 3, 3, 3)]
    rounded = [f"{{'loss': {n}.5, 'epoch': {n // 4 / 100}}}" for n in range(20)]
    late = [f"2025-12-06 08:{n:02d}:00 {step(at, value=n)}" for at, n in enumerate((1, 3, 2, 4))]
    bar = [
        "\r".join(f"Epoch {n}: 9%| | {at}/9 [00:05<00:05, 2.0it/s, loss={n}.{at}]" for at in (3, 9))
        for n in (1, 2)
    ]
    report = await show(*logs(tmp_path, each=each, twice=twice, rounded=rounded, late=late, bar=bar))
    await report.ready()
    found = await report.look(PLACES)
    counts: dict[tuple[str, str], int] = {}
    for curve in found:
        xs = [x for x, _, _ in curve["points"]]
        assert xs == sorted(xs)
        assert curve["drawn"] == [xs, [y for _, _, y in curve["points"]]]
        if curve["axis"] not in ("progress", "time", "clock"):
            assert all([x, offset] in curve["told"] for x, offset, _ in curve["points"])
        key = curve["log"], curve["axis"]
        counts[key] = counts.get(key, 0) + len(xs)
    assert counts["each.log", "step"] == counts["each.log", "global_step"] == len(each)
    assert counts["twice.log", "step"] == len(twice)
    assert counts["rounded.log", "epoch"] == len(rounded)
    assert counts["late.log", "clock"] == len(late)
    assert counts["bar.log", "line"] == counts["bar.log", "global_step"] == 4
    steps = [curve for curve in found if (curve["log"], curve["axis"]) == ("each.log", "step")]
    assert [[x for x, _, _ in curve["points"]] for curve in steps] == [[200, 400, 600]] * 3
    (on,) = [curve for curve in found if (curve["log"], curve["axis"]) == ("each.log", "global_step")]
    assert [x for x, _, _ in on["points"]] == list(range(200, 1801, 200))


async def test_an_evaluation_without_a_place_is_named(show: Open, tmp_path: Path) -> None:
    bars = [
        line
        for epoch in (1, 2)
        for line in (
            "\r".join(
                f"Epoch {epoch}: 9%| | {at}/9 [00:05<00:05, 2.0it/s, loss=1.5]" for at in (3, 6, 9)
            ),
            f"Epoch {epoch}: train_loss=1.1 val_loss=1.8",
        )
    ]
    report = await show(a_file(tmp_path, *bars))
    await report.ready()
    axis = report.page.locator("#axis")
    assert await axis.input_value() == "global_step", "lines and epochs tell no point of a bar apart"
    note = report.page.locator("#chart-note")
    await expect(note).to_have_text(
        "some.log: its val_loss has no place on this axis, and is not drawn."
    )
    await axis.select_option("line")
    await expect(note).to_be_hidden()


async def test_points_that_no_step_or_epoch_tells_apart_are_drawn_over_lines_and_that_is_said(
    show: Open, tmp_path: Path
) -> None:
    """As those of DPO, of which a trainer rounds the epochs."""
    rounded = [f"{{'loss': {n}.5, 'rewards/chosen': 1.5, 'epoch': {n // 4 / 100}}}" for n in range(20)]
    report = await show(*logs(tmp_path, dpo=rounded, sft=[step(n) for n in range(20)]))
    await report.ready()
    note = report.page.locator("#chart-note")
    await expect(note).to_have_text(
        "Over lines: epochs do not tell all points apart, and steps are missing in dpo.log."
    )
    await expect(report.page.locator("#axis")).to_have_value("line")
    await report.page.locator("#axis").select_option("progress")
    await expect(note).to_be_hidden()


async def test_there_are_several_panels_which_are_zoomed_together(show: Open) -> None:
    report = await show(*some_jobs())
    await report.ready()
    for _ in range(2):
        await report.page.get_by_role("button", name="Add a panel").click()
    names = [await select.input_value() for select in await report.page.locator(".panel select").all()]
    assert len(set(names)) == 3
    whole = [await report.image(number) for number in range(3)]
    assert len(set(whole)) == 3
    await report.page.locator("#chart-1").press("ArrowRight")
    await report.page.keyboard.press("+")
    await expect(report.page.locator("#unzoom")).to_be_enabled()
    assert all([await report.image(n) != one for n, one in enumerate(whole)])
    await report.page.locator("#unzoom").click()
    await expect(report.page.locator("#unzoom")).to_be_disabled()
    await report.page.get_by_role("button", name="Remove the panel of loss", exact=True).click()
    await expect(report.page.locator("#add")).to_be_focused()
    assert await report.page.locator(".panel").count() == 2
    values = [await select.input_value() for select in await report.page.locator(".panel select").all()]
    assert values == names[1:]


# Which jobs


def rated(rate: str, loss: float, **more: Any) -> EmulatedJob:
    lines = [step(n, value=loss + 1 / n) for n in range(1, 9)]
    return EmulatedJob(
        f"ft-202512062026-{rate}",
        [*lines, step(8, "eval_loss", loss)],
        hyper_parameters={"n_epochs": 3, "learning_rate": rate} | more,
        job_name="\u8bad\u7ec3\u7684\u540d\u79f0" * 20,
        usage=52_428_800,
    )


async def test_jobs_are_compared_by_what_they_were_given_that_others_were_not(show: Open) -> None:
    jobs = [rated("5e-5", 1.25), rated("1e-4", 1.5), rated("1e-5", 2.0)]
    report = await show(*jobs)
    await report.ready()
    rates = report.page.locator("#jobs tbody tr td:nth-child(3)")
    for name, order in {
        "Best eval loss": ["5e-5", "1e-4", "1e-5"],
        "learning_rate": ["1e-5", "5e-5", "1e-4"],
    }.items():
        await report.page.get_by_role("button", name=name).click()
        assert await rates.all_inner_texts() == order
    assert await drawn_logs(report.page) == [
        f"ft-202512062026-{rate}\nlearning_rate {rate}" for rate in ("1e-5", "5e-5", "1e-4")
    ]
    await report.page.locator("#job-filter").fill("1e-4")
    await expect(report.page.locator("#job-count")).to_have_text("1 of 3")


async def test_the_table_of_jobs_fits_a_window_of_1400_pixels(show: Open) -> None:
    jobs = [
        rated(rate, 1.25, lora_rank=rank, max_length=8192 * rank)
        for rate, rank in (("5e-5", 8), ("1e-4", 16))
    ]
    report = await show(*jobs, viewport={"width": 1400, "height": 900})
    await report.ready()
    heads = await report.page.locator("#jobs thead th").all_inner_texts()
    assert heads[2:5] == ["learning_rate", "lora_rank", "max_length"]
    table = "document.querySelector('#jobs .wide')"
    assert await report.look(f"{table}.scrollWidth - {table}.clientWidth") == 0


async def test_jobs_are_filtered_all_chosen_or_none(show: Open) -> None:
    report = await show(*some_jobs())
    await report.ready()
    await report.page.get_by_role("searchbox", name="Only jobs with").fill("qwen3-14B succ")
    await expect(report.page.locator("#job-count")).to_have_text("1 of 3")
    assert await shown_jobs(report.page) == ["ft-1"]
    assert await drawn_logs(report.page) == ["ft-1"]
    assert await report.page.locator("#parameters tr[data-log]:visible th").all_inner_texts() == ["ft-1"]
    await report.page.locator("#job-filter").fill("")
    await expect(report.page.locator("#legend tbody tr")).to_have_count(3)
    await report.page.get_by_role("button", name="None").click()
    assert await report.page.locator("#legend input:checked").count() == 0
    await expect(report.page.locator("#chart-0 canvas")).to_have_count(0)
    await report.page.get_by_role("checkbox", name="ft-3").check()
    assert [count > 0 for count in await report.drawn()] == [False, False, True]
    await report.page.get_by_role("button", name="All").click()
    assert min(await report.drawn()) > 0


async def test_jobs_are_sorted_by_any_column_and_the_unknown_comes_last(
    show: Open, tmp_path: Path
) -> None:
    report = await show(*some_jobs(), a_file(tmp_path, "hello"))
    await report.ready()
    given = await shown_jobs(report.page)
    button = report.page.get_by_role("button", name="Final loss")
    for order, said in (
        (["ft-3", "ft-2", "ft-1", "some.log"], "ascending"),
        (["ft-1", "ft-2", "ft-3", "some.log"], "descending"),
        (given, None),
    ):
        await button.click()
        assert await shown_jobs(report.page) == order
        assert await drawn_logs(report.page) == [name for name in order if name != "some.log"]
        head = report.page.locator("#jobs th", has=button)
        assert await head.get_attribute("aria-sort") == said
    await report.page.get_by_role("button", name="Status").click()
    assert await shown_jobs(report.page) == ["ft-2", "ft-1", "ft-3", "some.log"]


# A view, and the way back

CHOICES = (
    ("#axis", lambda page: page.locator("#axis").select_option("line")),
    ("#add", lambda page: page.locator("#add").click()),
    ("#metric-1", lambda page: page.locator("#metric-1").select_option("learning_rate")),
    ("#logarithmic", lambda page: page.locator("#logarithmic").check()),
    ("#evaluations", lambda page: page.locator("#evaluations").uncheck()),
    ("#legend", lambda page: page.get_by_role("checkbox", name="ft-2").uncheck()),
    ("#jobs", lambda page: page.get_by_role("button", name="Lines").click()),
    ("#which", lambda page: page.locator("#which").select_option("2")),
)


async def state(report: Opened) -> list[Any]:
    return await report.look(
        """() => [
          ...document.querySelectorAll("select, input"),
        ].map((one) => [one.id, one.type === "checkbox" ? one.checked : one.value]).concat(
          [...document.querySelectorAll("#jobs tbody a, #legend label")].map((one) => one.textContent),
        )"""
    )


async def test_each_choice_is_a_step_back_and_a_link_shows_the_whole_view(show: Open) -> None:
    report = await show(*some_jobs())
    await report.ready()
    states = [await state(report)]
    for _, choose in CHOICES:
        await choose(report.page)
        states.append(await state(report))
        assert states[-1] != states[-2]
    address = await report.look("location.hash.slice(1)")
    image = await report.image()
    for before in reversed(states[:-1]):
        await report.page.go_back()
        for _ in range(100):  # the page hears of it a moment later
            if await state(report) == before:
                break
            await report.page.wait_for_timeout(20)
        assert await state(report) == before
    again = await show(*some_jobs(), view=address)
    await again.ready()
    assert await state(again) == states[-1]
    assert await again.image() == image


async def test_what_is_typed_dragged_or_zoomed_is_in_the_link_but_no_step_each(show: Open) -> None:
    report = await show(*some_jobs())
    await report.ready()
    length = await report.look("history.length")
    await report.page.locator("#smoothing").fill("0.5")
    await report.page.locator("#smoothing").fill("0.8")
    await report.page.locator("#job-filter").fill("ft")
    await expect(report.page.locator("#smoothing-value")).to_have_text("0.80")
    await expect(report.page.locator("#job-count")).to_have_text("3 of 3")
    await report.page.locator("#chart-0").press("+")
    await expect(report.page).to_have_url(re.compile("range="))
    assert await report.look("history.length") == length
    address = await report.look("location.hash.slice(1)")
    image, before = await report.image(), await state(report)
    again = await show(*some_jobs(), view=address)
    await again.ready()
    assert (await again.image(), await state(again)) == (image, before)
    await expect(again.page.locator("#unzoom")).to_be_enabled()


async def test_a_link_to_a_line_shows_it(show: Open) -> None:
    report = await show(*some_jobs())
    await report.page.locator("#failures a").click()
    address = await report.look("location.hash.slice(1)")
    again = await show(*some_jobs(), view=address)
    await again.ready()
    assert (await again.current()).startswith("Traceback")
    number = (await again.page.locator("#line-name").inner_text()).removeprefix("Line ")
    assert address.endswith(f"&line={number}")
    await expect(again.page.locator(".row[aria-selected=true]")).to_be_in_viewport()


@pytest.mark.parametrize(
    "view",
    [
        "metric=nope&x=nope&smooth=7&y=x&range=5&hide=9+-1+x&jobs=&sort=99&log=99&line=-5",
        "metric=__proto__&x=constructor&smooth=nan&range=nan+1&sort=x&log=1.5&line=1e999",
        "metric=%3Cimg+src=x+onerror=alert(1)%3E&%00=%ff&range=3+1",
        "log",
    ],
)
async def test_an_address_that_makes_no_sense_changes_nothing(show: Open, view: str) -> None:
    jobs = some_jobs()
    report = await show(*jobs)
    await report.ready()
    wanted = await state(report)
    again = await show(*jobs, view=view)
    await again.ready()
    assert await state(again) == wanted
    assert min(await again.drawn()) > 50


# For everybody


async def test_every_control_has_a_name(show: Open) -> None:
    report = await show(*some_jobs(), view="metric=loss&metric=learning_rate&smooth=0.5")
    await report.ready()
    await report.page.locator("#chart-0").press("ArrowRight")
    session = await report.page.context.new_cdp_session(report.page)
    nodes = (await session.send("Accessibility.getFullAXTree"))["nodes"]
    controls = [
        (node["role"]["value"], node.get("name", {}).get("value", "").strip())
        for node in nodes
        if not node["ignored"]
        and any(
            one["name"] == "focusable" and one["value"]["value"] for one in node.get("properties", [])
        )
    ]
    roles = {role for role, _ in controls}
    assert {"button", "checkbox", "combobox", "searchbox", "slider", "listbox", "link"} <= roles
    assert [role for role, name in controls if not name and role not in {"generic", "RootWebArea"}] == []
    buttons = [name for role, name in controls if role == "button"]
    assert len(buttons) == len(set(buttons)), "and each another one"


@pytest.mark.slow
async def test_thirty_jobs_and_ten_megabytes_stay_fluid(show: Open, tmp_path: Path) -> None:
    many = {
        f"log{n}": [f"{step(at, value=3 - at / 2000 + n / 30)} {'.' * 40}" for at in range(4_500)]
        for n in range(30)
    }
    report = await show(*logs(tmp_path, **many))
    await report.ready()
    # Generous, as for the lines: what is meant is a page that one waits for.
    assert await report.look("performance.now()") < 10_000
    took = await report.look(
        """async () => {
          const over = document.querySelector("#chart-0 .u-over");
          const box = over.getBoundingClientRect();
          const took = [];
          for (let at = 0; at < 60; at += 1) {
            const begun = performance.now();
            over.dispatchEvent(new MouseEvent("mousemove", {
              clientX: box.left + (box.width * at) / 60, clientY: box.top + box.height / 2,
            }));
            await new Promise((done) => requestAnimationFrame(done));
            took.push(performance.now() - begun);
          }
          return took.sort((one, other) => one - other);
        }"""
    )
    assert took[30] < 100
    assert (
        await report.look(
            """() => {
          const begun = performance.now();
          document.querySelector("#legend input").click();
          return performance.now() - begun;
        }"""
        )
        < 2_000
    )
