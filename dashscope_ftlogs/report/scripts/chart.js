"use strict";

// Curves with uPlot: drawing, zoom, and the one point that the cursor is on.

const COLOURS = 8;
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [14, 5]];
const HEIGHT = 360;
const NEAR = 40; // pixels from a click to its point

function property(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** How a log is drawn: by colour and, for those who don't see it, by dashes. */
function look(log) {
  return { colour: property(`--curve-${log % COLOURS}`), dash: DASHES[log % DASHES.length] };
}

class Chart {
  /** `onPoint(curve, index)` is told where the cursor is, `onOpen(log, offset)` which line is wanted. */
  constructor(place, { onPoint, onOpen, onZoom }) {
    this.place = place;
    this.onPoint = onPoint;
    this.onOpen = onOpen;
    this.onZoom = onZoom;
    this.curves = [];
    this.hidden = new Set();
    this.active = null;
    this.plot = null;
    place.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resize()).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  show(curves, xName, weight) {
    this.curves = curves;
    this.xName = xName;
    this.weight = weight;
    this.active = null;
    this.draw();
  }

  /** Draw raw curves alone, or pale ones with the smoothed ones before them. */
  draw(range = null) {
    this.plot?.destroy();
    this.plot = null;
    const drawn = this.visible();
    this.place.classList.toggle("empty", drawn.length === 0);
    if (drawn.length === 0) return;
    const layers = this.weight > 0 ? ["raw", "smooth"] : ["only"];
    const tables = layers.flatMap((layer) => drawn.map((curve) => [curve.xs, this.values(curve, layer)]));
    const series = layers.flatMap((layer) => drawn.map((curve) => this.series(curve, layer)));
    const data = uPlot.join(tables);
    this.plot = new uPlot(this.options([{}, ...series]), data, this.place);
    this.onZoom(false);
    if (range) this.zoom(...range);
  }

  visible() {
    return this.curves.filter((curve) => !this.hidden.has(curve.log) && curve.xs.length > 0);
  }

  values(curve, layer) {
    return layer === "smooth" ? smooth(curve.ys, this.weight) : curve.ys;
  }

  series(curve, layer) {
    const { colour, dash } = look(curve.log);
    return {
      stroke: colour,
      dash: layer === "raw" ? undefined : dash,
      width: layer === "raw" ? 1 : 1.75,
      alpha: layer === "raw" ? 0.35 : 1,
      points: { show: curve.xs.length < 2 ? true : undefined, size: 5, fill: colour },
    };
  }

  options(series) {
    const ink = property("--muted");
    const grid = { stroke: property("--line"), width: 1 };
    const axis = { stroke: ink, grid, ticks: grid, font: "12px system-ui, sans-serif" };
    return {
      width: this.width(),
      height: HEIGHT,
      series,
      legend: { show: false },
      scales: { x: { time: false, range: padded } },
      axes: [
        { ...axis, size: 34, label: this.xName, labelFont: axis.font, labelSize: 22, values: (_, ticks) => ticks.map(tick) },
        { ...axis, size: 64, values: (_, ticks) => ticks.map(tick) },
      ],
      cursor: { points: { show: false }, drag: { x: true, y: false, dist: 5 } },
      hooks: {
        setCursor: [(plot) => this.hover(plot)],
        setScale: [(plot, key) => key === "x" && this.onZoom(this.zoomed(plot))],
        draw: [(plot) => this.marks(plot)],
        ready: [(plot) => this.listen(plot)],
      },
    };
  }

  width() {
    return Math.max(240, this.place.clientWidth);
  }

  resize() {
    if (this.plot && this.plot.width !== this.width()) {
      this.plot.setSize({ width: this.width(), height: HEIGHT });
    }
  }

  // A NaN is no dip and no gap that could be overlooked: a cross, at the height where the curve was. The
  // point that the cursor is on has a ring.
  marks(plot) {
    const context = plot.ctx;
    const ratio = devicePixelRatio;
    context.save();
    context.beginPath();
    context.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
    context.clip();
    context.setLineDash([]);
    context.lineWidth = 2 * ratio;
    for (const curve of this.visible()) {
      context.strokeStyle = look(curve.log).colour;
      let last = null;
      curve.ys.forEach((y, index) => {
        if (y !== null) last = y;
        else this.cross(plot, curve.xs[index], last, 4 * ratio);
      });
    }
    if (this.active) this.ring(plot, 6 * ratio);
    context.restore();
  }

  cross(plot, x, y, size) {
    const { min, max } = plot.scales.x;
    if (x < min || x > max) return;
    const left = plot.valToPos(x, "x", true);
    const top = y === null ? plot.bbox.top + 3 * size : plot.valToPos(y, "y", true);
    plot.ctx.beginPath();
    plot.ctx.moveTo(left - size, top - size);
    plot.ctx.lineTo(left + size, top + size);
    plot.ctx.moveTo(left - size, top + size);
    plot.ctx.lineTo(left + size, top - size);
    plot.ctx.stroke();
  }

  ring(plot, size) {
    const { curve, index } = this.active;
    plot.ctx.strokeStyle = property("--ink");
    plot.ctx.beginPath();
    plot.ctx.arc(plot.valToPos(curve.xs[index], "x", true), plot.valToPos(this.height(), "y", true), size, 0, 7);
    plot.ctx.stroke();
  }

  /** The y of the active point, or of the last one before it that has one. */
  height() {
    const { curve, index } = this.active;
    for (let at = index; at >= 0; at -= 1) if (curve.ys[at] !== null) return curve.ys[at];
    return this.plot.scales.y.max;
  }

  // The mouse

  listen(plot) {
    let waiting = 0;
    plot.over.addEventListener("click", (event) => {
      // A tap looks for a value; the table below has buttons that a finger can hit.
      if (matchMedia("(pointer: coarse)").matches) return;
      const found = this.at(event.offsetX, event.offsetY);
      if (!found) return;
      this.activate(found.curve, found.index);
      clearTimeout(waiting);
      // Where there is something to zoom out of, a second click may follow.
      waiting = setTimeout(() => this.open(), this.zoomed(plot) ? 350 : 0);
    });
    plot.over.addEventListener("dblclick", () => clearTimeout(waiting));
  }

  hover(plot) {
    const { left, top } = plot.cursor;
    if (left < 0 || this.moving) return;
    const x = plot.posToVal(left, "x");
    this.onPoint(this.visible().map((curve) => ({ curve, index: nearest(curve.xs, x) })), null);
    const found = this.at(left, top);
    if (found) this.activate(found.curve, found.index, false);
  }

  /** The drawn point that is nearest to a place, if it is near. */
  at(left, top) {
    let best = null;
    let least = NEAR;
    for (const curve of this.visible()) {
      const middle = nearest(curve.xs, this.plot.posToVal(left, "x"));
      for (let index = Math.max(0, middle - 2); index <= Math.min(curve.xs.length - 1, middle + 2); index += 1) {
        if (curve.ys[index] === null) continue;
        const away = Math.hypot(
          this.plot.valToPos(curve.xs[index], "x") - left,
          this.plot.valToPos(curve.ys[index], "y") - top,
        );
        if (away < least) [best, least] = [{ curve, index }, away];
      }
    }
    return best;
  }

  // The one point

  activate(curve, index, move = true) {
    this.active = { curve, index };
    this.plot.redraw(false);
    if (!move) return;
    this.reveal(curve.xs[index]);
    this.moving = true;
    this.plot.setCursor({
      left: this.plot.valToPos(curve.xs[index], "x"),
      top: this.plot.valToPos(this.height(), "y"),
    });
    this.moving = false;
    this.onPoint(
      this.visible().map((one) => ({ curve: one, index: one === curve ? index : nearest(one.xs, curve.xs[index]) })),
      this.active,
    );
  }

  /** Go to the point of a line, if what is drawn has one. */
  goTo(log, offset) {
    for (const curve of this.curves) {
      const index = curve.log === log ? curve.offsets.indexOf(offset) : -1;
      if (index < 0) continue;
      if (this.hidden.delete(log)) this.draw();
      this.activate(curve, index);
      return true;
    }
    return false;
  }

  open() {
    if (this.active) this.onOpen(this.active.curve.log, this.active.curve.offsets[this.active.index]);
  }

  // The keyboard

  key(event) {
    if (!this.plot || event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      ArrowRight: () => this.step(event.shiftKey ? 10 : 1),
      ArrowLeft: () => this.step(event.shiftKey ? -10 : -1),
      ArrowDown: () => this.other(1),
      ArrowUp: () => this.other(-1),
      Home: () => this.step(-Infinity),
      End: () => this.step(Infinity),
      "+": () => this.scale(0.5),
      "=": () => this.scale(0.5),
      "-": () => this.scale(2),
      Escape: () => this.unzoom(),
      Enter: () => this.open(),
    };
    if (!Object.hasOwn(actions, event.key)) return;
    event.preventDefault();
    actions[event.key]();
  }

  step(by) {
    const first = !this.active;
    const { curve, index } = this.active ?? { curve: this.visible()[0], index: 0 };
    const next = first && by === 1 ? 0 : Math.min(curve.xs.length - 1, Math.max(0, index + by));
    this.activate(curve, next);
  }

  other(by) {
    const drawn = this.visible();
    if (!this.active) return this.step(1);
    const { curve, index } = this.active;
    const next = drawn[(drawn.indexOf(curve) + by + drawn.length) % drawn.length];
    return this.activate(next, nearest(next.xs, curve.xs[index]));
  }

  // The range

  whole(plot) {
    const xs = plot.data[0];
    return padded(plot, xs[0], xs[xs.length - 1]);
  }

  zoomed(plot) {
    const [low, high] = this.whole(plot);
    const { min, max } = plot.scales.x;
    return min > low || max < high;
  }

  zoom(min, max) {
    const [low, high] = this.whole(this.plot);
    this.plot.setScale("x", { min: Math.max(low, min), max: Math.min(high, max) });
  }

  unzoom() {
    if (this.plot) this.zoom(-Infinity, Infinity);
  }

  scale(by) {
    const { min, max } = this.plot.scales.x;
    const middle = this.active ? this.active.curve.xs[this.active.index] : (min + max) / 2;
    const half = ((max - min) * by) / 2;
    if (half > 1e-9 * Math.max(1, Math.abs(middle))) this.zoom(middle - half, middle + half);
  }

  reveal(x) {
    const { min, max } = this.plot.scales.x;
    if (x < min || x > max) this.zoom(x - (max - min) / 2, x + (max - min) / 2);
  }
}

/** A range that has a width, also where all is at one place. */
function padded(_plot, min, max) {
  if (min === null || max === null) return [0, 1];
  return max > min ? [min, max] : [min - 1, max + 1];
}

function tick(value) {
  if (value === null) return "";
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-3)) return value.toExponential(2).replace(/\.?0+e/, "e");
  return String(Number(value.toPrecision(7)));
}
