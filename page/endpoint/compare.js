// What differs between two requests.

import { bodyBytes, isBinary } from "../common/bytes.js";
import { button, dialog, el, visible } from "../common/dom.js";
import { pretty } from "../common/json.js";
import { bytes } from "../common/text.js";
import { text } from "./text.js";

const lineLimit = 20000;
const editLimit = 500;
// More characters, of both bodies together or of one line, would make a browser slow.
const lengthLimit = 500000;
const shownLine = 5000;

const lines = (string) => string.split("\n");

/** The lines of a body, each value of JSON in its own. */
function prettyLines(notification) {
  const pieces = pretty(notification.body);
  return lines(pieces === null ? notification.body : pieces.map((piece) => piece.text).join(""));
}

const isSame = ({ kind }) => kind === "same";

function section(title, content) {
  return el("section", {}, el("h3", {}, title), content);
}

const signs = { same: " ", removed: "−", added: "+" };

function lineList(entries) {
  if (entries.every(isSame)) return el("p", { class: "about" }, text.same);
  const isShown = (index) => !entries.slice(Math.max(0, index - 3), index + 4).every(isSame);
  return el("pre", { class: "code diff" }, entries.map(({ kind, text: line }, index) => {
    if (!isShown(index)) return index === 0 || isShown(index - 1) ? el("span", { class: "line about" }, text.unchanged, "\n") : null;
    const tag = { same: "span", removed: "del", added: "ins" }[kind];
    return el(tag, { class: `line ${kind}` }, `${signs[kind]} `, visible(line.slice(0, shownLine)), line.length > shownLine ? "…\n" : "\n");
  }));
}

function headers(a, b) {
  const list = (notification) => notification.headers.map(({ name, value }) => `${name}: ${value}`).sort();
  const entries = diff(list(a), list(b));
  return entries === null ? el("p", {}, text.tooLongToCompare) : lineList(entries);
}

function bodies(a, b) {
  const [first, second] = [bodyBytes(a), bodyBytes(b)];
  if (first.length === second.length && first.every((byte, index) => byte === second[index])) return el("p", { class: "about" }, text.same);
  if (isBinary(a) || isBinary(b)) return el("p", {}, text.binaryDiffers(bytes(first.length), bytes(second.length)));
  if (a.body.length + b.body.length > lengthLimit) return el("p", {}, text.tooLongToCompare);
  const [left, right] = [prettyLines(a), prettyLines(b)];
  const entries = left.length + right.length > lineLimit ? null : diff(left, right);
  if (entries === null) return el("p", {}, text.tooLongToCompare);
  if (!entries.every(isSame)) return lineList(entries);
  // The same values, in other bytes: blanks, escapes, or another charset.
  const differs = el("p", { class: "about" }, text.onlyBytesDiffer(bytes(first.length), bytes(second.length)));
  return a.body === b.body ? differs : [differs, lineList(diff(lines(a.body), lines(b.body)))];
}

export function compare(a, b) {
  const requestLine = ({ notification, target }) => [`${notification.method} ${target}`];
  const box = dialog(
    text.compare(a.key, b.key),
    el(
      "div", { class: "comparison" },
      section(text.compareRequest, lineList(diff(requestLine(a), requestLine(b)))),
      section(text.compareHeaders, headers(a.notification, b.notification)),
      section(text.compareBody, bodies(a.notification, b.notification)),
    ),
    el("div", { class: "buttons" }, button(text.close, () => box.close())),
  );
  box.classList.add("wide");
}

/**
 * The difference of two lists of lines, by Myers' algorithm ("An O(ND) Difference Algorithm and Its Variations", 1986).
 *
 * The lines of both, each as `{kind, text}`: `same`, `removed` (only in `a`) or `added` (only in `b`).
 * @returns `null` if they differ in more than 500 lines
 */
function diff(a, b) {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const middle = middleDiff(a.slice(start, a.length - end), b.slice(start, b.length - end));
  if (middle === null) return null;
  const same = (lines) => lines.map((text) => ({ kind: "same", text }));
  return [...same(a.slice(0, start)), ...middle, ...same(a.slice(a.length - end))];
}

function middleDiff(a, b) {
  const paths = search(a, b);
  if (paths === null) return null;
  const lines = [];
  let [x, y] = [a.length, b.length];
  for (let edits = paths.length - 1; edits >= 0; edits--) {
    const reached = paths[edits];
    const k = x - y;
    const isDown = k === -edits || (k !== edits && (reached.get(k - 1) ?? -1) < (reached.get(k + 1) ?? -1));
    const previous = isDown ? k + 1 : k - 1;
    const fromX = edits === 0 ? 0 : reached.get(previous);
    const fromY = edits === 0 ? 0 : fromX - previous;
    while (x > fromX && y > fromY) {
      x -= 1;
      y -= 1;
      lines.push({ kind: "same", text: a[x] });
    }
    if (edits === 0) break;
    if (isDown) lines.push({ kind: "added", text: b[--y] });
    else lines.push({ kind: "removed", text: a[--x] });
  }
  return lines.reverse();
}

/** For each number of edits, how far each diagonal was reached before the last of them. */
function search(a, b) {
  const reached = new Map([[1, 0]]);
  const paths = [];
  for (let edits = 0; edits <= Math.min(editLimit, a.length + b.length); edits++) {
    paths.push(new Map(reached));
    for (let k = -edits; k <= edits; k += 2) {
      const isDown = k === -edits || (k !== edits && (reached.get(k - 1) ?? -1) < (reached.get(k + 1) ?? -1));
      let x = isDown ? reached.get(k + 1) : reached.get(k - 1) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      reached.set(k, x);
      if (x >= a.length && x - k >= b.length) return paths;
    }
  }
  return null;
}
