"use strict";

// A log of any length in a window: only the rows that can be seen are in the page.

const ROW = 20; // pixels, as in report.css
const TALLEST = 8_000_000; // pixels; browsers lay out nothing much taller
const LONGEST = 1000; // characters of a line in its row
const SPARE = 8; // rows above and below

class Lines {
  /** `describe(number)` says of a line whether it is marked; `onMove` is told which is the current one. */
  constructor({ describe, onMove }) {
    this.window = byId("lines");
    this.rows = byId("rows");
    this.describe = describe;
    this.onMove = onMove;
    this.pattern = null;
    this.current = -1;
    this.asked = 0;
    this.lines = [];
    this.runs = [];
    this.window.addEventListener("scroll", () => this.soon());
    this.window.addEventListener("keydown", (event) => this.key(event));
    this.rows.addEventListener("click", (event) => this.click(event));
    new ResizeObserver(() => this.soon()).observe(this.window);
  }

  load({ runs, lines }) {
    this.lines = lines;
    this.runs = [];
    let index = 0;
    for (const [first, count] of runs) {
      this.runs.push({ index, first, count });
      index += count;
    }
    this.tall = Math.min(lines.length * ROW, TALLEST);
    byId("height").style.height = `${this.tall}px`;
    this.current = -1;
    this.window.scrollTop = 0;
    this.window.scrollLeft = 0;
    this.onMove();
    this.render();
  }

  /** The number of a line in its log. */
  number(index) {
    const run = this.run((one) => one.index <= index);
    return run.first + index - run.index;
  }

  /** Where a line of the log is here; -1 if it was left out. */
  index(number) {
    const run = this.run((one) => one.first <= number);
    return run && number < run.first + run.count ? run.index + number - run.first : -1;
  }

  /** The last run for which something holds that holds for all before it. */
  run(holds) {
    let low = 0;
    let high = this.runs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (holds(this.runs[middle])) low = middle + 1;
      else high = middle;
    }
    return this.runs[low - 1];
  }

  fitting() {
    return Math.max(1, Math.floor(this.window.clientHeight / ROW));
  }

  // Where a log is taller than a browser's tallest, a pixel of the scroll bar is more than one of a row.
  first() {
    const top = this.window.scrollTop;
    if (this.lines.length * ROW <= TALLEST) return Math.floor(top / ROW);
    const share = top / (this.tall - this.window.clientHeight);
    return Math.round(share * (this.lines.length - this.fitting()));
  }

  scrollTo(first) {
    const most = Math.max(1, this.lines.length - this.fitting());
    const scaled = this.lines.length * ROW > TALLEST;
    const top = scaled ? (first / most) * (this.tall - this.window.clientHeight) : first * ROW;
    this.window.scrollTop = Math.max(0, top);
    this.render();
  }

  soon() {
    if (!this.asked) this.asked = requestAnimationFrame(() => this.render());
  }

  render() {
    cancelAnimationFrame(this.asked);
    this.asked = 0;
    const first = this.first();
    const begin = Math.max(0, first - SPARE);
    const end = Math.min(this.lines.length, first + this.fitting() + SPARE);
    const scaled = this.lines.length * ROW > TALLEST;
    const top = scaled ? this.window.scrollTop - (first - begin) * ROW : begin * ROW;
    this.rows.style.top = `${Math.max(0, top)}px`;
    const rows = [];
    for (let index = begin; index < end; index += 1) rows.push(this.row(index));
    this.rows.replaceChildren(...rows);
    const shown = this.current >= begin && this.current < end;
    if (shown) this.window.setAttribute("aria-activedescendant", `row-${this.current}`);
    else this.window.removeAttribute("aria-activedescendant");
  }

  row(index) {
    const number = this.number(index);
    const marked = this.describe(number);
    const row = made("div", marked ? "row marked" : "row");
    row.id = `row-${index}`;
    row.dataset.index = index;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", String(index === this.current));
    row.setAttribute("aria-posinset", String(index + 1));
    row.setAttribute("aria-setsize", String(this.lines.length));
    if (marked) row.title = "A point on a curve";
    row.append(made("span", "number", ordinal(number)), this.content(index));
    return row;
  }

  /** What a row shows: the line, or as much of it as a row can hold, with what is searched for in it. */
  content(index) {
    const line = this.lines[index];
    let begin = 0;
    if (line.length > LONGEST && this.pattern) {
      const found = line.search(this.pattern);
      if (found > LONGEST / 2) begin = found - 100;
    }
    const text = made("span", "text");
    if (begin) text.append(made("span", "cut", "… "));
    this.highlight(text, escaped(line.slice(begin, begin + LONGEST)));
    if (line.length > begin + LONGEST) {
      text.append(made("span", "cut", ` … ${counted(line.length)} characters`));
    }
    return text;
  }

  highlight(place, shown) {
    if (!this.pattern) return place.append(shown);
    let at = 0;
    for (const found of shown.matchAll(this.pattern)) {
      place.append(shown.slice(at, found.index), made("mark", "", found[0]));
      at = found.index + found[0].length;
    }
    return place.append(shown.slice(at));
  }

  /** Make a line the current one, and show it. */
  go(index, { centre = false } = {}) {
    if (this.lines.length === 0) return;
    this.current = Math.min(this.lines.length - 1, Math.max(0, index));
    const first = this.first();
    const fitting = this.fitting();
    if (centre) this.scrollTo(this.current - Math.floor(fitting / 2));
    else if (this.current < first) this.scrollTo(this.current);
    else if (this.current >= first + fitting) this.scrollTo(this.current - fitting + 1);
    else this.render();
    this.onMove();
  }

  /** Show where in the current row the search has found something. */
  showMark() {
    const mark = byId(`row-${this.current}`)?.querySelector("mark");
    if (!mark) return;
    const gutter = 100;
    const left = mark.offsetLeft;
    const { scrollLeft, clientWidth } = this.window;
    if (left < scrollLeft + gutter || left + mark.offsetWidth > scrollLeft + clientWidth) {
      this.window.scrollLeft = left + mark.offsetWidth < clientWidth ? 0 : left - clientWidth / 3;
    }
  }

  click(event) {
    const row = event.target.closest(".row");
    if (row && getSelection().isCollapsed) this.go(Number(row.dataset.index));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: this.fitting(), PageUp: -this.fitting() };
    const ends = { Home: 0, End: this.lines.length - 1 };
    let index = null;
    if (Object.hasOwn(moves, event.key)) index = this.current < 0 ? this.first() : this.current + moves[event.key];
    else if (Object.hasOwn(ends, event.key)) index = ends[event.key];
    if (index === null) return;
    event.preventDefault();
    this.go(index);
  }
}
