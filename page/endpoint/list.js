// The list of requests, newest first. All rows stay in memory, so that the filter searches all of them; the document has those in
// view and some beside them. All items are equally high.

import { button, el } from "../common/dom.js";
import { rowElement, updateAge } from "./row.js";
import { Selection } from "./selection.js";
import { text } from "./text.js";

// Items in the document above and below those in view.
const margin = 30;
// The filter works in slices of this many milliseconds, so that the page stays responsive with many requests.
const sliceMilliseconds = 12;
const repaintMilliseconds = 100;
// The oldest rows above it are dropped.
const rowLimit = 20000;
// Where a row shows whether it is selected, in pixels from its left.
const boxWidth = 32;

export class RequestList {
  /**
   * @param handlers `select(row)`, `chosen(row)`, `open()`, `loadGap(after, through)`, `loadOlder()`, `painted(shown, all)`,
   * `isHeld()`: whether what is in view stays there, and those of a selection
   */
  constructor(handlers) {
    this.handlers = handlers;
    this.rows = [];
    this.byKey = new Map();
    // Attempts of a delivery are one item: for each earlier attempt, the newest one.
    this.leaders = new Map();
    this.skipped = new Set();
    // The one that is shown in detail, and whether the user has chosen it.
    this.current = null;
    this.isChosen = false;
    this.test = null;
    this.hasOlder = false;
    // How many older requests were loaded so far, while some are being loaded.
    this.olderCount = null;
    this.unseen = 0;
    // What is shown: rows, and gaps between them.
    this.items = [];
    this.gapElements = new Map();
    this.itemHeight = 30;
    this.element = el("div", {
      id: "list", role: "listbox", tabIndex: 0, "aria-label": text.list, "aria-multiselectable": "true", onmousedown: (event) => this.pressed(event),
    });
    this.pill = button("", () => this.toNewest(), { id: "new-rows", hidden: true });
    // Beside the list, as a list box has no buttons.
    this.olderButton = button("", () => handlers.loadOlder());
    this.moreElement = el("div", { class: "more", hidden: true }, this.olderButton);
    this.scroller = el("div", { class: "scroller", onscroll: () => this.scrolled() }, this.element, this.moreElement);
    this.selection = new Selection(this, {
      ...handlers,
      changed: () => {
        if (this.selection.size > 0) handlers.chosen(null);
        this.showSelection();
        handlers.changed();
      },
    });
    this.timer = setInterval(() => this.updateAges(), 1000);
    this.sizes = new ResizeObserver(() => this.render());
    this.sizes.observe(this.scroller);
  }

  close() {
    clearInterval(this.timer);
    this.sizes.disconnect();
    clearTimeout(this.paintTimer);
  }

  // Rows

  /** Adds requests; those that are known already are replaced. */
  add(rows, { hasSkipped = false } = {}) {
    // Until a gap is loaded or filled, it is known by the id after it.
    if (hasSkipped && rows.length > 0) this.skipped.add(rows[0].id);
    let isInOrder = true;
    for (const row of rows) {
      const known = this.byKey.get(row.key);
      if (known) {
        known.notification = row.notification;
        continue;
      }
      this.byKey.set(row.key, row);
      const last = this.rows.at(-1);
      if (last && (last.at > row.at || (last.at === row.at && last.id > row.id))) isInOrder = false;
      this.rows.push(row);
      for (const id of row.isRefused ? [] : (row.notification.attempts ?? [])) {
        if (id < row.id) this.leaders.set(String(id), row.key);
      }
    }
    if (!isInOrder) this.rows.sort((a, b) => a.at - b.at || a.id - b.id);
    for (const row of this.rows.splice(0, Math.max(0, this.rows.length - rowLimit))) {
      this.byKey.delete(row.key);
      this.leaders.delete(row.key);
      this.selection.keys.delete(row.key);
      this.hasOlder = true;
    }
    this.refresh();
  }

  get oldestID() {
    return this.rows.find((row) => !row.isRefused)?.id ?? null;
  }

  get newest() {
    return this.visibleRows?.[0] ?? null;
  }

  /** The newest attempt of the delivery that a request belongs to. */
  leader(row) {
    let key = row.key;
    while (this.leaders.has(key)) key = this.leaders.get(key);
    return this.byKey.get(key) ?? row;
  }

  setFilter(test) {
    this.test = test;
    this.refresh();
  }

  // What is shown

  /** Finds out what is to be shown, and shows it. What changes meanwhile has it done again. */
  async refresh() {
    this.isStale = true;
    if (this.isRefreshing) return;
    this.isRefreshing = true;
    while (this.isStale) {
      this.isStale = false;
      this.visibleRows = await this.search();
      this.paintSoon();
    }
    this.isRefreshing = false;
  }

