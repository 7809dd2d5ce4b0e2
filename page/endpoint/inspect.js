// The page of an endpoint: its requests as they arrive, and one of them in detail. It looks and does not collect.

import { endpoint } from "../common/api.js";
import { announce, button, copy, el, tell } from "../common/dom.js";
import { attempt } from "../common/failures.js";
import { setting } from "../common/recent.js";
import { bytes, span, time } from "../common/text.js";
import { Detail } from "./detail.js";
import { Feed, loadGap, loadOlder } from "./feed.js";
import { fileBase, saveAll } from "./files.js";
import { parseFilter } from "./filter.js";
import { help, keyListener } from "./keys.js";
import { RequestList } from "./list.js";
import { collect, remove } from "./removing.js";
import { makeRow } from "./row.js";
import { firstSteps, howToSend } from "./sending.js";
import { text } from "./text.js";

const announceMilliseconds = 5000;

/** What has no effect any more when the endpoint is gone. */
const needsEndpoint = "#receiver, #collect, #how-to-send, #forward-shown, #forwards, #delete";

export const open = (id) => new Inspector(id);

class Inspector {
  constructor(id) {
    this.id = id;
    this.title = id.slice(0, 12);
    this.url = endpoint.url(id);
    this.isFollowing = setting("follow") !== "false";
    this.announced = { count: 0, at: 0 };
    this.list = new RequestList({
      select: (row) => this.detail.show(row),
      chosen: (row) => row !== this.list.newest && this.setFollowing(false),
      isHeld: () => !this.isFollowing,
      open: () => document.body.classList.add("shows-detail"),
      loadGap: (after, through) => attempt(() => loadGap(this.list, id, after, through)),
      loadOlder: () => attempt(() => loadOlder(this.list, id)),
      painted: (shown, all) => this.painted(shown, all),
      changed: () => this.detail.row && this.detail.renderHead(),
      forward: (rows) => this.forward(rows),
      save: (rows, kind) => this.exportAs(kind, rows),
    });
    this.selection = this.list.selection;
    this.detail = new Detail(this, {
      back: () => this.back(),
      compare: () => this.selection.compare(),
      compareLabel: () => this.selection.compareLabel,
      forward: (row) => this.forward([row]),
      attemptsOf: (row) => this.attemptsOf(row),
      select: (key) => this.list.select(this.list.byKey.get(key)),
    });
    this.element = el(
      "div", { class: "inspector" }, el("h1", { class: "unseen" }, text.endpoint(this.id)), this.makeHead(), el("div", { class: "panes" }, this.makeListPane(), this.detail.element));
    this.keys = keyListener(this.actions);
    this.clock = setInterval(() => this.showLife(), 1000);
  }

  start() {
    document.addEventListener("keydown", this.keys);
    this.showEmpty();
    this.feed = new Feed(this.id, {
      onRows: (notifications, how) => this.arrived(notifications, how),
      onRefused: (notifications) => {
        this.list.add(notifications.map((one) => makeRow(one, true)));
        this.showEmpty();
      },
      onSettings: (settings) => this.takeSettings(settings),
      onState: (state, detail) => this.showState(state, detail),
    });
  }

  close() {
    this.feed?.close();
    this.list.close();
    clearInterval(this.clock);
    clearTimeout(this.announced.timer);
    document.removeEventListener("keydown", this.keys);
  }

  // Head

  makeHead() {
    this.urlField = el("input", { id: "url", readOnly: true, value: this.url, "aria-label": text.url, onfocus: () => this.urlField.select() });
    this.stateElement = el("span", { id: "state", class: "state" });
    this.roomElement = el("span", { id: "room" });
    this.lifeElement = el("span", { id: "life" });
    this.standingButton = button("", () => this.forwards(), { class: "link", hidden: true });
    this.pauseButton = button(text.pause, () => this.togglePause(), { id: "pause", "aria-keyshortcuts": "p" });
    this.followButton = button(text.follow, () => this.toggleFollow(), { id: "follow", "aria-keyshortcuts": "f" });
    this.showFollow();
    const menu = el(
      "details", { class: "menu" }, el("summary", {}, text.more),
      el(
        "div", {}, button(text.howToSend, () => howToSend(this.url), { id: "how-to-send" }),
        button(text.exportJSON, () => this.exportAs("json")), button(text.exportHAR, () => this.exportAs("har")),
        button(text.forwardShown, () => this.forward(this.list.visibleRows ?? []), { id: "forward-shown" }),
        button(text.forwards, () => this.forwards(), { id: "forwards" }), button(text.help, () => help()),
        button(text.deleteEndpoint, () => this.remove(), { id: "delete" }),
      ),
    );
    menu.addEventListener("click", (event) => event.target.closest("button") && (menu.open = false));
    return el(
      "div", { class: "head" },
      el("div", { class: "url" }, this.urlField, button(text.copy, () => copy(this.url, text.copied, text), { id: "copy-url" })),
      el("div", { class: "facts" }, this.stateElement, this.roomElement, this.lifeElement, this.standingButton),
      el(
        "div", { class: "actions" }, this.pauseButton, this.followButton,
        button(text.receiver, () => attempt(() => this.receiver()), { id: "receiver" }),
        button(text.collect, () => attempt(() => this.collect()), { id: "collect" }), menu,
      ),
    );
  }

