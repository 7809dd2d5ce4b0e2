// Follows an endpoint: by requests that wait at the service until there is something new after the last id seen. Nothing is
// consumed. Ids are consecutive, so a missing id is a gap. Also loads what a list has left out.

import { Failure, endpoint } from "../common/api.js";
import { makeRow } from "./row.js";

const waitSeconds = 30;
const pauses = [1, 2, 5, 10];
const settleMilliseconds = 300;
const settingsInterval = 5000;
const hiddenLimit = 5 * 60000;
const pageSize = 200;
// The most older requests that are loaded at a time, rounded up to a page.
const olderLimit = 2000;
const gapLimit = 1000;
// The most notifications per look. If a look returns that many, the page is behind: it goes on with the newest, less often, and
// shows a gap that can be loaded.
const lookLimit = 100;
const shortestPause = 100;
const longestPause = 1000;
/** Above every id. */
const newest = "18446744073709551615";

/**
 * A feed calls `onRows(notifications, {isFirst, hasSkipped})`, `onRefused(rows)`, `onSettings(settings)` and
 * `onState(state, detail)`. `hasSkipped`: requests before the first one were left out, and can be loaded. The states are
 * `connecting`, `live`, `reconnecting` (detail: seconds until the next try, and the reason), `paused`, `asleep` and `gone`.
 */
export class Feed {
  constructor(id, listener) {
    this.id = id;
    this.listener = listener;
    this.cursor = null;
    this.refusedCursor = 0;
    this.failures = 0;
    this.isBehind = false;
    this.pauseMilliseconds = shortestPause;
    this.settingsAt = 0;
    this.state = null;
    this.isPaused = false;
    this.abort = new AbortController();
    this.lastTick = Date.now();
    this.listeners = new AbortController();
    const { signal } = this.listeners;
    document.addEventListener("visibilitychange", () => this.visibilityChanged(), { signal });
    addEventListener("online", () => this.restart(), { signal });
    addEventListener("offline", () => this.restart(), { signal });
    this.ticker = setInterval(() => this.tick(), 1000);
    this.visibilityChanged();
    this.run();
  }

  close() {
    this.isClosed = true;
    this.listeners.abort();
    this.abort.abort();
    clearInterval(this.ticker);
    clearTimeout(this.sleepTimer);
    this.wake?.();
  }

  pause(isPaused) {
    this.isPaused = isPaused;
    this.restart();
  }

  /** Ends what is being waited for, and goes on at once. */
  restart() {
    this.failures = 0;
    this.abort.abort();
    this.abort = new AbortController();
    this.wake?.();
  }

  visibilityChanged() {
    clearTimeout(this.sleepTimer);
    if (document.hidden) {
      this.sleepTimer = setTimeout(() => {
        this.isAsleep = true;
        this.restart();
      }, hiddenLimit);
    } else if (this.isAsleep) {
      this.isAsleep = false;
      this.restart();
    }
  }

  tick() {
    const now = Date.now();
    // The machine has slept: the connection may be dead without an error.
    if (now - this.lastTick > 15000) this.restart();
    this.lastTick = now;
    if (this.state === "reconnecting") this.setState("reconnecting", this.detail);
    if (this.state !== "live") return;
    // A failure is not reported: the look that is waiting is what counts.
    if (now - this.settingsAt >= settingsInterval) this.takeSettings().catch(() => {});
    // No look waits for refused requests. In a tab that nobody sees, they come with the settings.
    if (!document.hidden) this.takeRefused().catch(() => {});
  }

  setState(state, detail = {}) {
    this.state = state;
    this.detail = detail;
    this.listener.onState(state, detail);
  }

