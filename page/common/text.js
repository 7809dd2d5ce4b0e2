// The texts that several views show. Each view has its own in a file like this one, so that another language is other such files.

/** A number with its noun. */
export const plural = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

export const text = {
  title: "Postroom",
  // Home
  create: "New endpoint",
  createHint: "A URL of your own. It keeps every request sent to it, byte for byte, until you collect it.",
  nameLabel: "Name (optional)",
  nameHint: "Part of the URL, if this installation allows names. Random characters follow it, so that nobody can guess it.",
  example: "Show an example",
  exampleHint: "A new endpoint with requests such as GitHub, Stripe, Slack and Twilio send them: signatures that are right and wrong, a retry, a form, a file.",
  openLabel: "Open an endpoint by its URL or id",
  open: "Open",
  recent: "Opened in this browser",
  forget: "Forget",
  forgetTitle: (id) => `Forget ${id} in this browser. The endpoint stays.`,
  notAnId: "This is neither the URL nor the id of an endpoint.",
  // States of the feed
  live: "live",
  connecting: "connecting",
  paused: "paused",
  asleep: "paused while hidden",
  gone: "gone",
  offline: "offline",
  reconnecting: (seconds) => `reconnecting in ${seconds} s`,
  // Head of an endpoint
  copy: "Copy",
  copied: "Copied",
  copyFailed: "The browser does not allow copying here. The text is selected: press Ctrl+C.",
  // Detail
  views: { pretty: "Pretty", raw: "Raw", hex: "Hex", form: "Form", parts: "Parts" },
  cut: (shown, all) => `The first ${shown} of ${all}. Download has the rest.`,
  characters: (count) => plural(count, "character", "characters"),
  manyHidden: "Only the beginning is shown, as the text has many characters that cannot be seen. Hex and Download have the rest.",
  binary: "binary",
  utf8: "text, UTF-8",
  value: "Value",
  // Lists
  older: "Load older ones",
  olderNotSearched: "Search older ones too: load them",
  // Collecting and deleting
  cancel: "Cancel",
  close: "Close",
  nameIgnored: "This installation does not allow names: the endpoint has only its id.",
  failed: (what) => `That failed: ${what}`,
  noAnswer: "the service does not answer",
  tryAgain: "Try again",
  pageFault: "The page has a fault: this view cannot be shown. The console of the browser says more.",
};

const units = [["kB", 1000], ["MB", 1e6], ["GB", 1e9]];

/** A number of bytes for people, such as `2.1 kB`. */
export function bytes(count) {
  if (count < 1000) return `${count} B`;
  const [unit, size] = units.findLast(([, size]) => count >= size);
  const value = count / size;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

/** A time span for people, with its two largest units: `2 h 14 min`. */
export function span(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = parts.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "0 s";
  let rest = seconds;
  return parts
    .slice(first, first + 2)
    .map(([unit, size]) => {
      const count = Math.floor(rest / size);
      rest -= count * size;
      return count > 0 ? `${count} ${unit}` : "";
    })
    .filter(Boolean)
    .join(" ");
}

/** How long ago, in the form of the list: `now`, `12 s`, `3 min`. */
export function age(milliseconds) {
  if (milliseconds < 1500) return "now";
  return span(milliseconds).replace(/ \d+ \w+$/, (rest) => (milliseconds < 60000 ? rest : ""));
}

const clock = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

export const time = (iso) => clock.format(new Date(iso));

/** What has answered a sender, for people. */
export const answerer = (name) => name.replace(/^response:(\d+)$/, (_, index) => `rule ${Number(index) + 1}`);

/**
 * The header fields of a text with a field a line, as names and values.
 * @param fault makes what is thrown for a line that is none
 */
export const headerFields = (string, fault) =>
  string.split("\n").filter((line) => line.trim() !== "").map((line) => {
    const [, name, value] = /^([^:\s]+): ?(.*)$/.exec(line) ?? [];
    if (name === undefined) throw fault(line);
    return [name, value];
  });
