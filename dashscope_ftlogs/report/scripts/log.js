"use strict";

// One log at a time: search in it, its long lines in full, and the way from a line to its point.

const SLICE = 8; // milliseconds of searching at a time, so that the page stays fluid
const PIECE = 100_000; // characters of a long line that are shown at a time
const SEARCHED = 2_000; // characters that a search may be for

class Log {
  /** `onPoint(log, number)` goes to the point of a line; `onChoose(log)` is told which log is wanted. */
  constructor(logs, { onPoint, onChoose }) {
    this.logs = logs;
    this.marks = logs.map((log) => new Set(log.offsets));
    this.shown = -1;
    this.onPoint = onPoint;
    this.onChoose = onChoose;
    this.hits = [];
    this.search = 0;
    this.lines = new Lines({
      describe: (number) => this.marks[this.shown]?.has(number) ?? false,
      onMove: () => this.moved(),
    });
    this.listen();
  }

  listen() {
    byId("which").append(...this.logs.map((log, index) => new Option(escaped(log.name), index)));
    byId("which").addEventListener("change", (event) => this.onChoose(Number(event.target.value)));
    byId("query").addEventListener("input", () => this.find());
    byId("query").addEventListener("keydown", (event) => this.queryKey(event));
    byId("finder").addEventListener("submit", (event) => {
      event.preventDefault();
      this.next(1);
    });
    byId("previous").addEventListener("click", () => this.next(-1));
    byId("to-point").addEventListener("click", () => this.toPoint());
    byId("to-whole").addEventListener("click", () => this.whole());
    byId("whole-more").addEventListener("click", () => this.more());
    byId("whole-close").addEventListener("click", () => this.close());
    byId("lines").addEventListener("dblclick", () => this.toPoint());
    byId("lines").addEventListener("keydown", (event) => this.lineKey(event));
    byId("whole").addEventListener("keydown", (event) => event.key === "Escape" && this.close());
  }

  /** Show a log, and one line of it if it is named. */
  open(index, number = null) {
    if (index !== this.shown) {
      this.shown = index;
      byId("which").value = String(index);
      this.close();
      const data = embedded(`log-data-${index}`);
      this.lines.load(data);
      this.say(data);
      this.find();
    }
    if (number === null) return;
    const at = this.lines.index(number);
    if (at < 0) return this.note(`Line ${ordinal(number)} was left out of this page.`);
    this.lines.go(at, { centre: true });
  }

  say({ runs, lines }) {
    const last = runs.at(-1);
    const seen = this.logs[this.shown].lines;
    if (!last) return this.note("This log has no lines.");
    if (lines.length === seen) return this.note("");
    return this.note(
      `${counted(seen - lines.length)} of ${counted(seen)} lines are left out: here are those from line ` +
        `${ordinal(last[0])} on, and from before it some with a metric or an error.`,
    );
  }

  note(text) {
    byId("left-out").textContent = text;
    byId("left-out").hidden = !text;
  }

  // The current line

  moved() {
    const { current, lines } = this.lines;
    const there = current >= 0;
    const number = there ? this.lines.number(current) : 0;
    byId("line-name").textContent = there ? `Line ${ordinal(number)}` : "";
    byId("to-point").disabled = !there || !this.marks[this.shown].has(number);
    byId("to-whole").disabled = !there || lines[current].length === 0;
  }

  lineKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter") this.toPoint();
    else if (event.key === " ") this.whole();
    else return;
    event.preventDefault();
  }

  toPoint() {
    if (!byId("to-point").disabled) this.onPoint(this.shown, this.lines.number(this.lines.current));
  }

  whole() {
    if (byId("to-whole").disabled) return;
    byId("whole-text").replaceChildren();
    this.rest = this.lines.lines[this.lines.current];
    byId("whole").hidden = false;
    this.more();
    byId("whole-text").focus();
  }

  more() {
    byId("whole-text").append(escaped(this.rest.slice(0, PIECE)));
    this.rest = this.rest.slice(PIECE);
    byId("whole-more").hidden = !this.rest;
    byId("whole-more").textContent = `Show more of it (${counted(this.rest.length)} characters left)`;
  }

  close() {
    if (byId("whole").hidden) return;
    const inside = byId("whole").contains(document.activeElement);
    byId("whole").hidden = true;
    byId("whole-text").replaceChildren();
    if (inside) byId("lines").focus();
  }

  // Search

  queryKey(event) {
    if (event.key === "Enter" && event.shiftKey) {
      event.preventDefault();
      this.next(-1);
    } else if (event.key === "Escape" && event.target.value === "") {
      byId("lines").focus();
    }
  }

  /** Look for what the field holds in all lines, some at a time. */
  find() {
    const wanted = byId("query").value.slice(0, SEARCHED);
    const literal = wanted.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    this.lines.pattern = wanted ? new RegExp(literal, "gi") : null;
    this.search += 1;
    this.hits = [];
    this.hit = -1;
    this.done = !wanted;
    this.pending = 0;
    this.lines.render();
    if (wanted) this.scan(this.search, new RegExp(literal, "i"), 0);
    this.count();
  }

  scan(search, pattern, index) {
    if (search !== this.search) return;
    const { lines } = this.lines;
    const until = performance.now() + SLICE;
    let at = index;
    while (at < lines.length && performance.now() < until) {
      for (const end = Math.min(lines.length, at + 200); at < end; at += 1) {
        if (pattern.test(escaped(lines[at]))) this.hits.push(at);
      }
    }
    this.done = at >= lines.length;
    if (!this.done) setTimeout(() => this.scan(search, pattern, at));
    if (this.pending && (this.done || this.hits.length)) this.next(this.pending);
    else this.count();
  }

  /** Go to the next line with a hit, after the current one at first, or to the one before. */
  next(by) {
    const { hits } = this;
    this.pending = 0;
    if (!this.done && (hits.length === 0 || by < 0)) this.pending = by;
    else if (hits.length) {
      const current = this.lines.current;
      const after = hits.findIndex((at) => (by > 0 ? at > current : at >= current));
      const from = after < 0 ? hits.length : after;
      this.hit = by > 0 ? from % hits.length : (from - 1 + hits.length) % hits.length;
      this.lines.go(hits[this.hit], { centre: true });
      this.lines.showMark();
    }
    this.count();
  }

  count() {
    const place = byId("hits");
    const { hits } = this;
    const lines = hits.length === 1 ? "line" : "lines";
    if (!this.lines.pattern) place.textContent = "";
    else if (!this.done) place.textContent = `${counted(hits.length)} ${lines} so far…`;
    else if (this.hit >= 0) place.textContent = `${counted(this.hit + 1)} of ${counted(hits.length)} ${lines}`;
    else place.textContent = hits.length ? `${counted(hits.length)} ${lines}` : "Not found";
  }
}
