// One webhook: its settings and statistics, charts of its log, and its deliveries.

import { go } from "../common/address.js";
import { announce, button, el, table, tell, visible } from "../common/dom.js";
import { attempt } from "../common/failures.js";
import { morphChildren } from "../common/morph.js";
import { Poller } from "../common/poller.js";
import { text as common, time } from "../common/text.js";
import { api } from "./api.js";
import { Attempts } from "./attempts.js";
import { Charts } from "./charts.js";
import { deleteDialog, editor, never, recoverDialog, testDialog } from "./forms.js";
import { Log } from "./log.js";
import { isDisabled, stateOf } from "./state.js";
import { text } from "./text.js";

const seconds = 2;

export class WebhookView {
  constructor(environment, id) {
    this.environment = environment;
    this.id = id;
    this.title = text.title;
    this.log = new Log(id);
    this.charts = new Charts();
    this.attempts = new Attempts(this.log, {
      retry: (line) => attempt(() => this.retry(line)),
      loadOlder: () => attempt(() => this.loadOlder()),
    });
    this.poller = new Poller((signal) => this.load(signal), seconds, (failure) => this.refused(failure));
    this.nameElement = el("bdi", {}, "…");
    this.stateElement = el("span", {});
    this.urlElement = el("p", { class: "url-line" });
    this.facts = el("div", { class: "figures" });
    this.settings = el("div", {});
    this.toggleButton = button(text.disable, () => attempt(() => this.toggle()), { id: "toggle" });
    const actions = [
      button(text.test, () => attempt(() => this.test()), { id: "test" }),
      button(text.recover, () => recoverDialog((body) => this.recover(body)), { id: "recover" }),
      button(text.edit, () => attempt(() => this.edit()), { id: "edit" }),
      this.toggleButton,
      button(text.delete, () => deleteDialog(this.webhook, () => this.remove()), { id: "delete" }),
    ];
    this.actions = el("div", { class: "actions" }, actions);
    for (const one of actions) one.disabled = true;
    this.body = el(
      "div", {},
      this.urlElement, this.actions, this.facts,
      el("details", { class: "settings" }, el("summary", { class: "plain" }, text.settings), this.settings),
      this.charts.element, this.attempts.element,
    );
    this.element = el(
      "div", { class: "view one-webhook" },
      el(
        "div", { class: "view-title" },
        el("h1", {}, el("a", { href: `inspect#/webhooks/${environment}`, title: text.webhooksOf(environment), "data-view": "" }, text.webhooksOf(`${environment.slice(0, 8)}…`)), " / ", this.nameElement, " ", this.stateElement),
        el("div", { class: "view-head" }, this.poller.element),
      ),
      this.body,
    );
  }

  start() {
    this.poller.start();
  }

  close() {
    this.poller.close();
  }

  refused(failure) {
    tell(failure.message, true);
    for (const one of this.actions.children) one.disabled = true;
    if (!this.webhook) this.body.replaceChildren(el("p", { class: "notice bad", role: "alert" }, visible(failure.message)));
    else this.stateElement.replaceChildren(el("span", { class: "badge bad" }, text.noWebhook));
  }

  async load(signal) {
    const webhook = await api.get(this.id, signal);
    const statistics = await api.statistics(this.id, signal);
    this.show(webhook, statistics);
    // A disabled webhook gets lines without attempts.
    if (!this.log.isLoaded || (webhook.last_triggered?.log_id ?? 0) > this.log.newest || isDisabled(webhook)) await this.loadNew(signal);
    this.attempts.update();
  }

  async loadNew(signal) {
    const isFirst = !this.log.isLoaded;
    const count = await this.log.loadNew(signal);
    if (count === null) tell(text.gap);
    if (!isFirst && count > 0) announce(text.announce(count));
    if (isFirst || count !== 0) this.showLog();
  }

  async loadOlder() {
    await this.log.loadOlder();
    this.showLog();
  }

