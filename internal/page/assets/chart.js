// Lines over the last fifteen minutes, drawn by uPlot.
import { $, el, set } from "./dom.js";
import { clock, percent, rate } from "./format.js";

const window_ = 15 * 60; // seconds that are shown

// The lines, in the order in which they are drawn. Two are dashed, so that colour is not all that tells them apart.
const lines = [
  { name: "fetched", label: "From TeraBox", colour: "--line-fetched", fill: "--fill-fetched" },
  { name: "sent", label: "To TeraBox", colour: "--line-sent" },
  { name: "read", label: "Programs read", colour: "--line-read", dash: [6, 4] },
  { name: "written", label: "Programs wrote", colour: "--line-written", dash: [2, 3] },
];

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Series keeps columns of samples, the oldest first, no longer than the window.
class Series {
  constructor(names) { this.names = names; this.clear(); }
  clear() { this.x = []; this.y = this.names.map(() => []); }
  add(at, values) {
    if (this.x.length && at <= this.x[this.x.length - 1]) return;
    this.x.push(at);
    this.names.forEach((n, i) => this.y[i].push(values[n] ?? null));
    while (this.x.length && this.x[0] < at - window_) { this.x.shift(); for (const col of this.y) col.shift(); }
  }
  data() { return [this.x, ...this.y]; }
}

function axes(size, values) {
  const common = { stroke: css("--text-quiet"), grid: { stroke: css("--grid"), width: 1 }, ticks: { show: false }, font: `12px ${css("--font")}` };
  return [
    { ...common, grid: { show: false }, values: (_, splits, __, ___, step) => splits.map((s) => clock(s * 1000).slice(0, step < 60 ? 8 : 5)), space: 90, gap: 8, size: 26 },
    { ...common, size, values, space: 44, gap: 8 },
  ];
}

// perSecond is a sample's bytes as rates: it may have been a long second.
export function perSecond(s) {
  const seconds = s.seconds > 0 ? s.seconds : 1;
  return Object.fromEntries(lines.map((l) => [l.name, s[l.name] / seconds]));
}

// spanOf is the x scale: what there are samples of, but two minutes at least, and now at the right.
function spanOf(series) {
  const now = Date.now() / 1000, first = series.x.length ? series.x[0] : now;
  return [now - Math.min(window_, Math.max(120, now - first)), now];
}

// fitted has a chart follow the width of its box.
function fitted(box, height, make) {
  let plot = null;
  const draw = () => {
    if (plot) plot.destroy();
    box.replaceChildren();
    plot = make(Math.max(200, box.clientWidth), height());
  };
  new ResizeObserver(() => {
    if (plot && (plot.width !== box.clientWidth || plot.height !== height())) plot.setSize({ width: Math.max(200, box.clientWidth), height: height() });
  }).observe(box);
  draw();
  return { draw, get plot() { return plot; } };
}

// Binary steps for the axis of bytes a second.
function byteSplits(_, __, min, max) {
  let step = 1;
  while (max / step > 6) step *= 2;
  const out = [];
  for (let v = 0; v <= max; v += step) out.push(v);
  return out;
}

export class Charts {
  constructor() {
    this.throughput = new Series(lines.map((l) => l.name));
    this.hits = new Series(["hits"]);
    this.hidden = new Set();
    this.legend = lines.map((l) => this.button(l));
    $("legend").append(...this.legend.map((b) => b.node));
    this.big = fitted($("chart"), () => (window.innerWidth < 600 ? 180 : 240), (w, h) => this.makeBig(w, h));
    this.small = fitted($("hits"), () => 120, (w, h) => this.makeSmall(w, h));
  }

  button(line) {
    const value = el("span", { class: "legend-value" }, "–");
    const node = el("button", { type: "button", class: `legend-item legend-${line.name}`, "aria-pressed": "true" },
      el("span", { class: "swatch", "aria-hidden": "true" }), el("span", {}, line.label), value);
    node.addEventListener("click", () => {
      const show = this.hidden.has(line.name);
      if (show) this.hidden.delete(line.name); else this.hidden.add(line.name);
      node.setAttribute("aria-pressed", String(show));
      this.big.plot.setSeries(lines.indexOf(line) + 1, { show });
    });
    return { node, value };
  }

  makeBig(width, height) {
    return new uPlot({
      width, height, legend: { show: false }, padding: [12, 8, 0, 0],
      cursor: { y: false, drag: { setScale: false, x: false }, points: { size: 7 } },
      scales: { x: { time: true, range: () => spanOf(this.throughput) }, y: { range: (_, __, max) => [0, Math.max(64 << 10, max * 1.1)] } },
      axes: axes(74, (_, splits) => splits.map((v) => (v === 0 ? "0" : rate(v).replace(/\.0+ /, " ")))).map((a, i) => (i ? { ...a, splits: byteSplits } : a)),
      series: [{}, ...lines.map((l) => ({
        label: l.label, stroke: css(l.colour), width: 2, dash: l.dash, fill: l.fill ? css(l.fill) : undefined,
        points: { show: false }, show: !this.hidden.has(l.name),
      }))],
      hooks: { setCursor: [(u) => this.values(u.cursor.idx)] },
    }, this.throughput.data(), $("chart"));
  }

  makeSmall(width, height) {
    return new uPlot({
      width, height, legend: { show: false }, padding: [10, 8, 0, 0],
      cursor: { show: false },
      scales: { x: { time: true, range: () => spanOf(this.throughput) }, y: { range: [0, 1] } },
      axes: axes(48, (_, splits) => splits.map(percent)).map((a, i) => (i ? { ...a, splits: () => [0, 0.5, 1], space: 20 } : a)),
      series: [{}, { stroke: css("--line-hits"), width: 2, fill: css("--fill-hits"), points: { show: false }, spanGaps: true }],
    }, this.hits.data(), $("hits"));
  }

  // values writes the figures of one sample, or the last one, beside the names of the lines.
  values(i) {
    const at = i ?? this.throughput.x.length - 1;
    this.legend.forEach((b, n) => set(b.value, at < 0 ? "–" : rate(this.throughput.y[n][at])));
  }

  add(samples) {
    for (const s of samples) {
      const at = Date.parse(s.at) / 1000, looks = s.hits + s.misses;
      this.throughput.add(at, perSecond(s));
      this.hits.add(at, { hits: looks > 0 ? s.hits / looks : null });
    }
    this.paint();
  }

  clear() { this.throughput.clear(); this.hits.clear(); }

  paint() {
    this.big.plot.setData(this.throughput.data());
    this.small.plot.setData(this.hits.data());
    if (this.big.plot.cursor.idx == null || this.big.plot.cursor.left < 0) this.values(null);
  }

  // recolour draws all anew with the colours of now.
  recolour() { this.big.draw(); this.small.draw(); }
}

