// Shows the page that the address names: the first page, or the endpoint after the `#`. The id is never part of a path, so that it
// is in no log and no referrer.

import { idIn } from "./api.js";
import { home } from "./home.js";
import { Inspector } from "./inspect.js";
import { remember } from "./recent.js";
import { text } from "./text.js";

const main = document.getElementById("main");
let current = null;

function open(id) {
  history.pushState(null, "", `inspect#${encodeURIComponent(id)}`);
  show();
  main.focus();
}

function leave(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.pushState(null, "", "./");
  show();
  main.focus();
}

function show() {
  current?.close();
  current = null;
  document.body.className = "";
  let id = null;
  try {
    id = idIn(decodeURIComponent(location.hash.slice(1)));
  } catch {
    // Not an id.
  }
  if (id === null) {
    document.title = text.title;
    main.replaceChildren(home(open));
    return;
  }
  current = new Inspector(id);
  remember(id);
  main.replaceChildren(current.element);
  current.start();
}

document.getElementById("home").addEventListener("click", leave);
addEventListener("popstate", show);
show();
