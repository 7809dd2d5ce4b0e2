// Has the service send captured requests on to other addresses, and shows the result of each.

import { endpoint } from "../common/api.js";
import { button, dialog, el, fault, field, form, submit, visible } from "../common/dom.js";
import { labelled, lineOf, reason } from "../common/failures.js";
import { setting } from "../common/recent.js";
import { time } from "../common/text.js";
import { linesOf } from "./standing.js";
import { text } from "./text.js";

/** The most requests of one call. */
const limit = 100;
const pollMilliseconds = 500;
const pageSize = 1000;

/** The dialog for some requests; `rows` are those of the list. */
export function forward(id, settings, rows) {
  const captured = rows.filter((row) => !row.isRefused && !row.isCollected);
  const sent = captured.slice(0, limit);
  const close = () => box.close();
  if (!settings.forwarding || sent.length === 0) {
    const box = dialog(
      text.title, el("p", {}, settings.forwarding ? text.nothing : text.off), el("div", { class: "buttons" }, button(text.close, () => box.close())),
    );
    return;
  }
  const addresses = el("textarea", { rows: 4, spellcheck: false, value: setting("forward-to") ?? "", required: true });
  const error = fault();
  const results = new Results(id, new Map(rows.map((row) => [row.id, row])));
  const sendButton = submit(text.send, { class: "primary" });
  const send = async () => {
    error.show();
    const urls = linesOf(addresses.value);
    try {
      if (urls.length === 0) throw Object.assign(new Error(text.noAddress), { status: 400 });
      // In the order in which they arrived.
      const numbers = sent.map((row) => row.id).sort((a, b) => a - b);
      const begun = await endpoint.forward(id, numbers, urls);
      if (box.open) results.show(begun);
      setting("forward-to", addresses.value);
      sendButton.textContent = text.again;
    } catch (failure) {
      const line = (index) => index !== undefined && text.line(lineOf(addresses.value, urls[index]));
      error.show(labelled(reason(failure), { urls: (index) => line(index) || text.addressesOnly, notifications: text.request }));
    }
  };
  const box = dialog(
    text.title,
    form(
      send, { noValidate: true },
      sent.length === 1 && el("p", { class: "forwarded" }, visible(text.one(sent[0].notification.method, sent[0].target.slice(0, 200)))),
      el("p", {}, text.what(sent.length, rows.length - sent.length)),
      field(text.addresses, addresses), el("p", { class: "about" }, text.addressHint), error.element,
      el("div", { class: "buttons" }, sendButton, button(text.close, close)),
    ),
    results.element,
  );
  box.classList.add("wide");
  box.addEventListener("close", () => results.stop());
}

/** The forwards that were begun last, with their results as they come. */
class Results {
  constructor(id, rows) {
    this.id = id;
    this.rows = rows;
    this.summary = el("p", { role: "status" });
    this.body = el("tbody");
    const heads = [text.request, text.address, text.result].map((head) => el("th", { scope: "col" }, head));
    this.element = el(
      "section", { hidden: true, class: "forwards" }, el("h3", {}, text.results), this.summary,
      el("div", { class: "table", tabIndex: 0, role: "region", "aria-label": text.results }, el("table", {}, el("thead", {}, el("tr", {}, heads)), this.body)),
    );
  }

  show(forwards) {
    this.stop();
    this.element.hidden = false;
    this.forwards = new Map(forwards.map((one) => [one.id, one]));
    this.cells = new Map(forwards.map((one) => [one.id, el("td")]));
    this.body.replaceChildren(
      ...forwards.map((one) => {
        const { method } = this.rows.get(one.notification)?.notification ?? {};
        return el("tr", {}, el("th", { scope: "row" }, `#${one.notification} ${method ?? ""}`), el("td", {}, visible(one.url)), this.cells.get(one.id));
      }),
    );
    this.update();
    this.abort = new AbortController();
    this.poll(this.abort.signal);
  }

  stop() {
    this.abort?.abort();
  }

  /** Looks until all are over, or no look can change anything. */
  async poll(signal) {
    const pending = () => [...this.forwards.values()].filter((one) => one.state === "pending").map((one) => one.id);
    for (let pause = pollMilliseconds / 5; pending().length > 0; pause = pollMilliseconds) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      if (signal.aborted) return;
      if (document.hidden) continue;
      try {
        await this.look(pending(), signal);
        this.update();
      } catch (failure) {
        if (signal.aborted) return;
        this.summary.textContent = reason(failure);
        if (failure.status < 500 && failure.status !== 429) return;
      }
    }
  }

  /** Reads what has become of forwards. An answer may end before the last of them. */
  async look(ids, signal) {
    const lowest = Math.min(...ids);
    for (let before = Math.max(...ids) + 1; before > lowest; ) {
      const { forwards: page } = await endpoint.forwards(this.id, { before, limit: pageSize }, signal);
      signal.throwIfAborted();
      const found = new Map(page.map((one) => [one.id, one]));
      const reached = page.at(-1)?.id ?? lowest;
      for (const id of ids) {
        if (found.has(id)) this.forwards.set(id, found.get(id));
        else if (id >= reached && id < before) this.forwards.set(id, { ...this.forwards.get(id), state: "unknown" });
      }
      before = reached;
    }
  }

  update() {
    const count = (state) => [...this.forwards.values()].filter((one) => one.state === state).length;
    const shown = text.summary(count("delivered"), count("failed"), count("pending"), count("unknown"));
    if (this.summary.textContent !== shown) this.summary.textContent = shown;
    for (const [id, one] of this.forwards) {
      const cell = this.cells.get(id);
      const shownState = JSON.stringify([one.state, one.attempts, one.at, one.nextAttempt]);
      if (cell.dataset.shown === shownState) continue;
      cell.dataset.shown = shownState;
      cell.replaceChildren(...result(one));
    }
  }
}

/** What has become of a forward. */
export function result(one) {
  const response = one.response ? [el("pre", { class: "code" }, visible(one.response))] : [];
  if (one.state === "delivered") return [el("span", { class: "good" }, text.delivered(one.status, one.milliseconds)), ...response];
  if (one.state === "failed") return [el("span", { class: "bad" }, visible(one.reason ?? "")), ...response];
  if (one.state === "unknown") return [text.notKept];
  return [one.attempts > 0 && one.nextAttempt ? text.next(time(one.nextAttempt)) : text.sending];
}
