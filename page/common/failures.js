// What is said when something has failed.

import { tell } from "./dom.js";
import { text } from "./text.js";

/** What went wrong, in the words of the service if it has answered. */
export const reason = (failure) => (failure.status ? failure.message : text.failed(text.noAnswer));

/** The same, after the words that say that something failed. */
export const failed = (failure) => (failure.status ? text.failed(failure.message) : reason(failure));

/** Does something that may fail, and says so if it does. */
export async function attempt(action) {
  try {
    return await action();
  } catch (failure) {
    tell(failed(failure), true);
    return undefined;
  }
}

// Errors of the API name members of JSON. A form calls these by the labels of its fields.

/** The beginning of a label, without what explains it. */
const short = (label) => label.split(/[(,;:]/)[0].trim();

/**
 * A text of the API with the labels of fields in place of the names of members.
 * @param labels by the name of a member: its label, or a function that makes one of the index and of what follows in the place; for
 * `urls[3].host` these are 3 and `host`. A place for which there is no label stays as it is.
 */
export function labelled(message, labels) {
  const named = (whole, name, index, rest) => {
    const label = Object.hasOwn(labels, name) ? labels[name] : undefined;
    if (typeof label === "function") return label(index === undefined ? undefined : Number(index), rest) ?? whole;
    return label === undefined ? whole : [short(label), index && Number(index) + 1, rest].filter(Boolean).join(" ");
  };
  return message
    .replaceAll(/(?<=^|\. )([a-z_]+)(?:\[(\d+)\])?(?:\.([^:\s]+))?(?=: )/g, named)
    .replace(/^The member "([a-z_]+)"(?= (?:must|cannot|is))/, (whole, name) => named(whole, name));
}

/** The line of a text in which a word is, for people. */
export const lineOf = (string, word) => string.split("\n").findIndex((line) => line.split(/\s+/).includes(word)) + 1;
