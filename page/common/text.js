// Every text that the page shows, so that another language is another such file.

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
  goneText: "This endpoint does not exist. It was deleted, or it was not used for too long. What this page has received stays here until you close it.",
  neverThere: "There is no such endpoint. It may have been removed because it was not used.",
  // Head of an endpoint
  endpoint: (id) => `Endpoint ${id}`,
  url: "URL of the endpoint",
  copy: "Copy",
  copied: "Copied",
  copyFailed: "The browser does not allow copying here. The text is selected: press Ctrl+C.",
  room: (count, limit) => `${count.toLocaleString("en")} of ${limit.toLocaleString("en")}`,
  roomTitle: (bytes, limit) => `Notifications that wait to be collected, and the most there may be. ${bytes} of ${limit} used.`,
  full: "full",
  removed: (time) => `removed in ${time}`,
  removedTitle: (time) => `Removed at ${time}. A request that arrives, or a page that is live, delays that, up to the limits of the installation.`,
  stays: "stays",
  overdue: "about to be removed",
  disabled: "disabled: senders get 500",
  pause: "Pause",
  resume: "Resume",
  follow: "Follow newest",
  receiver: "Answer and verify",
  collect: "Collect…",
  more: "More",
  exportJSON: "Export as JSON",
  exportHAR: "Export as HAR",
  deleteEndpoint: "Delete endpoint…",
  help: "Keys",
  // List
  list: "Requests, newest first",
  filter: "Filter",
  filterHint: "words, method:post, status:503, path:/a, header:x-sig, size:>1k, is:refused",
  filterFault: (term) => `"${term}" is not understood`,
  shown: (shown, all) => (shown === all ? plural(all, "request", "requests") : `${shown.toLocaleString("en")} of ${plural(all, "request", "requests")}`),
  olderOnServer: "Load older ones",
  newRows: (count) => `${plural(count, "new request", "new requests")}`,
  gap: (count) => `${plural(count, "request is", "requests are")} missing here: collected or removed before this page saw ${count === 1 ? "it" : "them"}`,
  skipped: (count) => `${plural(count, "request is", "requests are")} not loaded`,
  load: "Load",
  refusedRow: "refused",
  attempts: (count) => `${count} attempts`,
  collected: "collected",
  marked: "marked for comparison",
  verdict: { true: "signature valid", false: "signature wrong" },
  announce: (count) => plural(count, "new request", "new requests"),
  option: (method, path, size, age) => `${method} ${path}, ${size}, ${age}`,
  // Empty
  waiting: "Waiting for the first request",
  waitingHint: "Send one from a terminal:",
  sendTest: "Send a test request",
  testSent: (status) => `The test request was answered with ${status}.`,
  life: (count, time) => `The URL keeps up to ${plural(count, "request", "requests")}${time ? `, and is removed after ${time} without use` : ""}. Looking at this page does not collect anything.`,
  shells: { curl: "curl", powershell: "PowerShell", httpie: "HTTPie" },
  nothingMatches: "No request matches the filter.",
  clearFilter: "Clear the filter",
  // Detail
  choose: "Choose a request to see it.",
  back: "Back to the list",
  tabs: { body: "Body", headers: "Headers", query: "Query", meta: "Meta" },
  views: { pretty: "Pretty", raw: "Raw", hex: "Hex", form: "Form", parts: "Parts" },
  copyBody: "Copy body",
  copyCurl: "Copy as curl",
  download: "Download",
  downloadTitle: "The exact bytes, as they were sent",
  mark: "Compare",
  markTitle: "Mark this request; then choose another one to see what differs",
  unmark: "Stop comparing",
  cut: (shown, all) => `The first ${shown} of ${all}. Download has the rest.`,
  characters: (count) => plural(count, "character", "characters"),
  manyHidden: "Only the beginning is shown, as the text has many characters that cannot be seen. Hex and Download have the rest.",
  binaryPart: "binary data",
  partNotShown: "too long to be shown",
  details: "The request",
  noBody: "The request has no body.",
  notKept: (bytes) => `The body (${bytes}) was not kept.`,
  binary: "binary",
  utf8: "text, UTF-8",
  decodedFrom: (charset) => `text, ${charset}`,
  notUTF8: "This text is not the bytes that were sent. Hex and Download have those.",
  faults: {
    "unknown-coding": "The Content-Encoding is not one that Postroom decompresses. Shown as it was sent.",
    "incomplete-data": "The compressed data ends too early. Shown as far as it could be decompressed.",
    "unknown-charset": "The charset is not known. Shown as UTF-8.",
    "invalid-text": "The bytes are not valid in the charset that the request names.",
    "corrupt-data": "The compressed data is corrupt.",
  },
  refusals: {
    "too-large": "Refused: the body is longer than this installation accepts.",
    full: "Refused: the endpoint was full.",
    disabled: "Refused: the endpoint was disabled.",
    undecodable: "Refused: the compressed data of the body is corrupt.",
    unverified: "Refused: the signature is wrong.",
    path: "Refused: the endpoint does not accept paths below its id.",
  },
  noHeaders: "No header fields.",
  noQuery: "The URL has no query.",
  name: "Name",
  value: "Value",
  fileName: "File",
  type: "Type",
  size: "Size",
  curlNeedsFile: (name) => `The body is too long for a command line: download it, and run the command where ${name} is.`,
  attempt: (place, count) => `Attempt ${place} of ${count} of one delivery`,
  meta: {
    id: "Number",
    receivedAt: "Received",
    remote: "Sender",
    method: "Method",
    url: "URL",
    path: "Path below the id",
    size: "Body as sent",
    sha256: "SHA-256 of the body",
    status: "Answered",
    answeredBy: "Answered by",
    verification: "Signature",
    confirmation: "Confirmation of SNS",
    attempts: "Attempts",
  },
  noUrl: "The request named no host.",
  signedBytes: (count) => `What must be signed begins (${count.toLocaleString("en")} bytes)`,
  expected: "Expected signature",
  received: "Received signature begins",
  compareSignatures: "What was compared",
  // Comparing
  compare: (a, b) => `What differs between #${a} and #${b}`,
  same: "The same in both.",
  compareRequest: "Request line",
  compareHeaders: "Header fields",
  compareBody: "Body",
  tooLongToCompare: "The bodies are too long to compare line by line. They differ.",
  binaryDiffers: (a, b) => `Binary bodies of ${a} and ${b}. They differ.`,
  // Collecting and deleting
  collectTitle: (count) => `Collect ${plural(count, "notification", "notifications")}?`,
  collectText: "They are saved as a JSON file, and then removed from the endpoint. A program that waits for them no longer gets them.",
  collectButton: "Save and remove",
  removeButton: "Remove without saving",
  cancel: "Cancel",
  close: "Close",
  nothingToCollect: "There is nothing to collect.",
  collectedNote: (count) => `${plural(count, "notification was", "notifications were")} removed from the endpoint.`,
  deletedNote: "The endpoint is deleted. What this page has received stays here until you close it.",
  nameIgnored: "This installation does not allow names: the endpoint has only its id.",
  deleteTitle: "Delete this endpoint?",
  deleteText: "The URL stops working, and everything that waits at it is lost.",
  deleteButton: "Delete",
  failed: (what) => `That failed: ${what}`,
  noAnswer: "the service does not answer",
  pageFault: "The page has a fault: this view cannot be shown. The console of the browser says more.",
  // Playing the receiver
  receiverTitle: "Answer and verify",
  answers: "Response to senders",
  answerModes: { empty: "200 without a body", one: "One answer to all", rules: "Rules (JSON)" },
  status: "Status",
  delay: "Delay in ms",
  answerHeaders: "Header fields, one `Name: value` a line",
  answerBody: "Body",
  rulesHint: "A list of rules; the first one whose condition holds answers. The documentation of capture describes them.",
  rulesNotJSON: (reason) => `The rules are not JSON: ${reason}`,
  rulesNotList: "The rules must be a list: [] for none.",
  toleranceFault: "tolerance_seconds must be a whole number of seconds.",
  headerFault: (line) => `"${line}" is not a header field: write Name: value`,
  recipes: "Handshakes of providers",
  verify: "Check signatures",
  noPreset: "no",
  reject: "Refuse requests with a wrong signature (401)",
  others: "Endpoint",
  enabled: "Enabled; if not, senders get 500",
  subpaths: "Paths may follow the id",
  dropOldest: "Drop the oldest when it is full, instead of refusing with 507",
  cors: "Web pages of any site may send to it (CORS)",
  pinned: "Keep it although nobody uses it",
  expires: "Remove it so many seconds from now (never: at the limits of the installation; empty: as it is)",
  expiresFault: "Write a number of seconds, never, or nothing.",
  deliveryHeader: "Header field that names a delivery, to group attempts",
  keepSecret: "*** keeps the secret that is set",
  apply: "Apply",
  applied: "The settings are changed.",
  tryTitle: "What a sender hears",
  tryHint: "With the settings as they are written here, applied or not. This sends nothing.",
  tryDisabled: "The endpoint is disabled: every sender gets 500.",
  tryNoSubpaths: "The endpoint does not accept paths after its id: the sender gets 404.",
  tryRequest: "Request",
  tryOwn: "written below",
  tryChosen: (id) => `#${id}, chosen in the list`,
  tryMethod: "Method",
  tryPath: "Path and query after the id",
  tryHeaders: "Header fields, one `Name: value` a line",
  tryBody: "Body",
  tryResult: (status, milliseconds) => (milliseconds > 0 ? `${status} after ${milliseconds.toLocaleString("en")} ms` : `${status}`),
  tryNobody: "by the endpoint, as usual",
  tryAnswerer: (name) => `by ${name}`,
  tryRefused: "The request would be refused.",
  trySend: "Send it for real",
  trySent: (status, milliseconds) => `Sent. The answer was ${status} after ${milliseconds} ms, with the settings in force.`,
  tryRedirect: "a redirect",
  // Keys
  keysTitle: "Keys",
  useKeys: "Use keys of one character",
  keys: [
    ["j k ↓ ↑", "next, previous request"],
    ["Home End", "newest, oldest request shown"],
    ["Enter", "to the request; Esc back to the list"],
    ["1 2 3 4", "Body, Headers, Query, Meta"],
    ["c u", "copy the body; copy as curl"],
    ["d", "mark for comparison, or compare with the marked one"],
    ["f p", "follow the newest; pause"],
    ["/", "filter"],
    ["?", "this list"],
  ],
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
