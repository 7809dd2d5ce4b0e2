// The queues of a user: how full they are, who reads them and how far, and their newest messages. It looks and does not read.

import { button, el, fault, field, form, submit, tell, visible, wideTable } from "../common/dom.js";
import { reason } from "../common/failures.js";
import { morphChildren } from "../common/morph.js";
import { Poller } from "../common/poller.js";
import { age, bytes, text as common } from "../common/text.js";
import { currentUser, logIn, logOut, queues } from "./api.js";
import { Messages } from "./messages.js";
import { text } from "./text.js";

const overviewSeconds = 5;
const queueSeconds = 2;

export const open = (rest) => new QueuesView(rest || null);

const address = (queue) => `inspect#/queues/${encodeURIComponent(queue)}`;

class QueuesView {
  /** @param queue the name of the queue that is shown; `null`: all of them */
  constructor(queue) {
    this.queue = queue;
    this.title = queue === null ? text.title : text.queue(queue.slice(0, 40));
    this.content = el("div", {});
    this.who = el("div", { class: "view-head" });
    const heading = queue === null ? text.title : [el("a", { href: "inspect#/queues", "data-view": "" }, text.title), " / ", el("bdi", {}, visible(queue.slice(0, 500)))];
    this.element = el("div", { class: "view" }, el("div", { class: "view-title" }, el("h1", {}, heading), this.who), this.content);
  }

  start() {
    if (currentUser() === null) this.showLogin();
    else this.showContent();
  }

  close() {
    this.isClosed = true;
    this.poller?.close();
    clearInterval(this.waiting);
  }

  // Logging in

  /** @param why the reason for which the user has to log in again */
  showLogin(why = null) {
    this.poller?.close();
    const error = fault(why);
    const user = el("input", { id: "user", name: "user", autocomplete: "username", spellcheck: false, required: true });
    const password = el("input", { id: "password", name: "password", type: "password", autocomplete: "current-password" });
    const keep = el("input", { type: "checkbox", id: "keep" });
    const logInButton = submit(text.logIn, { class: "primary" });
    const loginForm = form(
      async () => {
        if (user.value === "" || user.value.includes(":")) return error.show(text.userFault);
        error.show();
        try {
          const overview = await queues.overview(AbortSignal.timeout(20000), { user: user.value, password: password.value });
          if (this.isClosed) return;
          logIn(user.value, password.value, keep.checked);
          this.showContent(overview);
          document.getElementById("main").focus();
        } catch (failure) {
          if (this.isClosed) return;
          if (failure.status === 429 && failure.retryAfter) this.wait(failure, logInButton, error.show);
          else error.show(reason(failure));
        }
      },
      { class: "card login" },
      el("p", {}, text.logInHint), error.element,
      field(text.user, user), field(text.password, password),
      el("label", { class: "check" }, keep, " ", text.keep),
      logInButton,
    );
    this.who.replaceChildren();
    this.content.replaceChildren(loginForm);
    user.focus();
  }

  /** Shows how long the service takes no login. */
  wait({ message, retryAfter }, button, fail) {
    const until = Date.now() + Number(retryAfter) * 1000;
    const update = () => {
      const seconds = Math.ceil((until - Date.now()) / 1000);
      button.disabled = seconds > 0;
      fail(seconds > 0 ? text.tooMany(message, seconds) : message);
      if (seconds <= 0) clearInterval(this.waiting);
    };
    clearInterval(this.waiting);
    this.waiting = setInterval(update, 1000);
    update();
  }

  // What is shown

  showContent(overview = null) {
    this.poller = new Poller((signal) => this.load(signal), this.queue === null ? overviewSeconds : queueSeconds, (failure) => this.refused(failure));
    this.who.replaceChildren(
      this.poller.element, el("span", {}, visible(text.loggedIn(currentUser()))),
      button(text.logOut, () => {
        logOut();
        this.showLogin();
      }, { id: "log-out" }),
    );
    this.tables = el("div", {});
    this.messages = this.queue === null ? null : new Messages(this.queue, () => this.poller.now());
    this.content.replaceChildren(this.tables, ...(this.messages ? [this.messages.element] : []));
    if (overview) this.showTables(overview);
    this.poller.start();
  }

