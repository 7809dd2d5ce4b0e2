// Small charts of the last minutes. What they show is in their name too, for those who do not see them.

import { svg } from "../common/dom.js";
import { span } from "../common/text.js";
import { text } from "./text.js";

const [width, height] = [240, 40];

export class Chart {
  /** @param format writes a value for people */
  constructor(name, format, kind = "") {
    Object.assign(this, { name, format });
    this.points = [];
    this.area = svg("path", { class: "area" });
    this.line = svg("path", { class: "line" });
    this.element = svg("svg", { class: `chart ${kind}`, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": text.chartEmpty(name) });
    this.element.append(this.area, this.line);
  }

  /** @param value `undefined` leaves a gap */
  add(time, value, keptMilliseconds) {
    this.points.push([time, value]);
    while (this.points[0][0] < time - keptMilliseconds) this.points.shift();
    const known = this.points.filter(([, value]) => Number.isFinite(value));
    if (known.length === 0) return;
    const start = Math.min(this.points[0][0], time - 60000);
    const values = known.map(([, value]) => value);
    const most = Math.max(...values);
    const x = (time) => (((time - start) / (this.points.at(-1)[0] - start || 1)) * width).toFixed(1);
    const y = (value) => (height - 1 - (most > 0 ? (value / most) * (height - 3) : 0)).toFixed(1);
    let path = "";
    let area = "";
    let run = [];
    const end = () => {
      if (run.length > 0) {
        const corners = run.map(([time, value]) => `${x(time)} ${y(value)}`).join(" L");
        path += `M${corners}`;
        area += `M${x(run[0][0])} ${height} L${corners} L${x(run.at(-1)[0])} ${height} Z`;
      }
      run = [];
    };
    for (const point of this.points) {
      if (Number.isFinite(point[1])) run.push(point);
      else end();
    }
    end();
    this.line.setAttribute("d", path);
    this.area.setAttribute("d", area);
    this.element.setAttribute("aria-label", text.chart(this.name, span(time - known[0][0]), ...[known.at(-1)[1], Math.min(...values), most].map(this.format)));
  }
}
