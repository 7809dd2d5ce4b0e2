// The deliveries of a webhook as a timeline, the attempts of one delivery as one item, and one attempt in detail: its request and its
// response side by side.

import { bodyView } from "../common/body.js";
import { fromBase64, looksBinary } from "../common/bytes.js";
import { button, el, table, visible } from "../common/dom.js";
import { replaceChildren } from "../common/morph.js";
import { age, bytes, text as common, span, time } from "../common/text.js";
import { isSuccess, outcomeOf } from "./log.js";
import { text } from "./text.js";

const shownAtFirst = 100;

export class Attempts {
  /** @param handlers `retry(line)`, `loadOlder()` */
  constructor(log, handlers) {
    this.log = log;
    this.handlers = handlers;
    this.filter = "all";
    this.selected = null;
    this.limit = shownAtFirst;
    this.items = new Map();
    this.list = el("ol", { class: "deliveries", "aria-label": text.attempts, onkeydown: (event) => this.keyPressed(event) });
    this.note = el("p", { class: "about" });
    this.olderButton = button(text.older, () => this.older(), { hidden: true });
    this.filterChoice = el(
      "select", { onchange: () => this.choose(this.filterChoice.value) },
      Object.entries(text.filters).map(([value, label]) => el("option", { value }, label)),
    );
    this.detail = el("section", { class: "attempt", "aria-label": text.attempt(""), tabIndex: -1 }, el("p", { class: "empty" }, text.choose));
    this.element = el(
      "section", { class: "timeline", "aria-label": text.attempts },
      el(
        "div", { class: "timeline-list" },
        el("div", { class: "timeline-head" }, el("h2", {}, text.attempts), el("label", { class: "inline" }, text.filter, " ", this.filterChoice)),
        this.list, this.note, this.olderButton,
      ),
      this.detail,
    );
  }

  choose(filter) {
    this.filter = filter;
    this.limit = shownAtFirst;
    this.show();
  }

  older() {
    this.limit += shownAtFirst;
    if (this.deliveries.length > this.limit - shownAtFirst) this.show();
    else this.handlers.loadOlder();
  }

  /** Shows the log's lines. */
  show() {
    const fits = { all: () => true, success: (one) => outcomeOf(one) === "delivered", failure: (one) => outcomeOf(one) !== "delivered" }[this.filter];
    this.deliveries = this.log.deliveries().filter(fits);
    const shown = this.deliveries.slice(0, this.limit);
    const focused = this.list.contains(document.activeElement) ? document.activeElement.id : null;
    const items = new Map();
    for (const delivery of shown) {
      const key = delivery.attempts.map((line) => line.log_id).join(" ");
      items.set(key, this.items.get(key) ?? this.makeItem(delivery));
    }
    this.items = items;
    replaceChildren(this.list, [...items.values()].map((item) => item.element));
    if (focused) document.getElementById(focused)?.focus();
    this.showSelection();
    const hasMore = this.deliveries.length > shown.length || this.log.before !== null;
    this.olderButton.hidden = !hasMore;
    this.note.textContent = this.log.lines.length === 0 ? text.noAttempts : hasMore ? "" : text.noOlder;
    this.update();
  }

  /** Shows how long ago things were. */
  update() {
    for (const item of this.items.values()) item.update();
  }

  makeItem(delivery) {
    const { attempts } = delivery;
    const [first, last] = [attempts[0], attempts.at(-1)];
    const outcome = outcomeOf(delivery);
    const when = el("time", { title: last.triggered_at });
    const next = el("span", { class: "about" });
    const chips = attempts.map((line) => this.makeChip(line, first));
    const trigger = text.trigger[last.trigger];
    const element = el(
      "li", { class: `delivery is-${outcome}` },
      el(
        "div", { class: "delivery-head" },
        el("span", { class: `badge ${{ delivered: "good", waiting: "warn", skipped: "plain" }[outcome] ?? "bad"}` }, text.outcome[outcome]),
        el("strong", {}, visible(last.event)), trigger && el("span", { class: "badge plain" }, trigger),
        el("span", { class: "event-id" }, visible(last.event_id)), when,
      ),
      el("div", { class: "chips" }, chips, next),
    );
    const update = () => {
      const shown = age(Date.now() - Date.parse(last.triggered_at));
      if (when.textContent !== shown) when.textContent = shown;
      if (outcome !== "waiting" || last.next_retry_at === null) return;
      const left = Date.parse(last.next_retry_at) - Date.now();
      const due = text.nextAt(left > 0 ? text.in(span(left)) : this.isPaused ? text.afterPause : text.due);
      if (next.textContent !== due) next.textContent = due;
    };
    return { element, update };
  }

