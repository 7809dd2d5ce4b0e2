// Publishes an event, and shows what was answered and what has become of it.

import { button, el, fault, field, form, submit, visible } from "../common/dom.js";
import { events } from "./api.js";
import { eventHistory } from "./event.js";
import { cloudEvent } from "./examples.js";
import { link, reason } from "./parts.js";
import { text } from "./text.js";

const shownLinks = 100;

/** What was typed last, for as long as the page is open. */
let typed = null;

/** The media type that a text is sent with; `null` if it is not an event. */
function typeOf(string) {
  try {
    const value = JSON.parse(string);
    if (Array.isArray(value)) return "application/cloudevents-batch+json";
    if (typeof value?.specversion === "string") return "application/cloudevents+json";
    return typeof value === "object" && value !== null ? "application/json" : null;
  } catch {
    return null;
  }
}

export function openPublisher() {
  const error = fault();
  const kind = el("p", { id: "kind", class: "about" });
  const outcome = el("div", { id: "published", role: "status" });
  const history = el("section", { "aria-label": text.yourDeliveries });
  const show = () => {
    typed = content.value;
    kind.textContent = text.kinds[typeOf(typed)] ?? text.notAnEvent;
  };
  const content = el("textarea", { id: "event", rows: 12, spellcheck: false, autocomplete: "off", value: typed ?? cloudEvent(), oninput: show, "aria-describedby": "kind" });
  let poll = null;

  async function publish() {
    error.show();
    poll?.close();
    outcome.replaceChildren();
    history.replaceChildren();
    try {
      // The service says what is wrong with what is not an event.
      const ids = await events.publish(content.value, typeOf(content.value) ?? "application/json");
      const links = ids.slice(0, shownLinks).map((id) => [" ", link(`/event/${id}`, id)]);
      outcome.replaceChildren(text.published(ids.length), ...links.flat(), ids.length > shownLinks ? ` ${text.moreIDs(ids.length - shownLinks)}` : "");
      if (ids.length === 1) follow(ids[0]);
    } catch (failure) {
      error.show(...visible(reason(failure)));
      // Other failures are not about what was typed.
      if ([400, 413].includes(failure.status)) error.mark([content]);
    }
  }

  function follow(id) {
    const found = eventHistory(id, text.publishGone);
    poll = found.poll;
    history.replaceChildren(poll.element, ...found.parts.filter(Boolean));
    poll.start();
  }

  const example = () => {
    content.value = cloudEvent();
    show();
  };
  const element = el(
    "div", { class: "events" },
    link("", text.back), el("h1", {}, text.publishTitle), el("p", { class: "about" }, text.publishHint),
    form(
      publish, { class: "card" }, field(text.publishField, content), kind, error.element,
      el("div", { class: "buttons" }, submit(text.publish, { class: "primary" }), button(text.newExample, example)),
    ),
    outcome, history,
  );
  show();
  return { title: text.publishTitle, element, start() {}, close: () => poll?.close() };
}
