// The first page: opens or creates an endpoint.

import { endpoint, idIn } from "./common/api.js";
import { button, el, fault, fieldForm, form, submit, tell } from "./common/dom.js";
import { failed } from "./common/failures.js";
import { endpoints, recentCard } from "./common/recent.js";
import { text } from "./common/text.js";

export function home(open) {
  const error = fault();
  const name = el("input", { id: "name", autocomplete: "off", maxLength: 64, spellcheck: false });
  const newForm = form(
    async () => {
      try {
        const wanted = name.value.trim();
        const { endpointId } = await endpoint.create(wanted);
        open(endpointId);
        if (wanted !== "" && !endpointId.startsWith(wanted)) tell(text.nameIgnored, true);
      } catch (failure) {
        error.show(failed(failure));
      }
    },
    { class: "card" },
    submit(text.create, { class: "primary" }),
    el("p", {}, text.createHint),
    el("details", {}, el("summary", {}, text.nameLabel), el("label", { for: "name" }, text.nameHint), name),
  );
  const field = el("input", { id: "open", autocomplete: "off", spellcheck: false });
  const openForm = fieldForm(text.openLabel, field, text.open, () => {
    const id = idIn(field.value);
    if (id) open(id);
    else error.show(text.notAnId);
  });
  const example = button(text.example, async () => {
    try {
      open(await (await import("./endpoint/demo.js")).demonstrate());
    } catch (failure) {
      error.show(failed(failure));
    }
  }, { id: "example" });
  const exampleCard = el("div", { class: "card" }, example, el("p", {}, text.exampleHint));
  const list = recentCard(endpoints, (id) => `inspect#${encodeURIComponent(id)}`, text.forgetTitle);
  return el("div", { class: "home" }, el("h1", {}, text.title), error.element, newForm, exampleCard, openForm, list);
}
