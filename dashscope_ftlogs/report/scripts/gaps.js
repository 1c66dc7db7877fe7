"use strict";

// What has no height in a chart: it is marked on the frame, where no curve has a value.

const CROSS = 4; // pixels from its middle

/** Whether a point has no value that could be drawn, but is too large for any chart. */
function isAbove({ told }, index) {
  return told[index] === "inf" || told[index] > LARGEST;
}

/** Where a point is, in the pixels of a chart's frame; what has no height there is at its top or bottom. */
function spotOf(plot, curve, index) {
  const edge = isAbove(curve, index) ? 0 : plot.over.clientHeight;
  const y = curve.shown[index];
  return [plot.valToPos(curve.xs[index], "x"), y === null ? edge : plot.valToPos(y, "y")];
}

/** Mark each NaN and infinity of a curve by a cross on the frame and a line across: within it, it would be a value. */
function drawGaps(plot, curve) {
  const { ctx: context, bbox, scales } = plot;
  const size = CROSS * devicePixelRatio;
  const bottom = bbox.top + bbox.height;
  context.save();
  context.strokeStyle = look(curve.log).colour;
  for (const index of curve.gaps) {
    const x = curve.xs[index];
    if (x < scales.x.min || x > scales.x.max) continue;
    const left = plot.valToPos(x, "x", true);
    const top = isAbove(curve, index) ? bbox.top : bottom;
    context.globalAlpha = 0.6;
    stroke(context, 1, [1, 3], [[left, bbox.top, left, bottom]]);
    context.globalAlpha = 1;
    stroke(context, 2, [], [
      [left - size, top - size, left + size, top + size],
      [left - size, top + size, left + size, top - size],
    ]);
  }
  context.restore();
}

function stroke(context, width, dash, lines) {
  context.lineWidth = width * devicePixelRatio;
  context.setLineDash(dash.map((length) => length * devicePixelRatio));
  context.beginPath();
  for (const [left, top, right, bottom] of lines) {
    context.moveTo(left, top);
    context.lineTo(right, bottom);
  }
  context.stroke();
}
