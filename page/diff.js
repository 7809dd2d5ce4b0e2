// The difference of two lists of lines, by Myers' algorithm ("An O(ND) Difference Algorithm and Its Variations", 1986).

const editLimit = 500;

/**
 * The lines of both, each as `{kind, text}`: `same`, `removed` (only in `a`) or `added` (only in `b`).
 * @returns `null` if they differ in more than 500 lines
 */
export function diff(a, b) {
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const middle = middleDiff(a.slice(start, a.length - end), b.slice(start, b.length - end));
  if (middle === null) return null;
  const same = (lines) => lines.map((text) => ({ kind: "same", text }));
  return [...same(a.slice(0, start)), ...middle, ...same(a.slice(a.length - end))];
}

function middleDiff(a, b) {
  const paths = search(a, b);
  if (paths === null) return null;
  const lines = [];
  let [x, y] = [a.length, b.length];
  for (let edits = paths.length - 1; edits >= 0; edits--) {
    const reached = paths[edits];
    const k = x - y;
    const isDown = k === -edits || (k !== edits && (reached.get(k - 1) ?? -1) < (reached.get(k + 1) ?? -1));
    const previous = isDown ? k + 1 : k - 1;
    const fromX = edits === 0 ? 0 : reached.get(previous);
    const fromY = edits === 0 ? 0 : fromX - previous;
    while (x > fromX && y > fromY) {
      x -= 1;
      y -= 1;
      lines.push({ kind: "same", text: a[x] });
    }
    if (edits === 0) break;
    if (isDown) lines.push({ kind: "added", text: b[--y] });
    else lines.push({ kind: "removed", text: a[--x] });
  }
  return lines.reverse();
}

/** For each number of edits, how far each diagonal was reached before the last of them. */
function search(a, b) {
  const reached = new Map([[1, 0]]);
  const paths = [];
  for (let edits = 0; edits <= Math.min(editLimit, a.length + b.length); edits++) {
    paths.push(new Map(reached));
    for (let k = -edits; k <= edits; k += 2) {
      const isDown = k === -edits || (k !== edits && (reached.get(k - 1) ?? -1) < (reached.get(k + 1) ?? -1));
      let x = isDown ? reached.get(k + 1) : reached.get(k - 1) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x += 1;
      reached.set(k, x);
      if (x >= a.length && x - k >= b.length) return paths;
    }
  }
  return null;
}
