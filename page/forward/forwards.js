// The forwards of an endpoint: those that wait, that failed and that are over; and the addresses that each request is forwarded to.

import { endpoint } from "../common/api.js";
import { button, dialog, el, once, tell, visible, wideTable } from "../common/dom.js";
import { attempt } from "../common/failures.js";
import { morphChildren } from "../common/morph.js";
import { Poller } from "../common/poller.js";
import { time } from "../common/text.js";
import { result } from "./forward.js";
import { text } from "./text.js";

const seconds = 2;
const pageSize = 100;
// Where a state is searched.
const searchSize = 500;
const kinds = { pending: "plain", delivered: "good", failed: "bad" };

/**
 * @param rowOf returns the row of a notification, if the list has it
 * @param changed called after the settings were changed
 */
export function forwards(id, rowOf, changed) {
  let wanted = pageSize;
  let found = [];
  let settings;
  const standing = el("div", {});
  const summary = el("p", { class: "about", role: "status" });
  const list = el("div", { class: "forwards" });
  const choice = el("select", { onchange: () => show() }, Object.entries(text.filters).map(([value, label]) => el("option", { value }, label)));
  const older = button(text.older, () => {
    wanted = found.length + (choice.value === "" ? pageSize : searchSize);
    poller.now();
  }, { hidden: true });
  const poller = new Poller(load, seconds, (failure) => {
    summary.textContent = failure.status === 403 ? text.off : failure.message;
  });

  async function load(signal) {
    settings = await endpoint.settings(id, signal);
    const all = [];
    let page;
    do {
      page = await endpoint.forwards(id, { limit: pageSize, ...(all.length > 0 && { before: all.at(-1).id }) }, signal);
      all.push(...page.forwards);
    } while (page.forwards.length > 0 && all.length < wanted);
    found = all;
    older.hidden = page.forwards.length === 0 || all.at(-1).id === 1;
    const { pending, missed } = page.backlog;
    const shown = text.backlog(pending, missed);
    if (summary.textContent !== shown) summary.textContent = shown;
    show();
  }

  function show() {
    if (!settings) return;
    const stop = (url) => el("li", {}, el("code", {}, visible(url)), el("button", { type: "button", "data-stop": url, "aria-label": `${text.stop}: ${url}` }, text.stop));
    morphChildren(standing, settings.forwards.length === 0 ? [] : [el("h3", {}, text.standing), el("ul", { class: "plain-list" }, settings.forwards.map(stop))]);
    const fitting = found.filter((one) => choice.value === "" || one.state === choice.value);
    const heads = [text.request, text.address, text.state, text.result, text.attempts, text.time, text.again];
    older.textContent = choice.value === "" ? text.older : text.olderNotSearched;
    const none = older.hidden ? text.none : text.noneSearched(found.length);
    morphChildren(list, fitting.length === 0 ? [el("p", { class: "empty" }, none)] : [wideTable(text.forwards, heads, fitting.map(rowFor))]);
  }

  function rowFor(one) {
    const row = rowOf(one.notification);
    return el(
      "tr", { "data-key": String(one.id) },
      el("th", { scope: "row" }, `#${one.notification} `, row && visible(`${row.notification.method} ${row.target.slice(0, 100)}`)),
      el("td", {}, visible(one.url), one.standing && [" ", el("span", { class: "badge plain", title: text.standing }, text.isStanding)]),
      el("td", {}, el("span", { class: `badge ${kinds[one.state]}` }, text.filters[one.state])),
      el("td", {}, one.state === "pending" && one.reason && el("span", { class: "bad" }, visible(one.reason)), el("div", {}, result(one))),
      el("td", { class: "number" }, String(one.attempts)),
      el("td", {}, el("time", { title: one.at ?? one.created }, time(one.at ?? one.created))),
      el("td", {}, one.state !== "pending" && el("button", { type: "button", "data-again": String(one.id), "aria-label": `${text.again}: #${one.notification}, ${one.url}` }, text.againShort)),
    );
  }

  /** The buttons of the table are made anew, so that they have no listeners of their own. */
  async function pressed({ target }) {
    const { again, stop } = target.closest("button")?.dataset ?? {};
    if (again) {
      const { notification, url } = found.find((one) => String(one.id) === again);
      await endpoint.forward(id, [notification], [url]);
    } else if (stop) {
      const { enabled, forwards } = await endpoint.settings(id);
      const rest = forwards.filter((url) => url !== stop);
      await endpoint.change(id, { enabled, forwards: rest.length > 0 ? rest : null });
      tell(text.stopped(stop));
      changed();
    }
    poller.now();
  }

  const box = dialog(
    text.forwards,
    el("div", { class: "view-head" }, poller.element, el("label", { class: "inline" }, text.show, " ", choice)), summary,
    el("div", { onclick: once((event) => attempt(() => pressed(event)), ({ target }) => target.closest("button")) }, standing, list), older,
    el("div", { class: "buttons" }, button(text.close, () => box.close())),
  );
  box.classList.add("wide");
  box.addEventListener("close", () => poller.close());
  poller.start();
}
