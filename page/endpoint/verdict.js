// Whether a signature is right, and if not, why.

import { el, visible } from "../common/dom.js";
import { text } from "./text.js";

export function verdict(verification) {
  const { valid, preset } = verification;
  return el("p", { class: `notice ${valid ? "good" : "bad"}` }, el("strong", {}, text.verdict[valid]), ` (${preset}) `, explanation(verification));
}

/** The likely reason, with the content to sign and the signature received. */
function explanation({ valid, reason, base, baseBytes, expected, received }) {
  if (valid) return null;
  const facts = [[text.signedBytes(baseBytes), base], [text.expected, expected], [text.received, received]]
    .filter(([, value]) => value)
    .flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, visible(value))]);
  return [visible(reason ?? ""), el("details", {}, el("summary", {}, text.compareSignatures), el("dl", {}, facts))];
}
