// The API of webhooks.

import { ask, call } from "../common/api.js";
import { recentList } from "../common/recent.js";

const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i;

export const environments = recentList("postroom.environments");

/** The UUID in a text, such as an address; `null` if it has none. */
export const uuidIn = (string) => uuid.exec(string)?.[0].toLowerCase() ?? null;

/** A random UUID, also on a page without TLS, where browsers have no `randomUUID`. */
export function randomUUID() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return Array.from(bytes, (byte, index) => ([4, 6, 8, 10].includes(index) ? "-" : "") + byte.toString(16).padStart(2, "0")).join("");
}

async function json(method, path, options) {
  const text = await call(method, path, options);
  return text === "" ? null : JSON.parse(text);
}

export const api = {
  list: (environment, signal) => json("GET", `environments/${environment}/webhooks`, { signal }),
  create: (environment, body) => json("POST", `environments/${environment}/webhooks`, { body }),
  keys: async (environment, signal) => (await json("GET", `environments/${environment}/settings`, { signal })).public_verification_key,
  rotate: async (environment) => (await json("POST", `environments/${environment}/settings/rotate`)).public_verification_key,
  eventTypes: (signal) => json("GET", "webhooks/events", { signal }),
  get: (id, signal) => json("GET", `webhooks/${id}`, { signal }),
  statistics: (id, signal) => json("GET", `webhooks/${id}/stats`, { signal }),
  change: (id, body) => json("PATCH", `webhooks/${id}`, { body }),
  remove: (id) => json("DELETE", `webhooks/${id}`),
  test: (id, event) => json("POST", `webhooks/${id}/test`, { body: { event } }),
  recover: (id, body) => json("POST", `webhooks/${id}/recover`, { body }),
  retry: (id, line) => json("POST", `webhooks/${id}/logs/${line}/retry`),
  /** Lines of the log, newest first, and what to ask for to get the next page; `null` if there is none. */
  async log(id, query, signal) {
    const response = await ask("GET", `webhooks/${id}/logs?${new URLSearchParams(query)}`, { signal });
    const next = /<\?([^>]*)>/.exec(response.headers.get("Link") ?? "")?.[1];
    return { lines: await response.json(), before: new URLSearchParams(next ?? "").get("before") };
  },
};
