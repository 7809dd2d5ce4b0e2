// The address of what is shown. The router in app.js shows what it names.

/** Goes to an address of the page, such as `inspect#/queues`. */
export function go(address) {
  history.pushState(null, "", address);
  dispatchEvent(new PopStateEvent("popstate"));
  document.getElementById("main").focus();
}