  /** The rows to show, newest first. A filter is tested in slices. */
  async search() {
    const { test } = this;
    if (!test) return this.rows.filter((row) => this.isTop(row)).reverse();
    const found = [];
    const rows = this.rows.slice();
    let start = performance.now();
    for (let index = rows.length - 1; index >= 0 && test === this.test; index--) {
      if (test(rows[index])) found.push(rows[index]);
      if (performance.now() - start > sliceMilliseconds) {
        await new Promise((resolve) => setTimeout(resolve));
        start = performance.now();
      }
    }
    return found;
  }

  /** Whether it is shown without a filter: earlier attempts are part of the newest one. */
  isTop(row) {
    return !this.leaders.has(row.key);
  }

  paintSoon() {
    if (this.paintTimer) return;
    const wait = Math.max(0, repaintMilliseconds - (performance.now() - (this.paintedAt ?? 0)));
    // In a hidden tab the frame comes when the tab is shown again.
    this.paintTimer = setTimeout(() => requestAnimationFrame(() => this.paint()), wait);
  }

  paint() {
    this.paintTimer = null;
    this.paintedAt = performance.now();
    const { scroller, itemHeight } = this;
    const at = Math.floor(scroller.scrollTop / itemHeight);
    const isHeld = this.handlers.isHeld() && this.paintedTest === this.test;
    this.paintedTest = this.test;
    const anchor = scroller.scrollTop > 0 || isHeld ? this.items[at] : null;
    this.items = this.arrange();
    this.showOlder();
    this.render();
    // What was in view stays there.
    const place = anchor ? this.items.findIndex((item) => item.key === anchor.key) : -1;
    if (place >= 0 && place !== at) {
      scroller.scrollTop += (place - at) * itemHeight;
      this.render();
    }
    this.selection.show();
    this.handlers.painted(this.visibleRows.length, this.rows.length);
  }

  showOlder() {
    const { olderCount } = this;
    const isFull = this.rows.length >= rowLimit;
    const label = isFull ? text.mostRows(rowLimit) : olderCount !== null ? text.loadingOlder(olderCount) : this.test ? text.olderNotSearched : text.older;
    if (this.olderButton.textContent !== label) this.olderButton.textContent = label;
    this.olderButton.disabled = isFull;
    this.moreElement.hidden = !this.hasOlder;
  }

  /** The rows to show with the gaps between them, each as `{key, row}` or `{key, earlier, later, missing}`. */
  arrange() {
    const items = [];
    let later = null;
    for (const row of this.visibleRows) {
      if (!this.test && !row.isRefused) {
        const missing = later === null ? 0 : this.countMissing(row.id, later);
        if (missing > 0) items.push({ key: `gap-${later}`, earlier: row.id, later, missing });
        later = Math.min(later ?? row.id, row.id);
      }
      items.push({ key: row.key, row });
    }
    return items;
  }

  countMissing(earlier, later) {
    const missing = later - earlier - 1;
    // The attempts that are hidden are not missing.
    return missing > 0 && missing < 10000 ? missing - countKnown(this.byKey, earlier, later) : missing;
  }

