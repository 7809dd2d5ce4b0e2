// The setting of an endpoint that forwards each request as it arrives.

import { el, field, group } from "../common/dom.js";
import { lineOf } from "../common/failures.js";
import { text } from "./text.js";

/** The addresses in a text, which has one on each line. */
export const linesOf = (string) => [...new Set(string.split(/\s+/).filter(Boolean))];

/** The part of an endpoint's settings that forwards each request as it arrives. */
export function standing(settings) {
  const addresses = el("textarea", { rows: 2, spellcheck: false, value: settings.forwards.join("\n") });
  const isShown = settings.forwarding || settings.forwards.length > 0;
  return {
    element: group(
      text.standing, !settings.forwarding && el("p", { class: "about" }, text.off),
      isShown && field(text.standingHint, addresses),
    ),
    control: () => addresses,
    read: () => linesOf(addresses.value),
    /** How the address at an index is called. */
    label: (index) => (index === undefined ? text.standing : text.standingLine(lineOf(addresses.value, linesOf(addresses.value)[index]))),
  };
}
