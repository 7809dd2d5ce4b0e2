// The files that the page saves: JSON, and the HTTP Archive format 1.2, which browsers and proxies read.

import { bodyLength, header } from "../common/bytes.js";
import { save } from "../common/dom.js";

/** The beginning of the names of an endpoint's files: its name, or the beginning of its id, which is a secret. */
export const fileBase = (id, name) => (name ?? id.slice(0, 8)).replaceAll(/[^A-Za-z0-9-]/g, "-");

/**
 * Saves notifications under the name `<endpoint>-<first>-<last>.<kind>`.
 * @param keys what the first and the last are called
 * @param kind `json` or `har`
 */
export function saveAll(base, keys, notifications, kind, suffix = "") {
  const content = kind === "har" ? har(notifications) : { notifications };
  const name = [base, ...new Set([keys.at(0), keys.at(-1)])].filter((part) => part !== undefined).join("-");
  save(`${name}${suffix}.${kind}`, JSON.stringify(content, null, 2), "application/json");
}

function entry(notification) {
  const { method, headers, body, bodyBase64 } = notification;
  const url = notification.url ?? "";
  const query = notification.query === null ? [] : [...new URLSearchParams(notification.query)].map(([name, value]) => ({ name, value }));
  const request = {
    method,
    url,
    httpVersion: "HTTP/1.1",
    cookies: [],
    headers: headers.map(({ name, value }) => ({ name, value })),
    queryString: query,
    headersSize: -1,
    bodySize: bodyLength(notification) ?? -1,
  };
  if (body !== "" || bodyBase64 !== undefined) {
    const mimeType = header(notification, "content-type") ?? "";
    // The format has no field for bytes that are not text. A name of one's own begins with an underscore.
    request.postData = { mimeType, text: body, ...(bodyBase64 !== undefined && { _base64: bodyBase64 }) };
  }
  const status = notification.status ?? 200;
  const content = { size: 0, mimeType: "" };
  const response = {
    status, statusText: "", httpVersion: "HTTP/1.1", cookies: [], headers: [], content, redirectURL: "", headersSize: -1, bodySize: -1,
  };
  return {
    startedDateTime: notification.receivedAt,
    time: 0,
    request,
    response,
    cache: {},
    timings: { send: 0, wait: 0, receive: 0 },
    serverIPAddress: "",
    _remote: notification.remote,
    _id: notification.id,
    // Refused requests have ids of their own.
    ...(notification.refused && { _refused: notification.refused }),
  };
}

function har(notifications) {
  return { log: { version: "1.2", creator: { name: "Postroom", version: "1" }, entries: notifications.map(entry) } };
}
