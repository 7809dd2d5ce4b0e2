// JSON as it was sent: numbers, escapes, repeated names and the order of members stay as they are, which `JSON.parse` would
// change. Only the white space between the tokens is made anew.

const token = /\s*(?:("(?:[^"\\\u0000-\u001f]|\\.)*")|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null)|([{}[\],:]))/uy;

const kinds = ["", "string", "number", "word", "mark"];

/** The tokens of a JSON text as `{kind, text}`; `null` if it is not JSON. */
function tokens(string) {
  const found = [];
  let end = 0;
  token.lastIndex = 0;
  for (let match; (match = token.exec(string)); end = token.lastIndex) {
    const kind = match.findIndex((part, index) => index > 0 && part !== undefined);
    found.push({ kind: kinds[kind], text: match[kind] });
  }
  if (string.slice(end).trim() !== "" || !isJSON(string)) return null;
  return found;
}

export function isJSON(string) {
  try {
    JSON.parse(string);
    return true;
  } catch {
    return false;
  }
}

const depthLimit = 40;

/**
 * The text indented, as pieces `{kind, text}` whose texts together are the result; `null` if it is not JSON. Beyond a depth of
 * 40 it is not indented further.
 */
export function pretty(string) {
  const all = tokens(string);
  if (all === null) return null;
  const pieces = [];
  let depth = 0;
  const line = () => `\n${"  ".repeat(Math.min(depth, depthLimit))}`;
  const add = (kind, text) => pieces.push({ kind, text });
  all.forEach(({ kind, text }, index) => {
    const next = all[index + 1]?.text;
    if (kind === "mark") {
      if (text === "{" || text === "[") {
        add(kind, text);
        depth += 1;
        if (next !== "}" && next !== "]") add("space", line());
      } else if (text === "}" || text === "]") {
        depth -= 1;
        if (!["{", "["].includes(all[index - 1]?.text) || all[index - 1].kind !== "mark") add("space", line());
        add(kind, text);
      } else {
        add(kind, text);
        add("space", text === "," ? line() : " ");
      }
    } else {
      add(kind === "string" && next === ":" && all[index + 1].kind === "mark" ? "name" : kind, text);
    }
  });
  return pieces;
}

/** The members of a JSON object: the text of each value as it was written, but for white space. */
export function members(string) {
  const found = {};
  let depth = 0;
  let name = null;
  let value = "";
  const all = tokens(string) ?? [];
  all.forEach(({ kind, text }, index) => {
    if (kind === "mark" && (text === "}" || text === "]")) depth -= 1;
    if (depth === 1 && name === null && kind === "string" && all[index + 1]?.text === ":") {
      name = JSON.parse(text);
    } else if (name !== null && (depth > 1 || (depth === 1 && !(kind === "mark" && (text === "," || text === ":"))))) {
      value += kind === "mark" && (text === "," || text === ":") ? `${text} ` : text;
    }
    if (kind === "mark" && (text === "{" || text === "[")) depth += 1;
    const next = all[index + 1];
    if (name !== null && value !== "" && depth === 1 && next?.kind === "mark" && (next.text === "," || next.text === "}")) {
      found[name] = value;
      name = null;
      value = "";
    }
  });
  return found;
}
