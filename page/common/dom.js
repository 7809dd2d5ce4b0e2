// Elements are made from texts only: nothing that a sender has sent is ever read as HTML.

/**
 * Makes an element. Properties that begin with `on` are listeners, `class`, `data-…`, `aria-…` and `role` are attributes, and
 * others are properties of the element. Children are elements or texts; `null` and `false` are left out.
 */
export function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (/^(class|role|for|data-|aria-)/.test(key)) element.setAttribute(key, value);
    else element[key] = value;
  }
  // One by one: a call has no room for a hundred thousand arguments.
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

/** Makes an element of SVG. */
export function svg(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// The second click of a double click comes within this time.
const doubleClickMilliseconds = 500;

// Characters that would change how other text looks, or would not be seen.
const hidden = /[\u0000-\u0008\u000b\u000c\u000d\u000e-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\u2800\u3164\ufe0f\ufeff\ufff9-\ufffb\u{1d173}-\u{1d17a}\u{e0000}-\u{e007f}]/gu;

/** The text as nodes, with hidden characters made visible. */
export function visible(string) {
  const nodes = [];
  let end = 0;
  for (const match of string.matchAll(hidden)) {
    if (match[0] === "\r" && string[match.index + 1] === "\n") continue;
    if (match.index > end) nodes.push(string.slice(end, match.index));
    const code = match[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    nodes.push(el("span", { class: "hidden-character", title: `U+${code}` }, `U+${code}`));
    end = match.index + match[0].length;
  }
  if (end < string.length) nodes.push(end === 0 ? string : string.slice(end));
  return nodes;
}

/** Does something that replaces buttons in an element, and keeps the focus at the same place among them. */
export function keepingFocus(element, action) {
  const buttons = () => [...element.querySelectorAll("button")];
  const index = buttons().indexOf(document.activeElement);
  action();
  if (index >= 0) buttons()[index]?.focus();
}

/**
 * Makes of an action a listener that does it once: while the action is under way, other events have no effect, and neither has the
 * second click of a double click. The button looks disabled meanwhile, but keeps the focus.
 */
export function once(action, buttonOf) {
  let isBusy = false;
  let endedAt = -Infinity;
  return async (event, clicks = event.detail) => {
    if (isBusy || (clicks > 1 && performance.now() - endedAt < doubleClickMilliseconds)) return;
    const result = action(event);
    if (!result?.then) return;
    const button = buttonOf(event);
    isBusy = true;
    button?.setAttribute("aria-disabled", "true");
    try {
      await result;
    } finally {
      isBusy = false;
      endedAt = performance.now();
      button?.removeAttribute("aria-disabled");
    }
  };
}

/** A button. If its action returns a promise, it has no effect again before that is fulfilled. */
export function button(label, onclick, properties = {}) {
  return el("button", { type: "button", onclick: once(onclick, (event) => event.currentTarget), ...properties }, label);
}

/** A form that does something when it is submitted, once as a button does. */
export function form(action, properties, ...children) {
  let clicks = 0;
  const run = once(action, ({ target }) => target.querySelector("[type=submit]"));
  const submitted = (event) => {
    event.preventDefault();
    run(event, clicks);
    clicks = 0;
  };
  return el("form", { onclick: (event) => (clicks = event.detail), onsubmit: submitted, ...properties }, ...children);
}

export const submit = (label, properties = {}) => el("button", { type: "submit", ...properties }, label);

/** A form with one field and a button beside it. */
export const fieldForm = (label, input, buttonLabel, action, ...more) =>
  form(action, { class: "card" }, el("label", { for: input.id }, label), el("div", { class: "row-of-fields" }, input, submit(buttonLabel)), ...more);

let faults = 0;

/** A place for what is wrong. Screen readers speak it. */
export function fault(message = null) {
  const element = el("p", { id: `fault-${++faults}`, class: "notice bad", role: "alert", hidden: message === null }, message);
  let unmark = [];
  return {
    element,
    show(...content) {
      for (const action of unmark) action();
      unmark = [];
      element.replaceChildren(...content);
      element.hidden = content.length === 0;
    },
    /** Marks the fields that are wrong, until something else is shown, and goes to the first one. */
    mark(controls) {
      unmark = controls.map((control) => markFault(control, element.id));
      controls[0]?.focus();
    },
  };
}

/** Marks a field as wrong, as the element with this id says. Returns what undoes it. */
function markFault(control, id) {
  const before = control.getAttribute("aria-describedby");
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-describedby", before ? `${id} ${before}` : id);
  return () => {
    control.removeAttribute("aria-invalid");
    if (before) control.setAttribute("aria-describedby", before);
    else control.removeAttribute("aria-describedby");
  };
}

export const field = (label, input) => el("label", { class: "field" }, el("span", {}, label), input);

/** A box to check, as `{input, element}`. */
export const check = (label, checked) => {
  const input = el("input", { type: "checkbox", checked });
  return { input, element: el("label", { class: "check" }, input, " ", label) };
};

export const group = (title, ...content) => el("fieldset", {}, el("legend", {}, title), ...content);

/** A table in a box that scrolls sideways. */
export function table(heads, rows) {
  return el(
    "div", { class: "table" },
    el("table", {}, el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))), el("tbody", {}, rows)),
  );
}

/** A table with a name, whose box can be scrolled by keyboard too. */
export function wideTable(label, heads, rows) {
  const box = table(heads, rows);
  const [titles, first] = [box.querySelectorAll("thead th"), rows[0]?.children ?? []];
  titles.forEach((title, index) => first[index]?.classList.contains("number") && title.classList.add("number"));
  // On a narrow screen, each cell shows the title of its column.
  for (const row of rows) [...row.children].forEach((cell, index) => (cell.dataset.label = heads[index]));
  box.firstChild.setAttribute("aria-label", label);
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", label);
  box.tabIndex = 0;
  box.classList.add("wide-table");
  return box;
}

/** Shows a dialog until it is closed. */
export function dialog(title, ...content) {
  // Not the first button, which may be far down.
  const heading = el("h2", { id: "dialog-title", tabIndex: -1, autofocus: true }, title);
  const box = el("dialog", { "aria-labelledby": "dialog-title", onclose: () => box.remove() }, heading, ...content);
  document.body.append(box);
  box.showModal();
  return box;
}

const status = () => document.getElementById("status");

/** Shows a short message above everything, dialogs too. Screen readers speak it. */
export function tell(message, isError = false) {
  const element = status();
  element.popover = "manual";
  if (element.matches(":popover-open")) element.hidePopover();
  element.showPopover();
  element.textContent = message;
  element.className = isError ? "error" : "";
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => {
    element.textContent = "";
    element.hidePopover();
  }, isError ? 10000 : 4000);
}

/** Has screen readers speak a text that is not shown. */
export function announce(message) {
  document.getElementById("announcer").textContent = message;
}

/** Saves bytes or a text as a file of the browser. */
export function save(name, content, type = "application/octet-stream") {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/** Copies a text. Without the clipboard, as on a page without TLS, the text is shown to be copied by hand. */
export async function copy(string, message, labels) {
  try {
    await navigator.clipboard.writeText(string);
    tell(message);
  } catch {
    const field = el("textarea", { value: string, readOnly: true, rows: 8, "aria-label": labels.copy });
    const box = dialog(labels.copy, el("p", {}, labels.copyFailed), field, button(labels.close, () => box.close()));
    field.select();
  }
}
