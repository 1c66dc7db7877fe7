"use strict";

// Which logs are drawn, and what their curves are at the cursor.

class Legend {
  /**
   * `names(log)` is what a log is called, `given(log)` what its job was given that others were not;
   * `onToggle(log, wanted)` and `onOpen(log, offset)` are told.
   */
  constructor({ names, given, onToggle, onOpen }) {
    Object.assign(this, { names, given, onToggle, onOpen });
    this.rows = new Map();
  }

  /** Show these logs; `view` is {axis, weight, hidden}, and `curves` are all that they have. */
  show(logs, curves, view) {
    this.axis = view.axis;
    byId("legend-x").textContent = X_NAMES[view.axis] ?? "";
    const hidden = { smooth: view.weight === 0, evaluation: !curves.some((curve) => curve.evaluation) };
    byId("legend-smooth").hidden = hidden.smooth;
    byId("legend-evaluation").hidden = hidden.evaluation;
    this.rows.clear();
    for (const log of logs) {
      const own = curves.filter((curve) => curve.log === log && curve.apart);
      const called = [...new Set(own.map((curve) => escaped(curve.metric)))].join(", ");
      this.rows.set(log, this.row(log, [called, this.given(log)].filter(Boolean), !view.hidden.has(log), hidden));
    }
    byId("legend").tBodies[0].replaceChildren(...[...this.rows.values()].map((row) => row.element));
    byId("legend").hidden = byId("all-or-none").hidden = logs.length === 0;
    byId("all-or-none").hidden ||= logs.length < 2;
  }

  /** `notes` stand below its name. */
  row(log, notes, wanted, hidden) {
    const check = made("input");
    check.type = "checkbox";
    check.checked = wanted;
    check.addEventListener("change", () => this.onToggle(log, check.checked));
    const label = made("label", "", check, swatch(log), made("span", "log-name", this.names(log), ...notes.map((note) => made("small", "", note))));
    const head = made("th", "", label);
    head.scope = "row";
    const [place, value, smoothed, evaluation] = ["–", "–", "–", "–"].map((text) => made("td", "", text));
    smoothed.hidden = hidden.smooth;
    evaluation.hidden = hidden.evaluation;
    const jump = made("button", "jump", "–");
    jump.type = "button";
    jump.disabled = true;
    jump.setAttribute("aria-label", `Show the line of ${this.names(log)}`);
    const element = made("tr", "", head, place, value, smoothed, evaluation, made("td", "", jump));
    return { element, place, value, smoothed, evaluation, jump };
  }

  /** Tell what the curves are at the cursor: `values` has {curve, index} of each that reaches there. */
  tell(values, active) {
    for (const [log, row] of this.rows) {
      const own = values.filter(({ curve }) => curve.log === log);
      const pick = (evaluation) => {
        const some = own.filter(({ curve }) => curve.evaluation === evaluation);
        // Of a log that was started again, the segment that the cursor is on.
        return some.find(({ curve }) => curve === active?.curve) ?? some[0];
      };
      const [training, evaluation] = [pick(false), pick(true)];
      const main = own.find(({ curve }) => curve === active?.curve) ?? training ?? evaluation;
      const told = (one) => (one ? brief(one.curve.told[one.index]) : "–");
      row.place.textContent = main ? briefPlace(this.axis, main.curve.xs[main.index]) : "–";
      row.value.textContent = told(training);
      row.smoothed.textContent = training ? brief(training.curve.shown[training.index]) : "–";
      row.evaluation.textContent = told(evaluation);
      row.jump.disabled = !main;
      if (!main) continue;
      const offset = main.curve.offsets[main.index];
      row.jump.textContent = ordinal(offset);
      row.jump.setAttribute("aria-label", `Show line ${ordinal(offset)} of ${this.names(log)}`);
      row.jump.onclick = () => this.onOpen(log, offset);
    }
  }
}
