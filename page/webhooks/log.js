// The lines of a webhook's log, and which of them are attempts of one delivery.

import { api } from "./api.js";

const firstPage = 100;
const page = 20;
// Behind by more pages than this, the newest lines are shown, and older ones can be loaded.
const catchUpPages = 10;
// Older lines are dropped; they can be loaded again.
const lineLimit = 2000;

export const isSuccess = (line) => line.error_kind === null && line.status_code !== null;

export class Log {
  constructor(webhook) {
    this.webhook = webhook;
    /** Newest first. */
    this.lines = [];
    /** What to ask for to get older ones; `null` if there are none. */
    this.before = null;
    this.limit = lineLimit;
  }

  get newest() {
    return this.lines[0]?.log_id ?? 0;
  }

  /** Loads what is new, and returns how many lines; `null` if older lines than before have to be loaded anew. */
  async loadNew(signal) {
    const known = this.newest;
    const isFirst = !this.isLoaded;
    let { lines, before } = await api.log(this.webhook, { limit: isFirst ? firstPage : page }, signal);
    const found = [...lines];
    const reaches = () => before === null || found.some(({ log_id: id }) => id <= known);
    for (let pages = 1; !isFirst && known > 0 && !reaches() && pages < catchUpPages; pages++) {
      ({ lines, before } = await api.log(this.webhook, { limit: page, before }, signal));
      found.push(...lines);
    }
    this.isLoaded = true;
    const fresh = found.filter(({ log_id: id }) => id > known);
    const isConnected = known > 0 && reaches();
    if (!isConnected) this.before = before;
    this.lines = isConnected ? [...fresh, ...this.lines] : fresh;
    if (this.lines.length > this.limit) {
      this.lines.length = this.limit;
      this.before = String(this.lines.at(-1).log_id);
    }
    return isConnected || known === 0 ? fresh.length : null;
  }

  async loadOlder() {
    const { lines, before } = await api.log(this.webhook, { limit: firstPage, before: this.before });
    const oldest = this.lines.at(-1)?.log_id ?? Infinity;
    this.lines = [...this.lines, ...lines.filter(({ log_id: id }) => id < oldest)];
    this.before = before;
    this.limit = Math.max(lineLimit, this.lines.length);
  }

  /** The deliveries, newest first, each with its attempts, oldest first. */
  deliveries() {
    const all = [];
    const open = new Map();
    for (const line of [...this.lines].reverse()) {
      const key = `${line.trigger} ${line.event} ${line.event_id}`;
      const before = open.get(key);
      const last = before?.attempts.at(-1);
      // A delivery that is over has no further attempt, and attempts are counted from 1.
      if (last && !last.final && line.attempt > last.attempt) {
        before.attempts.push(line);
      } else {
        const delivery = { attempts: [line] };
        all.push(delivery);
        open.set(key, delivery);
      }
    }
    return all.sort((a, b) => b.attempts.at(-1).log_id - a.attempts.at(-1).log_id);
  }
}

/** What has become of a delivery: `delivered`, `waiting`, `failed` (given up), `skipped` (nothing was sent) or `sent` (failed, not to be tried again). */
export function outcomeOf({ attempts }) {
  const last = attempts.at(-1);
  if (isSuccess(last)) return "delivered";
  if (last.attempt === 0) return "skipped";
  if (!last.final) return "waiting";
  return last.trigger === "manual" || last.trigger === "test" ? "sent" : "failed";
}
