"use strict";

// From the points of logs to what is drawn. Nothing here touches the page.

const X_NAMES = {
  step: "Step",
  epoch: "Epoch",
  tokens: "Tokens",
  time: "Minutes since the first point",
  line: "Line",
};

// Axes of numbers beyond this have no room between two ticks, and a chart would look for it for ever.
const LARGEST = 1e30;

/**
 * The curves of one metric, one for each log and each of its segments:
 * {log, xs, ys, told, offsets}, ascending in x. In `ys` is null what can't be drawn: a NaN, an infinity;
 * `told` has what the log says there, and where the axis says the log is.
 */
function curvesOf(data, metric, axis) {
  return data.logs.flatMap((log, number) => logCurves(log, number, metric, axis));
}

function logCurves(log, number, metric, axis) {
  const column = Object.hasOwn(log.y, metric) ? log.y[metric] : null;
  const places = log.x[axis];
  if (!column || !places) return [];
  const [which, values] = column;
  const bySegment = new Map();
  which.forEach((index, at) => {
    if (places[index] === null || Math.abs(places[index]) > LARGEST) return;
    const segment = log.segments[index];
    if (!bySegment.has(segment)) {
      bySegment.set(segment, { log: number, xs: [], ys: [], told: [], places: [], offsets: [] });
    }
    const curve = bySegment.get(segment);
    const drawable = typeof values[at] === "number" && Math.abs(values[at]) <= LARGEST;
    curve.xs.push(places[index]);
    curve.ys.push(drawable ? values[at] : null);
    curve.told.push(values[at]);
    curve.places.push(places[index]);
    curve.offsets.push(log.offsets[index]);
  });
  const curves = [...bySegment.values()];
  if (axis === "time") sinceFirst(curves);
  for (const curve of curves) curve.xs = spread(curve.xs);
  return curves;
}

/** Times as minutes since the first of a log, so that jobs of different days lie over each other. */
function sinceFirst(curves) {
  const first = Math.min(...curves.map((curve) => curve.xs[0]));
  for (const curve of curves) {
    curve.xs = curve.xs.map((x) => (x - first) / 60);
    curve.places = curve.xs;
  }
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
