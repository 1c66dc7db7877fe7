"use strict";

// The jobs in their tables: which of them are wanted, and in which order.

class Jobs {
  /** `onFilter(text)` and `onSort(column)` are told what was asked for; the first column is 1. */
  constructor({ onFilter, onSort }) {
    this.rows = [...byId("jobs").querySelectorAll("tbody tr")];
    this.texts = this.rows.map((row) => row.textContent.toLowerCase());
    this.given = [...document.querySelectorAll("#parameters tr[data-log]")];
    this.heads = [...byId("jobs").querySelectorAll("thead th")];
    byId("job-chooser").hidden = this.rows.length < 2;
    byId("job-chooser").addEventListener("submit", (event) => event.preventDefault());
    byId("job-filter").addEventListener("input", (event) => onFilter(event.target.value));
    if (this.rows.length < 2) return;
    this.heads.forEach((head, index) => {
      const button = made("button", "sort", head.textContent);
      button.type = "button";
      button.addEventListener("click", () => onSort(index + 1));
      head.replaceChildren(button);
    });
  }

  /** Show those with all words of the filter, in the order of a column. */
  show({ filter, sorted }) {
    const words = filter.toLowerCase().split(/\s+/);
    this.matching = this.texts.map((text) => words.every((word) => text.includes(word)));
    const numbers = this.rows.map((_, index) => index);
    this.order = this.heads[Math.abs(sorted) - 1] ? this.sorted(numbers, Math.abs(sorted) - 1, Math.sign(sorted)) : numbers;
    for (const rows of [this.rows, this.given]) {
      if (rows.length) rows[0].parentElement.append(...this.order.map((index) => rows[index]));
      rows.forEach((row, index) => {
        row.hidden = !this.matching[index];
      });
    }
    this.heads.forEach((head, index) => {
      if (index === Math.abs(sorted) - 1) head.setAttribute("aria-sort", sorted > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
    if (byId("job-filter").value !== filter) byId("job-filter").value = filter;
    const count = this.matching.filter(Boolean).length;
    byId("job-count").textContent = filter ? `${counted(count)} of ${counted(this.rows.length)}` : "";
  }

  /** What is not known comes last, whichever way round. */
  sorted(numbers, column, sign) {
    const values = this.rows.map(({ cells }) => cells[column].dataset.value ?? cells[column].textContent.trim());
    const known = numbers.filter((index) => !["", "–", "nan"].includes(values[index]));
    known.sort((one, other) => sign * compared(values[one], values[other]));
    return [...known, ...numbers.filter((index) => !known.includes(index))];
  }
}

function compared(one, other) {
  const [first, second] = [Number(one), Number(other)];
  return Number.isNaN(first) || Number.isNaN(second) ? one.localeCompare(other, "en", { numeric: true }) : first - second;
}
