// A body as text or as bytes. What is shown is bounded; a download has the rest.

import { hexDump } from "./bytes.js";
import { button, el, visible } from "./dom.js";
import { pretty } from "./json.js";
import { bytes, text } from "./text.js";

const shownLength = 128 * 1024;
const shownHexBytes = 16 * 1024;
// More elements than this make a browser slow.
const nodeLimit = 5000;
const prettyLimit = 20000;

/** A text as JSON with indentation; as it is if it is not JSON, or too much for the document. */
export function prettyBody(string, notes) {
  const pieces = string.length > shownLength ? null : pretty(string);
  if (pieces === null || pieces.length > prettyLimit) return rawBody(string, notes);
  const nodes = pieces.map(({ kind, text }) => (kind === "space" ? text : el("span", { class: `json-${kind}` }, visible(text))));
  return [el("pre", { class: "code" }, nodes)];
}

/** @param notes what is said before the text, such as that it is not the bytes that were sent */
export function rawBody(string, notes = []) {
  const shown = string.slice(0, shownLength);
  const nodes = visible(shown);
  const more = [];
  if (nodes.length > nodeLimit) more.push(el("p", { class: "notice plain" }, text.manyHidden));
  if (shown.length < string.length) more.push(el("p", { class: "notice plain" }, text.cut(text.characters(shownLength), text.characters(string.length))));
  return [...more, ...notes, el("pre", { class: "code" }, nodes.slice(0, nodeLimit))];
}

export function hexBody(array) {
  const notes = array.length > shownHexBytes ? [el("p", { class: "notice plain" }, text.cut(bytes(shownHexBytes), bytes(array.length)))] : [];
  return [...notes, el("pre", { class: "code hex", tabIndex: 0 }, hexDump(array.subarray(0, shownHexBytes)))];
}

/**
 * A body with the choice of how to show it.
 * @param body `{string, array, isBinary, about, notes}`: as text, as bytes, which of them is better, and what is said about it
 */
export function bodyView(label, { string, array, isBinary, about, notes = [] }) {
  const content = el("div", {});
  const views = isBinary ? ["raw", "hex"] : ["pretty", "raw", "hex"];
  const show = (name) => {
    for (const [index, one] of buttons.entries()) one.setAttribute("aria-pressed", String(views[index] === name));
    content.replaceChildren(...{ pretty: () => prettyBody(string, notes), raw: () => rawBody(string, notes), hex: () => hexBody(array()) }[name]());
    // It may scroll.
    content.querySelector("pre").tabIndex = 0;
  };
  const buttons = views.map((name) => button(text.views[name], () => show(name)));
  show(isBinary ? "hex" : "pretty");
  const choice = el("div", { class: "views", role: "group", "aria-label": label }, buttons);
  return el("div", { class: "body-view" }, el("div", { class: "body-head" }, choice, el("p", { class: "about" }, about)), content);
}
