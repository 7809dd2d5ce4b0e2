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
 * Calls the API.
 * @throws {Failure} for an answer that is not 2xx, with its text
 * @throws {TypeError} if there was no answer
 */
async function call(method, path, { body, signal } = {}) {
  const response = await fetch(new URL(path, root), {
    method,
    signal,
    cache: "no-store",
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Failure(response.status, text.trim() || response.statusText, response.headers.get("Retry-After"));
  return text;
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
  url: (id) => new URL(`webhook/${encodeURIComponent(id)}`, root).href,
};

/** The id in a URL of an endpoint, of its page, or the id itself; `null` if it is none of these. */
export function idIn(string) {
  const found = /(?:\/webhook\/|inspect#)([^/?#\s]+)/.exec(string)?.[1] ?? string.trim();
  return /^[A-Za-z0-9._-]{1,100}$/.test(found) && !found.startsWith(".") ? found : null;
}
