// A request as the list has it, and its element.

import { bodyLength, isBinary } from "../common/bytes.js";
import { el, visible } from "../common/dom.js";
import { age, bytes } from "../common/text.js";
import { text } from "./text.js";

export function makeRow(notification, isRefused = false) {
  const { path, query } = notification;
  return {
    key: `${isRefused ? "r" : ""}${notification.id}`,
    id: notification.id,
    isRefused,
    notification,
    status: notification.status ?? 200,
    target: `${path === "" ? "/" : path}${query === null ? "" : `?${query}`}`,
    at: milliseconds(notification.receivedAt),
    isAttempt: (notification.attempts?.length ?? 1) > 1,
  };
}

/** The time in milliseconds since 1970, with its microseconds, which `Date.parse` leaves out. */
function milliseconds(iso) {
  const [, fraction = ""] = /\.(\d+)/.exec(iso) ?? [];
  return Date.parse(iso) + Number(fraction.padEnd(6, "0").slice(3, 6)) / 1000;
}

/**
 * The element of a row, made anew if what it shows has changed.
 * @param attempts how many attempts of its delivery the list has
 * @param isEarlier whether a newer attempt is in the list
 */
export function rowElement(row, attempts, isEarlier) {
  const { notification } = row;
  const state = [row.isCollected, attempts, isEarlier].join();
  if (row.element && row.elementState === state) return row.element;
  row.elementState = state;
  const length = bodyLength(notification);
  const badges = [];
  const badge = (kind, label) => badges.push(el("span", { class: `badge ${kind}` }, label));
  if (row.isRefused) badge("bad", text.refusedRow);
  if (notification.verification) badge(notification.verification.valid ? "good" : "bad", text.verdict[notification.verification.valid]);
  if (attempts > 1) badge("plain", text.attempts(attempts));
  if (row.isCollected) badge("plain", text.collected);
  row.size = length === null ? "?" : bytes(length);
  row.ageElement = el("time", { dateTime: notification.receivedAt, title: notification.receivedAt });
  row.element = el(
    "div", { id: `row-${row.key}`, role: "option", "data-key": row.key, class: isEarlier ? "row earlier" : "row" },
    el("span", { class: `method m-${notification.method}` }, notification.method),
    el("span", { class: "target" }, visible(row.target.slice(0, 300)), el("span", { class: "soft" }, visible(summary(notification)))),
    el("span", { class: "badges" }, badges),
    el("span", { class: row.status < 300 ? "status" : "status not-ok" }, String(row.status)),
    el("span", { class: "size" }, row.size),
    row.ageElement,
  );
  updateAge(row, Date.now());
  return row.element;
}

export function updateAge(row, now) {
  if (!row?.element) return;
  const shown = age(now - row.at);
  if (row.ageElement.textContent === shown) return;
  row.ageElement.textContent = shown;
  const name = text.option(row.notification.method, row.target.slice(0, 100), row.size, shown);
  row.element.setAttribute("aria-label", [name, ...[...row.element.querySelectorAll(".badge")].map((b) => b.textContent)].join(", "));
}

/** The beginning of a body that is text, on one line. */
function summary(notification) {
  return isBinary(notification) ? "" : notification.body.slice(0, 200).replaceAll(/\s+/g, " ").trim().slice(0, 80);
}
