"use strict";

// Brings the parts together: what is chosen is drawn, and a point and its line find each other.

{
  const data = embedded("chart-data");
  const names = (log) => escaped(data.logs[log].name);
  /** So many logs are named in a sentence about more of them. */
  const NAMED = 4;
  let view = fromAddress(location.hash.slice(1), data);

  const panels = [];
  const jobs = new Jobs({
    onFilter: (filter) => chosen({ filter }, { typing: true }),
    onSort: (column) => chosen({ sorted: { [column]: -column, [-column]: 0 }[view.sorted] ?? column }),
  });
  const legend = new Legend({
    names,
    given: (log) => escaped(data.logs[log].given),
    onToggle: (log, wanted) => hide([log], !wanted),
    onOpen: openLine,
  });
  const log = new Log(data.logs, {
    onPoint: openPoint,
    onChoose: (index) => {
      log.open(index);
      Object.assign(view, { log: index, line: null });
      keep();
    },
  });

  // What is chosen

  /** Show what was chosen, and keep it in the address: each choice is a step of the way back. */
  function chosen(what, { typing = false } = {}) {
    Object.assign(view, what);
    if (typing) soon();
    else show();
    keep(typing);
  }

  let asked = 0;

  /** Show it with the next frame: a slider tells more than can be drawn. */
  function soon() {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(show);
  }

  let written = location.hash.slice(1);
  let later = 0;

  function keep(typing = false) {
    clearTimeout(later);
    const address = toAddress(view);
    const write = (to) => {
      written = address;
      if (address !== location.hash.slice(1)) to(`#${address}`);
    };
    // What is typed or dragged is one step, not one for each letter.
    if (typing) later = setTimeout(() => write((hash) => location.replace(hash)), 250);
    else write((hash) => location.assign(hash));
  }

  addEventListener("hashchange", () => {
    const address = location.hash.slice(1);
    // A link to a place of the page is none to a view.
    if (address === written || (address && !address.includes("="))) return;
    written = address;
    view = fromAddress(address, data);
    shownAxis = null;
    show();
    log.open(view.log, view.line);
  });

  function hide(logs, away) {
    const hidden = new Set(view.hidden);
    for (const one of logs) away ? hidden.add(one) : hidden.delete(one);
    chosen({ hidden });
  }

  // What is shown

  let shownAxis = null;

  function show() {
    cancelAnimationFrame(asked);
    jobs.show(view);
    const metrics = view.metrics.length ? view.metrics : [null];
    while (panels.length > metrics.length) panels.pop().remove();
    while (panels.length < metrics.length) panels.push(panel(panels.length));
    const axis = fillAxes();
    // A range is one of an axis.
    if (shownAxis !== axis && shownAxis !== null) view.range = null;
    shownAxis = axis;
    const drawn = { ...view, axis };
    panels.forEach((one, index) => one.show(metrics[index], drawn, metrics.length === 1));
    const curves = panels.flatMap((one) => one.curves);
    const there = new Set(curves.map((curve) => curve.log));
    legend.show(jobs.order.filter((index) => jobs.matching[index] && there.has(index)), curves, drawn);
    fillControls();
    explain(curves);
  }

  function panel(number) {
    return new Panel(number, data, {
      onMetric: (name) => chosen({ metrics: view.metrics.with(number, name) }),
      onRemove: () => {
        chosen({ metrics: view.metrics.toSpliced(number, 1) });
        byId("add").focus();
      },
      names,
      isDrawn: (index) => jobs.matching[index] && !view.hidden.has(index),
      onPoint: told,
      onOpen: openLine,
      onZoom: (range) => {
        for (const one of panels) if (one.chart.range !== range) one.chart.follow(range);
        byId("unzoom").disabled = range === null;
        view.range = range;
        keep(true);
      },
    });
  }

  /** Offer the axes that some point has; the one that was chosen, or else the one that fits the first panel. */
  function fillAxes() {
    const there = Object.keys(X_NAMES).filter((axis) => view.metrics.some((name) => hasAxis(data, name, axis)));
    byId("axis").replaceChildren(...there.map((axis) => new Option(X_NAMES[axis], axis)));
    const fitting = new Map(data.metrics).get(view.metrics[0]) ?? "line";
    byId("axis").value = there.includes(view.axis) ? view.axis : fitting;
    return byId("axis").value || "line";
  }

  function fillControls() {
    const { weight } = view;
    if (Number(byId("smoothing").value) !== weight) byId("smoothing").value = weight;
    byId("smoothing-value").textContent = weight > 0 ? weight.toFixed(2) : "off";
    byId("logarithmic").checked = view.logarithmic;
    byId("evaluations").checked = view.evaluations;
    byId("unzoom").disabled = view.range === null;
    for (const control of byId("chooser").querySelectorAll("select, input")) control.disabled = !view.metrics.length;
    byId("evaluations").disabled = !view.metrics.some((name) => data.logs.some((one) => evaluated(one, name)));
    byId("add").disabled = view.metrics.length >= Math.min(PANELS, data.metrics.length);
  }

  function evaluated(one, name) {
    return Object.hasOwn(one.y, ownEvaluation(data, one, name) ?? "");
  }

  /** Whether there are points, of a metric or of its evaluation, that have no step. */
  function stepless(one, name) {
    const steps = one.x.step ?? [];
    const own = [ownName(one, name) ?? "", ownEvaluation(data, one, name) ?? ""].filter((metric) => Object.hasOwn(one.y, metric));
    return own.some((metric) => one.y[metric][0].some((index) => (steps[index] ?? null) === null));
  }

  function explain(curves) {
    const notes = [];
    if (!view.metrics.length) notes.push("No log here holds a metric.");
    const list = (logs) => {
      const named = logs.slice(0, logs.length > NAMED + 1 ? NAMED : logs.length).map((one) => escaped(one.name));
      const more = logs.length - named.length;
      return named.join(", ") + (more ? ` and ${counted(more)} more` : "");
    };
    // What is true of many logs is one sentence: of each, there would be more text than curves.
    const alike = new Map();
    const say = (one, text) => alike.set(text, [...new Set([...(alike.get(text) ?? []), one])]);
    const lacking = data.logs.filter((one) => stepless(one, view.metrics[0]));
    if (shownAxis === "line" && view.axis !== "line" && lacking.length) {
      notes.push(`Over lines: epochs do not tell all points apart, and steps are missing in ${list(lacking)}.`);
    }
    view.metrics.forEach((name, index) => {
      const missing = data.logs.filter((_, at) => !panels[index].curves.some((curve) => curve.log === at));
      if (missing.length) notes.push(`${escaped(name)} is not drawn of ${list(missing)}, which lack it.`);
      for (const one of data.logs) {
        const own = ownName(one, name);
        const called = ownEvaluation(data, one, name);
        const drawn = panels[index].curves.some((curve) => data.logs[curve.log] === one && curve.metric === called);
        if (view.evaluations && evaluated(one, name) && !drawn) {
          say(one, `${escaped(called)} has no place on this axis, and is not drawn.`);
        }
        const standsFor = (its, what) => say(one, `${escaped(its)} stands for the ${escaped(what)}.`);
        if (own !== null && own !== name) standsFor(own, name);
        const evaluation = data.evaluations[name];
        if (drawn && called !== undefined && called !== (evaluation ?? called)) standsFor(called, evaluation);
      }
    });
    for (const [text, logs] of alike) notes.push(`${list(logs)}: ${logs.length > 1 ? "their" : "its"} ${text}`);
    if (curves.some((curve) => curve.gaps.length)) notes.push("A cross on the frame is a value that is no number.");
    if (view.logarithmic) {
      const below = (curve) => curve.ys.filter((y) => y === null).length - curve.gaps.length;
      const count = curves.reduce((sum, curve) => sum + below(curve), 0);
      if (count) notes.push(`${counted(count)} values are not above 0, and have no place on this scale.`);
    }
    const thinned = data.logs.filter((one) => one.points > one.offsets.length);
    if (thinned.length) {
      const sum = (count) => counted(thinned.reduce((all, one) => all + count(one), 0));
      const [drawn, there] = [sum((one) => one.offsets.length), sum((one) => one.points)];
      notes.push(`${list(thinned)}: ${drawn} of ${there} points are drawn.`);
    }
    if (data.metrics_left_out) notes.push(`${counted(data.metrics_left_out)} more metrics are left out.`);
    byId("chart-note").textContent = notes.join(" ");
    byId("chart-note").hidden = notes.length === 0;
  }

  /** Show what the curves are at the cursor; who has gone to a point and can't see it is told, too. */
  function told(chart, values, active, gone) {
    for (const one of panels) if (one.chart !== chart) one.chart.hush();
    legend.tell(values, active);
    if (!gone) return;
    const { curve, index } = active;
    const place = `${byId("legend-x").textContent} ${briefPlace(legend.axis, curve.xs[index])}`;
    byId("point").textContent =
      `${names(curve.log)}: ${place}, ${escaped(curve.metric)} ${brief(curve.told[index])}, line ${ordinal(curve.offsets[index])}`;
  }

  // From a point to its line, and back

  function openLine(index, line) {
    log.open(index, line);
    byId("log").scrollIntoView({ block: "nearest" });
    byId("lines").focus({ preventScroll: true });
    Object.assign(view, { log: index, line });
    keep();
  }

  function openPoint(index, number) {
    if (!jobs.matching[index]) view.filter = "";
    view.hidden.delete(index);
    show();
    if (!panels.some((one) => gone(one, index, number))) {
      const metric = metricOf(index, number);
      if (metric === null) return log.note(`Line ${ordinal(number)} has no point that can be drawn.`);
      view.metrics = view.metrics.with(0, metric);
      show();
      gone(panels[0], index, number);
    }
    keep();
    return undefined;
  }

  function gone({ chart, element, place }, index, number) {
    if (!chart.goTo(index, number)) return false;
    element.scrollIntoView({ block: "nearest" });
    place.focus({ preventScroll: true });
    return true;
  }

  /** The first metric that has a point in this line. */
  function metricOf(index, number) {
    const { offsets, y } = data.logs[index];
    const at = offsets.indexOf(number);
    const found = data.metrics.find(([name]) => Object.hasOwn(y, name) && y[name][0].includes(at));
    return found ? found[0] : null;
  }

  // The page

  byId("axis").addEventListener("change", (event) => chosen({ axis: event.target.value, range: null }));
  byId("smoothing").addEventListener("input", (event) => chosen({ weight: Number(event.target.value) }, { typing: true }));
  byId("logarithmic").addEventListener("change", (event) => chosen({ logarithmic: event.target.checked }));
  byId("evaluations").addEventListener("change", (event) => chosen({ evaluations: event.target.checked }));
  byId("chooser").addEventListener("submit", (event) => event.preventDefault());
  byId("unzoom").addEventListener("click", () => {
    panels[0].place.focus();
    chosen({ range: null });
  });
  byId("add").addEventListener("click", () => {
    const next = data.metrics.find(([name]) => !view.metrics.includes(name));
    chosen({ metrics: [...view.metrics, next[0]] });
    panels.at(-1).select.focus();
  });
  byId("all").addEventListener("click", () => hide(legend.rows.keys(), false));
  byId("none").addEventListener("click", () => hide(legend.rows.keys(), true));
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

  show();
  // After the curves are there: a large log takes a moment.
  requestAnimationFrame(() =>
    setTimeout(() => {
      if (log.shown >= 0) return;
      log.open(view.log, view.line);
      if (view.line !== null) byId("log").scrollIntoView({ block: "nearest" });
    }),
  );
}
