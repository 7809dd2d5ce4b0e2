// The bytes of a notification, and what can be said about them.

const encoder = new TextEncoder();

export function fromBase64(string) {
  const binary = atob(string);
  const array = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index++) array[index] = binary.charCodeAt(index);
  return array;
}

/** The body of a notification exactly as it was sent. */
export function bodyBytes(notification) {
  return notification.bodyBase64 !== undefined ? fromBase64(notification.bodyBase64) : encoder.encode(notification.body);
}

/** The length of the body as it was sent, without making its bytes; `null` if it is not known. */
export function bodyLength(notification) {
  if (notification.bodyBytes !== undefined) return notification.bodyBytes;
  const base64 = notification.bodyBase64;
  if (base64 !== undefined) return (base64.length / 4) * 3 - (base64.endsWith("==") ? 2 : base64.endsWith("=") ? 1 : 0);
  return utf8Length(notification.body);
}

function utf8Length(string) {
  let count = string.length;
  for (let index = 0; index < string.length; index++) {
    const unit = string.charCodeAt(index);
    if (unit >= 0x80) count += unit >= 0x800 && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return count;
}

/** Whether bytes that were read as text are something else, judged by the beginning. */
export const looksBinary = (string) => /[\u0000-\u0008\u000e-\u001a\u001c-\u001f\ufffd]/.test(string.slice(0, 4096));

/** Whether a body is better shown as bytes than as text. */
export function isBinary(notification) {
  return notification.bodyBase64 !== undefined && looksBinary(notification.body);
}

/** The value of the first header field of a name; `undefined` if there is none. */
export function header(notification, name) {
  return notification.headers.find((field) => field.name.toLowerCase() === name)?.value;
}

const printable = (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".");

/** Lines of an offset, 16 bytes and their ASCII characters, as `hexdump -C` prints them. */
export function hexDump(array) {
  const lines = [];
  for (let start = 0; start < array.length; start += 16) {
    const part = array.subarray(start, start + 16);
    const pairs = Array.from(part, (byte) => byte.toString(16).padStart(2, "0"));
    const left = pairs.slice(0, 8).join(" ").padEnd(23);
    const right = pairs.slice(8).join(" ").padEnd(23);
    lines.push(`${start.toString(16).padStart(8, "0")}  ${left}  ${right}  |${Array.from(part, printable).join("")}|`);
  }
  return lines.join("\n");
}

/** The SHA-256 of bytes in hex; `null` where the browser has no such function, as on a page without TLS. */
export async function sha256(array) {
  if (!globalThis.crypto?.subtle) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", array));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
