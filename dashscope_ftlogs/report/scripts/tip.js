"use strict";

// The values beside the pointer.

const TOLD = 5; // curves at most

class Tip {
  /** `names(log)` is what a log is called. */
  constructor(names) {
    this.names = names;
    this.element = made("div", "tip");
    // The table below the charts says the same.
    this.element.setAttribute("aria-hidden", "true");
  }

  hide() {
    this.element.hidden = true;
  }

  /** Tell what the curves nearest to a place are: `values` and `active` as `Chart.tell` has them. */
  show(plot, axis, { x, top, values, active }) {
    this.element.hidden = values.length === 0;
    const away = ({ curve, index }) => {
      if (curve === active?.curve) return -1;
      return curve.shown[index] === null ? Infinity : Math.abs(plot.valToPos(curve.shown[index], "y") - top);
    };
    const sorted = values.map((one) => [away(one), one]).sort(([one], [other]) => one - other);
    const rows = sorted.slice(0, TOLD).map(([, one]) => this.row(one, active));
    if (sorted.length > TOLD) rows.push(made("div", "", `and ${sorted.length - TOLD} more`));
    this.element.replaceChildren(made("div", "where", `${X_NAMES[axis]} ${briefPlace(axis, x)}`), ...rows);
    this.put(plot, plot.valToPos(x, "x"), top);
  }

  row({ curve, index }, active) {
    const smoothed = curve.shown === curve.ys ? "" : ` (${brief(curve.shown[index])})`;
    const value = made("b", "", brief(curve.told[index]) + smoothed);
    const row = made("div", curve === active?.curve ? "nearest" : "", swatch(curve.log), value);
    if (curve.apart || curve.evaluation) row.append(made("span", "log-name", escaped(curve.metric)));
    row.append(made("span", "log-name", this.names(curve.log)));
    return row;
  }

  /** Stand beside a place, inside the chart. */
  put(plot, left, top) {
    const { offsetWidth: width, offsetHeight: height, style } = this.element;
    const { clientWidth, clientHeight } = plot.over;
    const beside = left + 16 + width <= clientWidth ? left + 16 : left - 16 - width;
    style.left = `${Math.max(0, Math.min(beside, clientWidth - width))}px`;
    style.top = `${Math.max(0, Math.min(top - height / 2, clientHeight - height))}px`;
  }
}
