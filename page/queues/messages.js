// The newest messages of a queue. Looking at them moves no cursor.

import { bodyView } from "../common/body.js";
import { fromBase64 } from "../common/bytes.js";
import { announce, button, copy, el, field, form, save, submit, tell, visible } from "../common/dom.js";
import { attempt } from "../common/failures.js";
import { replaceChildren } from "../common/morph.js";
import { age, bytes, text as common, time } from "../common/text.js";
import { queues } from "./api.js";
import { text } from "./text.js";

const pageSize = 20;
const olderSize = 100;
// Behind by more pages than this, the list begins anew with the newest messages.
const catchUpPages = 5;
const previewLength = 160;
// Older ones are dropped; they can be loaded again.
const itemLimit = 1000;

export class Messages {
  /** @param refresh has the view load at once what is new */
  constructor(queue, refresh) {
    this.queue = queue;
    this.refresh = refresh;
    /** By id, newest first. */
    this.items = new Map();
    this.current = null;
    this.limit = itemLimit;
    // The queue keeps no message with a lower id.
    this.first = 0;
    this.list = el("ol", { class: "messages", reversed: true });
    this.note = el("p", { class: "about" });
    this.olderButton = button(common.older, () => attempt(() => this.loadOlder()), { hidden: true });
    this.element = el(
      "section", { "aria-label": text.messages, hidden: true },
      el("h2", {}, text.messages), el("p", { class: "about" }, text.peekHint), this.list, this.note, this.olderButton, this.makeForm(),
    );
  }

  /** Shows what is new in the queue, whose state is given. */
  async load(state, signal) {
    this.state = state;
    this.showForm();
    if (state.current_message !== this.current || state.depth !== this.depth) await this.loadNewest(signal);
    this.depth = state.depth;
    for (const item of this.items.values()) item.update();
  }

  async loadNewest(signal) {
    const isFirst = this.current === null;
    let page = await queues.peek(this.queue, { limit: pageSize }, signal);
    // The queue was removed, and has begun anew.
    if (page.current_message < this.current) this.items.clear();
    const known = Math.max(0, ...this.items.keys());
    const found = [...page.messages];
    const current = page.current_message;
    const reaches = () => page.next === null || (found.at(-1)?.id ?? 0) <= known;
    for (let pages = 1; known > 0 && !reaches() && pages < catchUpPages; pages++) {
      page = await queues.peek(this.queue, { limit: pageSize, before: page.next }, signal);
      found.push(...page.messages);
    }
    const isConnected = isFirst || known === 0 || reaches();
    if (!isConnected) {
      this.items.clear();
      tell(text.jumped);
    }
    const fresh = found.filter(({ id }) => !this.items.has(id));
    const arrived = fresh.filter(({ id }) => id > known).length;
    for (const message of fresh) this.items.set(message.id, this.makeItem(message));
    if (isFirst || !isConnected || known === 0) this.next = page.next;
    this.first = page.first_message;
    this.current = current;
    if (!isFirst && arrived > 0) announce(text.arrived(arrived));
    this.paint();
  }

  async loadOlder() {
    if (this.next === null) return;
    const page = await queues.peek(this.queue, { limit: olderSize, before: this.next });
    for (const message of page.messages) if (!this.items.has(message.id)) this.items.set(message.id, this.makeItem(message));
    this.next = page.next;
    this.first = page.first_message;
    this.limit = Math.max(itemLimit, this.items.size);
    this.paint();
  }

  paint() {
    const ids = [...this.items.keys()].sort((a, b) => b - a);
    for (const id of ids) {
      const item = this.items.get(id);
      const isDropped = id < this.first;
      // A message that is being read stays, and says that it is gone.
      if (isDropped && !item.isOpen()) this.items.delete(id);
      else item.setDropped(isDropped);
    }
    for (const id of ids.slice(this.limit)) this.items.delete(id);
    if (ids.length > this.limit) this.next = ids[this.limit - 1];
    replaceChildren(this.list, ids.filter((id) => this.items.has(id)).map((id) => this.items.get(id).element));
    const isEmpty = this.items.size === 0;
    this.note.textContent = isEmpty ? text.noMessages : this.next === null ? text.noOlder : "";
    this.olderButton.hidden = isEmpty || this.next === null;
  }

