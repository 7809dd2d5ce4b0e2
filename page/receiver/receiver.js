// Playing the receiver: what senders are answered, which handshakes are answered, whether signatures are checked.

import { endpoint } from "../common/api.js";
import { button, check, dialog, el, fault, field, form, group, submit, tell, visible } from "../common/dom.js";
import { FieldFault, fieldsOf, labelled } from "../common/failures.js";
import { standing } from "../forward/standing.js";
import { text } from "./text.js";
import { Trial, readHeaders } from "./trial.js";

/** The handshakes, with their parameters. */
const recipes = {
  slack: [], meta: ["verify_token"], zoom: ["secret"], x: ["secret"], xero: ["secret"], asana: ["armed"], "microsoft-graph": [],
  twitch: [], "event-grid": [], cloudevents: [], smartsheet: [], okta: [], dropbox: [], nylas: [], adobe: [], trello: [], sns: [],
};

const hmacFields = ["header", "algorithm", "encoding", "prefix"];

/** The presets of signatures, with their members beside `tolerance_seconds` and `reject`. */
const presets = {
  "standard-webhooks": ["secret", "public_key"], github: ["secret"], stripe: ["secret"], slack: ["secret"], shopify: ["secret"],
  twilio: ["secret"], gitlab: ["secret"], hmac: ["secret", ...hmacFields], "3dverse": ["public_key", "header", "timestamp_header"],
};

function readTolerance(input) {
  if (!/^\d+$/.test(input.value.trim())) throw new FieldFault(text.toleranceFault, input);
  return Number(input.value);
}

const timed = ["standard-webhooks", "stripe", "slack", "3dverse"];

/** The one answer that the rules give to all; `null` if they do more. */
function oneAnswer(responses) {
  if (responses.length !== 1) return null;
  const [rule] = responses;
  const then = rule.then ?? {};
  const isPlain = (rule.when === undefined || rule.when === null) && !rule.secret && !then.sequence;
  return isPlain ? then : null;
}

function answers(settings) {
  const { responses } = settings;
  const one = oneAnswer(responses);
  const mode = responses.length === 0 ? "empty" : one ? "one" : "rules";
  const status = el("input", { type: "number", min: 200, max: 599, value: one?.status ?? 200 });
  const delay = el("input", { type: "number", min: 0, max: 30000, value: one?.delay_ms ?? 0 });
  const headers = el("textarea", { rows: 2, spellcheck: false, value: Object.entries(one?.headers ?? {}).map((pair) => pair.join(": ")).join("\n") });
  const body = el("textarea", { rows: 3, spellcheck: false, value: one?.body ?? "" });
  const rules = el("textarea", { rows: 10, spellcheck: false, value: JSON.stringify(responses, null, 2) });
  const sections = {
    empty: el("div", {}),
    one: el(
      "div", {},
      el("div", { class: "row-of-fields" }, field(text.status, status), field(text.delay, delay)),
      field(text.answerHeaders, headers), field(text.answerBody, body),
    ),
    rules: el("div", {}, field(text.rulesHint, rules)),
  };
  let chosen = mode;
  const choose = (name) => {
    chosen = name;
    for (const [other, section] of Object.entries(sections)) section.hidden = other !== name;
  };
  const radios = Object.entries(text.answerModes).map(([name, label]) =>
    el("label", { class: "check" }, el("input", { type: "radio", name: "answers", checked: name === mode, onchange: () => choose(name) }), " ", label),
  );
  choose(mode);
  return {
    element: group(text.answers, radios, Object.values(sections)),
    /** How a member of a rule is called. */
    label(index, rest) {
      if (index === undefined) return text.answers;
      const [, name, more] = /^then\.(\w+)(.*)$/.exec(rest ?? "") ?? [];
      const field = { status: text.status, delay_ms: text.delay, headers: text.answerHeaderFields, body: text.answerBody }[name];
      return chosen === "one" && field ? `${field}${more.replace(".", " ")}` : text.rule(index + 1, rest);
    },
    control(index, rest) {
      if (chosen === "rules") return rules;
      return { status, delay_ms: delay, headers, body }[/^then\.(\w+)/.exec(rest ?? "")?.[1]];
    },
    read() {
      if (chosen === "empty") return [];
      if (chosen === "one") return [{ then: { status: Number(status.value), headers: Object.fromEntries(readHeaders(headers)), body: body.value, delay_ms: Number(delay.value) } }];
      try {
        const parsed = JSON.parse(rules.value || "[]");
        if (!Array.isArray(parsed)) throw new FieldFault(text.rulesNotList, rules);
        return parsed;
      } catch (error) {
        throw error instanceof SyntaxError ? new FieldFault(text.rulesNotJSON(error.message), rules) : error;
      }
    },
  };
}

