// The first page: opens or creates an endpoint.

import { endpoint, idIn } from "./common/api.js";
import { button, el, tell } from "./common/dom.js";
import { forget, recent } from "./common/recent.js";
import { text } from "./common/text.js";

export function home(open) {
  const error = el("p", { class: "notice bad", role: "alert", hidden: true });
  const fail = (message) => {
    error.textContent = message;
    error.hidden = false;
  };
  const name = el("input", { id: "name", autocomplete: "off", maxLength: 64, spellcheck: false });
  const create = el("button", { type: "submit", class: "primary" }, text.create);
  const newForm = el(
    "form",
    {
      class: "card",
      async onsubmit(event) {
        event.preventDefault();
        create.disabled = true;
        try {
          const wanted = name.value.trim();
          const { endpointId } = await endpoint.create(wanted);
          open(endpointId);
          if (wanted !== "" && !endpointId.startsWith(wanted)) tell(text.nameIgnored, true);
        } catch (failure) {
          fail(text.failed(failure.status ? failure.message : text.noAnswer));
          create.disabled = false;
        }
      },
    },
    create,
    el("p", {}, text.createHint),
    el("details", {}, el("summary", {}, text.nameLabel), el("label", { for: "name" }, text.nameHint), name),
  );
  const field = el("input", { id: "open", autocomplete: "off", spellcheck: false });
  const openForm = el(
    "form",
    {
      class: "card",
      onsubmit(event) {
        event.preventDefault();
        const id = idIn(field.value);
        if (id) open(id);
        else fail(text.notAnId);
      },
    },
    el("label", { for: "open" }, text.openLabel),
    el("div", { class: "row-of-fields" }, field, el("button", { type: "submit" }, text.open)),
  );
  const example = button(text.example, async () => {
    example.disabled = true;
    try {
      open(await (await import("./endpoint/demo.js")).demonstrate());
    } catch (failure) {
      fail(text.failed(failure.status ? failure.message : text.noAnswer));
      example.disabled = false;
    }
  }, { id: "example" });
  const exampleCard = el("div", { class: "card" }, example, el("p", {}, text.exampleHint));
  return el("div", { class: "home" }, el("h1", {}, text.title), error, newForm, exampleCard, openForm, list());
}

function list() {
  const ids = recent();
  if (ids.length === 0) return null;
  const items = ids.map((id) => {
    const item = el(
      "li", {},
      el("a", { href: `inspect#${encodeURIComponent(id)}`, "data-view": "" }, id),
      button(text.forget, () => {
        forget(id);
        item.remove();
      }, { title: text.forgetTitle(id), class: "link" }),
    );
    return item;
  });
  return el("section", { class: "card" }, el("h2", {}, text.recent), el("ul", { class: "plain-list" }, items));
}
