// SPDX-License-Identifier: Apache-2.0
//
// A pod alone: a chart for each of its legs, with the waits, the path and the round trips side by side. By uPlot.
"use strict";

// What is drawn of each kind that is measured, and in which colour of page.css.
const DRAWN = [
  { kind: "response", q: 0.99, colour: "--line-1" },
  { kind: "connect", q: 0.99, colour: "--line-2" },
  { kind: "recovery", q: 0.99, colour: "--line-3" },
  { kind: "dns", q: 0.99, colour: "--line-4" },
  { kind: "floor", q: 0.5, colour: "--line-5" },
  { kind: "data", q: 0.99, colour: "--line-6" },
];
const CHART_HEIGHT = 260;
const KEYS = { ArrowLeft: -1, ArrowRight: 1 };

const charts = new Map(); // by leg

const nameOf = ({ kind, q }) => `${kinds.find(({ name }) => name === kind)?.title ?? kind}, ${q === 0.5 ? "median" : "p99"}`;

// Columns as uPlot has them: the times, then what is drawn; null where nothing was measured.
function columnsOf(leg, now) {
  const times = leg.intervals.map(({ to }) => (Date.now() - (now - to)) / 1000);
  const values = DRAWN.map(({ kind, q }) => leg.intervals.map((interval) => {
    const value = quantile(sumOf([interval[kind] ?? []]), q);
    return Number.isNaN(value) ? null : value;
  }));
  return [times, ...values];
}

function makeChart(name, leg, now) {
  const axis = { stroke: () => style("--faint"), grid: { stroke: () => style("--line"), width: 1 }, ticks: { stroke: () => style("--line") } };
  const options = {
    title: `Leg ${name}`,
    width: element("charts").clientWidth,
    height: CHART_HEIGHT,
    scales: { y: { distr: 3, range: (_, low, high) => (low > 0 ? uPlot.rangeLog(low / 1.2, high * 1.2, 10, false) : [1e-5, 1]) } },
    axes: [axis, { ...axis, size: 80, values: (_, splits) => splits.map((value) => (value === null ? null : duration(value))) }],
    series: [{}, ...DRAWN.map((drawn) => ({
      label: nameOf(drawn),
      stroke: () => style(drawn.colour),
      width: 1.5,
      spanGaps: true,
      points: { show: true, size: 4 },
      value: (_, value) => duration(value ?? NaN),
    }))],
    cursor: { sync: { key: "legs" } }, // so that both legs tell of the same moment
  };
  const chart = new uPlot(options, columnsOf(leg, now), element("charts"));
  chart.root.tabIndex = 0;
  chart.root.setAttribute("role", "group");
  chart.root.setAttribute("aria-label", `Leg ${name}: values are in the legend; the arrow keys move through time`);
  chart.root.addEventListener("keydown", (event) => {
    if (!(event.key in KEYS) || !chart.data[0].length) return;
    event.preventDefault();
    const last = chart.data[0].length - 1;
    const next = Math.min(last, Math.max(0, (chart.cursor.idx ?? last + 1) + KEYS[event.key]));
    chart.setCursor({ left: chart.valToPos(chart.data[0][next], "x"), top: CHART_HEIGHT / 3 });
  });
  return chart;
}

// Of the pod that the address names, if it names one.
function drawCharts(pod, now) {
  element("alone").hidden = !chosen.pod;
  if (!chosen.pod) return;
  element("which").textContent = pod ? pod.name : `${chosen.pod} is not on this node, or has had no traffic yet`;
  for (const [name, leg] of pod ? pod.legs : []) {
    if (!leg.intervals.length) continue;
    if (charts.has(name)) charts.get(name).setData(columnsOf(leg, now));
    else charts.set(name, makeChart(name, leg, now));
  }
}

window.addEventListener("resize", () => {
  for (const chart of charts.values()) chart.setSize({ width: element("charts").clientWidth, height: CHART_HEIGHT });
});
