// The files that the page saves.

import { save } from "../common/dom.js";
import { har } from "./har.js";

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
