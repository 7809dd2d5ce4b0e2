// What was opened in this browser, newest first. An id may be the only secret of what it names, so the lists stay in this browser.

import { button, el } from "./dom.js";
import { text } from "./text.js";

const limit = 20;

/** A list of texts under a name. */
export function recentList(key) {
  const all = () => {
    try {
      const list = JSON.parse(localStorage.getItem(key));
      return Array.isArray(list) ? list.filter((id) => typeof id === "string") : [];
    } catch {
      return [];
    }
  };
  const keep = (list) => {
    try {
      localStorage.setItem(key, JSON.stringify(list));
    } catch {
      // Without storage, as in some private windows, nothing is remembered.
    }
  };
  return {
    all,
    remember: (id) => keep([id, ...all().filter((other) => other !== id)].slice(0, limit)),
    forget: (id) => keep(all().filter((other) => other !== id)),
  };
}

export const endpoints = recentList("postroom.endpoints");

/** A card with links to what is in a list, each of which can be forgotten; `null` if there are none. */
export function recentCard(list, href, forgetTitle) {
  const items = list.all().map((id) => {
    const forget = () => {
      list.forget(id);
      item.remove();
    };
    const link = el("a", { href: href(id), "data-view": "" }, id);
    const item = el("li", {}, link, button(text.forget, forget, { title: forgetTitle(id), class: "link" }));
    return item;
  });
  return items.length > 0 ? el("section", { class: "card" }, el("h2", {}, text.recent), el("ul", { class: "plain-list" }, items)) : null;
}

export function setting(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(`postroom.${name}`);
    localStorage.setItem(`postroom.${name}`, value);
  } catch {
    // As above.
  }
  return null;
}
