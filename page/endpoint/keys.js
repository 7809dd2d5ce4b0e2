// The keys of the view of an endpoint.

import { button, dialog, el } from "../common/dom.js";
import { setting } from "../common/recent.js";
import { text } from "./text.js";

/** A listener for `keydown` that does what belongs to a key, unless the key is meant for what has the focus. */
export function keyListener(actions) {
  return (event) => {
    const { target } = event;
    const isControl = event.ctrlKey || event.metaKey;
    // The list has these to itself.
    if ((isControl || event.key === " ") && target.id !== "list") return;
    if (event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key.length === 1 && event.key !== " " && !isControl && setting("keys") === "off") return;
    if (target.matches("input, textarea, select")) {
      if (event.key === "Escape") leave(event);
      if (target.id === "filter" && ["Enter", "ArrowDown"].includes(event.key)) {
        event.preventDefault();
        document.getElementById("list").focus();
      }
      return;
    }
    const menu = document.querySelector("details.menu[open]");
    if (event.key === "Escape" && menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
      return;
    }
    // The browser moves within these, and presses them.
    if (target.matches("button, summary, a") && ["Enter", " "].includes(event.key)) return;
    if (target.closest("#panel, [role=tablist]") && /^(Arrow|Home|End|Page)/.test(event.key)) return;
    const action = actions[isControl ? `Control+${event.key}` : event.key];
    if (!action) return;
    event.preventDefault();
    action(event);
  };
}

/** Leaves a field, and empties it if it is the filter. Browsers empty a search field too, but do not all say so. */
function leave(event) {
  const { target } = event;
  if (target.type === "search" && target.value !== "") {
    event.preventDefault();
    target.value = "";
    target.dispatchEvent(new Event("input", { bubbles: true }));
  }
  target.blur();
}

/** Shows the list of keys. */
export function help() {
  const rows = text.keys.map(([keys, what]) => [el("dt", {}, keys.split(" ").map((key) => el("kbd", {}, key))), el("dd", {}, what)]);
  const isOn = el("input", { type: "checkbox", checked: setting("keys") !== "off", onchange: () => setting("keys", isOn.checked ? "on" : "off") });
  const use = el("label", { class: "check" }, isOn, " ", text.useKeys);
  const box = dialog(text.keysTitle, el("dl", { class: "keys" }, rows), use, el("div", { class: "buttons" }, button(text.close, () => box.close())));
}