  makeListPane() {
    this.filterField = el("input", {
      id: "filter", type: "search", "aria-label": text.filter, placeholder: `${text.filter}: ${text.filterHint}`, title: text.filterHint,
      autocomplete: "off", spellcheck: false, oninput: () => this.filter(), "aria-keyshortcuts": "/",
    });
    this.filterFault = el("p", { class: "notice bad", role: "alert", hidden: true });
    this.countElement = el("span", { id: "count" });
    this.emptyElement = el("div", { class: "empty-state", hidden: true });
    this.noMatchElement = el("div", { class: "no-match", hidden: true }, el("p", {}, text.nothingMatches), button(text.clearFilter, () => this.clearFilter()));
    return el(
      "section", { id: "list-pane", "aria-label": text.list },
      el("div", { class: "list-head" }, this.filterField, this.countElement, this.selection.modeButton), this.filterFault, this.noMatchElement, this.emptyElement, this.list.scroller,
      this.list.pill, this.selection.element,
    );
  }

  showState(state, { until, reason } = {}) {
    const seconds = until ? Math.max(0, Math.ceil((until - Date.now()) / 1000)) : 0;
    const shown = state === "reconnecting" ? (reason === "offline" ? text.offline : text.reconnecting(seconds)) : text[state];
    this.stateElement.className = `state is-${state}`;
    if (this.stateElement.textContent !== shown) this.stateElement.textContent = shown;
    this.stateElement.title = reason ?? "";
    if (this.state !== state && (state === "live" || state === "reconnecting")) announce(shown);
    this.state = state;
    this.pauseButton.disabled = state === "gone";
    if (state === "gone") {
      if (this.isDeleted) tell(text.deletedNote);
      else tell(this.list.rows.length > 0 ? text.goneText : text.neverThere, true);
      for (const one of this.element.querySelectorAll(needsEndpoint)) one.disabled = true;
      this.roomElement.textContent = this.lifeElement.textContent = "";
      clearInterval(this.clock);
      this.showEmpty();
    }
  }

  takeSettings(settings) {
    this.settings = settings;
    const { pending, limits } = settings;
    this.counted = settings.newest;
    this.showRoom(pending.notifications);
    this.roomElement.title = text.roomTitle(bytes(pending.bytes), bytes(limits.bytes));
    this.standingButton.hidden = settings.forwards.length === 0;
    this.standingButton.textContent = text.standing(settings.forwards.length);
    this.showLife();
    this.showEmpty();
  }

  showRoom(count) {
    const { limits, enabled, overflow } = this.settings;
    this.pending = count;
    const isFull = count >= limits.notifications;
    this.roomElement.textContent = [text.room(count, limits.notifications), isFull && text.full(overflow), !enabled && text.disabled].filter(Boolean).join(", ");
    this.roomElement.className = isFull || !enabled ? "warn" : "";
  }

  showLife() {
    if (!this.settings) return;
    const { removedAt } = this.settings;
    const left = removedAt === null ? null : Date.parse(removedAt) - Date.now();
    this.lifeElement.textContent = left === null ? text.stays : left < 0 ? text.overdue : text.removed(span(left));
    this.lifeElement.title = removedAt === null ? "" : text.removedTitle(time(removedAt));
  }

  // Rows

  arrived(notifications, { isFirst = false, hasSkipped = false }) {
    const rows = notifications.map((one) => makeRow(one));
    const { current } = this.list;
    this.list.hasOlder ||= isFirst && this.settings.pending.notifications > rows.length;
    this.list.add(rows, { hasSkipped });
    if (rows.length === 0) return this.showEmpty();
    if (!isFirst) {
      this.announce(rows.length);
      // Those that came before the settings were read are counted there.
      const fresh = rows.filter((row) => row.id > this.counted).length;
      this.counted = Math.max(this.counted, rows.at(-1).id);
      this.showRoom(Math.min(this.pending + fresh, this.settings.limits.notifications));
    }
    this.showEmpty();
    if (this.isFollowing || current === null) this.followNewest(rows.at(-1));
    else if (!isFirst) this.list.noteNew(rows.filter((row) => this.list.test?.(row) ?? true).length);
    this.detail.updateHead();
  }

  followNewest(row) {
    if (this.list.test && !this.list.test(row)) return;
    // A detail that has the whole screen stays until its reader goes back.
    if (this.isListHidden) return this.list.noteNew(1);
    this.list.select(row);
    this.list.scroller.scrollTop = 0;
  }

  announce(count) {
    this.announced.count += count;
    const wait = announceMilliseconds - (Date.now() - this.announced.at);
    if (this.announced.timer) return;
    this.announced.timer = setTimeout(() => {
      announce(text.announce(this.announced.count));
      this.announced = { count: 0, at: Date.now() };
    }, Math.max(0, wait));
  }

