// The dialogs of a webhook: create and change it, send a test, recover, delete.

import { button, check, copy, dialog, el, fault, field, form, group, submit, tell, visible } from "../common/dom.js";
import { FieldFault, fieldsOf, labelled, reason } from "../common/failures.js";
import { headerFields, text as common } from "../common/text.js";
import { isDisabled } from "./state.js";
import { text } from "./text.js";

const methods = ["post", "get", "put", "patch", "delete"];
const never = "9999-12-31T23:59:59Z";

const select = (options, value) => el("select", {}, options.map(([name, label]) => el("option", { value: name, selected: name === value }, label)));

/**
 * A dialog with a form. What its action throws is shown in it, and it stays.
 * @param action resolves when the dialog may be closed; `false` leaves it open
 * @param controls the fields, by the names that errors have for them
 */
function formDialog(title, content, label, action, { controls = {}, kind = "primary" } = {}) {
  const error = fault();
  const submitted = async () => {
    error.show();
    try {
      if ((await action()) !== false) box.close();
    } catch (failure) {
      error.show(...visible(labelled(reason(failure), labels)));
      error.mark(fieldsOf(failure, controls));
    }
  };
  const buttons = el("div", { class: "buttons" }, error.element, submit(label, { class: kind }), button(common.cancel, () => box.close()));
  const box = dialog(title, form(submitted, { noValidate: true }, content, buttons));
  return box;
}

const { waits, ...fields } = text.field;
const labels = { ...fields, events: () => fields.events, retry_policy: (index) => (index === undefined ? fields.retry_policy : text.waitLabel(index + 1)), since: text.since, until: text.until };

// Create and change

/**
 * @param webhook the one to change; `null` for a new one
 * @param save gets the members that differ, and resolves to the webhook
 */
export function editor(webhook, types, save) {
  const name = el("input", { value: webhook?.name ?? "", autocomplete: "off" });
  const url = el("input", { value: webhook?.url ?? "", type: "url", autocomplete: "off", spellcheck: false, placeholder: "https://" });
  const events = types.map((type) => ({ name: type.name, ...check([el("code", {}, type.name), " ", el("span", { class: "about" }, type.description)], webhook?.events.includes(type.name) ?? false) }));
  const description = el("input", { value: webhook?.description ?? "", autocomplete: "off" });
  const method = select(methods.map((one) => [one, one.toUpperCase()]), webhook?.method ?? "post");
  const waits = el("input", { value: Array.isArray(webhook?.retry_policy) ? webhook.retry_policy.join(", ") : "", autocomplete: "off", spellcheck: false });
  const waitsField = field(text.field.waits, waits);
  const policy = select(Object.entries(text.policies), Array.isArray(webhook?.retry_policy) ? "list" : (webhook?.retry_policy ?? "standard"));
  const showWaits = () => (waitsField.hidden = policy.value !== "list");
  policy.addEventListener("change", showWaits);
  showWaits();
  const rate = el("input", { value: webhook?.rate_limit ?? "", inputMode: "decimal", autocomplete: "off" });
  const ordered = check(text.field.ordered, webhook?.ordered ?? false);
  const headers = el("textarea", { rows: 2, spellcheck: false, value: Object.entries(webhook?.custom_headers ?? {}).map((pair) => pair.join(": ")).join("\n") });
  const choices = Object.entries(text.secretChoices).filter(([choice]) => choice !== "keep" || webhook?.secret);
  const secret = select(choices, webhook?.secret ? "keep" : "none");
  const disabled = check(text.field.disabled, webhook ? isDisabled(webhook) : false);

  const read = () => {
    const members = {
      name: name.value.trim(), url: url.value.trim(), events: events.filter((one) => one.input.checked).map((one) => one.name),
      description: description.value.trim() || null, method: method.value,
      retry_policy: policy.value === "list" ? waits.value.split(/[,\s]+/).filter(Boolean) : policy.value,
      rate_limit: rate.value.trim() === "" ? null : Number.isNaN(Number(rate.value)) ? rate.value : Number(rate.value),
      ordered: ordered.input.checked, custom_headers: readHeaders(headers),
    };
    if (secret.value !== "keep") members.secret = secret.value === "make" ? true : null;
    if (disabled.input.checked !== (webhook ? isDisabled(webhook) : false)) members.disabled_until = disabled.input.checked ? never : null;
    return Object.fromEntries(Object.entries(members).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(webhook?.[key] ?? (webhook && key === "events" ? [] : null))));
  };
  const box = formDialog(
    webhook ? text.editTitle : text.newWebhook,
    [
      field(text.field.name, name), field(text.field.url, url),
      group(text.field.events, events.map((one) => one.element)),
      field(text.field.description, description),
      el("div", { class: "row-of-fields" }, field(text.field.method, method), field(text.field.retry_policy, policy)), waitsField,
      field(text.field.rate_limit, rate), ordered.element,
      field(text.field.custom_headers, headers), webhook?.custom_headers && el("p", { class: "about" }, text.keepValue),
      field(text.field.secret, secret), disabled.element,
    ],
    webhook ? text.save : text.createButton,
    async () => {
      const changes = read();
      if (webhook && Object.keys(changes).length === 0) return tell(text.unchanged);
      const saved = await save(changes);
      if (saved.secret && !saved.secret.endsWith("***")) showSecret(saved.secret);
      return true;
    },
    {
      controls: {
        name, url, events: events[0]?.input, description, method, retry_policy: () => (policy.value === "list" ? waits : policy), rate_limit: rate,
        ordered: ordered.input, custom_headers: headers, secret, disabled_until: disabled.input,
      },
    },
  );
  box.classList.add("wide");
  name.focus();
}

