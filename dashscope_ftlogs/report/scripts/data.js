"use strict";

// What the page brings with it, and how text of a log is shown. Everything from a log goes into the page
// as text: through textContent, <option> labels and the like, never as HTML.

/** The JSON that stands in an element of the page. */
function embedded(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

/** An element of the page. */
function byId(id) {
  return document.getElementById(id);
}

/** A new element that holds text, or other elements. */
function made(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

// The same characters as in text.py: what could act on a terminal, reorder text, or is no character.
const ACTIVE = /[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const ACTIVE_ALL = new RegExp(ACTIVE, "g");
const SHORT = { "\n": "\\n", "\r": "\\r" };

/** Text with all that could act on who reads it written as a visible escape. */
function escaped(text) {
  if (!ACTIVE.test(text)) return text;
  return text.replace(ACTIVE_ALL, (char) => {
    const code = char.charCodeAt(0);
    if (SHORT[char]) return SHORT[char];
    const hex = code.toString(16);
    return code < 256 ? `\\x${hex.padStart(2, "0")}` : `\\u${hex.padStart(4, "0")}`;
  });
}

/** A count as people write it. */
function counted(number) {
  return number.toLocaleString("en");
}

/** The number of a line as people count them: from 1, as `ftlogs show` and `tail` do. */
function ordinal(line) {
  return counted(line + 1);
}