function handshakes(settings) {
  const entries = Object.entries(recipes).map(([name, parameters]) => {
    const set = settings.recipes.find((recipe) => recipe.name === name);
    const { input, element } = check(name, set !== undefined);
    const fields = parameters.map((parameter) => {
      const isFlag = parameter === "armed";
      const label = text.parameters[parameter];
      const value = isFlag ? check(label, set?.armed ?? true) : null;
      const control = value?.input ?? el("input", { value: set?.[parameter] ?? "", autocomplete: "off", spellcheck: false, "aria-label": `${name}: ${label}`, placeholder: label });
      return { parameter, control, element: value?.element ?? control, read: () => (isFlag ? control.checked : control.value) };
    });
    const more = el("span", { hidden: !input.checked }, fields.map((one) => one.element));
    input.addEventListener("change", () => (more.hidden = !input.checked));
    const read = () => ({ ...set, name, ...Object.fromEntries(fields.map((one) => [one.parameter, one.read()])) });
    return { name, input, fields, read, element: el("div", { class: "recipe" }, element, more) };
  });
  // Of several recipes that could answer, the first one does: those that are set keep their order.
  const chosen = () => {
    const place = ({ name }) => (settings.recipes.findIndex((recipe) => recipe.name === name) + 1 || Infinity);
    return entries.filter((entry) => entry.input.checked).sort((a, b) => place(a) - place(b) || 0);
  };
  return {
    element: group(text.recipes, el("div", { class: "columns" }, entries.map((entry) => entry.element))),
    read: () => chosen().map((entry) => entry.read()),
    control(index, rest) {
      const entry = chosen()[index];
      return entry?.fields.find((one) => one.parameter === rest)?.control ?? entry?.input;
    },
    label: (index, rest) => [text.recipes, chosen()[index]?.name, text.parameters[rest] ?? rest].filter(Boolean).join(", "),
  };
}

function verification(settings) {
  const set = settings.verify;
  const names = ["secret", "public_key", ...hmacFields, "timestamp_header", "tolerance_seconds"];
  const input = (name) =>
    name === "public_key"
      ? el("textarea", { rows: 3, spellcheck: false, value: set?.[name] ?? "" })
      : el("input", { value: set?.[name] ?? "", autocomplete: "off", spellcheck: false });
  const inputs = Object.fromEntries(names.map((name) => [name, input(name)]));
  const fields = Object.fromEntries(names.map((name) => [name, field(text.parameters[name], inputs[name])]));
  const reject = check(text.reject, set?.reject ?? false);
  const choice = el(
    "select", { "aria-label": text.verify },
    el("option", { value: "" }, text.noPreset),
    Object.keys(presets).map((name) => el("option", { value: name, selected: set?.preset === name }, name)),
  );
  const more = el("div", {}, Object.values(fields), reject.element, el("p", { class: "about" }, text.keepSecret));
  const applies = (name) => (name === "tolerance_seconds" && timed.includes(choice.value)) || (presets[choice.value] ?? []).includes(name);
  const update = () => {
    more.hidden = choice.value === "";
    for (const name of names) fields[name].hidden = !applies(name);
  };
  choice.addEventListener("change", update);
  update();
  return {
    element: group(text.verify, choice, more),
    control: (index, rest) => ({ ...inputs, reject: reject.input })[rest] ?? choice,
    label: (index, rest) => [text.verify, text.parameters[rest] ?? rest].filter(Boolean).join(", "),
    read() {
      if (choice.value === "") return null;
      const values = { preset: choice.value, reject: reject.input.checked };
      for (const name of names) {
        const { value } = inputs[name];
        if (applies(name) && value !== "") values[name] = name === "tolerance_seconds" ? readTolerance(inputs[name]) : value;
      }
      return values;
    },
  };
}

