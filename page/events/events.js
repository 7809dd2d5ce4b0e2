// The views of events: subscriptions, one of them, an event, and the tester of expressions.

import { go as goTo } from "../common/address.js";
import { openEvent } from "./event.js";
import { openForm } from "./form.js";
import { openList } from "./list.js";
import { openPublisher } from "./publish.js";
import { openSubscription } from "./subscription.js";
import { openTester } from "./tester.js";

/** Goes to another view of events. */
const go = (rest) => goTo(`inspect#/events${rest}`);

/** Shows the form of a new subscription, and then what was made of it. */
const create = (current) => openForm({ current, done: (id) => go(`/${id}`) });

export function open(rest = "") {
  const [, kind, id] = /^(event)\/(.+)$/.exec(rest) ?? [];
  if (kind) return openEvent(id, { go });
  if (rest === "publish") return openPublisher();
  if (rest === "try") return openTester((jsonpath, dialect) => create({ jsonpath, dialect }));
  return rest === "" ? openList({ go, create }) : openSubscription(rest, { go });
}
