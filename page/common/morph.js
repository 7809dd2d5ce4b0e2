// Shows nodes anew and touches only what differs, so that the focus, a selection and a scrolled box stay where they are.

/** Makes the children of an element those that are wanted, which are kept as they are. */
export function replaceChildren(element, wanted) {
  const keep = new Set(wanted);
  for (const child of [...element.childNodes]) if (!keep.has(child)) child.remove();
  wanted.forEach((child, index) => {
    if (element.childNodes[index] !== child) element.insertBefore(child, element.childNodes[index] ?? null);
  });
}

/**
 * Makes the content of an element like that of nodes which are made for this, and have no listeners. Elements with a `data-key` are
 * the same as before if they have the same key, wherever they are; others, if they are the same in number.
 */
export function morphChildren(element, nodes) {
  const keyed = new Map();
  for (const child of element.children) if (child.dataset.key !== undefined) keyed.set(child.dataset.key, child);
  const plain = [...element.childNodes].filter((child) => child.dataset?.key === undefined);
  const wanted = nodes.flat(Infinity).filter(Boolean).map((next) => {
    const node = typeof next === "string" ? document.createTextNode(next) : next;
    const key = node.dataset?.key;
    return morph(key === undefined ? plain.shift() : keyed.get(key), node);
  });
  replaceChildren(element, wanted);
}

/** The old node, made like the next one; the next one, if they are of different kinds. */
function morph(old, next) {
  if (!old || old.nodeName !== next.nodeName) return next;
  if (old.isEqualNode(next)) return old;
  if (next.nodeType !== Node.ELEMENT_NODE) {
    old.data = next.data;
    return old;
  }
  for (const name of old.getAttributeNames()) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const name of next.getAttributeNames()) {
    // The policy allows styles only as properties.
    if (name === "style") old.style.cssText = next.style.cssText;
    else if (old.getAttribute(name) !== next.getAttribute(name)) old.setAttribute(name, next.getAttribute(name));
  }
  morphChildren(old, [...next.childNodes]);
  return old;
}
