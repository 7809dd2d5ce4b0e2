// The texts of forwarding.

import { plural, text as common } from "../common/text.js";

export const text = {
  ...common,
  title: "Forward to other addresses",
  off: "Forwarding is turned off here. The operator of this service can allow it with the setting ENDPOINT_FORWARDING.",
  what: (count, left) =>
    `${plural(count, "request is", "requests are")} forwarded with the same method, bytes and header fields as captured, except those of the connection. The path below the id and the query are appended to each address.` +
    (left > 0 ? ` ${plural(left, "other is", "others are")} left out: what was refused or collected cannot be forwarded, and of the rest only the newest 100 are.` : ""),
  nothing: "None of the requests shown can be forwarded: what was refused or collected cannot be.",
  one: (method, target) => `${method} ${target}`,
  addresses: "Addresses, one on each line (at most 10)",
  addressesOnly: "Addresses",
  line: (number) => `Line ${number}`,
  addressHint: "The service forwards the requests, not this page: an address must be one that the service reaches and may call.",
  noAddress: "Write an address, such as https://example.org/hook.",
  send: "Forward",
  again: "Forward again",
  againShort: "Again",
  results: "Results",
  request: "Request",
  address: "Address",
  result: "Result",
  sending: "on its way",
  next: (time) => `next attempt ${time}`,
  delivered: (status, milliseconds) => `${status} in ${milliseconds.toLocaleString("en")} ms`,
  notKept: "no longer kept",
  summary: (delivered, failed, pending, unknown) =>
    [`${delivered} delivered`, failed > 0 && `${failed} failed`, pending > 0 && `${pending} waiting`, unknown > 0 && `${unknown} no longer kept`].filter(Boolean).join(", "),
  // The forwards of an endpoint
  forwards: "Forwards, newest first",
  show: "Show",
  filters: { "": "all", pending: "waiting", failed: "failed", delivered: "delivered" },
  none: "None.",
  noneSearched: (count) => `None of the newest ${count.toLocaleString("en")}. Older ones are not searched yet.`,
  state: "State",
  attempts: "Attempts",
  time: "Time",
  backlog: (pending, missed) =>
    `${pending.toLocaleString("en")} waiting.${missed > 0 ? ` ${plural(missed, "request was", "requests were")} not forwarded, as too many were waiting.` : ""} Those that are over are kept for a while.`,
  isStanding: "each request",
  stop: "Stop",
  stopped: (url) => `Requests are no longer forwarded to ${url}, and those that waited are not.`,
  standing: "Forward each request as it arrives",
  standingLine: (number) => `Forward each request as it arrives, line ${number}`,
  standingHint: "To each of these addresses, one on each line, with retries, also while no page is open. Empty: nowhere.",
};
