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

// Errors of the API name members of JSON. A form calls these by the labels of its fields, and goes to the field.

/** A place in front of a fault: the name of a member, an index, and what follows. */
const place = /(?<=^|\. )([a-z_]+)(?:\[(\d+)\])?(?:\.([^:\s]+))?(?=: )/g;
const wholeMember = /^The member "([a-z_]+)"(?= (?:must|cannot|is))/;

/** The beginning of a label, without what explains it. */
const short = (label) => label.split(/[(,;:]/)[0].trim();

/**
 * A text of the API with the labels of fields in place of the names of members.
 * @param labels by the name of a member: its label, or a function that makes one of the index and of what follows in the place; for
 * `urls[3].host` these are 3 and `host`. A place for which there is no label stays as it is.
 */
export function labelled(message, labels) {
  const named = (whole, name, index, rest) => {
    const label = ofMember(labels, name, index, rest);
    if (label === undefined || typeof labels[name] === "function") return label ?? whole;
    return [short(label), index && Number(index) + 1, rest].filter(Boolean).join(" ");
  };
  return message.replaceAll(place, named).replace(wholeMember, (whole, name) => named(whole, name));
}

/** What there is for a member, which may depend on the place in it. */
function ofMember(all, name, index, rest) {
  const one = Object.hasOwn(all, name) ? all[name] : undefined;
  return typeof one === "function" ? one(index === undefined ? undefined : Number(index), rest) : one;
}

/** Something that is wrong with a field, found before a form is sent. It is shown as the answer is that would refuse the form. */
export class FieldFault extends Error {
  status = 400;

  constructor(message, control) {
    super(message);
    this.control = control;
  }
}

/**
 * The fields that a failure is about.
 * @param controls by the name of a member: its field, or a function that finds it as labels are found
 */
export function fieldsOf(failure, controls) {
  if (failure.control) return [failure.control];
  const places = [...failure.message.matchAll(place), wholeMember.exec(failure.message) ?? []];
  return [...new Set(places.map(([, name, index, rest]) => ofMember(controls, name, index, rest)))].filter(Boolean);
}

/** The line of a text in which a word is, for people. */
export const lineOf = (string, word) => string.split("\n").findIndex((line) => line.split(/\s+/).includes(word)) + 1;