  showLog() {
    this.charts.show(this.log.lines);
    this.attempts.show();
  }

  show(webhook, statistics) {
    if (this.webhook === undefined) for (const one of this.actions.children) one.disabled = false;
    this.webhook = webhook;
    morphChildren(this.nameElement, visible(webhook.name));
    morphChildren(this.stateElement, [stateOf(webhook)]);
    morphChildren(this.urlElement, [el("span", { class: "method" }, webhook.method.toUpperCase()), " ", ...visible(webhook.url)]);
    const label = isDisabled(webhook) ? text.enable : text.disable;
    if (this.toggleButton.textContent !== label) this.toggleButton.textContent = label;
    this.showStatistics(statistics);
    this.showSettings(webhook);
  }

  showStatistics(found) {
    this.attempts.isPaused = found.circuit === "open";
    const { statistic } = text;
    const circuit = [text.circuit[found.circuit], found.circuit_probe_at && ` (${text.probeAt(time(found.circuit_probe_at))})`].filter(Boolean).join("");
    const items = [
      [statistic.pending, found.pending.toLocaleString("en")], [statistic.delivered, found.delivered.toLocaleString("en")],
      [statistic.failed_attempts, found.failed_attempts.toLocaleString("en"), found.failed_attempts > 0], [statistic.given_up, found.given_up.toLocaleString("en"), found.given_up > 0],
      [statistic.consecutive_failures, found.consecutive_failures.toLocaleString("en") + (found.failing_since ? ` ${text.failingSince(time(found.failing_since))}` : ""), found.consecutive_failures > 0],
      [statistic.circuit, circuit, found.circuit !== "closed"],
    ];
    const list = el("dl", { "aria-label": text.statistics }, items.map(([name, value, isBad]) => el("div", {}, el("dt", {}, name), el("dd", { class: isBad ? "not-ok" : "" }, value))));
    morphChildren(this.facts, [list]);
  }

  showSettings(webhook) {
    const { setting } = text;
    const shown = {
      id: webhook.webhook_id, description: webhook.description, events: webhook.events.join(", "), method: webhook.method.toUpperCase(),
      retry_policy: [webhook.retry_policy].flat().join(", "), rate_limit: webhook.rate_limit?.toString(), ordered: webhook.ordered ? text.yes : text.no,
      custom_headers: Object.keys(webhook.custom_headers ?? {}).map((name) => `${name}: ***`).join("\n") || undefined, secret: webhook.secret,
      disabled_reason: webhook.disabled_reason, created_at: time(webhook.created_at), updated_at: time(webhook.updated_at),
    };
    const rows = Object.entries(shown)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, setting[name]), el("td", {}, el("pre", {}, visible(value)))));
    morphChildren(this.settings, [table([text.name, common.value], rows)]);
  }

  // Actions

  async change(body) {
    const webhook = await api.change(this.id, body);
    this.poller.now();
    return webhook;
  }

  async edit() {
    const types = await api.eventTypes();
    editor(this.webhook, types, async (body) => {
      const webhook = await this.change(body);
      tell(text.saved);
      return webhook;
    });
  }

  async toggle() {
    const enable = isDisabled(this.webhook);
    await this.change({ disabled_until: enable ? null : never });
    tell(enable ? text.enabledNow : text.disabledNow);
  }

  async test() {
    const types = await api.eventTypes();
    testDialog(this.webhook, types, async (event) => {
      await api.test(this.id, event);
      tell(text.tested(event));
      this.poller.now();
    });
  }

  async recover(body) {
    const found = await api.recover(this.id, body);
    this.poller.now();
    return found;
  }

  async retry(line) {
    await api.retry(this.id, line.log_id);
    tell(text.retried);
    this.poller.now();
  }

  async remove() {
    await api.remove(this.id);
    tell(text.deleted);
    go(`inspect#/webhooks/${this.environment}`);
  }
}
