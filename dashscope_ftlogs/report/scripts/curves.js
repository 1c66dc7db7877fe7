"use strict";

// From the points of logs to what is drawn. Nothing here touches the page.

const X_NAMES = {
  step: "Step",
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

/** Which column of a log an axis shows: two axes are other views of one that the log tells. */
function column(axis, leading) {
  return { progress: leading, clock: "time" }[axis] ?? axis;
}

/**
 * The curves of one metric, one for each log and each of its segments, those of evaluations after them:
 * {log, metric, evaluation, apart, xs, ys, told, places, offsets, gaps}, ascending in x. `apart` says that
 * it is called otherwise than what was asked for. In `ys` is null what can't be drawn: a NaN, an infinity,
 * whose indices are in `gaps`, and on a logarithmic scale what is not above 0; `told` has what the log says
 * there, and `places` where the axis says the log is.
 *
 * `view` is {axis, logarithmic, evaluations}.
 */
function curvesOf(data, metric, view) {
  const leading = new Map(data.metrics).get(metric) ?? "line";
  return data.logs.flatMap((log, number) => {
    const own = ownName(log, metric);
    const names = own === null ? [] : [own];
    const evaluation = data.evaluations[own ?? metric] ?? data.evaluations[metric];
    if (view.evaluations && evaluation !== undefined) names.push(evaluation);
    return names.flatMap((name) => {
      const what = { log: number, metric: name, evaluation: name !== own, apart: name !== metric };
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
  const bySegment = new Map();
  which.forEach((index, at) => {
    if (known[index] === null || Math.abs(known[index]) > LARGEST) return;
    const segment = log.segments[index];
    if (!bySegment.has(segment)) {
      bySegment.set(segment, { ...what, xs: [], ys: [], told: [], places: [], offsets: [], gaps: [] });
    }
    const curve = bySegment.get(segment);
    const drawable = typeof values[at] === "number" && Math.abs(values[at]) <= LARGEST;
    if (!drawable) curve.gaps.push(curve.xs.length);
    curve.ys.push(drawable && !(logarithmic && values[at] <= 0) ? values[at] : null);
    curve.told.push(values[at]);
    curve.places.push(place(known[index]));
    curve.offsets.push(log.offsets[index]);
    curve.xs.push(place(known[index]));
  });
  const curves = [...bySegment.values()];
  for (const curve of curves) curve.xs = spread(curve.xs);
  return curves;
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
 * Places that only rise. Epochs are rounded and times are those of other lines, so neighbours can be at
 * one place; they are spread evenly until the next.
 */
function spread(xs) {
  const spreaded = [];
  let begin = 0;
  let width = 1;
  while (begin < xs.length) {
    const x = Math.max(xs[begin], begin ? spreaded[begin - 1] : -Infinity);
    let end = begin + 1;
    while (end < xs.length && xs[end] <= x) end += 1;
    if (end < xs.length) width = xs[end] - x;
    for (let at = begin; at < end; at += 1) {
      const place = x + (width * (at - begin)) / (end - begin);
      spreaded.push(at && place <= spreaded[at - 1] ? nextAbove(spreaded[at - 1]) : place);
    }
    begin = end;
  }
  return spreaded;
}

function nextAbove(x) {
  return x + Math.max(Math.abs(x) * 1e-12, 1e-12);
}

/** Whether each point of a curve counts. */
function isSparse(curve) {
  return curve.evaluation || curve.ys.length <= FEW;
}

/** What is drawn of a curve: its values, smoothed where there are many. */
function shown(curve, weight) {
  return weight > 0 && !isSparse(curve) ? smooth(curve.ys, weight) : curve.ys;
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
