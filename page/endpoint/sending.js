// How to send something to an endpoint: commands for shells, and a test request.

import { button, copy, dialog, el, tell } from "../common/dom.js";
import { attempt } from "../common/failures.js";
import { span } from "../common/text.js";
import { text } from "./text.js";

/** The commands, each with a button that copies it. */
function commands(url) {
  const json = '{"hello": "world"}';
  const lines = {
    // Not --json, which curl has since 7.82.
    curl: `curl '${url}' -H 'Content-Type: application/json' -d '${json}'`,
    powershell: `Invoke-RestMethod -Method Post -Uri '${url}' -ContentType application/json -Body '${json}'`,
    httpie: `http POST '${url}' hello=world`,
  };
  return Object.entries(lines).map(([name, line]) =>
    el(
      "div", { class: "command" }, el("span", { class: "shell" }, text.shells[name]), el("code", { tabIndex: 0 }, line),
      button(text.copy, () => copy(line, text.copied, text), { "aria-label": `${text.copy}: ${text.shells[name]}` }),
    ),
  );
}

const testButton = (url, properties) =>
  button(text.sendTest, () => attempt(async () => {
    const response = await fetch(url, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ hello: "world", from: "this page" }),
    });
    tell(text.testSent(response.status), !response.ok);
  }), properties);

/** What the page of an endpoint shows before the first request. */
export function firstSteps(url, { limits, removedAt }) {
  const left = removedAt === null ? null : span(Date.parse(removedAt) - Date.now());
  return [
    el("h2", {}, text.waiting), el("p", {}, text.waitingHint), ...commands(url),
    testButton(url, { class: "primary", id: "send-test" }), el("p", { class: "about" }, text.life(limits.notifications, left)),
  ];
}

/** The same afterwards, in a dialog. */
export function howToSend(url) {
  const box = dialog(
    text.howToSend, commands(url), el("div", { class: "buttons" }, testButton(url), button(text.close, () => box.close())),
  );
  box.classList.add("wide");
}
