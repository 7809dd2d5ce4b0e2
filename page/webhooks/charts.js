// Small charts of a log: attempts over time, those that succeeded and those that failed, and how long they took. The same numbers
// are in a table.

import { el, svg, wideTable } from "../common/dom.js";
import { span, time } from "../common/text.js";
import { isSuccess } from "./log.js";
import { text } from "./text.js";

// Seconds.
const widths = [1, 5, 10, 30, 60, 300, 900, 3600, 10800, 21600, 86400, 604800];
const [bucketMinimum, bucketLimit] = [8, 40];
const [width, height] = [400, 90];

const median = (sorted) => (sorted.length === 0 ? 0 : (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2);

/** Equal spans of time, from the first attempt to the last. */
function buckets(lines) {
  const times = lines.map((line) => Date.parse(line.triggered_at));
  // Not by spreading: a call has no room for many arguments.
  const first = times.reduce((a, b) => Math.min(a, b));
  const last = times.reduce((a, b) => Math.max(a, b));
  const seconds = widths.find((one) => (last - first) / 1000 / one < bucketLimit - 1) ?? Math.ceil((last - first) / 1000 / (bucketLimit - 1));
  const end = Math.floor(last / 1000 / seconds) * seconds * 1000;
  const count = Math.max(bucketMinimum, Math.round((end - Math.floor(first / 1000 / seconds) * seconds * 1000) / 1000 / seconds) + 1);
  const start = end - (count - 1) * seconds * 1000;
  const found = Array.from({ length: count }, (_, index) => ({ from: start + index * seconds * 1000, good: 0, bad: 0, durations: [] }));
  lines.forEach((line, index) => {
    const bucket = found[Math.floor((times[index] - start) / 1000 / seconds)];
    bucket[isSuccess(line) ? "good" : "bad"] += 1;
    bucket.durations.push(line.duration_ms);
  });
  for (const bucket of found) bucket.durations.sort((a, b) => a - b);
  return { found, seconds, first, last };
}

export class Charts {
  constructor() {
    this.about = el("p", { class: "about" });
    this.figures = el("div", { class: "charts" });
    this.tableBox = el("div", {});
    this.tableToggle = el("details", { hidden: true }, el("summary", { class: "plain" }, text.asTable), this.tableBox);
    this.element = el("section", { "aria-label": text.charts }, this.about, this.figures, this.tableToggle);
  }

  show(lines) {
    const sent = lines.filter((line) => line.attempt > 0);
    this.tableToggle.hidden = sent.length === 0;
    if (sent.length === 0) {
      this.about.textContent = text.chartNone;
      this.figures.replaceChildren();
      return;
    }
    const { found, seconds, first, last } = buckets(sent);
    const each = span(seconds * 1000);
    this.about.textContent = text.chartSpan(sent.length, time(first), time(last));
    this.figures.replaceChildren(this.attempts(found, each), this.latency(found, sent));
    this.tableBox.replaceChildren(this.table(found));
  }

  attempts(found, each) {
    const peak = found.reduce((most, { good, bad }) => Math.max(most, good + bad), 1);
    const step = width / found.length;
    const bars = found.flatMap(({ good, bad }, index) => {
      const bar = (kind, count, below) =>
        count > 0
          ? [svg("rect", { class: `bar ${kind}`, x: index * step + step * 0.1, width: step * 0.8, y: height - ((below + count) / peak) * height, height: (count / peak) * height })]
          : [];
      return [...bar("bar-good", good, 0), ...bar("bar-bad", bad, good)];
    });
    const sum = (name) => found.reduce((all, bucket) => all + bucket[name], 0);
    const stripes = svg(
      "pattern", { id: "stripes", width: 4, height: 4, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
      svg("rect", { class: "stripe-back", width: 4, height: 4 }), svg("rect", { class: "stripe", width: 2.2, height: 4 }),
    );
    const legend = [["bar-good", text.succeeded], ["bar-bad", text.failed]];
    return figure(text.rate, text.rateSummary(sum("good"), sum("bad"), peak, each), [svg("defs", {}, stripes), ...bars], `${peak.toLocaleString("en")} ${text.perBucket(each)}`, legend, found);
  }

  latency(found, lines) {
    const longest = lines.reduce((most, line) => Math.max(most, line.duration_ms), 1);
    const step = width / found.length;
    const bars = found.flatMap(({ durations }, index) => {
      if (durations.length === 0) return [];
      const bar = (kind, value) => {
        const tall = Math.max(1.5, (value / longest) * height);
        return svg("rect", { class: `bar ${kind}`, x: index * step + step * 0.1, width: step * 0.8, y: height - tall, height: tall });
      };
      return [bar("bar-longest", durations.at(-1)), bar("bar-median", median(durations))];
    });
    const middle = median(lines.map((line) => line.duration_ms).sort((a, b) => a - b));
    const legend = [["bar-median", text.median], ["bar-longest", text.longest]];
    return figure(text.latency, text.latencySummary(text.milliseconds(Math.round(middle)), text.milliseconds(longest)), bars, text.milliseconds(longest), legend, found);
  }

  table(found) {
    const rows = found
      .filter(({ durations }) => durations.length > 0)
      .map(({ from, good, bad, durations }) =>
        el(
          "tr", {}, el("th", { scope: "row" }, time(from)), el("td", { class: "number" }, String(good)), el("td", { class: "number" }, String(bad)),
          el("td", { class: "number" }, `${Math.round((100 * bad) / (good + bad))} %`),
          el("td", { class: "number" }, text.milliseconds(Math.round(median(durations)))), el("td", { class: "number" }, text.milliseconds(durations.at(-1))),
        ),
      );
    return wideTable(text.tableLabel, [text.from, text.succeeded, text.failed, text.percent, text.median, text.longest], rows);
  }
}

function figure(title, summary, shapes, top, legend, found) {
  const image = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": summary }, ...shapes);
  const keys = legend.map(([kind, label]) => {
    const sample = svg("svg", { viewBox: "0 0 10 10", class: "sample", "aria-hidden": "true" }, svg("rect", { class: kind, width: 10, height: 10 }));
    return el("span", { class: "key" }, sample, label);
  });
  return el(
    "figure", {}, el("figcaption", {}, el("strong", {}, title), keys), el("div", { class: "chart-top" }, top), image,
    el("div", { class: "chart-axis" }, el("span", {}, time(found[0].from)), el("span", {}, time(found.at(-1).from))),
  );
}
