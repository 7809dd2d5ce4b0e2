// Removes what waits at an endpoint, or the endpoint.

import { endpoint } from "../common/api.js";
import { button, dialog, el, tell } from "../common/dom.js";
import { attempt } from "../common/failures.js";
import { fileBase, saveAll } from "./files.js";
import { text } from "./text.js";

/** What waits at the endpoint up to an id, oldest first. */
async function everything(id, through) {
  const all = [];
  for (;;) {
    const some = await endpoint.look(id, { after: all.at(-1)?.id ?? 0, limit: 1000 });
    all.push(...some.filter((one) => one.id <= through));
    if (some.length === 0 || some.at(-1).id >= through) return all;
  }
}

/** Asks for how many notifications are to be removed, and whether they are saved first. `done(through)` is called afterwards. */
export async function collect(id, done) {
  const { name, pending, newest: through } = await endpoint.settings(id);
  // The button was pressed twice.
  if (document.querySelector("dialog[open]")) return;
  if (pending.notifications === 0) return tell(text.nothingToCollect);
  const finish = (isSaved) => {
    box.close();
    return attempt(async () => {
      if (isSaved) {
        const all = await everything(id, through);
        saveAll(fileBase(id, name), all.map((one) => one.id), all, "json", "-collected");
      }
      await endpoint.acknowledge(id, through);
      tell(text.collectedNote(pending.notifications));
      await done(through);
    });
  };
  const box = dialog(
    text.collectTitle(pending.notifications), el("p", {}, text.collectText),
    el(
      "div", { class: "buttons" }, button(text.collectButton, () => finish(true), { class: "primary" }),
      button(text.removeButton, () => finish(false)), button(text.cancel, () => box.close()),
    ),
  );
}

/** Asks whether the endpoint is to be deleted; `confirmed` is called if so. */
export function remove(confirmed) {
  const confirm = () => {
    box.close();
    confirmed();
  };
  const box = dialog(
    text.deleteTitle, el("p", {}, text.deleteText),
    el("div", { class: "buttons" }, button(text.deleteButton, confirm, { class: "danger" }), button(text.cancel, () => box.close())),
  );
}
