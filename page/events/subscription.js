// One subscription: what it is, what it delivered, and what can be done with it.

import { button, check, dialog, el, fault as problem, field, tell, visible } from "../common/dom.js";
import { members } from "../common/json.js";
import { Poller } from "../common/poller.js";
import { time } from "../common/text.js";
import { events } from "./api.js";
import { openForm } from "./form.js";
import { attemptDetails, attemptFacts, link, moment, nameOf, outcome, reason, refused, stateOf, troubles, when } from "./parts.js";
import { tryExpression } from "./tester.js";
import { text } from "./text.js";

const interval = 3;
const pageSize = 50;
const catchUpPages = 10;
// Older lines are dropped; they can be loaded again.
const lineLimit = 500;

export function openSubscription(id, { go }) {
  let raw = {};
  let current = null;
  const lines = new Map();
  let limit = lineLimit;
  let dropped = 0;
  let filter = "";
  const title = el("h1", {}, text.subscription);
  const facts = el("dl", { class: "properties" });
  const trouble = el("div", {});
  const fault = el("div", {});
  const list = el("ol", { class: "timeline" });
  const empty = el("p", { class: "about", role: "status" });
  const note = el("p", { class: "about", role: "status" });
  const older = button(text.older, () => act(loadOlder), { hidden: true });
  const toggle = button(text.disable, () => act(setEnabled));
  const poll = new Poller(load, interval, (error) => refused(error, poll, fault, text.gone));

  async function load(signal) {
    const [answer, page] = await Promise.all([events.get(id, signal), events.deliveries(id, query(), signal)]);
    // More may have been made than a page has.
    const known = Math.max(0, ...lines.keys());
    let last = page;
    for (let pages = 0; known > 0 && last.at(-1)?.id > known; pages++) {
      if (pages === catchUpPages) {
        restart();
        break;
      }
      last = await events.deliveries(id, query({ before: last.at(-1).id }), signal);
      page.push(...last);
    }
    show(answer);
    add(page);
    drop();
    fault.replaceChildren();
  }

  function restart() {
    lines.clear();
    list.replaceChildren();
    older.hidden = true;
    limit = lineLimit;
    noteDropped(0);
  }

  /** Drops the oldest lines if there are too many. */
  function drop() {
    const surplus = [...lines.keys()].sort((a, b) => b - a).slice(limit);
    if (surplus.length === 0) return;
    for (const number of surplus) {
      lines.get(number).remove();
      lines.delete(number);
    }
    older.hidden = false;
    noteDropped(dropped + surplus.length);
  }

  function noteDropped(count) {
    dropped = count;
    note.textContent = count > 0 ? text.dropped(limit, count) : "";
  }

  const query = (more = {}) => ({ limit: pageSize, ...(filter && { status: filter }), ...more });

  function show(answer) {
    if (answer === show.last) return;
    show.last = answer;
    current = JSON.parse(answer);
    raw = members(answer);
    title.replaceChildren(nameOf(current), " ", stateOf(current));
    trouble.replaceChildren(...troubles(current).filter(Boolean));
    toggle.textContent = current.disabled === null ? text.disable : text.enable;
    const code = (string) => el("code", {}, visible(string));
    const auth = current.auth.type === undefined ? text.authKinds.none : (text.authKinds[current.auth.type] ?? text.authKinds.other);
    const values = {
      jsonpath: code(current.jsonpath), dialect: text.dialects[current.dialect] ?? text.dialectRule, target_url: code(current.target_url),
      format: text.formats[current.format ?? "json"], handshake: current.handshake && text.asked, extensions: raw.extensions !== "{}" && code(raw.extensions),
      auth, user: visible(current.user), created: when(current.created), updated: when(current.updated), uuid: code(current.uuid),
    };
    facts.replaceChildren(...Object.entries(values).filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", {}, text.facts[name]), el("dd", {}, value))));
  }

  /** Adds lines of the log at their places. What is there stays, and what is open stays open. */
  function add(page) {
    for (const line of page.toReversed()) {
      if (lines.has(line.id)) continue;
      const item = entry(line);
      lines.set(line.id, item);
      const next = [...list.children].find((other) => other.lineId < line.id);
      list.insertBefore(item, next ?? null);
    }
    if (page.length >= pageSize && lines.size === page.length) older.hidden = false;
    empty.textContent = lines.size > 0 ? "" : filter ? text.noneOfKind : text.noDeliveries;
  }

  async function loadOlder() {
    const page = await events.deliveries(id, query({ before: Math.min(...lines.keys()) }));
    add(page);
    // What was asked for stays.
    limit = Math.max(lineLimit, lines.size);
    noteDropped(Math.max(0, dropped - page.length));
    older.hidden = page.length === 0;
  }

  function entry(line) {
    const type = line.type === null ? text.withheldType : line.type || text.untyped;
    const details = el("details", {
      ontoggle() {
        if (details.open && details.children.length === 1) details.append(inside(line));
      },
    }, el("summary", {}, outcome(line), " ", el("span", { class: "type" }, visible(type.slice(0, 200))), " ", attemptFacts(line)));
    const item = el("li", { class: line.error_kind === null ? "good" : "bad" }, details);
    item.lineId = line.id;
    return item;
  }

  const inside = (line) => el(
    "div", { class: "inside" },
    el("p", { class: "actions" }, link(`/event/${line.event}`, text.showEvent), button(text.retry, () => act(() => retry(line)), { title: text.retryTitle })),
    attemptDetails(line, current?.target_url),
  );

  /** Does something, says if it failed, and shows what has changed. */
  async function act(action) {
    try {
      await action();
      poll.now();
    } catch (error) {
      tell(text.failed(reason(error)), true);
    }
  }

  async function retry(line) {
    await events.retry(id, line.id);
    tell(text.retried);
  }

  async function setEnabled() {
    // A PUT resets these two unless it names them.
    const { extensions, auth } = members(await events.get(id));
    const isEnabled = current.disabled === null;
    const disabled = isEnabled ? JSON.stringify(new Date().toISOString().slice(0, -1)) : "null";
    await events.change(id, `{"disabled": ${disabled}, ${isEnabled ? "" : '"error": null, '}"extensions": ${extensions}, "auth": ${auth}}`);
    tell(isEnabled ? text.wasDisabled : text.wasEnabled);
  }

  function remove() {
    const box = dialog(
      text.removeTitle(current?.name ?? id), el("p", {}, text.removeText),
      el("div", { class: "buttons" }, button(text.removeButton, () => {
        box.close();
        return act(async () => {
          await events.remove(id);
          tell(text.removed);
          go("");
        });
      }, { class: "danger" }), button(text.cancel, () => box.close())),
    );
  }

  function replay() {
    const local = (date) => new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 23);
    const since = el("input", { type: "datetime-local", step: "0.001", value: local(moment(current.missed?.since ?? current.created)) });
    const until = el("input", { type: "datetime-local", step: "0.001" });
    const all = check(text.all, false);
    const wrong = problem();
    const box = dialog(
      text.replayTitle, el("p", {}, text.replayText),
      current.missed && el("p", { class: "notice warn" }, text.missed(current.missed.count, time(`${current.missed.since}Z`)), " ", text.replayMissed),
      current.disabled && el("p", { class: "notice bad" }, text.replayDisabled),
      field(text.since, since), field(text.until, until),
      all.element, wrong.element,
      el("div", { class: "buttons" }, button(text.start, begin, { class: "primary" }), button(text.cancel, () => box.close())),
    );
    async function begin() {
      try {
        if (!since.value) throw { status: 1, message: text.needsTime };
        const zoned = (input) => new Date(input.value).toISOString();
        const answer = await events.replay(id, { since: zoned(since), ...(until.value && { until: zoned(until) }), all: all.input.checked });
        box.close();
        tell(text.replaying(...[answer.since, answer.until].map((naive) => time(`${naive}Z`))));
        poll.now();
      } catch (error) {
        wrong.show(reason(error));
      }
    }
  }

  const whenLoaded = (action) => () => current && action();
  const element = el(
    "div", { class: "events" },
    link("", text.back),
    el("div", { class: "events-head" }, title, poll.element),
    fault, trouble,
    el(
      "p", { class: "actions" },
      button(text.edit, whenLoaded(() => openForm({ id, current, raw, done: () => poll.now() }))), toggle, button(text.replay, whenLoaded(replay)),
      button(text.tryExpression, whenLoaded(() => {
        tryExpression(current.jsonpath);
        go("/try");
      })),
      button(text.remove, whenLoaded(remove)),
    ),
    facts,
    el(
      "div", { class: "events-head" }, el("h2", {}, text.deliveries),
      el("label", { class: "inline" }, text.outcome, " ", el("select", {
        onchange(event) {
          filter = event.target.value;
          restart();
          poll.now();
        },
      }, Object.entries(text.outcomes).map(([value, label]) => el("option", { value }, label)))),
    ),
    empty, list, note, older,
  );
  return { title: text.subscription, element, start: () => poll.start(), close: () => poll.close() };
}
