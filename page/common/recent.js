// What was opened in this browser, newest first. An id may be the only secret of what it names, so the lists stay in this browser.

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

export const { all: recent, remember, forget } = recentList("postroom.endpoints");

export function setting(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(`postroom.${name}`);
    localStorage.setItem(`postroom.${name}`, value);
  } catch {
    // As above.
  }
  return null;
}
