// Shows the view that the address names: the first page, or the one after the `#`: an endpoint's id, or `/` and the name of a view.
// The id is never part of a path, so that it is in no log and no referrer.

import { go } from "./common/address.js";
import { idIn } from "./common/api.js";
import { button, el } from "./common/dom.js";
import { endpoints } from "./common/recent.js";
import { text } from "./common/text.js";
import { home } from "./home.js";

/**
 * The modules of the views, beside the first page. Each is loaded when it is first shown, and exports `open(rest)`, which is given
 * the id of the endpoint, or what follows the name in the address, and makes an object with `title`, `element`, `start()` and
 * `close()`.
 */
const views = {
  queues: () => import("./queues/queues.js"),
  webhooks: () => import("./webhooks/webhooks.js"),
  events: () => import("./events/events.js"),
};

const endpointView = () => import("./endpoint/inspect.js");

/** The style sheets that were loaded, by view. */
const styles = new Map();

/** Loads the style sheet of a view, which has the same name. */
function style(name) {
  if (!styles.has(name)) {
    const loading = new Promise((onload, onerror) => {
      document.head.append(el("link", { rel: "stylesheet", href: `page/${name}/${name}.css`, onload, onerror }));
    });
    // It is tried again when the view is opened again.
    loading.catch(() => styles.delete(name));
    styles.set(name, loading);
  }
  return styles.get(name);
}

const main = document.getElementById("main");
let current = null;
let shows = 0;

const openEndpoint = (id) => go(`inspect#${encodeURIComponent(id)}`);

/** What the address names. */
function place() {
  let fragment = "";
  try {
    fragment = decodeURIComponent(location.hash.slice(1));
  } catch {
    // Not of this page.
  }
  const [, name, rest] = /^\/([a-z]+)(?:\/(.*))?$/.exec(fragment) ?? [];
  if (Object.hasOwn(views, name)) return { name, rest };
  return { id: idIn(fragment) };
}

async function show() {
  const number = ++shows;
  const { name, rest, id } = place();
  current?.close();
  current = null;
  document.body.className = "";
  for (const box of document.querySelectorAll("dialog")) box.close();
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === (name ? `inspect#/${name}` : "./")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!name && id === null) {
    document.title = text.title;
    main.replaceChildren(home(openEndpoint));
    return;
  }
  if (!name) endpoints.remember(id);
  let module;
  try {
    [module] = await Promise.all(name ? [views[name](), style(name)] : [endpointView()]);
  } catch (error) {
    console.error(error);
    if (number === shows) start(failure(text.failed(text.noAnswer), button(text.tryAgain, show)));
    return;
  }
  // Another one was opened while this one was loaded.
  if (number !== shows) return;
  try {
    start(module.open(name ? rest : id));
  } catch (error) {
    console.error(error);
    current?.close();
    start(failure(text.pageFault));
  }
}

/** What is shown instead of a view. */
const failure = (message, ...more) => ({
  title: text.title,
  element: el("div", { class: "view" }, el("h1", {}, text.title), el("p", { class: "notice bad", role: "alert" }, message), more),
  start() {}, close() {},
});

function start(view) {
  current = view;
  document.title = `${view.title} – ${text.title}`;
  main.replaceChildren(view.element);
  view.start();
}

// Links within the page load nothing anew.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-view]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});
addEventListener("popstate", show);
show();
