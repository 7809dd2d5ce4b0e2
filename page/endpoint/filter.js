// The language of the filter: words, and terms such as `method:post status:503 header:x-sig size:>1k is:refused`. A request is
// shown if it fits all of them; a `-` before a term negates it.

import { bodyLength } from "../common/bytes.js";

const sizes = { "": 1, k: 1000, m: 1e6 };

function compare(pattern) {
  const match = /^(<=?|>=?|=)?(\d+(?:\.\d+)?)([km]?)b?$/i.exec(pattern);
  if (!match) return null;
  const limit = Number(match[2]) * sizes[match[3].toLowerCase()];
  const tests = {
    "<": (n) => n < limit, "<=": (n) => n <= limit, ">": (n) => n > limit, ">=": (n) => n >= limit, "=": (n) => n === limit,
  };
  return tests[match[1] ?? "="];
}

const keywords = {
  method: (value) => (row) => row.notification.method.toLowerCase() === value,
  path: (value) => (row) => row.target.toLowerCase().includes(value),
  body: (value) => (row) => row.notification.body.toLowerCase().includes(value),
  remote: (value) => (row) => (row.notification.remote ?? "").startsWith(value),
  status(value) {
    if (/^[1-5]xx$/.test(value)) return (row) => String(row.status)[0] === value[0];
    return /^\d{3}$/.test(value) ? (row) => row.status === Number(value) : null;
  },
  header(value) {
    const [, name, wanted] = /^([^=]*)(?:=(.*))?$/s.exec(value);
    return (row) =>
      row.notification.headers.some(
        (field) => field.name.toLowerCase().includes(name) && (wanted === undefined || field.value.toLowerCase().includes(wanted)),
      );
  },
  size(value) {
    const test = compare(value);
    return test && ((row) => test(bodyLength(row.notification) ?? 0));
  },
  is(value) {
    const tests = {
      refused: (row) => row.isRefused,
      valid: (row) => row.notification.verification?.valid === true,
      invalid: (row) => row.notification.verification?.valid === false,
      retry: (row) => row.isAttempt,
    };
    return Object.hasOwn(tests, value) ? tests[value] : null;
  },
};

/** Everything of a request that words are searched in, in lower case. Kept, as each key press searches all requests. */
function words(row) {
  const { method, headers, body } = row.notification;
  row.words ??= [method, row.target, ...headers.map(({ name, value }) => `${name}: ${value}`), body].join("\n").toLowerCase();
  return row.words;
}

/**
 * Reads a filter.
 * @returns `{test, fault}`: a function that says whether a request fits, and the first term that is not understood, if any
 */
export function parseFilter(string) {
  const tests = [];
  let fault = null;
  for (const [term] of string.matchAll(/-?(?:\w+:)?(?:"[^"]*"|\S+)/g)) {
    const isNegative = term.length > 1 && term.startsWith("-");
    const plain = (isNegative ? term.slice(1) : term).toLowerCase();
    const [, keyword, value] = /^(\w+):(.+)$/.exec(plain) ?? [];
    let test;
    if (keyword && Object.hasOwn(keywords, keyword)) {
      test = keywords[keyword](value.replaceAll('"', ""));
    } else {
      const word = plain.replaceAll('"', "");
      test = (row) => words(row).includes(word);
    }
    if (!test) fault ??= term;
    else tests.push(isNegative ? (row) => !test(row) : test);
  }
  return { test: tests.length === 0 ? null : (row) => tests.every((test) => test(row)), fault };
}
