// One event: its content, and the deliveries to the user's subscriptions.

import { button, el, visible } from "../common/dom.js";
import { members, pretty } from "../common/json.js";
import { Poller } from "../common/poller.js";
import { events } from "./api.js";
import { attemptDetails, attemptFacts, badge, link, nameOf, outcome, refused, when } from "./parts.js";
import { tryEvent } from "./tester.js";
import { text } from "./text.js";

const interval = 3;
const shownCharacters = 128 << 10;
const prettyCharacters = 1 << 20;

/** The text of an answer's member `event`, which the service writes as it got it; only the beginning of a long one. */
function contentOf(answer) {
  if (answer.length <= prettyCharacters) return { event: members(answer).event, isWhole: true };
  const start = answer.indexOf('"event": ') + '"event": '.length;
  return { event: answer.slice(start, start + shownCharacters), isWhole: false };
}

/**
 * What has become of an event, as it becomes known.
 * @param goneText what is said if there is no such event
 * @param go goes to another view of events; without it, the content of the event is not shown
 */
export function eventHistory(id, goneText, go = null) {
  const facts = el("p", { class: "about" });
  const fault = el("div", {});
  const content = el("div", {});
  const list = el("div", {});
  // The names of subscriptions, by id.
  const names = new Map();
  let last = null;
  const poll = new Poller(load, interval, (error) => refused(error, poll, fault, goneText));

  async function load(signal) {
    const answer = await events.event(id, signal);
    fault.replaceChildren();
    if (answer === last) return;
    const history = JSON.parse(answer);
    const unknown = history.deliveries.map((delivery) => delivery.eventmatch).filter((id) => !names.has(id));
    await Promise.all(unknown.map(async (id) => names.set(id, await events.name(id, signal))));
    facts.replaceChildren(text.received, " ", when(history.received), "; ", history.state === "waiting" ? text.matching.waiting : text.matching.matched(history.matched));
    if (last === null && go) showContent(contentOf(answer), history.event === null);
    last = answer;
    showDeliveries(history.deliveries);
  }

  /** The subscription of a delivery, by its name if that is known. */
  function headOf({ eventmatch: id, state }) {
    const name = names.get(id);
    const kind = state === "delivered" ? "good" : ["failed", "withheld"].includes(state) ? "bad" : "plain";
    return el("h3", {}, link(`/${id}`, name === null ? id : nameOf({ name })), " ", badge(kind, text.states[state] ?? state), name !== null && [" ", el("span", { class: "about" }, id)]);
  }

  function showContent({ event, isWhole }, isHidden) {
    if (isHidden) return content.replaceChildren(el("p", { class: "notice warn" }, text.hiddenEvent));
    const pieces = isWhole ? pretty(event) : null;
    const string = pieces ? pieces.map((piece) => piece.text).join("") : event;
    const isCut = !isWhole || string.length > shownCharacters;
    content.replaceChildren(
      el("pre", { class: "code content", tabIndex: 0, role: "region", "aria-label": text.content },
        isCut || pieces === null
          ? visible(string.slice(0, shownCharacters))
          : pieces.map((piece) => (["space", "mark"].includes(piece.kind) ? piece.text : el("span", { class: `json-${piece.kind}` }, visible(piece.text))))),
      isCut ? el("p", { class: "notice" }, text.cutEvent) : "",
      isWhole ? button(text.tryWith, () => {
        tryEvent(string);
        go("/try");
      }) : "",
    );
  }

  function showDeliveries(deliveries) {
    const open = new Set([...list.querySelectorAll("details[open]")].map((one) => one.dataset.line));
    const focused = document.activeElement?.closest?.("details")?.dataset.line;
    list.replaceChildren(...(deliveries.length === 0 ? [el("p", { class: "about" }, text.noneToYou)] : deliveries.map((delivery) => el(
      "section", { class: "card" },
      headOf(delivery),
      el("ol", { class: "timeline" }, delivery.attempts.map((line) => el(
        "li", { class: line.error_kind === null ? "good" : "bad" },
        el("details", { "data-line": String(line.id), open: open.has(String(line.id)) }, el("summary", {}, outcome(line), " ", attemptFacts(line)), el("div", { class: "inside" }, attemptDetails(line))),
      ))),
    ))));
    if (focused) list.querySelector(`[data-line="${focused}"] summary`)?.focus();
  }

  const parts = [facts, fault, go && el("h2", {}, text.content), go && content, el("h2", {}, text.yourDeliveries), list];
  return { poll, parts };
}

export function openEvent(id, { go }) {
  const { poll, parts } = eventHistory(id, text.eventGone, go);
  const element = el("div", { class: "events" }, link("", text.back), el("div", { class: "events-head" }, el("h1", {}, text.event(id)), poll.element), parts);
  return { title: text.event(id), element, start: () => poll.start(), close: () => poll.close() };
}
