// One request: its body, header fields, query, and what is known about it.

import { endpoint } from "../common/api.js";
import { hexBody, prettyBody, rawBody } from "../common/body.js";
import { bodyBytes, bodyLength, header, isBinary, looksBinary, sha256 } from "../common/bytes.js";
import { button, copy, el, keepingFocus, save, table, tell, visible } from "../common/dom.js";
import { attempt } from "../common/failures.js";
import { isJSON } from "../common/json.js";
import { answerer, bytes, time } from "../common/text.js";
import { curl } from "./curl.js";
import { text } from "./text.js";
import { verdict } from "./verdict.js";

// What is shown of a part of a form.
const shownLength = 128 * 1024;

const tabNames = ["body", "headers", "query", "meta"];

export class Detail {
  /**
   * @param context `{id, url, fileBase}` of the endpoint
   * @param handlers `back()`, `compare()`, `compareLabel()`, `forward(row)`, `select(key)`, `attemptsOf(row)`
   */
  constructor(context, handlers) {
    this.context = context;
    this.handlers = handlers;
    this.tab = "body";
    this.view = null;
    this.tabButtons = tabNames.map((name, index) =>
      button(text.tabs[name], () => this.showTab(name), {
        role: "tab", id: `tab-${name}`, "aria-controls": "panel", "aria-keyshortcuts": String(index + 1),
      }),
    );
    this.tabList = el("div", { role: "tablist", "aria-label": text.details, onkeydown: (event) => this.tabKey(event) }, this.tabButtons);
    this.panel = el("div", { id: "panel", role: "tabpanel", tabIndex: 0 });
    this.head = el("div", { class: "detail-head" });
    this.element = el("section", { id: "detail", "aria-label": text.title }, el("p", { class: "empty" }, text.choose));
  }

  show(row) {
    if (this.row !== row) this.view = null;
    this.row = row;
    this.element.setAttribute("aria-label", `${row.notification.method} ${row.target.slice(0, 100)}`);
    this.renderHead();
    if (!this.panel.isConnected) this.element.replaceChildren(this.head, this.tabList, this.panel);
    this.showTab(this.tab);
  }

  /** Shows the head again if the attempts of the delivery have become more. */
  updateHead() {
    if (this.row && this.handlers.attemptsOf(this.row).length !== this.attemptCount) this.renderHead();
  }

  renderHead() {
    const { row } = this;
    this.attemptCount = this.handlers.attemptsOf(row).length;
    const { notification } = row;
    const actions = [
      button(text.copyBody, () => this.copyBody(), { "aria-keyshortcuts": "c" }),
      button(text.copyCurl, () => this.copyCurl(), { "aria-keyshortcuts": "u" }),
      button(text.download, () => this.download(), { title: text.downloadTitle }),
      button(this.handlers.compareLabel(), () => this.handlers.compare(), { title: text.compareTitle, "aria-keyshortcuts": "d" }),
      !row.isRefused && button(text.forward, () => this.handlers.forward(row)),
    ];
    const content = [
      button(text.back, () => this.handlers.back(), { class: "back" }),
      el("h2", {}, el("span", { class: "method" }, notification.method), " ", visible(row.target.slice(0, 500))),
      el("div", { class: "actions" }, actions),
      ...this.notices(),
    ];
    keepingFocus(this.head, () => this.head.replaceChildren(...content));
  }

  notices() {
    const { notification, isRefused } = this.row;
    const notices = [];
    const add = (kind, ...content) => notices.push(el("p", { class: `notice ${kind}` }, ...content));
    if (isRefused) add("bad", text.refusals[notification.refused] ?? notification.refused, ` (${notification.status})`);
    if (notification.bodyFault) add("warn", text.faults[notification.bodyFault] ?? notification.bodyFault);
    if (notification.verification) notices.push(verdict(notification.verification));
    const attempts = this.handlers.attemptsOf(this.row);
    if (attempts.length > 1) {
      const place = attempts.findIndex((row) => row === this.row) + 1;
      const links = attempts.map((row) =>
        button(`#${row.id} ${row.status}`, () => this.handlers.select(row.key), { class: "link", disabled: row === this.row }),
      );
      add("plain", text.attempt(place, attempts.length), ": ", links);
    }
    return notices;
  }

