// The API of events.

import { ask } from "../common/api.js";

/** Calls the API with a text of JSON, if there is one, and returns the text of the answer. */
async function call(method, path, body, signal) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  return (await ask(method, path, { body, signal, headers })).text();
}

const one = (id, rest = "") => `eventmatch/${encodeURIComponent(id)}${rest}`;

export const events = {
  /** Tries an expression with the text of an event. */
  try: async (expression, event, signal) => JSON.parse(await call("POST", "jsonpath", JSON.stringify({ expression, event }), signal)),
  /** The user's subscriptions; an empty list where the API answers 403, as it does if there are none. */
  async list(query, signal) {
    try {
      return JSON.parse(await call("GET", `eventmatch?${new URLSearchParams(query)}`, undefined, signal));
    } catch (error) {
      if (error.status === 403 && error.message === "Forbidden") return [];
      throw error;
    }
  },
  /** A subscription as text, as its numbers are to stay as they were written. */
  get: (id, signal) => call("GET", one(id), undefined, signal),
  /** The name of a subscription; `null` if it does not exist or is another user's. */
  async name(id, signal) {
    try {
      return JSON.parse(await events.get(id, signal)).name;
    } catch (error) {
      if (error.status === 403) return null;
      throw error;
    }
  },
  create: async (body) => JSON.parse(await call("POST", "eventmatch", body)),
  change: (id, body) => call("PUT", one(id), body),
  remove: (id) => call("DELETE", one(id)),
  deliveries: async (id, query, signal) => JSON.parse(await call("GET", one(id, `/deliveries?${new URLSearchParams(query)}`), undefined, signal)),
  retry: async (id, line) => JSON.parse(await call("POST", one(id, `/deliveries/${line}/retry`))),
  replay: async (id, body) => JSON.parse(await call("POST", one(id, "/replay"), JSON.stringify(body))),
  /** Publishes what the body has, and returns the ids of the events. */
  publish: async (body, type) => (await (await ask("POST", "receive", { body, headers: { "Content-Type": type } })).text()).split("\n").filter(Boolean),
  event: (id, signal) => call("GET", `events/${encodeURIComponent(id)}`, undefined, signal),
};