function readHeaders(input) {
  const fields = headerFields(input.value, (line) => new FieldFault(text.headerFault(line), input));
  return fields.length > 0 ? Object.fromEntries(fields.map(([name, value]) => [name, value.trim()])) : null;
}

function showSecret(secret) {
  const shown = el("input", { value: secret, readOnly: true, "aria-label": text.secretTitle, id: "secret" });
  const box = dialog(
    text.secretTitle, el("p", {}, text.secretText), el("div", { class: "row-of-fields" }, shown, button(common.copy, () => copy(secret, common.copied, common))),
    el("div", { class: "buttons" }, button(common.close, () => box.close())),
  );
}

// Send

export function testDialog(webhook, types, send) {
  const event = select(types.map(({ name }) => [name, name]), webhook.events[0]);
  formDialog(text.testTitle, [el("p", {}, text.testText), field(text.field.events, event)], text.testButton, () => send(event.value));
}

/** The time as a field of the browser takes it, in the time zone of the browser. */
const local = (date) => new Date(date.getTime() - date.getTimezoneOffset() * 60000).toISOString().slice(0, 19);

export function recoverDialog(recover) {
  const since = el("input", { type: "datetime-local", step: 1, id: "since", value: local(new Date(Date.now() - 86400000)) });
  const until = el("input", { type: "datetime-local", step: 1, id: "until" });
  const outcome = el("p", { role: "status", class: "notice good", hidden: true });
  formDialog(
    text.recoverTitle, [el("p", {}, text.recoverText), field(text.since, since), field(text.until, until), outcome], text.recoverButton,
    async () => {
      if (since.value === "") throw new FieldFault(text.timeFault, since);
      const body = { since: new Date(since.value).toISOString() };
      if (until.value !== "") body.until = new Date(until.value).toISOString();
      outcome.hidden = true;
      const { deliveries, more } = await recover(body);
      tell(text.recovered(deliveries, more));
      outcome.textContent = text.recovered(deliveries, more);
      outcome.hidden = false;
      return !more;
    },
    { controls: { since, until } },
  );
}

export function deleteDialog(webhook, remove) {
  formDialog(text.deleteTitle(webhook.name.slice(0, 100)), [el("p", {}, text.deleteText)], text.deleteButton, remove, { kind: "danger" });
}

export { never };
