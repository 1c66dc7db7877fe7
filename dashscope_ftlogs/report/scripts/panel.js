"use strict";

// One metric of all logs: what it is, and its chart.

const PANELS = 12; // at most; more charts than that are no overview
const LOWER = 260; // pixels, where there is more than one

class Panel {
  /** `number` tells its elements from those of the others; `onMetric(name)` and `onRemove()` are told. */
  constructor(number, data, { onMetric, onRemove, ...chart }) {
    this.data = data;
    this.curves = [];
    this.select = made("select", "", ...data.metrics.map(([name], index) => new Option(escaped(name), index)));
    this.select.id = `metric-${number}`;
    this.select.disabled = data.metrics.length === 0;
    this.select.addEventListener("change", () => onMetric(data.metrics[this.select.selectedIndex][0]));
    this.button = made("button", "", "Remove");
    this.button.type = "button";
    this.button.addEventListener("click", onRemove);
    this.place = made("div", "chart");
    this.place.id = `chart-${number}`;
    this.place.tabIndex = 0;
    this.place.setAttribute("role", "group");
    this.place.setAttribute("aria-roledescription", "chart");
    this.place.setAttribute("aria-describedby", "chart-keys");
    this.smoothed = made("output", "smoothed");
    this.smoothed.htmlFor = "smoothing";
    const head = made("div", "controls", made("label", "", "Metric ", this.select), this.smoothed, this.button);
    this.element = made("div", "panel", head, this.place);
    byId("panels").append(this.element);
    this.chart = new Chart(this.place, chart);
  }

  /** Draw a metric, which is null where there is none; `view` is as `Chart.show` and `curvesOf` take it. */
  show(metric, view, single) {
    this.select.selectedIndex = this.data.metrics.findIndex(([name]) => name === metric);
    this.button.hidden = single;
    const name = metric === null ? "no metric" : escaped(metric);
    this.button.setAttribute("aria-label", `Remove the panel of ${name}`);
    this.place.setAttribute("aria-label", `Chart of ${name}`);
    this.curves = metric === null ? [] : curvesOf(this.data, metric, view);
    const drawn = this.curves.filter((curve) => this.chart.isDrawn(curve.log) && curve.xs.length > 0);
    this.smoothed.textContent = smoothedBy(drawn, view.weight);
    this.chart.show(this.curves, { ...view, height: single ? HEIGHT : LOWER });
  }

  remove() {
    this.chart.end();
    this.element.remove();
  }
}