  // Tabs

  showTab(name, view = this.view) {
    this.tab = name;
    this.view = view;
    for (const [index, tab] of tabNames.entries()) {
      this.tabButtons[index].setAttribute("aria-selected", String(tab === name));
      this.tabButtons[index].tabIndex = tab === name ? 0 : -1;
    }
    this.panel.setAttribute("aria-labelledby", `tab-${name}`);
    if (!this.row) return;
    const content = { body: () => this.body(), headers: () => this.headers(), query: () => this.query(), meta: () => this.meta() }[name]();
    keepingFocus(this.panel, () => this.panel.replaceChildren(...[content].flat()));
    this.panel.scrollTop = 0;
  }

  tabKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const index = (tabNames.indexOf(this.tab) + step + tabNames.length) % tabNames.length;
    this.showTab(tabNames[index]);
    this.tabButtons[index].focus();
  }

  // Body

  body() {
    const { notification } = this.row;
    const length = bodyLength(notification);
    const isKept = notification.body !== "" || notification.bodyBase64 !== undefined;
    if (!isKept) return el("p", { class: "empty" }, length ? text.notKept(bytes(length)) : text.noBody);
    const binary = isBinary(notification);
    const views = [!binary && "pretty", "raw", "hex", notification.form && (isMultipart(notification) ? "parts" : "form")].filter(Boolean);
    // Some programs call everything a form.
    const isFields = notification.form?.parts.length > 0 && (isMultipart(notification) || (notification.body.includes("=") && !isJSON(notification.body)));
    const view = views.includes(this.view) ? this.view : isFields ? views.at(-1) : views[0] === "raw" ? "hex" : views[0];
    const choice = el(
      "div", { class: "views", role: "group", "aria-label": text.tabs.body },
      views.map((name) => button(text.views[name], () => this.showTab("body", name), { "aria-pressed": String(name === view) })),
    );
    const about = el("p", { class: "about" }, `${bytes(length)}, ${this.encoding(binary)}`);
    const content = {
      pretty: () => prettyBody(notification.body, this.textNotes()), raw: () => rawBody(notification.body, this.textNotes()),
      hex: () => hexBody(bodyBytes(notification)), form: () => this.form(), parts: () => this.form(),
    }[view]();
    return [el("div", { class: "body-head" }, choice, about), ...[content].flat()];
  }

  encoding(binary) {
    const { notification } = this.row;
    if (binary) return text.binary;
    if (notification.bodyBase64 === undefined) return text.utf8;
    const charset = /charset="?([^";]+)/i.exec(header(notification, "content-type") ?? "")?.[1] ?? "UTF-8";
    const coding = header(notification, "content-encoding");
    return text.decodedFrom(coding ? `${charset}, ${coding}` : charset);
  }

  /** What is said of a text that is not the bytes. */
  textNotes() {
    return this.row.notification.bodyBase64 === undefined ? [] : [el("p", { class: "about" }, text.notUTF8)];
  }

  form() {
    const { form } = this.row.notification;
    const parts = isMultipart(this.row.notification);
    const rows = form.parts.map((part, index) =>
      el(
        "tr", {},
        el("th", { scope: "row" }, visible(part.name ?? "")),
        el("td", {}, el("pre", {}, part.value === null ? text.partNotShown : looksBinary(part.value) ? text.binaryPart : visible(part.value.slice(0, shownLength)))),
        parts ? [el("td", {}, visible(part.filename ?? "")), el("td", {}, visible(part.contentType ?? ""))] : null,
        el("td", { class: "number" }, bytes(part.bytes)),
        parts ? el("td", {}, part.offset !== undefined && button(text.download, () => this.downloadPart(part, index + 1), { title: text.bytesOf(`${index + 1}`) })) : null,
      ),
    );
    const faults = form.faults.map((fault) => el("p", { class: "notice warn" }, visible(typeof fault === "string" ? fault : JSON.stringify(fault))));
    const heads = [text.name, text.value, ...(parts ? [text.fileName, text.type] : []), text.size, ...(parts ? [text.download] : [])];
    return [...faults, table(heads, rows)];
  }

  // The other tabs

  headers() {
    const { headers } = this.row.notification;
    if (headers.length === 0) return el("p", { class: "empty" }, text.noHeaders);
    const rows = headers.map(({ name, value }) => el("tr", {}, el("th", { scope: "row" }, visible(name)), el("td", {}, visible(value))));
    return table([text.name, text.value], rows);
  }

  query() {
    const { query } = this.row.notification;
    if (query === null || query === "") return el("p", { class: "empty" }, text.noQuery);
    const pairs = query.split("&").filter(Boolean).map((pair) => {
      const [name, ...value] = pair.split("=");
      return [decoded(name), decoded(value.join("="))];
    });
    const rows = pairs.map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, visible(name)), el("td", {}, visible(value))));
    return [el("pre", { class: "code" }, visible(query)), table([text.name, text.value], rows)];
  }

  meta() {
    const { row } = this;
    const { notification } = row;
    const length = bodyLength(notification);
    const digest = el("td", { class: "digest" });
    const items = [
      ["id", `#${row.id}`],
      ["receivedAt", `${time(notification.receivedAt)} (${notification.receivedAt})`],
      ["remote", notification.remote ?? ""],
      ["method", notification.method],
      ["url", notification.url ?? text.noUrl],
      ["path", notification.path],
      ["size", length === null ? "" : `${length.toLocaleString("en")} B`],
      ["status", String(row.status)],
      ["answeredBy", notification.answeredBy ? answerer(notification.answeredBy) : null],
      ["verification", notification.verification ? text.verdict[notification.verification.valid] : null],
      ["confirmation", notification.confirmation ? JSON.stringify(notification.confirmation, null, 2) : null],
      ["attempts", notification.attempts?.map((id) => `#${id}`).join(", ") ?? null],
    ];
    const rows = items
      .filter(([, value]) => value !== null)
      .map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, text.meta[name]), el("td", {}, el("pre", {}, visible(value)))));
    if (length) {
      rows.push(el("tr", {}, el("th", { scope: "row" }, text.meta.sha256), digest));
      sha256(bodyBytes(notification)).then((hex) => (digest.textContent = hex ?? "—"));
    }
    return table([text.name, text.value], rows);
  }

  // Actions

  get fileName() {
    return `${this.context.fileBase}-${this.row.key}.bin`;
  }

  copyBody() {
    if (this.row) copy(this.row.notification.body, text.copied, text);
  }

  copyCurl() {
    if (!this.row) return;
    const { command, needsFile } = curl(this.row.notification, this.context.url, this.fileName);
    copy(command, needsFile ? text.curlNeedsFile(this.fileName) : text.copied, text);
  }

  /** Saves the bytes of a part. Where it is in the body is known for the body as it is after decompression. */
  async downloadPart(part, number) {
    const { notification, id } = this.row;
    const name = this.fileName.replace(/bin$/, `part-${number}.bin`);
    await attempt(async () => {
      const isCoded = header(notification, "content-encoding") !== undefined;
      const array = isCoded ? await endpoint.decodedBody(this.context.id, id) : bodyBytes(notification);
      save(name, array.subarray(part.offset, part.offset + part.bytes));
      tell(name);
    });
  }

  download() {
    if (!this.row) return;
    save(this.fileName, bodyBytes(this.row.notification));
    tell(this.fileName);
  }
}

const isMultipart = (notification) => /^\s*multipart\//i.test(header(notification, "content-type") ?? "");

function decoded(string) {
  try {
    return decodeURIComponent(string.replaceAll("+", " "));
  } catch {
    return string;
  }
}