function others(settings) {
  const enabled = check(text.enabled, settings.enabled);
  const subpaths = check(text.subpaths, settings.subpaths);
  const dropOldest = check(text.dropOldest, settings.overflow === "drop-oldest");
  const cors = check(text.cors, settings.cors);
  const pinned = check(text.pinned, settings.pinned);
  const expires = el("input", { placeholder: settings.expires ?? "never", autocomplete: "off", spellcheck: false });
  const deliveryHeader = el("input", { value: settings.delivery_header ?? "", autocomplete: "off", spellcheck: false });
  return {
    element: group(
      text.others, [enabled, subpaths, dropOldest, cors, pinned].map((one) => one.element), field(text.expires, expires), field(text.deliveryHeader, deliveryHeader),
    ),
    controls: {
      enabled: enabled.input, subpaths: subpaths.input, overflow: dropOldest.input, cors: cors.input, pinned: pinned.input, expires,
      delivery_header: deliveryHeader,
    },
    read: () => ({
      enabled: enabled.input.checked,
      subpaths: subpaths.input.checked,
      overflow: dropOldest.input.checked ? "drop-oldest" : "refuse",
      cors: cors.input.checked,
      pinned: pinned.input.checked,
      delivery_header: deliveryHeader.value.trim() || null,
      ...readExpiry(expires),
    }),
  };
}

function readExpiry(input) {
  const string = input.value.trim().toLowerCase();
  if (string === "") return {};
  if (string === "never") return { expires: null };
  if (!/^\d+(\.\d+)?$/.test(string)) throw new FieldFault(text.expiresFault, input);
  return { expires: Number(string) };
}

/**
 * Shows the settings of an endpoint.
 * @param chosen the notification that is chosen in the list, if any
 * @param changed called after the settings were changed
 */
export async function receiver(id, chosen, changed) {
  const settings = await endpoint.settings(id);
  // The button was pressed twice.
  if (document.querySelector("dialog[open]")) return;
  const sections = { responses: answers(settings), recipes: handshakes(settings), verify: verification(settings), forwards: standing(settings) };
  const rest = others(settings);
  const read = () => ({ ...rest.read(), ...Object.fromEntries(Object.entries(sections).map(([name, section]) => [name, section.read()])) });
  const before = read();
  // What was not touched is not sent: somebody else may have changed it meanwhile.
  const changes = () => {
    const now = Object.entries(read()).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name]));
    return Object.fromEntries(now.map(([name, value]) => [name, Array.isArray(value) && value.length === 0 ? null : value]));
  };
  const ofSections = (member) => Object.fromEntries(Object.entries(sections).map(([name, section]) => [name, section[member]]));
  const labels = { ...text.members, ...ofSections("label") };
  const controls = { ...rest.controls, ...ofSections("control") };
  const explained = (failure) => labelled(failure instanceof TypeError ? text.failed(text.noAnswer) : failure.message, labels);
  const error = fault();
  const apply = async () => {
    error.show();
    try {
      await endpoint.change(id, { enabled: rest.read().enabled, ...changes() });
      box.close();
      tell(text.applied);
      changed();
    } catch (failure) {
      error.show(...visible(explained(failure)));
      error.mark(fieldsOf(failure, controls));
    }
  };
  const trial = new Trial(id, chosen, changes, () => rest.read(), explained);
  const content = form(
    apply, { noValidate: true },
    sections.responses.element, sections.recipes.element, sections.verify.element, rest.element, sections.forwards.element,
    el("div", { class: "buttons" }, error.element, submit(text.apply, { class: "primary" }), button(text.close, () => box.close())),
  );
  const box = dialog(text.receiverTitle, el("div", { class: "receiver" }, content, trial.element));
  box.classList.add("wide");
  box.addEventListener("input", () => trial.update());
  box.addEventListener("close", () => trial.close());
  trial.update();
}
