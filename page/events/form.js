// Creates or changes a subscription.

import { button, check, dialog, el, fault, field, form, submit, tell, visible } from "../common/dom.js";
import { FieldFault, fieldsOf, labelled } from "../common/failures.js";
import { events } from "./api.js";
import { expressionFaults, reason } from "./parts.js";
import { text } from "./text.js";

const pauseMilliseconds = 150;

const choice = (values, chosen) => el("select", {}, Object.entries(values).map(([value, label]) => el("option", { value, selected: value === chosen }, label)));

const input = (value, more = {}) => el("input", { value, autocomplete: "off", spellcheck: false, ...more });

const labels = {
  name: text.name, jsonpath: text.expression, dialect: text.dialect, target_url: text.target, format: text.format, extensions: text.extensions,
  auth: text.auth, handshake: text.handshake,
};

/** The text of a JSON object, as it is written in a field; `empty` stands for an empty field. */
function object(name, input, empty = "") {
  const string = input.value.trim() || empty;
  try {
    const value = JSON.parse(string);
    if (value !== null && typeof value === "object" && !Array.isArray(value)) return string;
  } catch {
    // Said below.
  }
  throw new FieldFault(text.notJSON(name), input);
}

/** The fields for what the target gets to know the sender. What is not changed stays as it was written. */
function authorization(raw) {
  const auth = JSON.parse(raw);
  const kind = auth.type === undefined && raw === "{}" ? "none" : ["basic", "header"].includes(auth.type) ? auth.type : "other";
  const kinds = { ...text.authKinds };
  const select = choice(kinds, kind);
  const basic = { username: input(auth.basic?.username ?? ""), password: input(auth.basic?.password ?? "", { type: "password", autocomplete: "new-password" }) };
  const header = { type: input(auth.header?.type ?? "Bearer"), credentials: input(auth.header?.credentials ?? "", { type: "password", autocomplete: "new-password" }) };
  const other = el("textarea", { rows: 3, spellcheck: false, value: raw });
  const sections = {
    none: el("div", {}),
    basic: el("div", { class: "row-of-fields" }, field(text.user, basic.username), field(text.password, basic.password)),
    header: el("div", { class: "row-of-fields" }, field(text.scheme, header.type), field(text.credentials, header.credentials)),
    other: field(text.otherAuth, other),
  };
  // One at a time: browsers take two passwords in a form for a mistake.
  const place = el("div", {});
  const show = () => place.replaceChildren(sections[select.value]);
  select.addEventListener("change", show);
  show();
  const values = (fields) => Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, one.value]));
  const write = {
    none: () => "{}", basic: () => JSON.stringify({ type: "basic", basic: values(basic) }),
    header: () => JSON.stringify({ type: "header", header: values(header) }), other: () => object(text.auth, other),
  };
  const before = write[kind]();
  return {
    element: [field(text.auth, select), place],
    /** The field for a member of the authorization, such as `basic.username`. */
    control(index, rest = "") {
      const { username, password } = basic;
      const fields = { "basic.username": username, "basic.password": password, "header.type": header.type, "header.credentials": header.credentials };
      return select.value === "other" ? other : (fields[rest] ?? select);
    },
    read() {
      const now = write[select.value]();
      return select.value === kind && now === before ? raw : now;
    },
  };
}

/**
 * Shows the form in a dialog.
 * @param id the subscription to change; none to create one
 * @param current its members, or those to begin with
 * @param raw the texts of its members
 * @param done is called with the subscription's id once it is created or changed
 */
export function openForm({ id = null, current = {}, raw = {}, done }) {
  const name = input(current.name ?? "", { required: true, maxLength: 255 });
  const faults = el("div", { id: "form-expression-faults" });
  const expression = el("textarea", {
    rows: 2, spellcheck: false, required: true, value: current.jsonpath ?? "$", "aria-describedby": faults.id, oninput: explainSoon,
  });
  let timer;
  const dialect = choice({ "": text.dialectRule, ...text.dialects }, current.dialect ?? "");
  dialect.addEventListener("change", explainSoon);
  const target = input(current.target_url ?? "", { type: "url", required: true, placeholder: "https://" });
  const format = choice(text.formats, current.format ?? "json");
  const extensions = el("textarea", { rows: 2, spellcheck: false, value: raw.extensions ?? "{}" });
  const auth = authorization(raw.auth ?? "{}");
  const handshake = check(text.handshake, current.handshake ?? false);
  const error = fault();

  /** The members as JSON, with the texts of those that the user may have written in a way of their own. */
  function body() {
    const written = auth.read();
    const parts = [
      ["name", JSON.stringify(name.value)], ["jsonpath", JSON.stringify(expression.value)], ["dialect", JSON.stringify(dialect.value || null)],
      ["target_url", JSON.stringify(target.value)], ["format", JSON.stringify(format.value)], ["handshake", String(handshake.input.checked)],
      ["extensions", object(text.facts.extensions, extensions, "{}")],
    ];
    // An empty one is refused for a new subscription.
    if (id !== null || written !== "{}") parts.push(["auth", written]);
    return `{${parts.map(([key, value]) => `${JSON.stringify(key)}: ${value}`).join(", ")}}`;
  }

  /** Not when the field is left: the button that is about to be pressed would move. */
  function explainSoon() {
    clearTimeout(timer);
    timer = setTimeout(explain, pauseMilliseconds);
  }

  /** Shows where an expression has a fault that has it refused in the dialect that is chosen. */
  async function explain() {
    const tried = [expression.value, dialect.value];
    // Without an answer, the form is refused when it is sent.
    const { dialects } = await events.try(tried[0], "{}").catch(() => ({ dialects: {} }));
    if (tried[0] !== expression.value || tried[1] !== dialect.value) return;
    const asked = Object.entries(dialects).filter(([one]) => [one, ""].includes(tried[1]));
    const isRefused = asked.length > 0 && asked.every(([, { valid }]) => !valid);
    faults.replaceChildren(...(isRefused ? [expressionFaults(tried[0], asked)] : []));
  }

  const controls = {
    name, jsonpath: expression, dialect, target_url: target, format, extensions, auth: auth.control, handshake: handshake.input,
  };
  const save = async () => {
    error.show();
    try {
      const made = id === null ? (await events.create(body())).uuid : (await events.change(id, body()), id);
      box.close();
      tell(id === null ? text.created : text.saved);
      done(made);
    } catch (failure) {
      error.show(...visible(labelled(reason(failure), labels)));
      const wrong = fieldsOf(failure, controls);
      error.mark(wrong);
      if (wrong.includes(expression)) await explain();
    }
  };
  const content = form(
    save, {},
    field(text.name, name), field(text.expression, expression), faults, field(text.dialect, dialect), field(text.target, target), field(text.format, format),
    field(text.extensions, extensions), auth.element, handshake.element,
    el("div", { class: "buttons" }, error.element, submit(text.save, { class: "primary" }), button(text.cancel, () => box.close())),
  );
  const box = dialog(id === null ? text.newTitle : text.editTitle, content);
  box.classList.add("wide");
}