  /** Puts the items in view into the document. */
  render() {
    const { scroller, element, items, itemHeight } = this;
    const first = Math.max(0, Math.floor(scroller.scrollTop / itemHeight) - margin);
    const end = Math.min(items.length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / itemHeight) + margin);
    const wanted = items.slice(first, end).map((item) => (item.row ? this.option(item.row) : this.gap(item)));
    const keep = new Set(wanted);
    for (const child of [...element.children]) if (!keep.has(child)) this.drop(child);
    let next = element.firstElementChild;
    for (const child of wanted) {
      if (child === next) next = next.nextElementSibling;
      else element.insertBefore(child, next);
    }
    element.style.paddingTop = `${Math.min(first, items.length) * itemHeight}px`;
    element.style.paddingBottom = `${Math.max(0, items.length - end) * itemHeight}px`;
    this.number(items.slice(first, end).filter((item) => item.row));
    const height = wanted.find((child) => child.getAttribute("role") === "option")?.offsetHeight;
    if (height && height !== itemHeight) {
      this.itemHeight = height;
      return this.render();
    }
    this.showSelection();
  }

  /** Tells assistive technology where in the list the rows in the document are. */
  number(items) {
    if (items.length === 0) return;
    const all = this.visibleRows;
    let place = all.indexOf(items[0].row) + 1;
    for (const { row } of items) {
      row.element.setAttribute("aria-setsize", all.length);
      row.element.setAttribute("aria-posinset", place++);
    }
  }

  drop(child) {
    child.remove();
    const key = child.getAttribute("data-key");
    const row = this.byKey.get(key);
    if (row?.element === child) row.element = null;
    if (key?.startsWith("gap-")) this.gapElements.delete(key);
  }

  gap({ key, earlier, later, missing }) {
    const isSkipped = this.skipped.has(later);
    const state = [earlier, missing, isSkipped].join();
    const known = this.gapElements.get(key);
    if (known?.state === state) return known.element;
    const words = (isSkipped ? text.skipped : text.gap)(missing);
    const label = el("span", { title: words }, words);
    const load = isSkipped ? button(text.load, () => this.handlers.loadGap(earlier, later)) : null;
    const element = el("div", { role: "presentation", class: "gap", "data-key": key }, label, load);
    this.gapElements.set(key, { element, state });
    return element;
  }

  option(row) {
    const attempts = row.notification.attempts?.filter((id) => this.byKey.has(String(id))) ?? [];
    return rowElement(row, attempts.length, this.leaders.has(row.key));
  }

  updateAges() {
    const now = Date.now();
    for (const child of this.element.children) updateAge(this.byKey.get(child.getAttribute("data-key")), now);
  }

  // Choosing and selecting

  pressed(event) {
    const row = this.byKey.get(event.target.closest("[data-key]")?.getAttribute("data-key"));
    if (!row || event.button !== 0) return;
    const { selection } = this;
    const isWithin = event.clientX - row.element.getBoundingClientRect().left < boxWidth;
    if (event.shiftKey) {
      // No text is selected.
      event.preventDefault();
      this.element.focus();
      this.extend(row);
    } else if (event.ctrlKey || event.metaKey || selection.isPicking || (selection.isShown && isWithin)) {
      const { current } = this;
      if (!selection.isShown && this.isChosen && current !== row) selection.add([current]);
      this.choose(row);
      selection.toggle(row);
    } else {
      this.choose(row);
      this.handlers.open();
    }
  }

  /** Shows a row that the user has chosen. */
  choose(row) {
    if (!row) return;
    this.selection.range = null;
    this.handlers.chosen(row);
    this.select(row);
    this.isChosen = true;
  }

  /** Selects the rows from the one that is shown to another one, and shows that. */
  extend(row) {
    if (!row) return;
    this.selection.extend(this.visibleRows, this.current ?? row, row);
    this.select(row);
    this.isChosen = true;
  }

  select(row) {
    if (!row) return;
    if (row === this.newest) this.noteNew(0);
    this.current = row;
    this.isChosen = false;
    this.reveal(row);
    this.showSelection();
    this.handlers.select(row);
  }

  /** Scrolls as little as needed to have a row in view. */
  reveal(row) {
    const place = this.items.findIndex((item) => item.row === row);
    if (place < 0) return;
    const { scroller, itemHeight } = this;
    const top = place * itemHeight;
    const highest = top + itemHeight - scroller.clientHeight;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (scroller.clientHeight > 0 && highest > scroller.scrollTop) scroller.scrollTop = highest;
    this.render();
  }

  /** Unless rows are selected by hand, the one that is shown in detail counts as selected. */
  showSelection() {
    const { current, selection } = this;
    this.element.classList.toggle("selecting", selection.isShown);
    for (const child of this.element.children) {
      const row = this.byKey.get(child.getAttribute("data-key"));
      if (!row) continue;
      child.setAttribute("aria-selected", String(selection.isShown ? selection.has(row) : row === current));
      if (row === current) child.setAttribute("aria-current", "true");
      else child.removeAttribute("aria-current");
    }
    if (current?.element?.isConnected) this.element.setAttribute("aria-activedescendant", current.element.id);
    else this.element.removeAttribute("aria-activedescendant");
  }

  /** Goes to the row so many places further down, or extends the selection to it. */
  move(places, isExtending = false) {
    const rows = this.visibleRows ?? [];
    const index = rows.indexOf(this.current);
    const row = rows[Math.max(0, Math.min(rows.length - 1, index < 0 ? 0 : index + places))];
    if (isExtending) this.extend(row);
    else this.choose(row);
  }

  toNewest() {
    this.scroller.scrollTop = 0;
    this.noteNew(0);
    this.select(this.newest);
  }

  /** Counts new rows that cannot be seen; 0: all were seen. */
  noteNew(count) {
    this.unseen = count === 0 ? 0 : this.unseen + count;
    this.pill.hidden = this.unseen === 0;
    this.pill.textContent = text.newRows(this.unseen);
  }

  scrolled() {
    if (this.scroller.scrollTop === 0) this.noteNew(0);
    this.render();
  }

  noteCollected(through) {
    for (const row of this.rows) if (!row.isRefused && row.id <= through) row.isCollected = true;
    this.paintSoon();
  }
}

function countKnown(byKey, earlier, later) {
  let count = 0;
  for (let id = earlier + 1; id < later; id++) if (byKey.has(String(id))) count += 1;
  return count;
}
