"use strict";

// From the points of logs to what is drawn. Nothing here touches the page.

const X_NAMES = {
  step: "Step",
  global_step: "Step, counted on from epoch to epoch",
  epoch: "Epoch",
  progress: "Progress, %",
  tokens: "Tokens",
  time: "Minutes since the first point",
  clock: "Time on the log's clock",
  line: "Line",
};

// Axes of numbers beyond this have no room between two ticks, and a chart would look for it for ever.
const LARGEST = 1e30;

const FEW = 30; // so many points, and those of evaluations, are drawn as they are: smoothing would hide them

/** What a log calls a metric; null if it has nothing like it. */
function ownName(log, metric) {
  const own = Object.hasOwn(log.y, metric) ? metric : log.stand_ins[metric];
  return own !== undefined && own !== null && Object.hasOwn(log.y, own) ? own : null;
}

/** What a log calls the evaluation of a metric, if it can have any. */
function ownEvaluation(data, log, metric) {
  return log.evaluations[metric] ?? data.evaluations[ownName(log, metric) ?? metric] ?? data.evaluations[metric];
}

/** Which column of a log an axis shows: two axes are other views of one that the log tells. */
function column(axis, leading) {
  return { progress: leading, clock: "time" }[axis] ?? axis;
}

/**
 * The curves of one metric, one for each log and each of its segments, those of evaluations after them:
 * {log, metric, evaluation, apart, xs, ys, told, offsets, gaps}, in the order of x, which is as the log tells
 * it: several points can be at one place. Where the step goes back, another curve begins. `apart` says that it
 * is called otherwise than what was asked for, or than its evaluation. In `ys` is null what can't be drawn: a NaN, an infinity, whose
 * indices are in `gaps`, and on a logarithmic scale what is not above 0; `told` has what the log says there.
 *
 * `view` is {axis, logarithmic, evaluations}.
 */
function curvesOf(data, metric, view) {
  const leading = new Map(data.metrics).get(metric) ?? "line";
  return data.logs.flatMap((log, number) => {
    const own = ownName(log, metric);
    const names = own === null ? [] : [own];
    const evaluation = ownEvaluation(data, log, metric);
    if (view.evaluations && evaluation !== undefined) names.push(evaluation);
    return names.flatMap((name) => {
      const evaluated = name !== own;
      const apart = name !== (evaluated ? data.evaluations[metric] : metric);
      const what = { log: number, metric: name, evaluation: evaluated, apart };
      return logCurves(log, what, leading, view);
    });
  });
}

/** Whether some log can draw a metric over an axis. */
function hasAxis(data, metric, axis) {
  const leading = new Map(data.metrics).get(metric) ?? "line";
  return data.logs.some((log) => {
    const own = ownName(log, metric);
    const places = log.x[column(axis, leading)];
    return own !== null && places !== undefined && log.y[own][0].some((index) => places[index] !== null);
  });
}

function logCurves(log, what, leading, { axis, logarithmic }) {
  const cells = Object.hasOwn(log.y, what.metric) ? log.y[what.metric] : null;
  const known = log.x[column(axis, leading)];
  if (!cells || !known) return [];
  const place = relative(known, axis);
  const [which, values] = cells;
  const curves = [];
  const last = new Map(); // of each segment the last curve
  // Over anything but steps, what goes back is rounded, or was logged late.
  for (const at of axis === "step" ? which.keys() : inOrder(which, known)) {
    const index = which[at];
    if (known[index] === null || Math.abs(known[index]) > LARGEST) continue;
    const x = place(known[index]);
    const segment = log.segments[index];
    let curve = last.get(segment);
    if (!curve || x < curve.xs.at(-1)) {
      curve = { ...what, xs: [], ys: [], told: [], offsets: [], gaps: [] };
      curves.push(curve);
      last.set(segment, curve);
    }
    const drawable = typeof values[at] === "number" && Math.abs(values[at]) <= LARGEST;
    if (!drawable) curve.gaps.push(curve.xs.length);
    curve.xs.push(x);
    curve.ys.push(drawable && !(logarithmic && values[at] <= 0) ? values[at] : null);
    curve.told.push(values[at]);
    curve.offsets.push(log.offsets[index]);
  }
  return curves;
}

