// The overview for operators: what `metrics`, `health/ready` and `version` say, read every few seconds. Nothing else is asked, and
// nothing is stored.

import { Failure } from "../common/api.js";
import { el, visible } from "../common/dom.js";
import { Poller } from "../common/poller.js";
import { bytes, span, time } from "../common/text.js";
import { Chart } from "./chart.js";
import { Change, Metrics } from "./metrics.js";
import { text } from "./text.js";

const interval = 3;
const keptMilliseconds = 10 * 60000;
const versionMilliseconds = 30000;

/** The API of a route, by the first segment of its path. */
const apiOf = {
  webhook: "capture", manage: "capture", q: "queues", read: "queues", listen: "queues", unlisten: "queues", ack: "queues", queues: "queues", setPassword: "queues",
  reload: "queues", time: "queues", receive: "events", eventmatch: "events", events: "events", jsonpath: "events", environments: "webhooks", webhooks: "webhooks",
};

const routeOf = (api) => ({ route }) => (apiOf[/^\/([^/]+)/.exec(route ?? "")?.[1]] ?? "other") === api;

const count = (value) => (Math.abs(value) >= 100 || Number.isInteger(value) ? Math.round(value).toLocaleString("en") : value.toFixed(value < 1 ? 2 : 1));
const perSecond = (value) => text.perSecond(count(value));
const duration = (seconds) => (seconds < 0.0095 ? `${(seconds * 1000).toFixed(1)} ms` : seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`);

const percent = (share) => (share > 0 && share < 0.001 ? "< 0.1 %" : `${(share * 100).toFixed(1)} %`);

/** A place for a value, which says plainly if the process does not report it. */
class Cell {
  constructor(name, format = count) {
    Object.assign(this, { name, format });
    this.element = el("span", { class: "value" }, text.waitForRate);
  }

  /** @param value `undefined`: not reported; `null`: nothing to report */
  show(value, kind = "") {
    const isMissing = value === undefined || Number.isNaN(value);
    const shown = isMissing ? text.missing : value === null ? text.none : this.format(value);
    if (this.element.textContent !== shown) this.element.textContent = shown;
    this.element.className = `value ${isMissing ? "missing" : kind}`;
    this.element.title = isMissing ? text.missingTitle(this.name) : "";
  }
}

const row = (label, ...content) => el("div", {}, el("dt", {}, label), el("dd", {}, content));

const table = (label, head, body) => el("div", { class: "table", tabIndex: 0, role: "region", "aria-label": label }, el(
  "table", {},
  el("thead", {}, el("tr", {}, head.map((label) => el("th", { scope: "col" }, label)))), body,
));

/** A section that shows a group of values, and is told of each reading. */
class Section {
  constructor(title, ...content) {
    this.element = el("section", { class: "card" }, el("h2", {}, title), ...content);
    this.parts = [];
  }

  /** Adds a cell with what it shows of a reading: a value, or a value and its kind. */
  cell(name, format, read) {
    const cell = new Cell(name, format);
    this.parts.push((reading) => {
      const found = read(reading);
      if (found !== Section.notYet) cell.show(...(Array.isArray(found) ? found : [found]));
    });
    return cell.element;
  }

  chart(name, format, read, kind) {
    const chart = new Chart(name, format, kind);
    this.parts.push((reading) => chart.add(reading.time, read(reading), keptMilliseconds));
    return chart.element;
  }

  show(reading) {
    for (const part of this.parts) part(reading);
  }

  static notYet = Symbol("there was no reading before");
}

/** What `read` makes of a change; until there is one, nothing. */
const changed = (read) => ({ change }) => (change ? read(change) : Section.notYet);
const plotted = (read) => ({ change }) => (change ? read(change) : undefined);

function requests() {
  const section = new Section(text.requests);
  const rows = Object.entries(text.apis).map(([api, label]) => {
    const fits = routeOf(api);
    const statuses = (digit) => (labels) => fits(labels) && labels.status?.startsWith(digit);
    const cell = (name, format, read) => el("td", {}, section.cell(name, format, changed(read)));
    const bad = (value) => [value, value > 0 ? "bad" : ""];
    return el(
      "tr", {}, el("th", { scope: "row" }, label),
      cell("requests_total", perSecond, (change) => change.rate("requests_total", fits)),
      cell("requests_total", perSecond, (change) => change.rate("requests_total", statuses("4"))),
      cell("requests_total", perSecond, (change) => bad(change.rate("requests_total", statuses("5")))),
      cell("request_duration_seconds", duration, (change) => change.quantile("request_duration_seconds", 0.5, fits)),
      cell("request_duration_seconds", duration, (change) => change.quantile("request_duration_seconds", 0.95, fits)),
      el("td", { class: "charted" }, section.chart(`${label}: ${text.history}`, perSecond, plotted((change) => change.rate("requests_total", fits)))),
    );
  });
  section.element.append(
    el("p", { class: "about" }, text.requestsHint),
    table(text.requests, [text.api, text.rate, text.refused, text.failed, text.median, text.slow, text.history], el("tbody", {}, rows)),
  );
  section.element.classList.add("full");
  return section;
}

function waiting() {
  const section = new Section(text.waiting);
  const charted = ["pending", "events_waiting", "queue_messages"];
  section.element.append(el("dl", {}, Object.entries(text.waits).map(([name, label]) => {
    const format = name === "queue_bytes" ? bytes : count;
    const read = ({ metrics }) => metrics.sum(name);
    return row(label, section.cell(name, format, read), charted.includes(name) && section.chart(label, format, read));
  })));
  return section;
}

function deliveries() {
  const section = new Section(text.deliveries);
  const result = (wanted) => (change) => change.rate("deliveries_total", ({ result }) => result === wanted);
  const slow = (name) => section.cell(name, duration, changed((change) => change.quantile(name, 0.95)));
  section.element.append(el(
    "dl", {},
    row(text.succeeded, section.cell("deliveries_total", perSecond, changed(result("success"))), section.chart(text.succeeded, perSecond, plotted(result("success")))),
    row(text.attemptsFailed, section.cell("deliveries_total", perSecond, changed((change) => [result("failure")(change), result("failure")(change) > 0 ? "bad" : ""])), section.chart(text.attemptsFailed, perSecond, plotted(result("failure")), "bad")),
    row(text.duration, slow("delivery_attempt_seconds")), row(text.lag, slow("delivery_lag_seconds")), row(text.latency, slow("delivery_latency_seconds")),
    row(text.reused, section.cell("connections_reused_total", perSecond, changed((change) => change.rate("connections_reused_total")))),
    row(text.destinations, section.cell("destinations", ([disabled, all]) => text.disabledTargets(disabled, all), ({ metrics }) => {
      const [disabled, all] = [metrics.sum("endpoints_disabled"), metrics.sum("destinations")];
      return disabled === undefined || all === undefined ? undefined : [[disabled, all], disabled > 0 ? "warn" : ""];
    })),
  ));
  return section;
}

/** Requests of endpoints that are forwarded to other addresses. */
function forwards() {
  const section = new Section(text.forwards);
  const result = (wanted) => (change) => change.rate("forwards_total", ({ result }) => result === wanted);
  const pending = ({ metrics }) => metrics.sum("forwards_pending");
  const bad = (value) => [value, value > 0 ? "bad" : ""];
  section.element.append(el(
    "dl", {},
    row(text.forwardsPending, section.cell("forwards_pending", count, pending), section.chart(text.forwardsPending, count, pending)),
    row(text.succeeded, section.cell("forwards_total", perSecond, changed(result("success")))),
    row(text.attemptsFailed, section.cell("forwards_total", perSecond, changed((change) => bad(result("failure")(change)))), section.chart(text.attemptsFailed, perSecond, plotted(result("failure")), "bad")),
    row(text.forwardsFailed, section.cell("forwards_total", count, ({ metrics }) => metrics.sum("forwards_total", ({ result }) => result === "failure"))),
    row(text.forwardsMissed, section.cell("forwards_missed_total", count, ({ metrics }) => bad(metrics.sum("forwards_missed_total")))),
  ));
  return section;
}

/** A table of counters by a label, without those that are 0. */
function counted(title, name, label, head, fits, nothing, hint) {
  const section = new Section(title);
  const body = el("tbody", {});
  const shown = table(title, [head, text.inAll, text.now], body);
  const empty = el("p", { class: "about" }, nothing);
  section.element.append(shown, empty, hint ? el("p", { class: "about" }, hint) : "");
  section.parts.push(({ metrics, change }) => {
    const found = metrics.all(name)?.filter((one) => fits(one.labels) && one.value > 0);
    empty.textContent = found === undefined ? text.missing : nothing;
    empty.hidden = found?.length > 0;
    shown.hidden = !empty.hidden;
    const rows = (found ?? []).sort((a, b) => b.value - a.value).map((one) => {
      const rate = change?.rate(name, (labels) => labels[label] === one.labels[label] && fits(labels));
      return el("tr", {}, el("th", { scope: "row" }, visible(one.labels[label] ?? "")), el("td", {}, count(one.value)), el("td", { class: rate > 0 ? "value bad" : "value" }, rate === undefined ? text.waitForRate : perSecond(rate)));
    });
    body.replaceChildren(...rows);
  });
  return section;
}

function store() {
  const section = new Section(text.store);
  const bar = el("meter", { min: 0, max: 1, low: 0.7, high: 0.9, optimum: 0, "aria-label": text.storeRoom });
  const full = el("p", { class: "notice bad", role: "alert", hidden: true }, text.full);
  section.parts.push(({ metrics }) => {
    const share = metrics.sum("store_bytes") / metrics.sum("store_limit_bytes");
    bar.hidden = !Number.isFinite(share);
    if (!bar.hidden) bar.value = share;
    full.hidden = metrics.sum("store_full") !== 1;
  });
  const used = section.cell("store_bytes", ([used, limit]) => text.storeUsed(bytes(used), bytes(limit), percent(used / limit)), ({ metrics }) => {
    const values = [metrics.sum("store_bytes"), metrics.sum("store_limit_bytes")];
    return values.includes(undefined) ? undefined : [values];
  });
  section.element.append(
    full,
    el("dl", {}, row(text.storeRoom, used, bar), row(text.freeInside, section.cell("store_free_bytes", bytes, ({ metrics }) => metrics.sum("store_free_bytes"))),
      row(text.diskFree, section.cell("store_disk_free_bytes", bytes, ({ metrics }) => metrics.sum("store_disk_free_bytes")))),
  );
  return section;
}

function durability() {
  const section = new Section(text.durability);
  const cell = (name, format, read) => section.cell(name, format, read);
  const mean = (sum, number) => (change) => {
    const [total, times] = [change.sum(sum), change.sum(number)];
    return total === undefined || times === undefined ? undefined : times === 0 ? null : total / times;
  };
  const list = el(
    "dl", {},
    row(text.syncs, cell("journal_syncs_total", perSecond, changed((change) => change.rate("journal_syncs_total"))), section.chart(text.syncs, perSecond, plotted((change) => change.rate("journal_syncs_total")))),
    row(text.syncTime, cell("journal_sync_seconds_total", duration, changed(mean("journal_sync_seconds_total", "journal_syncs_total")))),
    row(text.shared, cell("journal_frames_total", count, changed(mean("journal_frames_total", "journal_syncs_total")))),
    row(text.journal, cell("journal_bytes_total", (value) => text.perSecond(bytes(Math.round(value))), changed((change) => change.rate("journal_bytes_total")))),
    row(text.notDurable, cell("commits_not_durable", count, ({ metrics }) => metrics.sum("commits_not_durable"))),
    row(text.checkpointAge, cell("checkpoint_age_seconds", (value) => text.ago(span(value * 1000)), ({ metrics }) => metrics.sum("checkpoint_age_seconds"))),
    row(text.since, cell("commits_since_checkpoint", count, ({ metrics }) => metrics.sum("commits_since_checkpoint"))),
  );
  section.element.append(list);
  return section;
}

function processes() {
  const section = new Section(text.processes);
  const started = section.cell("start_time_seconds", (value) => span(Date.now() - value * 1000), ({ metrics }) => metrics.sum("start_time_seconds"));
  const label = (metric, name) => section.cell(metric, (value) => value, ({ metrics }) => metrics.labels(metric)[name]);
  const body = el("tbody", {});
  const shown = table(text.restarts, [text.process, text.ended, text.stuck], body);
  const none = el("p", { class: "about" }, text.noSupervisor);
  section.parts.push(({ metrics }) => {
    const found = metrics.all("process_restarts_total");
    none.hidden = found !== undefined;
    shown.hidden = !none.hidden;
    const names = [...new Set((found ?? []).map(({ labels }) => labels.process))];
    body.replaceChildren(...names.map((name) => el("tr", {}, el("th", { scope: "row" }, visible(name ?? "")), ["ended", "stuck"].map((cause) => {
      const value = metrics.sum("process_restarts_total", (labels) => labels.process === name && labels.cause === cause);
      return el("td", { class: value > 0 ? "value warn" : "value" }, count(value));
    }))));
  });
  section.element.append(
    el("dl", {}, row(text.facts.started, started), ["version", "env", "pod_name", "pod_ip"].map((name) => row(text.facts[name], label("info", name))),
      ["layout", "compiler"].map((name) => row(text.facts[name], label("build_info", name)))),
    el("h3", {}, text.restarts), shown, none,
  );
  return section;
}

class Overview {
  constructor() {
    this.sections = [
      requests(), waiting(), deliveries(),
      counted(text.failures, "deliveries_total", "error_kind", text.cause, ({ result }) => result === "failure", text.noFailures),
      counted(text.operational, "operational_events_total", "event", text.event, () => true, text.noOperational, text.whichFail),
      forwards(), store(), durability(), processes(),
    ];
    this.versions = new Map();
    this.health = el("p", { class: "notice", role: "status" });
    this.notes = el("div", {});
    this.updated = el("span", { class: "about" });
    this.poll = new Poller((signal) => this.load(signal), interval);
    this.element = el(
      "div", { class: "overview", tabIndex: 0, role: "region", "aria-label": text.title },
      el("div", { class: "overview-head" }, el("h1", {}, text.title), el("span", {}, this.poll.element, " ", this.updated)),
      this.health, this.notes, el("div", { class: "sections" }, this.sections.map((section) => section.element)),
    );
  }

  async load(signal) {
    const ask = async (path) => {
      const response = await fetch(path, { signal, cache: "no-store" });
      return { isGood: response.ok, status: response.status, text: await response.text() };
    };
    const [metrics, health, version] = await Promise.all(["metrics", "health/ready", "version"].map(ask));
    this.showHealth(health);
    if (!metrics.isGood) throw new Failure(metrics.status, `${text.noAnswer("metrics")} ${metrics.text.slice(0, 300)}`);
    if (version.isGood) this.sawVersion(JSON.parse(version.text).version);
    this.show(new Metrics(metrics.text), performance.now());
  }

  /** Any responder may answer: while processes are replaced, those of two versions do. */
  sawVersion(version) {
    this.versions.delete(version);
    this.versions.set(version, Date.now());
    for (const [other, seen] of this.versions) if (seen < Date.now() - versionMilliseconds) this.versions.delete(other);
  }

  showHealth({ isGood, status, text: reason }) {
    const shown = isGood ? text.healthy : `${text.unhealthy} (${status}): ${reason.trim().slice(0, 2000)}`;
    this.health.className = `notice ${isGood ? "good" : "bad"}`;
    if (this.health.textContent !== shown) this.health.replaceChildren(...visible(shown));
  }

  show(metrics, now) {
    const change = this.last ? new Change(this.last.metrics, metrics, (now - this.last.now) / 1000) : null;
    const { version } = metrics.labels("info");
    if (version !== undefined) this.sawVersion(version);
    const reading = { metrics, change, time: Date.now() };
    for (const section of this.sections) section.show(reading);
    if (change?.wasReset) this.resetAt = new Date().toISOString();
    const notes = [
      this.resetAt && text.reset(time(this.resetAt)),
      this.versions.size > 1 && text.versions([...this.versions.keys()].join(", ")),
      metrics.faults > 0 && text.faults(metrics.faults),
    ].filter(Boolean);
    this.notes.replaceChildren(...notes.map((note) => el("p", { class: "notice warn" }, visible(note))));
    this.updated.textContent = text.updated(time(new Date().toISOString()));
    this.last = { metrics, now };
  }
}

const overview = new Overview();
document.getElementById("main").replaceChildren(overview.element);
overview.poll.start();
