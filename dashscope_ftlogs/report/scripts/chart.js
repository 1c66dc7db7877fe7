"use strict";

// Curves with uPlot: drawing, zoom, and the one point that the cursor is on.

const COLOURS = 8;
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [14, 5]];
const HEIGHT = 360;
const NEAR = 40; // pixels from the pointer to a point

function property(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** How a log is drawn: by colour and, for those who don't see it, by dashes. */
function look(log) {
  return { colour: property(`--curve-${log % COLOURS}`), dash: DASHES[log % DASHES.length] };
}

class Chart {
  /**
   * `names(log)` is what a log is called, `isDrawn(log)` whether it is wanted. `onPoint(chart, values,
   * active, gone)` is told what the curves are at the cursor, and whether somebody has gone there other than
   * by pointing; `onOpen(log, offset)` which line is wanted; `onZoom(range)` what range of x was chosen, null
   * for all.
   */
  constructor(place, { names, isDrawn, onPoint, onOpen, onZoom }) {
    Object.assign(this, { place, isDrawn, onPoint, onOpen, onZoom });
    this.curves = [];
    this.range = null;
    this.active = null; // the point that has the ring
    this.told = false; // whether it is the one whose values are told
    this.led = false; // whether somebody has gone there, and the mouse only lies somewhere
    this.plot = null;
    this.tip = new Tip(names);
    this.ring = made("div", "ring");
    place.addEventListener("keydown", (event) => this.key(event));
    this.resizing = new ResizeObserver(() => this.resize());
    this.resizing.observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** `view` is {axis, weight, logarithmic, range, height}. */
  show(curves, view) {
    this.curves = curves;
    this.view = view;
    this.range = view.range;
    for (const curve of curves) curve.shown = shown(curve, view.weight);
    this.draw();
  }

  end() {
    this.plot?.destroy();
    this.plot = null;
    this.curves = [];
    this.resizing.disconnect();
  }

  /** Draw raw curves alone, or pale ones with the smoothed ones before them. */
  draw() {
    this.plot?.destroy();
    this.plot = null;
    this.drawn = this.curves.filter((curve) => this.isDrawn(curve.log) && curve.xs.length > 0);
    this.active = this.active && this.still(this.active);
    if (!this.active || !this.told) this.hush();
    this.place.classList.toggle("empty", this.drawn.length === 0);
    if (this.drawn.length === 0) return;
    const pale = this.drawn.filter((curve) => curve.shown !== curve.ys);
    const tables = [...pale.map((curve) => [curve.xs, curve.ys]), ...this.drawn.map((curve) => [curve.xs, curve.shown])];
    const series = [...pale.map((curve) => this.series(curve, true)), ...this.drawn.map((curve) => this.series(curve))];
    this.plot = new uPlot(this.options([{}, ...series]), table(tables), this.place);
    this.plot.over.append(this.ring, this.tip.element);
    if (this.range) this.apply();
  }

  /** The same point of what is drawn now, or null: who changes a setting begins at no other one. */
  still({ curve: { log, metric, offsets }, index }) {
    for (const curve of this.drawn) {
      if (curve.log !== log || curve.metric !== metric) continue;
      const at = curve.offsets.indexOf(offsets[index]);
      if (at >= 0) return { curve, index: at };
    }
    return null;
  }

  series(curve, pale = false) {
    const { colour, dash } = look(curve.log);
    const sparse = isSparse(curve);
    return {
      stroke: colour,
      dash: pale ? undefined : dash,
      width: pale || curve.evaluation ? 1 : 1.75,
      alpha: pale ? 0.35 : 1,
      points: { show: sparse || undefined, size: sparse ? 7 : 5, fill: colour },
    };
  }

  options(series) {
    const { axis, logarithmic, height } = this.view;
    const grid = { stroke: property("--line"), width: 1 };
    const ruler = { stroke: property("--muted"), grid, ticks: grid, font: "12px system-ui, sans-serif" };
    const label = { label: X_NAMES[axis], labelFont: ruler.font, labelSize: 22 };
    const values = axis === "clock" ? clockTicks : (_plot, ticks) => ticks.map(tick);
    const scale = logarithmic ? { distr: 3, range: aroundLog } : {};
    const splits = (plot, _axis, low, high) => logTicks(low, high, plot.height / 60);
    return {
      width: this.width(),
      height,
      series,
      legend: { show: false },
      scales: { x: { time: false, range: padded }, y: scale },
      axes: [
        { ...ruler, ...label, size: 34, values, ...(axis === "clock" ? { space: 110 } : {}) },
        { ...ruler, size: 64, values: (_plot, ticks) => ticks.map(tick), ...(logarithmic ? { splits, filter: (_plot, ticks) => ticks } : {}) },
      ],
      cursor: {
        points: { show: false },
        drag: { x: true, y: false, dist: 5, setScale: false },
        bind: {
          dblclick: () => () => this.unzoom(),
          // A browser tells of a mouse that lies still, too, where the page has moved below it.
          mousemove: (_plot, _over, moved) => (event) => {
            if (event.movementX || event.movementY) this.led = false;
            moved(event);
          },
        },
      },
      hooks: {
        setCursor: [(plot) => this.hover(plot)],
        setSelect: [(plot) => this.select(plot)],
        draw: [(plot) => this.after(plot)],
        ready: [(plot) => this.listen(plot)],
      },
    };
  }

  width() {
    return Math.max(240, this.place.clientWidth);
  }

  resize() {
    if (this.plot && this.plot.width !== this.width()) {
      this.plot.setSize({ width: this.width(), height: this.view.height });
    }
  }

  after(plot) {
    for (const curve of this.drawn) drawGaps(plot, curve);
    this.mark();
    if (this.told) this.tellActive();
  }

  /** Where the active point is. */
  spot() {
    return spotOf(this.plot, this.active.curve, this.active.index);
  }

  // The mouse

  listen(plot) {
    let waiting = 0;
    plot.over.addEventListener("click", () => {
      // A tap looks for a value; the table below has buttons that a finger can hit.
      if (matchMedia("(pointer: coarse)").matches || !this.near) return;
      clearTimeout(waiting);
      // Where there is something to zoom out of, a second click may follow.
      waiting = setTimeout(() => this.open(), this.range ? 350 : 0);
    });
    plot.over.addEventListener("dblclick", () => clearTimeout(waiting));
  }

  /** The point that has the ring is the one whose values are told, and whose line a click shows. */
  hover(plot) {
    const { left, top } = plot.cursor;
    if (this.led && left >= 0) return;
    this.near = left < 0 ? null : this.at(left, top);
    if (this.near) this.active = this.near;
    this.told = this.near !== null;
    this.mark();
    if (left < 0) this.tip.hide();
    else this.tell(this.near ? this.near.curve.xs[this.near.index] : plot.posToVal(left, "x"), this.near, top);
  }

  /** Tell what the curves are at a place; where one has a point, of that. */
  tell(x, active, top, gone = false) {
    const { min, max } = this.plot.scales.x;
    const slack = (max - min) / 50;
    const reached = this.drawn.filter(({ xs }) => xs[0] - slack <= x && x <= xs[xs.length - 1] + slack);
    const values = reached.map((curve) => ({
      curve,
      index: curve === active?.curve ? active.index : nearest(curve.xs, x),
    }));
    this.onPoint(this, values, active, gone);
    this.tip.show(this.plot, this.view.axis, { x, top, values, active });
  }

  /** Tell what the curves are at the active point. */
  tellActive(gone = false) {
    const { curve, index } = this.active;
    const [left, top] = this.spot();
    if (this.led) this.plot.setCursor({ left, top });
    this.tell(curve.xs[index], this.active, top, gone);
  }

  /** Tell nothing any more. */
  hush() {
    this.told = false;
    this.tip.hide();
  }

  /** The drawn point that is nearest to a place, if it is near. */
  at(left, top) {
    let best = null;
    let least = NEAR;
    for (const curve of this.drawn) {
      const middle = nearest(curve.xs, this.plot.posToVal(left, "x"));
      let [from, to] = [middle, middle];
      while (curve.xs[from - 1] === curve.xs[middle]) from -= 1;
      while (curve.xs[to + 1] === curve.xs[middle]) to += 1;
      for (let index = Math.max(0, from - 2); index <= Math.min(curve.xs.length - 1, to + 2); index += 1) {
        if (curve.shown[index] === null && !curve.gaps.includes(index)) continue;
        const [its, height] = spotOf(this.plot, curve, index);
        const away = Math.hypot(its - left, height - top);
        if (away < least) [best, least] = [{ curve, index }, away];
      }
    }
    return best;
  }

  // The one point

  mark() {
    const [left, top] = this.active ? this.spot() : [-1, -1];
    const { clientWidth, clientHeight } = this.plot.over;
    this.ring.hidden = left < 0 || top < 0 || left > clientWidth || top > clientHeight;
    this.ring.style.translate = `${left}px ${top}px`;
  }

  activate(curve, index) {
    this.active = { curve, index };
    this.told = this.led = true;
    // What was just made is drawn a moment later, and knows no places before.
    if (this.plot.status === 0) this.plot.batch(() => {});
    this.reveal(curve.xs[index]);
    this.mark();
    this.tellActive(true);
  }

  /** Go to the point of a line, if what is drawn has one. */
  goTo(log, offset) {
    for (const curve of this.drawn) {
      const index = curve.log === log ? curve.offsets.indexOf(offset) : -1;
      if (index < 0) continue;
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
    const { curve, index } = this.active ?? { curve: this.drawn[0], index: 0 };
    const next = first && by === 1 ? 0 : Math.min(curve.xs.length - 1, Math.max(0, index + by));
    this.activate(curve, next);
  }

  other(by) {
    const { drawn } = this;
    if (!this.active) return this.step(1);
    const { curve, index } = this.active;
    const next = drawn[(drawn.indexOf(curve) + by + drawn.length) % drawn.length];
    return this.activate(next, nearest(next.xs, curve.xs[index]));
  }

  // The range

  whole() {
    const xs = this.plot.data[0];
    return padded(this.plot, xs[0], xs[xs.length - 1]);
  }

  select(plot) {
    const { left, width } = plot.select;
    if (width <= 0) return;
    this.zoom(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }

  zoom(min, max) {
    const [low, high] = this.whole();
    this.range = min <= low && max >= high ? null : [Math.max(low, min), Math.min(high, max)];
    this.apply();
    this.onZoom(this.range);
  }

  /** Show a range that was chosen elsewhere. */
  follow(range) {
    this.range = range;
    if (this.plot) this.apply();
  }

  apply() {
    const [min, max] = this.range ?? this.whole();
    this.plot.setScale("x", { min, max });
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

/** A line as a log is drawn. */
function swatch(log) {
  const space = "http://www.w3.org/2000/svg";
  const image = document.createElementNS(space, "svg");
  const line = document.createElementNS(space, "line");
  const { dash } = look(log);
  for (const [name, value] of Object.entries({ width: 34, height: 10, "aria-hidden": "true" })) {
    image.setAttribute(name, value);
  }
  for (const [name, value] of Object.entries({ x1: 0, y1: 5, x2: 34, y2: 5, "stroke-dasharray": dash.join(" ") })) {
    line.setAttribute(name, value);
  }
  line.classList.add("swatch", `swatch-${log % COLOURS}`);
  image.append(line);
  return image;
}
