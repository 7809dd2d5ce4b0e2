// The requests that are selected by hand, and the bar that says how many these are and what can be done with them. They stay
// selected while others arrive, and while the filter hides them.

import { announce, button, el, tell } from "../common/dom.js";
import { compare } from "./compare.js";
import { text } from "./text.js";

export class Selection {
  /**
   * @param list the list that the rows are in
   * @param handlers `changed()`, `forward(rows)`, `save(rows, kind)`
   */
  constructor(list, handlers) {
    this.list = list;
    this.handlers = handlers;
    this.keys = new Set();
    // Where a range began, and what was selected before.
    this.range = null;
    // Whether a click or a tap selects, for those who have no keys.
    this.isPicking = false;
    this.countElement = el("span", {});
    this.compareButton = button(text.compareTwo, () => this.compare());
    const actions = [
      this.compareButton, button(text.forward, () => handlers.forward(this.rows), { id: "forward-selected" }),
      button("JSON", () => handlers.save(this.rows, "json"), { "aria-label": text.exportJSON }),
      button("HAR", () => handlers.save(this.rows, "har"), { "aria-label": text.exportHAR }),
    ];
    this.actions = actions;
    this.allButton = button(text.selectAll, () => this.add(list.visibleRows ?? []), { title: text.selectAllTitle });
    this.element = el(
      "div", { id: "selection", role: "group", "aria-label": text.selection, hidden: true }, this.countElement, actions, this.allButton,
      button(text.clearSelection, () => this.leave(), { id: "clear-selection", "aria-keyshortcuts": "Escape" }),
    );
    this.modeButton = button(text.select, () => this.pick(!this.isPicking), { id: "select", title: text.selectTitle, "aria-pressed": "false" });
  }

  get size() {
    return this.keys.size;
  }

  /** Whether rows show whether they are selected. */
  get isShown() {
    return this.isPicking || this.size > 0;
  }

  has(row) {
    return this.keys.has(row.key);
  }

  /** The selected rows in the order of the list. */
  get rows() {
    return this.list.rows.filter((row) => this.has(row)).reverse();
  }

  add(rows) {
    this.range = null;
    for (const row of rows) this.keys.add(row.key);
    this.changed();
  }

  toggle(row) {
    this.range = null;
    if (!this.keys.delete(row.key)) this.keys.add(row.key);
    this.changed();
  }

  /** Selects the rows between two, and no others that were selected since the first of them was chosen. */
  extend(shown, from, to) {
    this.range ??= { from, before: new Set(this.keys) };
    const places = [this.range.from, to].map((row) => shown.indexOf(row)).filter((place) => place >= 0);
    const between = shown.slice(Math.min(...places), Math.max(...places) + 1);
    this.keys = new Set([...this.range.before, ...between.map((row) => row.key)]);
    this.changed();
  }

  // Comparing

  /** The two requests that are compared next: the selected ones, or the selected one and the one that is shown. */
  get pair() {
    const { rows, list: { current } } = this;
    return rows.length === 1 && current !== rows[0] ? [rows[0], current] : rows;
  }

  get compareLabel() {
    const { pair } = this;
    if (pair.length === 1) return text.unselect;
    if (pair.length !== 2) return text.compareWith;
    return this.size === 1 ? text.compareTo(pair[0].key) : text.compareBoth(pair[1].key, pair[0].key);
  }

  /** Compares two requests; selects the one that is shown, if there are not two yet. */
  compare() {
    const { pair, list: { current } } = this;
    if (pair.length === 2) return compare(...pair.sort((a, b) => a.at - b.at || a.id - b.id));
    if (pair.length > 2) return tell(text.compareMany);
    if (!current) return;
    this.toggle(current);
    if (pair.length === 0) tell(text.compareHint(current.key));
  }

  // Ending it

  clear() {
    this.range = null;
    this.keys.clear();
    this.isPicking = false;
    // The next one that is selected begins a selection alone.
    this.list.isChosen = false;
    this.changed();
  }

  /** Clears the selection from its bar, which is gone then. */
  leave() {
    this.clear();
    this.list.element.focus();
  }

  pick(isPicking) {
    this.isPicking = isPicking;
    if (isPicking) this.changed();
    else this.clear();
  }

  changed() {
    announce(text.selected(this.size, 0));
    this.show();
    this.handlers.changed();
  }

  show() {
    const { size } = this;
    const hidden = () => size - (this.list.visibleRows ?? []).filter((row) => this.has(row)).length;
    const words = size === 0 ? text.selectHint : text.selected(size, hidden());
    if (this.countElement.textContent !== words) this.countElement.textContent = words;
    this.compareButton.hidden = size !== 2;
    this.allButton.hidden = !this.isPicking;
    for (const one of this.actions) one.disabled = size === 0;
    this.modeButton.setAttribute("aria-pressed", String(this.isPicking));
    this.element.hidden = !this.isShown;
  }
}
