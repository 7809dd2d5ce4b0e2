// UUIDs.

const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/i;

/** The UUID in a text, such as an address; `null` if it has none. */
export const uuidIn = (string) => uuid.exec(string)?.[0].toLowerCase() ?? null;

/** A random UUID, also on a page without TLS, where browsers have no `randomUUID`. */
export function randomUUID() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return Array.from(bytes, (byte, index) => ([4, 6, 8, 10].includes(index) ? "-" : "") + byte.toString(16).padStart(2, "0")).join("");
}