/** The indices of points in the order of their places; those at one place stay in the order of the lines. */
function inOrder(which, known) {
  return [...which.keys()].sort((one, other) => known[which[one]] - known[which[other]]);
}

/**
 * What turns a place of a log into one on a relative axis, so that jobs of different days or lengths lie
 * over each other: minutes since the log's first point, or per cent of its way.
 */
function relative(known, axis) {
  if (axis !== "time" && axis !== "progress") return (place) => place;
  let [first, last] = [Infinity, -Infinity];
  for (const place of known) {
    if (place === null || Math.abs(place) > LARGEST) continue;
    if (place < first) first = place;
    if (place > last) last = place;
  }
  if (axis === "time") return (place) => (place - first) / 60;
  return (place) => (last > first ? (100 * (place - first)) / (last - first) : 100);
}

/**
 * Curves as one table, whose first row has all their places, each as often as a curve has points there: what
 * uPlot draws. Unlike its own `join` this keeps all of several points at one place.
 */
function table(curves) {
  const most = new Map();
  for (const [xs] of curves) {
    for (let at = 0, same = 0; at < xs.length; at += 1) {
      same = at && xs[at] === xs[at - 1] ? same + 1 : 1;
      if (same > (most.get(xs[at]) ?? 0)) most.set(xs[at], same);
    }
  }
  const all = [];
  const first = new Map();
  for (const x of [...most.keys()].sort((one, other) => one - other)) {
    first.set(x, all.length);
    for (let count = most.get(x); count > 0; count -= 1) all.push(x);
  }
  const rows = curves.map(([xs, ys]) => {
    const row = Array(all.length); // uPlot draws a line over what is undefined
    for (let at = 0, same = 0; at < xs.length; at += 1) {
      same = at && xs[at] === xs[at - 1] ? same + 1 : 0;
      row[first.get(xs[at]) + same] = ys[at];
    }
    return row;
  });
  return [all, ...rows];
}

/** Whether each point of a curve counts. */
function isSparse(curve) {
  return curve.evaluation || curve.ys.length <= FEW;
}

/** What is drawn of a curve: its values, smoothed where there are many. */
function shown(curve, weight) {
  return weight > 0 && !isSparse(curve) ? smooth(curve.ys, weight) : curve.ys;
}

/** What of these curves is smoothed, in the words of `ftlogs plot`. */
function smoothedBy(curves, weight) {
  const raw = curves.filter(isSparse);
  if (weight === 0 || raw.length === curves.length) return "";
  const few = raw.some((curve) => !curve.evaluation) ? ["few points"] : [];
  const but = raw.some((curve) => curve.evaluation) ? [...few, "evaluations"] : few;
  return `smoothed by ${Number(weight.toFixed(2))}${but.length ? `, but for ${but.join(" and ")}` : ""}`;
}

/** The moving average, corrected for its bias towards the beginning, as `ftlogs plot` draws it. */
function smooth(values, weight) {
  let average = 0;
  let total = 0;
  return values.map((value) => {
    if (value === null) return null;
    total = 1 + weight * total;
    average = average * (1 - 1 / total) + value / total;
    return average;
  });
}

/** The index of the place that is nearest to x. */
function nearest(xs, x) {
  let low = 0;
  let high = xs.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle + 1;
    else high = middle;
  }
  return low > 0 && x - xs[low - 1] < xs[low] - x ? low - 1 : low;
}

/** A number short enough for a legend. */
function brief(value) {
  if (typeof value !== "number") return String(value);
  return String(Number(value.toPrecision(6)));
}