  makeChip(line, first) {
    const at = Date.parse(line.triggered_at) - Date.parse(first.triggered_at);
    const result = resultOf(line);
    const took = text.milliseconds(line.duration_ms);
    return el(
      "button",
      {
        type: "button", id: `line-${line.log_id}`, class: `chip${isSuccess(line) ? "" : " not-ok"}`,
        "aria-label": text.attemptLabel(line.attempt, result, took, time(line.triggered_at)), onclick: () => this.select(line),
      },
      line.attempt > 0 && el("span", { class: "number" }, `#${line.attempt}`), el("span", { class: "result" }, visible(result)),
      line.attempt > 0 && el("span", { class: "soft" }, at >= 1000 ? `+${span(at)}, ${took}` : took),
    );
  }

  keyPressed(event) {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const chips = [...this.list.querySelectorAll(".chip")];
    const next = chips[chips.indexOf(document.activeElement) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }

  select(line) {
    this.selected = line.log_id;
    this.detail.replaceChildren(...this.makeDetail(line));
    this.detail.setAttribute("aria-label", `${text.attempt(line.attempt)}, ${line.event}`);
    this.detail.scrollTop = 0;
    document.body.classList.add("shows-attempt");
    this.showSelection();
    if (matchMedia("(max-width: 720px)").matches) this.detail.focus();
  }

  showSelection() {
    for (const chip of this.list.querySelectorAll(".chip")) {
      if (chip.id === `line-${this.selected}`) chip.setAttribute("aria-current", "true");
      else chip.removeAttribute("aria-current");
    }
  }

  back() {
    document.body.classList.remove("shows-attempt");
    document.getElementById(`line-${this.selected}`)?.focus();
  }

  // One attempt

  makeDetail(line) {
    const { fact } = text;
    const next = line.next_retry_at !== null ? time(line.next_retry_at) : line.final ? (isSuccess(line) ? text.finalSuccess : text.finalFailure) : text.noNext;
    const facts = [
      [fact.event, `${line.event} ${line.event_id}`], [fact.trigger, text.triggerName[line.trigger] ?? line.trigger],
      [fact.at, `${time(line.triggered_at)} (${line.triggered_at})`], [fact.duration, text.milliseconds(line.duration_ms)],
      line.error && [fact.error, `${line.error_kind}: ${line.error}`], [fact.next, next],
    ].filter(Boolean);
    return [
      button(text.back, () => this.back(), { class: "back" }),
      el(
        "div", { class: "attempt-head" },
        el("h2", {}, line.attempt > 0 ? text.attempt(line.attempt) : text.notSent, ": ", el("span", { class: isSuccess(line) ? "ok" : "not-ok" }, visible(resultOf(line)))),
        button(text.retry, () => this.handlers.retry(line), { title: text.retryTitle, id: "retry" }),
      ),
      el("dl", { class: "facts-list" }, facts.map(([name, value]) => [el("dt", {}, name), el("dd", {}, visible(value))])),
      el("div", { class: "sides" }, this.makeRequest(line), this.makeResponse(line)),
    ];
  }

  makeRequest(line) {
    const side = (...content) => el("section", { "aria-label": text.request }, el("h3", {}, text.request), content);
    if (line.attempt === 0) return side(el("p", { class: "empty" }, text.noRequest));
    const body = line.request_body;
    return side(
      el("p", { class: "request-line" }, el("span", { class: "method" }, line.method.toUpperCase()), " ", visible(line.url)),
      headers(line.request_headers),
      body === null ? el("p", { class: "about" }, text.bodyGone) : bodyOf(text.request, body, null),
    );
  }

  makeResponse(line) {
    const side = (...content) => el("section", { "aria-label": text.response }, el("h3", {}, text.response), content);
    if (line.status_code === null) return side(el("p", { class: "empty" }, text.noResponse), line.error && el("p", { class: "notice bad" }, visible(line.error)));
    return side(
      el("p", { class: "request-line" }, el("span", { class: isSuccess(line) ? "ok" : "not-ok" }, text.statusLine(line.status_code))),
      headers(line.response_headers),
      line.response_truncated && el("p", { class: "notice plain" }, text.truncated),
      bodyOf(text.response, line.response_body ?? "", line.response_body_base64),
    );
  }
}

/** The status of the answer, or why there is none. */
function resultOf(line) {
  if (line.attempt === 0) return `${text.notSent}: ${text.noAnswer(line.error_kind ?? "")}`;
  return line.status_code === null ? text.noAnswer(line.error_kind ?? text.failed) : String(line.status_code);
}

function headers(fields) {
  const rows = Object.entries(fields ?? {}).map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, visible(name)), el("td", {}, visible(String(value)))));
  return rows.length > 0 ? table([text.headerName, text.headerValue], rows) : null;
}

/** @param base64 the bytes, if they are not those of the text */
function bodyOf(label, string, base64) {
  if (string === "" && !base64) return el("p", { class: "about" }, text.noBody);
  const array = () => (base64 ? fromBase64(base64) : new TextEncoder().encode(string));
  const isBinary = Boolean(base64) && looksBinary(string);
  const notes = base64 ? [el("p", { class: "about" }, text.notText)] : [];
  return bodyView(label, { string, array, isBinary, about: text.about(bytes(array().length), isBinary ? common.binary : common.utf8), notes });
}