  makeItem(message) {
    const isBinary = message.messageBase64 !== undefined;
    const at = Date.parse(message.received_at);
    const when = el("time", { title: message.received_at });
    const dropped = el("span", { class: "badge bad", hidden: true }, text.dropped);
    const preview = message.bytes === 0 ? text.emptyMessage : isBinary ? text.binary(bytes(message.bytes)) : visible(message.message.slice(0, previewLength).replaceAll(/\s+/g, " "));
    const panel = el("div", { class: "message", hidden: true, id: `message-${message.id}` });
    const toggle = el(
      "button",
      {
        type: "button", class: "message-row", "aria-expanded": "false", "aria-controls": panel.id,
        onclick: () => {
          if (!panel.hasChildNodes()) panel.append(...this.details(message));
          panel.hidden = !panel.hidden;
          toggle.setAttribute("aria-expanded", String(!panel.hidden));
        },
      },
      el("span", { class: "message-id" }, `#${message.id}`), el("span", { class: `preview${isBinary || message.bytes === 0 ? " soft" : ""}` }, preview),
      dropped, el("span", { class: "size" }, bytes(message.bytes)), when,
    );
    const item = {
      element: el("li", { value: message.id }, toggle, panel),
      isOpen: () => !panel.hidden,
      setDropped: (isDropped) => (dropped.hidden = !isDropped),
      update: () => {
        const shown = age(Date.now() - at);
        if (when.textContent !== shown) when.textContent = shown;
      },
    };
    item.update();
    return item;
  }

  details(message) {
    const isBinary = message.messageBase64 !== undefined;
    const array = () => (isBinary ? fromBase64(message.messageBase64) : new TextEncoder().encode(message.message));
    const shown = message.truncated ? array().length : message.bytes;
    const notes = isBinary ? [el("p", { class: "about" }, text.notText)] : [];
    const about = `${text.about(bytes(message.bytes), isBinary ? common.binary : common.utf8)}, ${time(message.received_at)}`;
    const isEmpty = message.bytes === 0;
    return [
      el(
        "div", { class: "actions" },
        !isEmpty && !message.truncated && button(common.copy, () => copy(message.message, common.copied, common)),
        button(text.download, () => attempt(() => this.download(message.id))),
      ),
      message.truncated && el("p", { class: "notice plain" }, text.cut(bytes(shown), bytes(message.bytes))),
      isEmpty ? el("p", { class: "about" }, about) : bodyView(text.body, { string: message.message, array, isBinary, about, notes }),
    ].filter(Boolean);
  }

  async download(id) {
    const file = `message-${id}.bin`;
    save(file, await queues.bytes(this.queue, id));
    tell(file);
  }

  // Sending

  makeForm() {
    this.field = el("textarea", { id: "message", rows: 3, spellcheck: false });
    this.form = form(
      () => attempt(() => this.send()), { class: "card" },
      el("h2", {}, text.send), el("p", { class: "about" }, text.sendHint),
      field(text.sendLabel, this.field), submit(text.sendButton),
    );
    this.signedNote = el("p", { class: "notice plain", hidden: true }, text.signedQueue);
    return el("div", {}, this.form, this.signedNote);
  }

  showForm() {
    this.form.hidden = this.state.signed;
    this.signedNote.hidden = !this.state.signed;
  }

  async send() {
    const { length } = new TextEncoder().encode(this.field.value);
    if (length > this.state.max_message_size) return tell(text.tooLong(bytes(length), bytes(this.state.max_message_size)), true);
    await queues.send(this.queue, this.field.value);
    tell(text.sent);
    // Not a load of its own: of two at a time, the older answer could come last.
    this.refresh();
  }
}
