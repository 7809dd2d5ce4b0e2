// Loads what a view shows, again and again, and says how current it is. Nothing is loaded while the tab is hidden.

import { Failure } from "./api.js";
import { announce, el } from "./dom.js";
import { text } from "./text.js";

const pauses = [1, 2, 5, 10];
const loadSeconds = 20;

export class Poller {
  /**
   * @param load loads and shows everything, with a signal that ends it; `false` ends the polling
   * @param seconds between two loads
   * @param onRefused called with an answer that trying again does not change, which ends the polling
   */
  constructor(load, seconds, onRefused = () => {}) {
    this.load = load;
    this.seconds = seconds;
    this.onRefused = onRefused;
    this.failures = 0;
    this.element = el("span", { class: "state" });
    this.listeners = new AbortController();
    this.abort = new AbortController();
  }

  start() {
    const { signal } = this.listeners;
    document.addEventListener("visibilitychange", () => this.now(), { signal });
    addEventListener("online", () => this.now(), { signal });
    addEventListener("offline", () => this.now(), { signal });
    this.show("connecting");
    this.run();
  }

  close() {
    this.isClosed = true;
    this.listeners.abort();
    this.abort.abort();
    clearInterval(this.countdown);
    this.wake?.();
  }

  /** Loads at once, or as soon as the tab is shown. */
  now() {
    this.failures = 0;
    this.abort.abort();
    this.abort = new AbortController();
    this.isAsked = true;
    this.wake?.();
  }

  sleep(seconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.isAsked || this.isClosed) this.wake();
    });
  }

  async run() {
    while (!this.isClosed) {
      if (document.hidden && this.state !== "connecting") {
        this.show("asleep");
        this.isAsked = false;
        await this.sleep(2 ** 20);
        continue;
      }
      this.isAsked = false;
      try {
        const more = await this.load(AbortSignal.any([this.abort.signal, AbortSignal.timeout(loadSeconds * 1000)]));
        if (this.isClosed) return;
        this.failures = 0;
        if (more === false) return this.close();
        this.show("live");
        await this.sleep(this.seconds);
      } catch (error) {
        if (this.isClosed) return;
        if (this.isAsked) continue;
        if (error instanceof Failure && error.status < 500 && error.status !== 429) {
          this.show("gone", error.message);
          this.close();
          return this.onRefused(error);
        }
        if (!(error instanceof Failure || ["TypeError", "AbortError", "TimeoutError"].includes(error.name))) console.error(error);
        const seconds = Math.max(pauses[Math.min(this.failures, pauses.length - 1)], Number(error.retryAfter) || 0);
        this.failures += 1;
        this.until = Date.now() + seconds * 1000;
        this.show("reconnecting", error.message);
        this.countdown = setInterval(() => this.show("reconnecting", error.message), 1000);
        await this.sleep(seconds);
        clearInterval(this.countdown);
      }
    }
  }

  show(state, reason = "") {
    const seconds = Math.max(0, Math.ceil((this.until - Date.now()) / 1000));
    const shown = state === "reconnecting" ? (navigator.onLine ? text.reconnecting(seconds) : text.offline) : text[state];
    if (this.element.textContent !== shown) this.element.textContent = shown;
    this.element.className = `state is-${state}`;
    this.element.title = reason;
    if (this.state !== state && (state === "reconnecting" || (state === "live" && this.state === "reconnecting"))) announce(shown);
    this.state = state;
  }
}