  sleep(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async run() {
    while (!this.isClosed) {
      if (this.isPaused || this.isAsleep) {
        this.setState(this.isPaused ? "paused" : "asleep");
        await this.sleep(2 ** 30);
        continue;
      }
      try {
        await this.follow();
      } catch (error) {
        if (this.isClosed) return;
        if (error instanceof Failure && error.status === 404) {
          this.setState("gone");
          return this.close();
        }
        // Aborted by `restart`.
        if (error.name === "AbortError" && this.failures === 0) continue;
        const seconds = Math.max(pauses[Math.min(this.failures, pauses.length - 1)], Number(error.retryAfter) || 0);
        this.failures += 1;
        this.setState("reconnecting", { until: Date.now() + seconds * 1000, reason: navigator.onLine ? error.message : "offline" });
        await this.sleep(seconds * 1000);
      }
    }
  }

  async follow() {
    if (this.cursor === null) {
      this.setState("connecting");
      await this.takeSettings();
      const first = await endpoint.look(this.id, { before: newest, limit: pageSize }, this.signal(30));
      this.cursor = first.at(-1)?.id ?? this.settings.newest;
      this.listener.onRows(first, { isFirst: true });
    } else if (this.state !== "live") {
      await this.takeSettings();
    }
    const query = this.isBehind ? { before: newest } : { after: this.cursor, wait: waitSeconds };
    const looking = endpoint.look(this.id, { ...query, limit: lookLimit }, this.signal(waitSeconds + 15));
    // A look that is refused is refused at once.
    if (this.state !== "live") {
      await Promise.race([looking, new Promise((resolve) => setTimeout(resolve, settleMilliseconds))]);
      this.setState("live");
    }
    this.failures = 0;
    const rows = await looking;
    const fresh = rows.filter(({ id }) => id > this.cursor);
    const hasSkipped = this.isBehind && fresh.length > 0 && fresh[0].id > this.cursor + 1;
    // First, so that a fault of the page does not have the same rows come again.
    this.cursor = fresh.at(-1)?.id ?? this.cursor;
    if (fresh.length > 0) this.listener.onRows(fresh, { hasSkipped });
    this.isBehind = fresh.length === lookLimit;
    this.pauseMilliseconds = this.isBehind ? Math.min(longestPause, 2 * this.pauseMilliseconds) : shortestPause;
    if (fresh.length > 0) await this.sleep(this.pauseMilliseconds);
  }

  /** A signal that ends a request with `restart`, or after so many seconds: a connection that is dead looks like one that waits. */
  signal(seconds) {
    return AbortSignal.any([this.abort.signal, AbortSignal.timeout(seconds * 1000)]);
  }

  async takeSettings() {
    this.settingsAt = Date.now();
    this.settings = await endpoint.settings(this.id, this.signal(15));
    this.listener.onSettings(this.settings);
    await this.takeRefused();
  }

  /** One look at a time: the next one asks for what follows. */
  takeRefused() {
    this.lookingForRefused ??= this.lookForRefused().finally(() => (this.lookingForRefused = null));
    return this.lookingForRefused;
  }

  async lookForRefused() {
    const refused = await endpoint.look(this.id, { refused: "", after: this.refusedCursor }, this.signal(15));
    if (refused.length > 0) {
      this.refusedCursor = refused.at(-1).id;
      this.listener.onRefused(refused);
    }
  }
}

/** Loads older requests into a list, page by page. */
export async function loadOlder(list, id) {
  list.olderCount = 0;
  let before;
  try {
    do {
      list.showOlder();
      before = list.oldestID ?? newest;
      const older = await endpoint.look(id, { before, limit: pageSize });
      list.hasOlder = older.length > 0;
      list.olderCount += older.length;
      list.add(older.map((one) => makeRow(one)));
      // A list that is full has dropped them.
    } while (list.hasOlder && list.oldestID !== before && list.olderCount < olderLimit && list.element.isConnected);
  } finally {
    list.olderCount = null;
    list.showOlder();
  }
}

/** Loads the requests between two that a list has. */
export async function loadGap(list, id, after, through) {
  const found = await endpoint.look(id, { after, limit: gapLimit });
  // What is still missing after a look that went beyond the gap is not there any more.
  if (found.length === 0 || found.at(-1).id >= through) list.skipped.delete(through);
  list.add(found.filter((one) => one.id < through).map((one) => makeRow(one)));
}
