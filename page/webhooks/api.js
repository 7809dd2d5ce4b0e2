// The API of webhooks.

import { ask, call } from "../common/api.js";
import { recentList } from "../common/recent.js";

export const environments = recentList("postroom.environments");

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
