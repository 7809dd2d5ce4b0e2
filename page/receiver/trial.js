// What a sender would hear: the service says it for a request and for settings that need not be in force.

import { endpoint } from "../common/api.js";
import { button, el, field, group, tell, visible } from "../common/dom.js";
import { FieldFault } from "../common/failures.js";
import { headerFields } from "../common/text.js";
import { verdict } from "../endpoint/verdict.js";
import { text } from "./text.js";

const pauseMilliseconds = 250;
const shownLength = 20000;

export class Trial {
  /**
   * @param chosen a notification that can be taken as the request, if any
   * @param changes returns the settings that differ from those in force, or throws
   * @param others returns `{enabled, subpaths}`
   * @param explained returns the text of a failure
   */
  constructor(id, chosen, changes, others, explained) {
    this.explained = explained;
    this.others = others;
    this.id = id;
    this.chosen = chosen;
    this.changes = changes;
    this.abort = new AbortController();
    const input = (properties) => el("input", { autocomplete: "off", spellcheck: false, ...properties });
    this.source = el(
      "select", {},
      chosen ? el("option", { value: "chosen" }, text.tryChosen(chosen.id)) : null, el("option", { value: "own" }, text.tryOwn),
    );
    this.method = el("select", {}, ["POST", "GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].map((name) => el("option", {}, name)));
    this.path = input({ placeholder: "/orders?a=1" });
    this.headers = el("textarea", { rows: 2, spellcheck: false, value: "Content-Type: application/json" });
    this.body = el("textarea", { rows: 3, spellcheck: false, value: '{"hello": "world"}' });
    this.own = el(
      "div", {},
      el("div", { class: "row-of-fields" }, field(text.tryPath, this.path), field(text.tryMethod, this.method)),
      field(text.tryHeaders, this.headers), field(text.tryBody, this.body), button(text.trySend, () => this.send(), { id: "try-send" }),
    );
    this.output = el("div", { id: "preview", "aria-live": "polite" });
    this.element = group(
      text.tryTitle, el("p", { class: "about" }, text.tryHint), chosen ? field(text.tryRequest, this.source) : null, this.own, this.output,
    );
  }

  close() {
    clearTimeout(this.timer);
    this.abort.abort();
  }

  /** Shows the answer soon. */
  update() {
    this.own.hidden = this.chosen !== undefined && this.source.value === "chosen";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.show(), pauseMilliseconds);
  }

  /** The request as it is written in the fields. */
  get request() {
    if (this.own.hidden) return this.chosen;
    const [, path, query] = /^([^?]*)(?:\?(.*))?$/s.exec(this.path.value);
    return {
      method: this.method.value, path: path === "" || path.startsWith("/") ? path : `/${path}`, query: query ?? null,
      headers: readHeaders(this.headers).map(([name, value]) => ({ name, value })), body: this.body.value,
    };
  }

  async show() {
    this.abort.abort();
    this.abort = new AbortController();
    const { signal } = this.abort;
    try {
      const { responses, recipes, verify } = this.changes();
      const answer = await endpoint.preview(this.id, { responses, recipes, verify, request: this.request }, signal);
      if (!signal.aborted) this.output.replaceChildren(...this.checks(), ...described(answer));
    } catch (failure) {
      if (signal.aborted) return;
      this.output.replaceChildren(el("p", { class: "notice bad" }, visible(this.explained(failure))));
    }
  }

  /** What senders hear instead, as the service looks at rules last. */
  checks() {
    const { enabled, subpaths } = this.others();
    const hasPath = !["", "/"].includes(this.request.path);
    const warning = !enabled ? text.tryDisabled : hasPath && !subpaths ? text.tryNoSubpaths : null;
    return warning ? [el("p", { class: "notice warn" }, warning)] : [];
  }

  /** Sends the request from this page. The endpoint keeps it like any other. */
  async send() {
    const start = performance.now();
    try {
      const { method, path, query, headers, body } = this.request;
      const response = await fetch(endpoint.url(this.id) + path + (query === null ? "" : `?${query}`), {
        method,
        redirect: "manual",
        cache: "no-store",
        headers: headers.map(({ name, value }) => [name, value]),
        body: ["GET", "HEAD"].includes(method) || body === "" ? undefined : body,
      });
      await response.arrayBuffer();
      const status = response.type === "opaqueredirect" ? text.tryRedirect : response.status;
      tell(text.trySent(status, Math.round(performance.now() - start)));
    } catch (failure) {
      tell(this.explained(failure), true);
    }
  }
}

/** The header fields that are written in a field, each on a line. */
export const readHeaders = (input) => headerFields(input.value, (line) => new FieldFault(text.headerFault(line), input));

function described(answer) {
  const by = answer.answeredBy === null ? text.tryNobody : text.tryAnswerer(answer.answeredBy);
  const fields = answer.headers.map(({ name, value }) => `${name}: ${value}`);
  const lines = [...fields, ...(answer.body === "" ? [] : ["", answer.body.slice(0, shownLength)])];
  return [
    el("p", {}, el("strong", { class: answer.status < 300 ? "" : "not-ok" }, text.tryResult(answer.status, answer.delay_ms)), " ", by),
    answer.refused ? el("p", { class: "notice bad" }, text.tryRefused) : null,
    answer.verification ? verdict(answer.verification) : null,
    lines.length > 0 ? el("pre", { class: "code" }, visible(lines.join("\n"))) : null,
  ].filter(Boolean);
}
