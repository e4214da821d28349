// The total rate over time, drawn by uPlot in the colours of the page.
import { lang, rate } from "./text.js";

const HEIGHT = 190;

export class Chart {
  constructor(place, summary) {
    this.place = place;
    this.summary = summary;
    this.points = [];
    this.restyle();
    new ResizeObserver(() => this.plot.setSize({ width: this.#width(), height: HEIGHT })).observe(place);
  }

  #width() { return Math.max(220, Math.floor(this.place.clientWidth)); }

  // Makes it anew, in the colours that hold now.
  restyle() {
    const style = getComputedStyle(this.place);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    this.plot?.destroy();
    this.plot = new uPlot({
      width: this.#width(), height: HEIGHT, legend: { show: false }, cursor: { show: false }, padding: [8, 8, 0, 0],
      scales: { y: { range: (_, __, most) => [0, Math.max(1000, most * 1.1)] } },
      axes: [
        { ...axis, grid: { show: false }, values: (_, ticks) => ticks.map((at) => new Date(at * 1000).toLocaleTimeString(lang, { hour: "2-digit", minute: "2-digit", second: "2-digit" })), space: 90 },
        { ...axis, size: 82, values: (_, ticks) => ticks.map((n) => rate(n)), space: 36 },
      ],
      series: [{}, { stroke: colour("--flow"), width: 2, fill: colour("--flow-soft"), points: { show: false } }],
    }, [[], []], this.place);
    this.show(this.points);
  }

  show(points) {
    this.points = points;
    this.plot.setData([points.map(([at]) => at / 1000), points.map(([, n]) => n)]);
    const all = points.map(([, n]) => n);
    this.place.setAttribute("aria-label", this.summary(all.at(-1) ?? 0, Math.max(0, ...all)));
  }
}
