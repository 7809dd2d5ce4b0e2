// The text format of Prometheus, version 0.0.4
// (github.com/prometheus/docs, content/docs/instrumenting/exposition_formats.md).

const sampleName = /[a-zA-Z_:][a-zA-Z0-9_:]*/y;
const labelName = /[a-zA-Z_][a-zA-Z0-9_]*/y;
const labelValue = /"((?:[^"\\\n]|\\.)*)"/y;
const blank = /[ \t]*/y;
const rest = /([^ \t]+)(?:[ \t]+(-?\d+))?[ \t]*$/y;

const unescaped = (string) => string.replace(/\\(.)/g, (all, character) => (character === "n" ? "\n" : "\\\"".includes(character) ? character : all));

/** A number as Go's ParseFloat reads it; `undefined` for a text that is none. */
function number(string) {
  const infinity = /^([+-]?)inf(?:inity)?$/i.exec(string);
  if (infinity) return infinity[1] === "-" ? -Infinity : Infinity;
  if (/^[+-]?nan$/i.test(string)) return NaN;
  return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(string) ? Number(string) : undefined;
}

/** A sample of a line as `{name, labels, value}`; `null` if the line is not one. */
function sample(line) {
  let position = 0;
  const take = (pattern) => {
    pattern.lastIndex = position;
    const match = pattern.exec(line);
    if (match) position = pattern.lastIndex;
    return match;
  };
  const mark = (character) => {
    take(blank);
    if (line[position] !== character) return false;
    position += 1;
    return true;
  };
  take(blank);
  const name = take(sampleName)?.[0];
  if (name === undefined) return null;
  const labels = {};
  if (mark("{")) {
    while (!mark("}")) {
      const label = take(labelName)?.[0];
      if (label === undefined || !mark("=")) return null;
      take(blank);
      const value = take(labelValue);
      if (!value) return null;
      labels[label] = unescaped(value[1]);
      if (!mark(",")) {
        if (!mark("}")) return null;
        break;
      }
    }
  } else if (!/[ \t]/.test(line[position - 1] ?? "")) {
    return null;
  }
  take(blank);
  const value = number(take(rest)?.[1] ?? "");
  return value === undefined ? null : { name, labels, value };
}

/** What a process reports: samples by name, the types of families, and how many lines were not understood. */
export class Metrics {
  constructor(text) {
    this.samples = new Map();
    this.types = new Map();
    this.faults = 0;
    for (const line of text.split(/\r?\n/)) {
      if (line.trim() === "") continue;
      if (line.trimStart().startsWith("#")) {
        const [, name, type] = /^\s*#\s*TYPE\s+(\S+)\s+(\S+)/.exec(line) ?? [];
        if (name) this.types.set(name, type);
        continue;
      }
      const found = sample(line);
      if (!found) this.faults += 1;
      else if (this.samples.has(found.name)) this.samples.get(found.name).push(found);
      else this.samples.set(found.name, [found]);
    }
  }

  /** The samples of a name, without the prefix of Postroom; `undefined` if the process does not report it. */
  all(name) {
    const found = this.samples.get(`postroom_${name}`);
    // Of a family without samples there is only its type.
    return found ?? (this.types.has(`postroom_${name}`) ? [] : undefined);
  }

  /** The sum of the samples that fit; `undefined` if the process does not report the name. */
  sum(name, fits = () => true) {
    return this.all(name)?.filter(({ labels }) => fits(labels)).reduce((sum, { value }) => sum + value, 0);
  }

  labels(name) {
    return this.all(name)?.[0]?.labels ?? {};
  }
}

const key = ({ name, labels }) => JSON.stringify([name, Object.entries(labels).sort()]);

/** What has changed from one reading to the next: differences of counters, each sample for itself. */
export class Change {
  /** @param seconds between the readings */
  constructor(before, after, seconds) {
    Object.assign(this, { before, after, seconds });
    /** Whether a counter was lower than before: it has begun anew, and counts from 0. */
    this.wasReset = false;
    this.differences = new Map();
  }

  all(name) {
    const known = this.differences.get(name);
    if (known) return known;
    const after = this.after.all(name);
    if (after === undefined || this.before.all(name) === undefined) return undefined;
    const values = new Map(this.before.all(name).map((one) => [key(one), one.value]));
    const found = after.map((one) => {
      const earlier = values.get(key(one)) ?? 0;
      const isReset = one.value < earlier;
      if (isReset) this.wasReset = true;
      return { ...one, value: isReset ? one.value : one.value - earlier };
    });
    this.differences.set(name, found);
    return found;
  }

  sum(name, fits = () => true) {
    return this.all(name)?.filter(({ labels }) => fits(labels)).reduce((sum, { value }) => sum + value, 0);
  }

  /** How much a counter grows a second. */
  rate(name, fits) {
    const sum = this.sum(name, fits);
    return sum === undefined ? undefined : sum / this.seconds;
  }

  /**
   * A quantile of what a histogram has counted since the reading before, or before that; `undefined` if the process does not
   * report it, `null` if nothing was counted. Between the bounds of a bucket it is interpolated, as Prometheus does.
   */
  quantile(name, quantile, fits = () => true) {
    const buckets = new Map();
    const samples = this.all(`${name}_bucket`);
    if (samples === undefined) return undefined;
    for (const { labels, value } of samples) {
      if (!fits(labels)) continue;
      const bound = number(labels.le ?? "");
      if (bound !== undefined) buckets.set(bound, (buckets.get(bound) ?? 0) + value);
    }
    const sorted = [...buckets].sort(([a], [b]) => a - b);
    const total = sorted.at(-1)?.[1] ?? 0;
    if (total === 0) return null;
    const rank = quantile * total;
    const index = sorted.findIndex(([, count]) => count >= rank);
    const [bound, count] = sorted[index];
    const [lower, below] = index === 0 ? [0, 0] : sorted[index - 1];
    if (bound === Infinity) return lower;
    return lower + ((bound - lower) * (rank - below)) / (count - below || 1);
  }
}
