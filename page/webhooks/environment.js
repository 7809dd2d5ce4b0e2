// The webhooks of an environment, and the key that signs their calls.

import { button, copy, dialog, el, tell, visible, wideTable } from "../common/dom.js";
import { attempt } from "../common/failures.js";
import { morphChildren } from "../common/morph.js";
import { Poller } from "../common/poller.js";
import { text as common, time } from "../common/text.js";
import { api } from "./api.js";
import { editor } from "./forms.js";
import { ago, stateOf } from "./state.js";
import { text } from "./text.js";

const seconds = 5;
// So many statistics are asked for at a time.
const askedAtOnce = 4;

export class EnvironmentView {
  constructor(id) {
    this.id = id;
    this.title = text.title;
    // By the id of the webhook: the statistics, and the last attempt that they are of.
    this.statistics = new Map();
    this.poller = new Poller((signal) => this.load(signal), seconds, (failure) => this.refused(failure));
    this.list = el("div", {});
    this.keys = el("div", {});
    this.content = el(
      "div", {},
      el("div", { class: "actions" }, button(text.newWebhook, () => attempt(() => this.create()), { class: "primary", id: "new-webhook" }), button(text.copyID, () => copy(this.id, common.copied, common))),
      this.list,
      el("h2", {}, text.key), el("p", { class: "about" }, text.keyHint), this.keys,
      el("div", { class: "actions" }, button(text.copyKey, () => this.key && copy(this.key.key, common.copied, common)), button(text.rotate, () => this.rotate(), { id: "rotate" })),
    );
    this.element = el(
      "div", { class: "view" },
      el(
        "div", { class: "view-title" },
        el("h1", {}, el("a", { href: "inspect#/webhooks", title: text.environmentsTitle, "data-view": "" }, text.environments), " / ", el("span", { class: "uuid" }, id)),
        el("div", { class: "view-head" }, this.poller.element),
      ),
      this.content,
    );
  }

  start() {
    this.poller.start();
  }

  close() {
    this.poller.close();
  }

  refused(failure) {
    this.content.replaceChildren(el("p", { class: "notice bad", role: "alert" }, visible(failure.message)));
  }

  async load(signal) {
    const webhooks = await api.list(this.id, signal);
    this.showKeys(await api.keys(this.id, signal));
    this.showList(webhooks);
    const stale = webhooks.filter((webhook) => this.statistics.get(webhook.webhook_id)?.mark !== markOf(webhook));
    while (stale.length > 0) {
      await Promise.all(
        stale.splice(0, askedAtOnce).map(async (webhook) => {
          const found = await api.statistics(webhook.webhook_id, signal).catch((failure) => {
            // It was deleted meanwhile.
            if (failure.status !== 404) throw failure;
          });
          if (!found) return;
          // What is pending changes without an attempt.
          this.statistics.set(webhook.webhook_id, { ...found, mark: found.pending > 0 ? null : markOf(webhook) });
        }),
      );
      this.showList(webhooks);
    }
  }

  showList(webhooks) {
    morphChildren(this.list, [webhooks.length === 0 ? el("p", { class: "notice plain" }, text.noWebhooks) : this.table(webhooks)]);
  }

  table(webhooks) {
    const rows = webhooks.map((webhook) => {
      const { last_triggered: triggered, last_errored: errored } = webhook;
      const found = this.statistics.get(webhook.webhook_id);
      const number = (name) => el("td", { class: "number" }, found ? found[name].toLocaleString("en") : "…");
      return el(
        "tr", { "data-key": webhook.webhook_id },
        el(
          "th", { scope: "row" },
          el("a", { href: `inspect#/webhooks/${this.id}/${webhook.webhook_id}`, "data-view": "" }, el("bdi", {}, visible(shortened(webhook.name)))),
          el("div", { class: "about url-line" }, visible(shortened(webhook.url))),
        ),
        el("td", {}, webhook.events.map((name) => el("div", { class: "event" }, visible(name)))),
        el("td", {}, stateOf(webhook), found?.circuit === "open" && [" ", el("span", { class: "badge warn" }, text.paused)]),
        // The last failure has the kind of its error, the last attempt has not.
        el("td", {}, triggered ? [ago(triggered.triggered_at), " ", outcome(triggered.log_id === errored?.log_id ? errored : triggered)] : text.never),
        el("td", {}, errored ? [ago(errored.triggered_at), " ", outcome(errored)] : text.never),
        number("delivered"), number("failed_attempts"), number("given_up"), number("pending"),
      );
    });
    const heads = [text.name, text.events, text.state, text.triggered, text.errored, text.counts, text.failures, text.givenUp, text.pending];
    return wideTable(text.webhooks, heads, rows);
  }

  // Keys

  showKeys(key) {
    this.key = key;
    const rows = ["next", "current", "previous"]
      .map((role) => [role, role === "current" ? key : key[role]])
      .filter(([, one]) => one !== null)
      .map(([role, one]) =>
        el(
          "tr", {}, el("th", { scope: "row" }, text.roles[role]), el("td", { class: "uuid" }, one.key_id), el("td", {}, one.algorithm),
          el("td", {}, time(one.created_at)), el("td", {}, time(one.signs_from)),
        ),
      );
    morphChildren(this.keys, [wideTable(text.key, [text.keyRole, text.keyID, text.algorithm, text.created, text.signsFrom], rows)]);
  }

  rotate() {
    const box = dialog(
      text.rotateTitle, text.rotateText.map((line) => el("p", {}, line)),
      el(
        "div", { class: "buttons" },
        button(text.rotateButton, () => {
          box.close();
          attempt(async () => {
            const before = this.key?.next?.key_id;
            const key = await api.rotate(this.id);
            this.showKeys(key);
            // Without an overlap, the new key signs at once.
            const from = time((key.next ?? key).signs_from);
            tell(before !== undefined && before === key.next?.key_id ? text.alreadyRotating(from) : text.rotated(from));
          });
        }, { class: "primary" }),
        button(common.cancel, () => box.close()),
      ),
    );
  }

  async create() {
    const types = await api.eventTypes();
    editor(null, types, async (body) => {
      const webhook = await api.create(this.id, body);
      tell(text.created_);
      this.poller.now();
      return webhook;
    });
  }
}

const shortened = (string) => (string.length > 100 ? `${string.slice(0, 100)}…` : string);

const markOf = (webhook) => `${webhook.last_triggered?.log_id ?? 0} ${webhook.updated_at}`;

const outcome = ({ status_code: status, error_kind: kind }) =>
  el("span", { class: status !== null && status >= 200 && status < 300 ? "status" : "status not-ok" }, status === null ? text.noAnswer(kind ?? text.failed) : String(status));
