// Tries an expression with an event, in both dialects, as one types. The service evaluates: what it says here, it does.

import { button, el, visible } from "../common/dom.js";
import { events } from "./api.js";
import * as examples from "./examples.js";
import { expressionFaults, faultText, reason } from "./parts.js";
import { text } from "./text.js";

const pauseMilliseconds = 150;

/** What was typed last, for as long as the page is open. */
const typed = { expression: examples.expressions[0], event: examples.event };

/** Puts an event into the tester. */
export function tryEvent(event) {
  typed.event = event;
}

export function tryExpression(expression) {
  typed.expression = expression;
}

/** @param use is called with an expression, and the dialect that it needs or `null`, to make a subscription of it */
export function openTester(use) {
  const abort = new AbortController();
  let timer;
  let isAsking = false;
  let isOutdated = false;
  const expression = el("textarea", { id: "expression", rows: 2, spellcheck: false, autocomplete: "off", value: typed.expression, "aria-describedby": "expression-faults verdict" });
  const event = el("textarea", { id: "event", rows: 16, spellcheck: false, autocomplete: "off", value: typed.event, "aria-describedby": "event-fault" });
  const faults = el("div", { id: "expression-faults" });
  const eventFault = el("div", { id: "event-fault" });
  const verdict = el("p", { id: "verdict", class: "verdict", role: "status" });
  const results = el("div", { class: "dialects" });

  const changed = () => {
    typed.expression = expression.value;
    typed.event = event.value;
    clearTimeout(timer);
    timer = setTimeout(run, pauseMilliseconds);
    results.classList.add("stale");
  };
  expression.addEventListener("input", changed);
  event.addEventListener("input", changed);

  /** Asks for what was typed last. Only one request is under way: an answer to an earlier text is not shown. */
  async function run() {
    if (isAsking) {
      isOutdated = true;
      return;
    }
    if (expression.value.trim() === "") {
      clear();
      verdict.textContent = text.empty;
      return;
    }
    isAsking = true;
    isOutdated = false;
    const outcome = await events.try(expression.value, event.value, abort.signal).then((answer) => () => show(answer), (error) => () => fail(error));
    isAsking = false;
    if (abort.signal.aborted) return;
    if (isOutdated) run();
    else outcome();
  }

  function clear() {
    results.classList.remove("stale");
    results.replaceChildren();
    faults.replaceChildren();
    eventFault.replaceChildren();
    verdict.className = "verdict";
    expression.removeAttribute("aria-invalid");
    event.removeAttribute("aria-invalid");
  }

  function fail(error) {
    clear();
    verdict.textContent = "";
    const isOfEvent = /^event: /.test(error.message);
    const notice = el("p", { class: "notice bad" }, visible(isOfEvent ? error.message.replace(/^event: i/, "I") : reason(error)));
    if (isOfEvent) {
      event.setAttribute("aria-invalid", "true");
      eventFault.append(notice);
    } else {
      verdict.replaceChildren(notice, button(text.tryAgain, run));
    }
  }

  function show(answer) {
    clear();
    const entries = Object.entries(answer.dialects);
    const isRefused = answer.dialect === null;
    verdict.classList.add(answer.matches ? "good" : "bad");
    verdict.replaceChildren(
      isRefused ? text.unusable : text.verdict[answer.matches],
      isRefused ? "" : button(text.use, () => use(expression.value, null)),
    );
    if (isRefused) {
      expression.setAttribute("aria-invalid", "true");
      faults.append(expressionFaults(expression.value, entries));
    }
    results.replaceChildren(...entries.map(([name, found]) => dialect(name, found, answer.dialect)));
  }

  function dialect(name, found, used) {
    const state = !found.valid ? "invalid" : found.matches ? "matches" : "noMatch";
    const head = el(
      "h2", {}, text.dialects[name], " ",
      el("span", { class: `badge ${found.matches ? "good" : "bad"}` }, text.badges[state]), " ",
      name === used && el("span", { class: "badge plain", title: text.usedTitle }, text.used),
    );
    const box = el("section", { class: "card", "data-dialect": name }, head);
    if (!found.valid) {
      box.append(el("p", {}, visible(faultText(found.error))));
      return box;
    }
    if (found.matches) box.append(el("p", { class: "about" }, text.results(found.nodes.length, found.count, found.complete)), nodes(name, found.nodes));
    else box.append(el("p", {}, found.complete ? text.nothingFound : text.tooLong));
    if (name !== used) box.append(button(text.useThis, () => use(expression.value, name)));
    return box;
  }

  function nodes(name, list) {
    const piece = (string, isCut) => [visible(string), isCut && el("span", { class: "badge plain", title: text.cutTitle }, text.cut)];
    return el(
      "div", { class: "table nodes", tabIndex: 0, role: "region", "aria-label": text.dialects[name] },
      el(
        "table", {},
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, text.path), el("th", { scope: "col" }, text.value))),
        el("tbody", {}, list.map((node) => el(
          "tr", {},
          el("th", { scope: "row" }, el("code", {}, piece(node.path, node.path_cut))),
          el("td", {}, el("code", {}, piece(node.value, node.value_cut))),
        ))),
      ),
    );
  }

  const choose = (string) => {
    expression.value = string;
    expression.focus();
    changed();
  };
  const element = el(
    "div", { class: "tester" },
    el("h1", {}, text.testerTitle), el("p", { class: "about" }, text.testerHint),
    el(
      "div", { class: "halves" },
      el(
        "div", {},
        el("label", { for: "expression" }, text.expression), expression, faults,
        el("details", {}, el("summary", {}, text.examples), el("ul", { class: "plain-list examples" }, examples.expressions.map((one) => el("li", {}, button(one, () => choose(one), { class: "link" }))))),
        el("label", { for: "event" }, text.eventField), event, eventFault,
      ),
      el("div", {}, verdict, results),
    ),
  );
  return {
    title: text.testerTitle, element,
    start() {
      run();
    },
    close() {
      clearTimeout(timer);
      abort.abort();
    },
  };
}
