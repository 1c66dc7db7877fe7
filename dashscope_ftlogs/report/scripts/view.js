"use strict";

// What is chosen, as the part of the address behind the #: a link, or the way back, shows it again.

/** What is shown at first. `metrics` has one for each panel; the axis null is the one that fits. */
function firstView(data) {
  return {
    metrics: data.metrics.slice(0, 1).map(([name]) => name),
    axis: null,
    weight: 0,
    logarithmic: false,
    evaluations: true,
    range: null,
    hidden: new Set(),
    filter: "",
    sorted: 0, // by which column of the table of jobs, from 1; below 0 downwards
    log: 0,
    line: null,
  };
}

function toAddress(view) {
  const words = new URLSearchParams(view.metrics.map((name) => ["metric", name]));
  const set = (name, value, wanted) => wanted && words.set(name, value);
  set("x", view.axis, view.axis !== null);
  set("smooth", view.weight, view.weight > 0);
  set("y", "log", view.logarithmic);
  set("evaluation", "off", !view.evaluations);
  set("range", view.range?.join(" "), view.range);
  set("hide", [...view.hidden].join(" "), view.hidden.size);
  set("jobs", view.filter, view.filter);
  set("sort", view.sorted, view.sorted);
  words.set("log", view.log);
  set("line", view.line + 1, view.line !== null);
  return words.toString();
}

/** The view of an address; what makes no sense on this page is left as it is at first. */
function fromAddress(address, data) {
  const view = firstView(data);
  const words = new URLSearchParams(address);
  const metrics = words.getAll("metric").filter((name) => data.metrics.some(([one]) => one === name));
  if (metrics.length) view.metrics = metrics.slice(0, PANELS);
  if (Object.hasOwn(X_NAMES, words.get("x"))) view.axis = words.get("x");
  const weight = Number(words.get("smooth"));
  if (weight > 0 && weight < 1) view.weight = weight;
  view.logarithmic = words.get("y") === "log";
  view.evaluations = words.get("evaluation") !== "off";
  const range = numbers(words.get("range"));
  if (range.length === 2 && range[0] < range[1]) view.range = range;
  const whole = (number, end) => Number.isInteger(number) && number >= 0 && number < end;
  view.hidden = new Set(numbers(words.get("hide")).filter((log) => whole(log, data.logs.length)));
  view.filter = words.get("jobs") ?? "";
  view.sorted = numbers(words.get("sort")).find(Number.isInteger) ?? 0;
  view.log = numbers(words.get("log")).find((log) => whole(log, data.logs.length)) ?? 0;
  view.line = numbers(words.get("line")).map((line) => line - 1).find((line) => whole(line, Infinity)) ?? null;
  return view;
}

function numbers(words) {
  return (words ?? "").split(" ").filter(Boolean).map(Number);
}
