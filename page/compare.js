// What differs between two requests.

import { bodyBytes, isBinary } from "./bytes.js";
import { diff } from "./diff.js";
import { button, dialog, el, visible } from "./dom.js";
import { pretty } from "./json.js";
import { bytes, text } from "./text.js";

const lineLimit = 20000;

function lines(notification) {
  const pieces = pretty(notification.body);
  return (pieces === null ? notification.body : pieces.map((piece) => piece.text).join("")).split("\n");
}

function section(title, content) {
  return el("section", {}, el("h3", {}, title), content);
}

const signs = { same: " ", removed: "−", added: "+" };

function lineList(entries) {
  if (entries.every(({ kind }) => kind === "same")) return el("p", { class: "about" }, text.same);
  const shown = entries.filter(({ kind }, index) => kind !== "same" || entries.slice(Math.max(0, index - 3), index + 4).some((near) => near.kind !== "same"));
  return el("pre", { class: "code diff" }, shown.map(({ kind, text: line }) => {
    const tag = { same: "span", removed: "del", added: "ins" }[kind];
    return el(tag, { class: `line ${kind}` }, `${signs[kind]} `, visible(line), "\n");
  }));
}

function headerLines(a, b) {
  const list = (notification) => notification.headers.map(({ name, value }) => `${name}: ${value}`).sort();
  return diff(list(a), list(b)) ?? [];
}

function bodies(a, b) {
  const [first, second] = [bodyBytes(a), bodyBytes(b)];
  const isSame = first.length === second.length && first.every((byte, index) => byte === second[index]);
  if (isSame) return el("p", { class: "about" }, text.same);
  if (isBinary(a) || isBinary(b)) return el("p", {}, text.binaryDiffers(bytes(first.length), bytes(second.length)));
  const [left, right] = [lines(a), lines(b)];
  const entries = left.length + right.length > lineLimit ? null : diff(left, right);
  return entries === null ? el("p", {}, text.tooLongToCompare) : lineList(entries);
}

export function compare(a, b) {
  const requestLine = ({ notification, target }) => [`${notification.method} ${target}`];
  const box = dialog(
    text.compare(a.key, b.key),
    el(
      "div", { class: "comparison" },
      section(text.compareRequest, lineList(diff(requestLine(a), requestLine(b)))),
      section(text.compareHeaders, lineList(headerLines(a.notification, b.notification))),
      section(text.compareBody, bodies(a.notification, b.notification)),
    ),
    el("div", { class: "buttons" }, button(text.close, () => box.close())),
  );
  box.classList.add("wide");
}
