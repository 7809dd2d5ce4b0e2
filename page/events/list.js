// The subscriptions of the user, oldest first, as the API lists them.

import { button, el, fault as problem, fieldForm, visible } from "../common/dom.js";
import { Poller } from "../common/poller.js";
import { events } from "./api.js";
import { attemptFacts, link, nameOf, outcome, refused, stateOf, troubles } from "./parts.js";
import { text } from "./text.js";

const pageSize = 50;
const interval = 10;

export function openList({ go, create }) {
  const cards = new Map();
  let shown = pageSize;
  const list = el("ul", { class: "subscriptions" });
  const count = el("p", { class: "about", role: "status" });
  const more = button(text.more, () => {
    shown += pageSize;
    poll.now();
  }, { hidden: true });
  const fault = el("div", {});
  const poll = new Poller(load, interval, (error) => refused(error, poll, fault));

  async function load(signal) {
    const found = [];
    let hasMore = true;
    while (hasMore && found.length < shown) {
      const page = await events.list({ limit: pageSize, ...(found.length > 0 && { after: found.at(-1).uuid }) }, signal);
      found.push(...page);
      hasMore = page.length === pageSize;
    }
    fault.replaceChildren();
    count.textContent = found.length === 0 ? text.none : text.count(found.length, hasMore);
    more.hidden = !hasMore;
    const ids = new Set(found.map((one) => one.uuid));
    for (const [id, card] of cards) {
      if (ids.has(id)) continue;
      card.element.remove();
      sight.unobserve(card.element);
      cards.delete(id);
    }
    for (const subscription of found) {
      const known = cards.get(subscription.uuid);
      if (known) known.update(subscription);
      else add(subscription);
    }
    await Promise.all([...cards.values()].filter((card) => card.isSeen).slice(0, 20).map((card) => card.look(signal)));
  }

  function add(subscription) {
    const card = new Card(subscription);
    cards.set(subscription.uuid, card);
    card.element.card = card;
    list.append(card.element);
    sight.observe(card.element);
  }

  // The last attempts are asked for only where they are seen.
  const sight = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      target.card.isSeen = isIntersecting;
      if (isIntersecting && !target.card.hasLooked) target.card.look(poll.abort.signal).catch(() => {});
    }
  });

  const find = el("input", { id: "find", autocomplete: "off", spellcheck: false, placeholder: text.findHint });
  const findFault = problem();
  const show = () => {
    const id = /[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}/i.exec(find.value)?.[0];
    if (id) go(`/event/${id}`);
    else findFault.show(text.notAnId);
  };
  const element = el(
    "div", { class: "events" },
    el("div", { class: "events-head" }, el("h1", {}, text.subscriptions), poll.element),
    el("p", { class: "about" }, text.about),
    el("p", { class: "actions" }, button(text.create, () => create(), { class: "primary" }), el("a", { class: "as-button", href: "inspect#/events/try", "data-view": "" }, text.testerTitle), " ", el("a", { class: "as-button", href: "inspect#/events/publish", "data-view": "" }, text.publishTitle)),
    fault, count, list, more,
    fieldForm(text.find, find, text.show, show, findFault.element),
  );
  return {
    title: text.title, element,
    start: () => poll.start(),
    close() {
      poll.close();
      sight.disconnect();
    },
  };
}

class Card {
  constructor(subscription) {
    this.id = subscription.uuid;
    this.head = el("h2", {});
    this.body = el("div", {});
    this.last = el("dl", { class: "last" });
    this.element = el("li", { class: "card", "data-id": this.id }, this.head, this.body, this.last);
    this.update(subscription);
    this.showLast(text.loading, text.loading);
  }

  update(subscription) {
    const state = JSON.stringify(subscription);
    if (state === this.shown) return;
    this.shown = state;
    const hasFocus = this.head.contains(document.activeElement);
    this.head.replaceChildren(link(`/${this.id}`, nameOf(subscription)), " ", stateOf(subscription));
    if (hasFocus) this.head.querySelector("a").focus();
    this.body.replaceChildren(
      el("p", {}, el("code", {}, visible(subscription.jsonpath)), " ", el("span", { class: "badge plain" }, text.dialects[subscription.dialect] ?? text.byRule)),
      el("p", { class: "about" }, text.to, " ", el("code", {}, visible(subscription.target_url))),
      ...troubles(subscription).filter(Boolean),
    );
  }

  /** Shows the newest line of the log, and the newest failure. */
  async look(signal) {
    this.hasLooked = true;
    try {
      const [newest, failed] = await Promise.all([{}, { status: "failure" }].map((query) => events.deliveries(this.id, { limit: 1, ...query }, signal)));
      this.showLast(...[newest[0], failed[0]].map((line) => (line ? [outcome(line), " ", attemptFacts(line), " ", line.error_kind && el("span", {}, visible((line.error ?? "").slice(0, 200)))] : text.noneInLog)));
    } catch (error) {
      this.hasLooked = false;
      throw error;
    }
  }

  showLast(newest, failed) {
    this.last.replaceChildren(el("dt", {}, text.lastMatch), el("dd", {}, newest), el("dt", {}, text.lastError), el("dd", {}, failed));
  }
}