  painted(shown, all) {
    this.countElement.textContent = text.shown(this.list.test ? shown : all, all);
    this.noMatchElement.hidden = all === 0 || shown > 0;
  }

  attemptsOf(row) {
    if (row.isRefused) return [];
    const leader = this.list.leader(row);
    return (leader.notification.attempts ?? []).map((id) => this.list.byKey.get(String(id))).filter(Boolean);
  }

  filter() {
    const { test, fault } = parseFilter(this.filterField.value);
    this.filterFault.hidden = fault === null;
    if (fault !== null) this.filterFault.textContent = text.filterFault(fault);
    this.list.setFilter(test);
  }

  clearFilter() {
    this.filterField.value = "";
    this.filter();
    this.filterField.focus();
  }

  showEmpty() {
    const hasNone = this.list.rows.length === 0;
    if (hasNone && this.state === "gone") {
      this.emptyElement.hidden = false;
      this.emptyElement.replaceChildren(el("p", {}, this.isDeleted ? text.deletedNote : text.neverThere));
      return;
    }
    const isEmpty = hasNone && this.settings !== undefined && this.state !== "gone";
    this.emptyElement.hidden = !isEmpty;
    if (!isEmpty || this.emptyElement.childElementCount > 0) return;
    this.emptyElement.replaceChildren(...firstSteps(this.url, this.settings));
  }

  // Actions

  togglePause() {
    const isPaused = this.state !== "paused";
    this.pauseButton.textContent = isPaused ? text.resume : text.pause;
    this.feed.pause(isPaused);
  }

  toggleFollow() {
    this.setFollowing(!this.isFollowing);
    setting("follow", String(this.isFollowing));
    if (this.isFollowing) this.list.toNewest();
  }

  setFollowing(isFollowing) {
    this.isFollowing = isFollowing;
    this.showFollow();
  }

  showFollow() {
    this.followButton.setAttribute("aria-pressed", String(this.isFollowing));
  }

  /** Whether a request has the whole of a narrow screen. */
  get isListHidden() {
    return document.body.classList.contains("shows-detail") && matchMedia("(max-width: 720px)").matches;
  }

  back() {
    document.body.classList.remove("shows-detail");
    this.list.element.focus();
  }

  /** Clears the selection, or goes back to the list. */
  escape() {
    if (this.selection.isShown && !this.isListHidden) this.selection.clear();
    else this.back();
  }

  async receiver() {
    const { receiver } = await import("../receiver/receiver.js");
    return receiver(this.id, this.detail.row?.notification, () => this.feed.takeSettings());
  }

  forward(rows) {
    return attempt(async () => {
      const [{ forward }, settings] = await Promise.all([import("../forward/forward.js"), endpoint.settings(this.id)]);
      forward(this.id, settings, rows);
    });
  }

  forwards() {
    return attempt(async () => {
      const { forwards } = await import("../forward/forwards.js");
      forwards(this.id, (number) => this.list.byKey.get(String(number)), () => this.feed.takeSettings());
    });
  }

  exportAs(kind, rows = this.list.rows) {
    // Oldest first, as the service lists them.
    const sorted = rows.toSorted((a, b) => a.at - b.at || a.id - b.id);
    saveAll(this.fileBase, sorted.map((row) => row.key), sorted.map((row) => row.notification), kind);
  }

  get fileBase() {
    return fileBase(this.id, this.settings?.name);
  }

  collect() {
    return collect(this.id, (through) => {
      this.list.noteCollected(through);
      return this.feed.takeSettings();
    });
  }

  remove() {
    remove(() => {
      this.isDeleted = true;
      attempt(() => endpoint.remove(this.id).then(() => this.feed.restart()));
    });
  }

  // Keys

  actions = {
    j: () => this.list.move(1),
    J: () => this.list.move(1, true),
    ArrowDown: (event) => this.list.move(1, event.shiftKey),
    k: () => this.list.move(-1),
    K: () => this.list.move(-1, true),
    ArrowUp: (event) => this.list.move(-1, event.shiftKey),
    Home: (event) => this.list.move(-Infinity, event.shiftKey),
    End: (event) => this.list.move(Infinity, event.shiftKey),
    x: () => this.toggle(),
    " ": () => this.toggle(),
    "Control+a": () => this.selection.add(this.list.visibleRows ?? []),
    Enter: () => this.openDetail(),
    Escape: () => this.escape(),
    1: () => this.detail.showTab("body"),
    2: () => this.detail.showTab("headers"),
    3: () => this.detail.showTab("query"),
    4: () => this.detail.showTab("meta"),
    c: () => this.detail.copyBody(),
    u: () => this.detail.copyCurl(),
    d: () => this.selection.compare(),
    f: () => this.toggleFollow(),
    p: () => this.togglePause(),
    "/": () => this.filterField.focus(),
    "?": () => help(),
  };

  toggle() {
    if (this.list.current) this.selection.toggle(this.list.current);
  }

  openDetail() {
    if (!this.detail.row) return;
    document.body.classList.add("shows-detail");
    this.detail.panel.focus();
  }
}
