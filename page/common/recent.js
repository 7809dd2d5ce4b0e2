// The endpoints that were opened in this browser. An id is the only secret of its endpoint, so the list stays in this browser.

const key = "postroom.endpoints";
const limit = 20;

export function recent() {
  try {
    const list = JSON.parse(localStorage.getItem(key));
    return Array.isArray(list) ? list.filter((id) => typeof id === "string") : [];
  } catch {
    return [];
  }
}

function keep(list) {
  try {
    localStorage.setItem(key, JSON.stringify(list));
  } catch {
    // Without storage, as in some private windows, nothing is remembered.
  }
}

export const remember = (id) => keep([id, ...recent().filter((other) => other !== id)].slice(0, limit));

export const forget = (id) => keep(recent().filter((other) => other !== id));

export function setting(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(`postroom.${name}`);
    localStorage.setItem(`postroom.${name}`, value);
  } catch {
    // As above.
  }
  return null;
}
