// What several parts of the webhooks' view say about a webhook.

import { el, visible } from "../common/dom.js";
import { age, time } from "../common/text.js";
import { text } from "./text.js";

export const isDisabled = (webhook) => webhook.disabled_until !== undefined && Date.parse(webhook.disabled_until) > Date.now();

/** Whether a webhook is disabled, until when and why. */
export function stateOf(webhook) {
  if (!isDisabled(webhook)) return el("span", { class: "badge good" }, text.enabled);
  const isForGood = webhook.disabled_until.startsWith("9999");
  const state = el("span", { class: "badge bad" }, isForGood ? text.disabledForGood : text.disabledUntil(time(webhook.disabled_until)));
  return webhook.disabled_reason ? [state, " ", el("span", { class: "about" }, visible(webhook.disabled_reason))] : state;
}

/** How long ago something was, with the time itself as its title. */
export const ago = (iso) => el("time", { title: iso }, text.ago(age(Date.now() - Date.parse(iso))));
