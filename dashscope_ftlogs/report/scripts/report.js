"use strict";

// Brings the parts together: what is chosen is drawn, and a point and its line find each other.

{
  const data = embedded("chart-data");
  const title = (log) => escaped(data.logs[log].name);
  const axes = new Map(data.metrics);

  const chart = new Chart(byId("chart"), {
    onPoint: (values, active) => told(values, active),
    onOpen: (log, offset) => openLine(log, offset),
    onZoom: (zoomed) => {
      byId("unzoom").disabled = !zoomed;
    },
  });
  const log = new Log(data.logs, { onPoint: (index, number) => openPoint(index, number) });

  // From a point to its line, and back

  function openLine(index, offset) {
    log.open(index, offset);
    byId("log").scrollIntoView({ block: "nearest" });
    byId("lines").focus({ preventScroll: true });
  }

  function openPoint(index, number) {
    if (!chart.goTo(index, number)) {
      const metric = metricOf(index, number);
      if (metric === null) return log.note(`Line ${counted(number)} has no point that can be drawn.`);
      choose(metric);
      chart.goTo(index, number);
    }
    byId("curves").scrollIntoView({ block: "start" });
    byId("chart").focus({ preventScroll: true });
    return undefined;
  }

  /** The first metric that has a point in this line. */
  function metricOf(index, number) {
    const { offsets, y } = data.logs[index];
    const at = offsets.indexOf(number);
    const found = data.metrics.find(([name]) => Object.hasOwn(y, name) && y[name][0].includes(at));
    return found ? found[0] : null;
  }

  // The choice

  function fillMetrics() {
    const options = data.metrics.map(([name], index) => new Option(escaped(name), index));
    byId("metric").append(...options);
    const wanted = data.metrics.findIndex(([name]) => name === data.main_metric);
    if (options.length) byId("metric").selectedIndex = Math.max(0, wanted);
    for (const control of byId("chooser").querySelectorAll("select, input")) control.disabled = !options.length;
  }

  function metric() {
    return data.metrics[byId("metric").selectedIndex]?.[0] ?? null;
  }

  function choose(name) {
    byId("metric").selectedIndex = data.metrics.findIndex(([one]) => one === name);
    metricChosen();
  }

  /** Offer the axes that some point of this metric has; the one that was chosen before is kept. */
  function metricChosen() {
    const select = byId("axis");
    const before = select.value;
    const there = Object.keys(X_NAMES).filter((axis) => curvesOf(data, metric(), axis).length > 0);
    select.replaceChildren(...there.map((axis) => new Option(X_NAMES[axis], axis)));
    select.value = there.includes(before) && axisTouched ? before : (axes.get(metric()) ?? "line");
    if (select.selectedIndex < 0) select.selectedIndex = 0;
    draw();
  }

  let axisTouched = false;

  function draw() {
    const axis = byId("axis").value;
    const weight = Number(byId("smoothing").value);
    byId("smoothing-value").textContent = weight > 0 ? weight.toFixed(2) : "off";
    const curves = curvesOf(data, metric(), axis);
    byId("legend-x").textContent = X_NAMES[axis] ?? "";
    fillLegend(curves, weight);
    chart.show(curves, X_NAMES[axis], weight);
    explain(curves);
  }

  function explain(curves) {
    const notes = [];
    const name = metric();
    if (name === null) notes.push("No log here holds a metric.");
    const missing = data.logs.filter((one, index) => name !== null && !curves.some((curve) => curve.log === index));
    if (missing.length) notes.push(`Not drawn, as they lack it: ${missing.map((one) => escaped(one.name)).join(", ")}.`);
    if (curves.some((curve) => curve.ys.includes(null))) notes.push("A cross is a value that is no number.");
    for (const one of data.logs) {
      if (one.points > one.offsets.length) {
        notes.push(`${escaped(one.name)}: ${counted(one.offsets.length)} of ${counted(one.points)} points are drawn.`);
      }
    }
    if (data.metrics_left_out) notes.push(`${counted(data.metrics_left_out)} more metrics are left out.`);
    byId("chart-note").textContent = notes.join(" ");
    byId("chart-note").hidden = notes.length === 0;
  }

  // The legend

  const rows = new Map();

  function fillLegend(curves, weight) {
    rows.clear();
    byId("legend-smooth").hidden = weight === 0;
    for (const index of new Set(curves.map((curve) => curve.log))) rows.set(index, legendRow(index, weight));
    byId("legend").tBodies[0].replaceChildren(...[...rows.values()].map((row) => row.element));
    byId("legend").hidden = rows.size === 0;
  }

  function legendRow(index, weight) {
    const check = made("input");
    check.type = "checkbox";
    check.checked = !chart.hidden.has(index);
    check.addEventListener("change", () => {
      if (check.checked) chart.hidden.delete(index);
      else chart.hidden.add(index);
      chart.active = null;
      chart.draw();
    });
    const label = made("label", "", check, swatch(index), made("span", "log-name", title(index)));
    const head = made("th", "", label);
    head.scope = "row";
    const cells = [made("td"), made("td"), made("td")];
    cells[2].hidden = weight === 0;
    const jump = made("button", "jump", "–");
    jump.type = "button";
    jump.disabled = true;
    return { element: made("tr", "", head, ...cells, made("td", "", jump)), cells, jump };
  }

  function swatch(index) {
    const space = "http://www.w3.org/2000/svg";
    const image = document.createElementNS(space, "svg");
    const line = document.createElementNS(space, "line");
    const { dash } = look(index);
    for (const [name, value] of Object.entries({ width: 34, height: 10, "aria-hidden": "true" })) {
      image.setAttribute(name, value);
    }
    for (const [name, value] of Object.entries({ x1: 0, y1: 5, x2: 34, y2: 5, "stroke-dasharray": dash.join(" ") })) {
      line.setAttribute(name, value);
    }
    line.classList.add("swatch", `swatch-${index % COLOURS}`);
    image.append(line);
    return image;
  }

  /** Show what the curves are at the cursor; the active point is also told to who can't see it. */
  function told(values, active) {
    const seen = new Set();
    for (const { curve, index } of values) {
      // Of a log that was started again, the segment that the cursor is nearest to.
      if (seen.has(curve.log) && active?.curve !== curve) continue;
      seen.add(curve.log);
      const { cells, jump } = rows.get(curve.log);
      cells[0].textContent = brief(curve.places[index]);
      cells[1].textContent = brief(curve.told[index]);
      cells[2].textContent = brief(smoothed(curve)[index]);
      const offset = curve.offsets[index];
      jump.textContent = counted(offset);
      jump.disabled = false;
      jump.setAttribute("aria-label", `Show line ${offset}`);
      jump.onclick = () => openLine(curve.log, offset);
    }
    if (active) announce(active);
  }

  let kept = new WeakMap();

  function smoothed(curve) {
    if (!kept.has(curve)) kept.set(curve, smooth(curve.ys, Number(byId("smoothing").value)));
    return kept.get(curve);
  }

  function announce({ curve, index }) {
    const place = `${byId("legend-x").textContent} ${brief(curve.places[index])}`;
    byId("point").textContent =
      `${title(curve.log)}: ${place}, ${escaped(metric())} ${brief(curve.told[index])}, line ${counted(curve.offsets[index])}`;
  }

  // The page

  byId("metric").addEventListener("change", metricChosen);
  byId("axis").addEventListener("change", () => {
    axisTouched = true;
    draw();
  });
  byId("smoothing").addEventListener("input", draw);
  byId("chooser").addEventListener("submit", (event) => event.preventDefault());
  byId("unzoom").addEventListener("click", () => {
    chart.unzoom();
    byId("chart").focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input:not([type=range], [type=checkbox]), textarea")) return;
    event.preventDefault();
    byId("query").focus();
    byId("query").select();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-log]");
    if (!link) return;
    event.preventDefault();
    openLine(Number(link.dataset.log), link.dataset.line === undefined ? null : Number(link.dataset.line));
  });

  fillMetrics();
  metricChosen();
  // After the curves are there: a large log takes a moment.
  requestAnimationFrame(() => setTimeout(() => log.shown < 0 && log.open(0)));
}
