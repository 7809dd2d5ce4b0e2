// A command that sends the same request again, for a POSIX shell. Whatever the sender has sent, it stays data: no part of it is
// read by the shell, by the terminal that it is pasted into, or by curl's own notation.

import { bodyBytes, fromBase64 } from "../common/bytes.js";

// Fields of the connection, which curl makes itself.
const connectionFields = new Set(["host", "content-length", "connection", "transfer-encoding", "expect", "keep-alive", "te", "trailer", "upgrade"]);

// The longest argument on Linux has 128 KiB.
const argumentLimit = 100000;

// What a terminal could act on, or what would look like something else.
const unsafe = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffd]/u;

const encoder = new TextEncoder();

/** A text in single quotes. */
const quoted = (string) => `'${string.replaceAll("'", `'\\''`)}'`;

/** The format of a `printf` that prints the bytes. It has no `-`, as a format that begins with one is an option. */
function octal(array) {
  const parts = [];
  for (const byte of array) {
    const isPlain = byte >= 0x20 && byte < 0x7f && ![0x25, 0x27, 0x2d, 0x5c].includes(byte);
    parts.push(isPlain ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, "0")}`);
  }
  return parts.join("");
}

/** An argument of a command: in single quotes, or printed where it has characters that should not be pasted. */
function argument(string, base64) {
  if (base64 === undefined && !unsafe.test(string)) return quoted(string);
  return `"$(printf '${octal(base64 === undefined ? encoder.encode(string) : fromBase64(base64))}')"`;
}

function fields(notification) {
  const lines = [];
  const names = new Set();
  for (const { name, value, valueBase64 } of notification.headers) {
    names.add(name.toLowerCase());
    if (connectionFields.has(name.toLowerCase())) continue;
    // curl sends an empty field only if the name ends with a semicolon.
    if (value === "" && valueBase64 === undefined) lines.push(`--header ${argument(`${name};`)}`);
    else if (valueBase64 === undefined) lines.push(`--header ${argument(`${name}: ${value}`)}`);
    else lines.push(`--header ${quoted(`${name}: `)}${argument(value, valueBase64)}`);
  }
  // curl would add these.
  for (const name of ["User-Agent", "Accept", "Content-Type"]) {
    if (!names.has(name.toLowerCase())) lines.push(`--header '${name}:'`);
  }
  return lines;
}

/** Bytes of a URL that cannot be in one are percent-encoded. */
function address(notification) {
  if (notification.urlBase64 === undefined) return notification.url;
  const bytes = fromBase64(notification.urlBase64);
  return Array.from(bytes, (byte) => (byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, "0")}`)).join("");
}

/**
 * The command.
 * @param url where to send it, if the notification has no URL
 * @param file the name of a file that has the body, for a body that is too long for a command
 * @returns `{command, needsFile}`
 */
export function curl(notification, url, file) {
  const body = bodyBytes(notification);
  const isText = notification.bodyBase64 === undefined && !unsafe.test(notification.body);
  const { method, path, query } = notification;
  const isHead = method === "HEAD" && body.length === 0;
  const target = address(notification) ?? url + path + (query === null ? "" : `?${query}`);
  const lines = [
    `curl --globoff --path-as-is ${isHead ? "--head" : `--request ${quoted(method)}`}`,
    // curl does not send what follows a number sign.
    argument(target.replaceAll("#", "%23")),
    ...fields(notification),
  ];
  let start = "";
  let needsFile = false;
  if (body.length > argumentLimit) {
    needsFile = true;
    lines.push(`--data-binary @${file}`);
  } else if (body.length > 0 && isText) {
    lines.push(`--data-raw ${quoted(notification.body)}`);
  } else if (body.length > 0) {
    start = `printf '${octal(body)}' | `;
    lines.push("--data-binary @-");
  }
  return { command: start + lines.join(" \\\n  "), needsFile };
}
