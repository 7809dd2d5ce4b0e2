// The API of queues, for a user who has logged in.

import { ask, call } from "../common/api.js";

const key = "postroom.queues.login";

/** The user who is logged in: in memory, and only if the user wants so in the tab's storage. */
let login = stored();

function stored() {
  try {
    const { user, password } = JSON.parse(sessionStorage.getItem(key));
    return { user, password };
  } catch {
    return null;
  }
}

export const currentUser = () => login?.user ?? null;

export function logIn(user, password, isKept) {
  login = { user, password };
  try {
    if (isKept) sessionStorage.setItem(key, JSON.stringify(login));
  } catch {
    // Without storage, it stays in memory.
  }
}

export function logOut() {
  login = null;
  try {
    sessionStorage.removeItem(key);
  } catch {
    // As above.
  }
}

/** The `Authorization` of a user, in UTF-8. With `omit` the browser adds no login of its own, and shows no dialog. */
function as({ user, password }) {
  const bytes = new TextEncoder().encode(`${user}:${password}`);
  return { credentials: "omit", headers: { Authorization: `Basic ${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))}` } };
}

const path = (queue, rest = "") => `queues/${encodeURIComponent(queue)}/messages${rest}`;

export const queues = {
  overview: async (signal, who = login) => JSON.parse(await call("GET", "queues", { ...as(who), signal })),
  peek: async (queue, query, signal) => JSON.parse(await call("GET", path(queue, `?${new URLSearchParams(query)}`), { ...as(login), signal })),
  bytes: async (queue, id) => new Uint8Array(await (await ask("GET", path(queue, `/${id}`), as(login))).arrayBuffer()),
  /** Sends a message. That needs no login. */
  send: (queue, body) => ask("POST", `q/${encodeURIComponent(queue)}`, { credentials: "omit", headers: { "Content-Type": "text/plain;charset=UTF-8" }, body }),
};
