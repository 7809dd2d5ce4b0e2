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
