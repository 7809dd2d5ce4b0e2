// What several views of events show alike.

import { el, visible } from "../common/dom.js";
import { time } from "../common/text.js";
import { text } from "./text.js";

/** What went wrong, as a text: the service's own words, and what can be done about it. */
export function reason(error) {
  if (error.status === 401) return text.login;
  if (error.status === 403 && /user/i.test(error.message)) return `${text.noUser} (${error.message})`;
  return error.status ? error.message : text.noAnswer;
}

/** The API's times are UTC without a zone. */
export const moment = (naive) => new Date(`${naive}Z`);

export const when = (naive) => el("time", { dateTime: `${naive}Z`, title: `${naive} UTC` }, time(`${naive}Z`));

export const badge = (kind, string, title) => el("span", { class: `badge ${kind}`, title }, string);

export const stateOf = (subscription) =>
  subscription.disabled === null ? badge("good", text.enabled) : badge("bad", text.disabled, text.disabledSince(time(`${subscription.disabled}Z`)));

export const nameOf = (subscription) => (subscription.name.trim() === "" ? text.unnamed : visible(subscription.name));

const shortened = (string, limit) => (string.length > limit ? `${string.slice(0, limit)}…` : string);

/** What is wrong with a subscription, or was missed by it. */
export const troubles = (subscription) => [
  subscription.error && el("p", { class: `notice ${subscription.disabled ? "bad" : "warn"} trouble` }, subscription.disabled ? text.disabledSince(time(`${subscription.disabled}Z`)) : text.lastError, ": ", visible(shortened(subscription.error, 600))),
  subscription.missed && el("p", { class: "notice warn" }, text.missed(subscription.missed.count, time(`${subscription.missed.since}Z`))),
];

/** The outcome of an attempt as a badge. */
export function outcome(line) {
  const isGood = line.error_kind === null;
  const status = line.target_status_code;
  return badge(isGood ? "good" : "bad", status !== null && (isGood || line.error_kind === "status") ? `${status}` : (line.error_kind ?? `${status}`));
}

/** The details of an attempt: what was sent where, and what was answered. */
export function attemptDetails(line, target) {
  const policy = line.policy_status_code !== null && [
    el("h3", {}, `${text.policy}: ${line.policy_status_code}`),
    line.policy_resp_body && el("pre", { class: "code" }, visible(line.policy_resp_body.slice(0, 20000))),
  ];
  const response = line.target_status_code === null
    ? el("p", { class: "about" }, text.noResponse)
    : [
        el("p", {}, `HTTP ${line.target_status_code}`),
        line.target_resp_body ? el("pre", { class: "code" }, visible(line.target_resp_body.slice(0, 20000))) : el("p", { class: "about" }, text.emptyResponse),
      ];
  return [
    line.error && el("p", { class: "notice bad" }, visible(line.error)),
    target && isMade(line) && [el("h3", {}, text.request), el("code", {}, visible(text.requestText(target))), el("p", { class: "about" }, text.requestHint)],
    policy, isMade(line) && [el("h3", {}, text.response), response],
  ];
}

/** Whether an attempt was made. A delivery that is set aside has the number of its last one. */
const isMade = (line) => line.attempt > 0 && (line.error_kind !== "disabled" || line.target_status_code !== null);

/** The parts of a line that say when, which attempt and why. */
export const attemptFacts = (line) => [
  when(line.created), " ",
  el("span", {}, isMade(line) ? text.attempt(line.attempt) : text.notMade), " ",
  text.triggers[line.trigger] && badge("plain", text.triggers[line.trigger]), " ",
  isMade(line) && el("span", { class: "size" }, `${line.duration_ms} ms`), " ",
  line.next_retry && el("span", { class: "size" }, text.next(time(`${line.next_retry}Z`))),
];

export const link = (rest, ...content) => el("a", { href: `inspect#/events${rest}`, "data-view": "" }, ...content);

/** Says in a view why nothing is read any more. `goneText` is for an answer that something does not exist. */
export function refused(error, poller, place, goneText) {
  const isGone = error.message === "Forbidden" && goneText !== undefined;
  if (!isGone) poller.element.textContent = text.stopped;
  place.replaceChildren(el("p", { class: "notice bad", role: "alert" }, isGone ? goneText : visible(text.failed(reason(error)))));
}

export const faultText = ({ line, column, reason }) => text.fault(line, column, reason);

/** What is wrong with an expression in each of some dialects, which are given as the API answers them, by name. */
export const expressionFaults = (expression, dialects) => el("ul", { class: "faults" }, dialects.map(([name, { error }]) => el(
  "li", {}, el("strong", {}, text.dialects[name]), " ", visible(faultText(error)), marked(expression, error),
)));

/** The line of an expression that has a fault, with a mark at its place. */
function marked(expression, { offset }) {
  const all = new TextEncoder().encode(expression);
  const decode = (from, to) => new TextDecoder().decode(all.subarray(from, to));
  const before = decode(Math.max(0, offset - 60), offset).split("\n").at(-1).replace(/^\ufffd+/, "");
  const after = decode(offset, offset + 60).split("\n")[0].replace(/\ufffd+$/, "");
  return el("code", { class: "place", "aria-hidden": "true" }, visible(before), el("mark", {}, after[0] ?? "⏎"), visible(after.slice(1)));
}
