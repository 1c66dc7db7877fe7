"use strict";

// The ranges of axes, where they have their ticks, and how a place on one is written.

/** A range that has a width, also where all is at one place. */
function padded(_plot, min, max) {
  if (min === null || max === null) return [0, 1];
  return max > min ? [min, max] : [min - 1, max + 1];
}

/** The range of a logarithmic scale: no wider than the values need. */
function aroundLog(_plot, min, max) {
  if (min === null || max === null || !(min > 0)) return [1, 10];
  const margin = Math.max(1.01, (max / min) ** 0.05);
  return [min / margin, max * margin];
}

function tick(value) {
  if (value === null) return "";
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-3)) return value.toExponential(2).replace(/\.?0+e/, "e");
  return String(Number(value.toPrecision(7)));
}

function clockTicks(_plot, ticks) {
  return ticks.map((one) => (one === null ? "" : clock(one, ticks.length > 1 ? ticks[1] - ticks[0] : 1)));
}

/** A place on an axis, in words. */
function briefPlace(axis, place) {
  return axis === "clock" ? clock(place, 1) : brief(place);
}

/** A time on a log's clock, whose zone nobody knows; without seconds where ticks are far apart. */
function clock(seconds, apart) {
  if (Math.abs(seconds) > 8e12) return brief(seconds);
  const text = new Date(seconds * 1000).toISOString();
  if (apart >= 86_400) return text.slice(0, 10);
  return text.slice(apart < 43_200 && apart > 1 ? 5 : 0, apart < 60 ? 19 : 16).replace("T", " ");
}

/** About `count` round numbers between two, also where a logarithmic scale spans many powers of ten. */
function logTicks(low, high, count) {
  const powers = Math.log10(high / low);
  if (!(powers > 1)) return roundTicks(low, high, count);
  const every = Math.ceil(powers / count);
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    if (power % every) continue;
    for (const part of powers < 2 ? [1, 2, 5] : [1]) {
      const tick = part * 10 ** power;
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  }
  return ticks;
}

function roundTicks(low, high, count) {
  const wanted = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = power * [1, 2, 5, 10].find((part) => part * power >= wanted * (1 - 1e-9));
  const ticks = [];
  for (let at = Math.ceil(low / step); at * step <= high && ticks.length <= 2 * count; at += 1) ticks.push(at * step);
  return ticks;
}
