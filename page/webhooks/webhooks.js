// Chooses what is shown of webhooks: an environment, or one webhook of it.

import { go } from "../common/address.js";
import { button, el, fault, fieldForm } from "../common/dom.js";
import { recentCard } from "../common/recent.js";
import { randomUUID, uuidIn } from "../common/uuid.js";
import { environments } from "./api.js";
import { EnvironmentView } from "./environment.js";
import { text } from "./text.js";
import { WebhookView } from "./webhook.js";

/** @param rest the UUIDs of an environment and a webhook, separated by a slash */
export function open(rest) {
  const [environment, webhook] = (rest ?? "").split("/").map(uuidIn);
  if (!environment) return new Chooser();
  environments.remember(environment);
  return webhook ? new WebhookView(environment, webhook) : new EnvironmentView(environment);
}

/** Asks for an environment. */
class Chooser {
  constructor() {
    this.title = text.title;
    const openEnvironment = (id) => go(`inspect#/webhooks/${id}`);
    const error = fault();
    const field = el("input", { id: "environment", autocomplete: "off", spellcheck: false });
    const chosen = () => {
      const id = uuidIn(field.value);
      if (id) openEnvironment(id);
      else error.show(text.notUUID);
    };
    const openForm = fieldForm(text.openLabel, field, text.open, chosen, error.element);
    const create = el("div", { class: "card" }, button(text.create, () => openEnvironment(randomUUID()), { class: "primary", id: "new-environment" }), el("p", {}, text.createHint));
    const list = recentCard(environments, (id) => `inspect#/webhooks/${id}`, text.forgetTitle);
    this.element = el("div", { class: "home" }, el("h1", {}, text.title), openForm, create, list);
  }

  start() {}

  close() {}
}
