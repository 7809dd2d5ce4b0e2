// Reads something again and again for a view, and says honestly how current it is.

import { announce, el } from "./dom.js";
import { text } from "./text.js";

const pauses = [1, 2, 5, 10];

/**
 * Calls `load(signal)` every few seconds; not while the tab is hidden. After a failure it tries again after 1, 2, 5 and then
 * every 10 s. `fatal(error)` returns the name of a state if there is no use in that; then `onFatal(error)` is called, and nothing is read any more.
 */
export class Poll {
  constructor(seconds, load, { fatal = () => false, onFatal = () => {} } = {}) {
    Object.assign(this, { seconds, load, fatal, onFatal });
    this.element = el("span", { class: "state" });
    this.failures = 0;
    this.abort = new AbortController();
  }

  start() {
    const { signal } = this.abort;
    document.addEventListener("visibilitychange", () => this.now(), { signal });
    addEventListener("online", () => this.now(), { signal });
    this.show("connecting", text.connecting);
    this.now();
    return this;
  }

  close() {
    clearTimeout(this.timer);
    clearInterval(this.ticker);
    this.abort.abort();
  }

  /** Reads at once, unless that is being done. */
  async now() {
    clearTimeout(this.timer);
    clearInterval(this.ticker);
    if (this.abort.signal.aborted || this.isOver) return;
    if (document.hidden) return this.show("paused", text.asleep);
    if (this.isLoading) {
      this.isWanted = true;
      return;
    }
    this.isLoading = true;
    this.isWanted = false;
    try {
      await this.load(this.abort.signal);
      this.failures = 0;
      this.show("live", text.live);
      this.timer = setTimeout(() => this.now(), this.seconds * 1000);
    } catch (error) {
      if (!this.abort.signal.aborted) this.failed(error);
    } finally {
      this.isLoading = false;
    }
    if (this.isWanted) this.now();
  }

  failed(error) {
    const end = this.fatal(error);
    if (end) {
      this.isOver = true;
      this.show("gone", end);
      this.onFatal(error);
      return;
    }
    const next = Date.now() + 1000 * pauses[Math.min(this.failures++, pauses.length - 1)];
    const tick = () => this.show("reconnecting", text.reconnecting(Math.max(0, Math.ceil((next - Date.now()) / 1000))), error.message);
    tick();
    this.ticker = setInterval(tick, 1000);
    this.timer = setTimeout(() => this.now(), next - Date.now());
  }

  show(state, shown, title = "") {
    this.element.className = `state is-${state}`;
    this.element.title = title;
    if (this.element.textContent !== shown) this.element.textContent = shown;
    if (this.state !== state && (state === "reconnecting" || (state === "live" && this.state === "reconnecting"))) announce(shown);
    this.state = state;
  }
}