  refused(failure) {
    if (failure.status === 401 || failure.status === 403) {
      logOut();
      this.showLogin(`${text.ended} ${failure.message}`);
    } else {
      tell(common.failed(failure.message), true);
      this.content.replaceChildren(el("p", { class: "notice bad", role: "alert" }, visible(failure.message)));
    }
  }

  async load(signal) {
    const overview = await queues.overview(signal);
    this.showTables(overview);
    const state = overview.queues.find(({ name }) => name === this.queue);
    if (state) await this.messages?.load(state, signal);
  }

  showTables({ queues: all, clients, next }) {
    const shown = this.queue === null ? all : all.filter(({ name }) => name === this.queue);
    const followers = this.queue === null ? clients : clients.filter(({ queue }) => queue === this.queue);
    const parts = [];
    if (shown.length > 0) parts.push(this.queueTable(shown, clients));
    else parts.push(el("p", { class: "notice warn" }, this.queue === null ? text.noQueues : text.notThere));
    if (shown.length > 0 || followers.length > 0) {
      parts.push(el("h2", {}, text.clients));
      parts.push(followers.length > 0 ? this.clientTable(followers) : el("p", { class: "about" }, this.queue === null ? text.noClientsAtAll : text.noClients));
    }
    if (next !== null) parts.push(el("p", { class: "notice warn" }, text.moreClients));
    if (this.messages) this.messages.element.hidden = shown.length === 0;
    morphChildren(this.tables, parts);
  }

  queueTable(shown, clients) {
    const rows = shown.map((queue) => {
      const isFull = queue.depth >= queue.max_message_count;
      return el(
        "tr", { "data-key": queue.name },
        el("th", { scope: "row" }, this.queue === null ? el("a", { href: address(queue.name), "data-view": "" }, el("bdi", {}, name(queue.name))) : name(queue.name), queue.signed && [" ", badge("plain", text.signed, text.signedTitle)]),
        el("td", { class: "number" }, isFull && [badge("warn", text.full), " "], text.of(queue.depth, queue.max_message_count), meter(queue.depth, queue.max_message_count)),
        el("td", { class: "number" }, text.sizeOf(bytes(queue.bytes), bytes(queue.max_queue_size)), meter(queue.bytes, queue.max_queue_size)),
        el("td", { class: "number" }, ago(queue.oldest_age_seconds)),
        el("td", { class: "number" }, ago(queue.newest_age_seconds)),
        el("td", { class: "number" }, queue.current_message.toLocaleString("en")),
        el("td", { class: "number" }, String(clients.filter(({ queue: followed }) => followed === queue.name).length)),
      );
    });
    return wideTable(text.queues, [text.name, text.depth, text.size, text.oldest, text.newest, text.last, text.clientCount], rows);
  }

  clientTable(clients) {
    const rows = clients.map((client) => {
      const lag = client.lag?.toLocaleString("en") ?? text.none;
      return el(
        "tr", { "data-key": client.name },
        el("th", { scope: "row" }, name(client.name)),
        this.queue === null && el("td", {}, client.queue === null ? text.removedQueue : el("bdi", {}, name(client.queue))),
        el("td", {}, standing(client)),
        el("td", { class: "number" }, client.lost ? text.skips(lag) : lag),
        el("td", { class: "number" }, ago(client.lost ? null : client.lag_seconds)),
        el("td", { class: "number" }, client.cursor.toLocaleString("en")),
      );
    });
    const heads = [text.client, ...(this.queue === null ? [text.followed] : []), text.standing, text.lag, text.lagAge, text.cursor];
    return wideTable(text.clients, heads, rows);
  }
}

const name = (string) => visible(string.slice(0, 200));

const ago = (seconds) => (seconds === null ? text.none : text.ago(age(Math.max(1, seconds) * 1000 + 500)));

const badge = (kind, label, title) => el("span", { class: `badge ${kind}`, title }, label);

function standing(client) {
  if (!client.connected) return badge("bad", text.disconnected, text.disconnectedTitle);
  if (client.lost) return badge("bad", text.lost, text.lostTitle);
  return client.lag > 0 ? badge("warn", text.behind) : badge("good", text.upToDate);
}

/** How full something is, for the eye: the numbers beside it say the same. */
function meter(value, limit) {
  const full = el("span", {});
  full.style.width = `${limit > 0 ? Math.min(100, (100 * value) / limit) : 100}%`;
  return el("span", { class: `meter${value >= limit ? " is-full" : ""}`, "aria-hidden": "true" }, full);
}
