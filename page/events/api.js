// The API of events, at the mount point that this page was loaded from.

import { Failure } from "../common/api.js";

const root = new URL(".", document.baseURI);

/**
 * Calls the API, and returns the text of the answer.
 * @param body a text of JSON
 * @throws {Failure} for an answer that is not 2xx, with its message
 * @throws {TypeError} if there was no answer
 */
async function call(method, path, body, signal) {
  const response = await fetch(new URL(path, root), {
    method, body, signal, cache: "no-store", headers: body === undefined ? {} : { "Content-Type": "application/json" },
  });
  const text = await response.text();
  if (response.ok) return text;
  let message = text.trim() || response.statusText;
  try {
    message = JSON.parse(text).message ?? message;
  } catch {
    // A server in front answers in other words.
  }
  throw new Failure(response.status, message, response.headers.get("Retry-After"));
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
  create: async (body) => JSON.parse(await call("POST", "eventmatch", body)),
  change: (id, body) => call("PUT", one(id), body),
  remove: (id) => call("DELETE", one(id)),
  deliveries: async (id, query, signal) => JSON.parse(await call("GET", one(id, `/deliveries?${new URLSearchParams(query)}`), undefined, signal)),
  retry: async (id, line) => JSON.parse(await call("POST", one(id, `/deliveries/${line}/retry`))),
  replay: async (id, body) => JSON.parse(await call("POST", one(id, "/replay"), JSON.stringify(body))),
  event: (id, signal) => call("GET", `events/${encodeURIComponent(id)}`, undefined, signal),
};
