// The service's API, at the mount point that this page was loaded from.

const root = new URL(".", document.baseURI);

/** An answer that is not a success. */
export class Failure extends Error {
  constructor(status, message, retryAfter = null) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/**
 * Asks the API, and returns its answer. `options` are those of `fetch`.
 * @throws {Failure} for an answer that is not 2xx, with its text
 * @throws {TypeError} if there was no answer
 */
export async function ask(method, path, options = {}) {
  const response = await fetch(new URL(path, root), { cache: "no-store", ...options, method });
  if (response.ok) return response;
  const text = (await response.text()).trim();
  throw new Failure(response.status, reason(text) || response.statusText || String(response.status), response.headers.get("Retry-After"));
}

/** Calls the API with a JSON body, if there is one, and returns the text of the answer. */
export async function call(method, path, { body, ...options } = {}) {
  const json = body === undefined ? {} : { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  return (await ask(method, path, { ...json, ...options })).text();
}

/** What the text of an error says: some APIs send an object with a `message`. */
function reason(text) {
  try {
    const { message } = JSON.parse(text);
    return typeof message === "string" ? message : text;
  } catch {
    return text;
  }
}

const endpointPath = (id, rest = "") => `manage/endpoint/${encodeURIComponent(id)}${rest}`;

export const endpoint = {
  create: async (name) => JSON.parse(await call("POST", "manage/endpoint", name ? { body: { name } } : {})),
  settings: async (id, signal) => JSON.parse(await call("GET", endpointPath(id, "/settings"), { signal })),
  change: (id, body) => call("PUT", endpointPath(id), { body }),
  /** What a request would be answered with other settings; nothing is stored. */
  preview: async (id, body, signal) => JSON.parse(await call("POST", endpointPath(id, "/preview"), { body, signal })),
  remove: (id) => call("DELETE", endpointPath(id)),
  acknowledge: (id, through) => call("DELETE", endpointPath(id, `/notifications?through=${through}`)),
  /** Notifications, or with `refused` in the query what was refused, oldest first. Nothing is removed. */
  async look(id, query, signal) {
    const text = await call("GET", endpointPath(id, `/notifications?${new URLSearchParams(query)}`), { signal });
    return JSON.parse(text).notifications;
  },
  /** The bytes of a body, decompressed. */
  decodedBody: async (id, number) => new Uint8Array(await (await ask("GET", endpointPath(id, `/notifications/${number}/body?decoded`))).arrayBuffer()),
  forward: async (id, notifications, urls) => JSON.parse(await call("POST", endpointPath(id, "/forwards"), { body: { notifications, urls } })).forwards,
  /** The forwards, newest first, and the backlog. */
  forwards: async (id, query, signal) => JSON.parse(await call("GET", endpointPath(id, `/forwards?${new URLSearchParams(query)}`), { signal })),
  url: (id) => new URL(`webhook/${encodeURIComponent(id)}`, root).href,
};

/** The id in a URL of an endpoint, of its page, or the id itself; `null` if it is none of these. */
export function idIn(string) {
  const found = /(?:\/webhook\/|inspect#)([^/?#\s]+)/.exec(string)?.[1] ?? string.trim();
  return /^[A-Za-z0-9._-]{1,100}$/.test(found) && !found.startsWith(".") ? found : null;
}
