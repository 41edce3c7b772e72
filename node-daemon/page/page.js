// SPDX-License-Identifier: Apache-2.0
//
// The live page: asks podrttd for its histograms again and again, and shows what has come in between.
"use strict";

const INTERVAL_MS = 2000;
const KEPT = 60; // intervals in the pictures: two minutes
const WINDOW = 30; // intervals in the figures: one minute

// Buckets are those of a Prometheus native histogram of schema 3, from 2^-20 s on: see bpf/podrtt.h.
const FIRST_EXPONENT = -20;
const PER_OCTAVE = 8;
const BUCKETS = 1 + 26 * PER_OCTAVE;
// Of the pictures: half an octave a row, from 2^-16 to 2^3 s.
const LOWEST = 4 * PER_OCTAVE;
const PER_ROW = PER_OCTAVE / 2;
const ROWS = 38;

const KINDS = ["data", "handshake", "floor"];

const decode = (pairs) => {
  const buckets = new Float64Array(BUCKETS);
  for (let i = 0; i < pairs.length; i += 2) buckets[pairs[i]] = pairs[i + 1];
  return buckets;
};

const total = (buckets) => buckets.reduce((sum, count) => sum + count, 0);

// As quantile() in bpf/user/histogram.h. Seconds; NaN without samples.
const quantile = (buckets, q) => {
  const count = total(buckets);
  if (count === 0) return NaN;
  const rank = q * count;
  let bucket = 0;
  let below = 0;
  while (below + buckets[bucket] < rank || buckets[bucket] === 0) below += buckets[bucket++];
  return 2 ** (FIRST_EXPONENT + (bucket - 1 + (rank - below) / buckets[bucket]) / PER_OCTAVE);
};

const duration = (seconds) => {
  if (Number.isNaN(seconds)) return "–";
  if (seconds < 1e-3) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(2)} ms`;
  return `${seconds.toFixed(2)} s`;
};

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);

// A leg of a pod: what was counted last, and what has come in each interval since the page is open.
class Leg {
  constructor() {
    this.counted = {};
    this.intervals = [];
    this.figures = {};
  }

  take(kinds) {
    const interval = {};
    for (const kind of KINDS) {
      const now = decode(kinds[kind] ?? []);
      const before = this.counted[kind];
      const since = before ? now.map((count, i) => count - before[i]) : new Float64Array(BUCKETS);
      // Counts only go back where another daemon has begun to count anew.
      interval[kind] = since.some((count) => count < 0) ? new Float64Array(BUCKETS) : since;
      this.counted[kind] = now;
    }
    this.intervals.push(interval);
    if (this.intervals.length > KEPT) this.intervals.shift();
    this.figures = {
      p50: this.figure("data", 0.5),
      p99: this.figure("data", 0.99),
      floor: this.figure("floor", 0.5),
      handshake: this.figure("handshake", 0.5),
      rate: { value: this.rate(), old: false },
    };
  }

  // Of the last minute; else of all time, which is then said to be old.
  figure(kind, q) {
    const recent = new Float64Array(BUCKETS);
    for (const interval of this.intervals.slice(-WINDOW)) interval[kind].forEach((count, i) => (recent[i] += count));
    const value = quantile(recent, q);
    return Number.isNaN(value) ? { value: quantile(this.counted[kind], q), old: true } : { value, old: false };
  }

  // The first interval holds nothing: nobody has looked before.
  rate() {
    const recent = this.intervals.slice(1).slice(-WINDOW);
    const samples = recent.reduce((sum, interval) => sum + total(interval.data), 0);
    return recent.length ? (samples * 1000) / (recent.length * INTERVAL_MS) : NaN;
  }
}

// A body of the table: a pod, with a row for each leg.
class Pod {
  constructor(namespace, name) {
    this.name = name ? `${namespace}/${name}` : namespace;
    this.legs = new Map();
    this.rows = new Map();
    this.body = document.createElement("tbody");
    this.body.dataset.pod = this.name;
    this.heading = document.createElement("th");
    this.heading.scope = "rowgroup";
    this.heading.textContent = this.name; // never as HTML: names come from elsewhere
    this.heading.title = this.name;
  }

  take(legs) {
    for (const [name, kinds] of Object.entries(legs)) {
      if (!this.legs.has(name)) {
        this.legs.set(name, new Leg());
        this.addRow(name);
      }
      this.legs.get(name).take(kinds);
    }
  }

  addRow(leg) {
    const row = this.body.insertRow();
    row.dataset.leg = leg;
    if (this.rows.size === 0) row.append(this.heading);
    row.insertCell().textContent = leg;
    const cells = {};
    for (const figure of ["p50", "p99", "floor", "handshake", "rate"]) {
      cells[figure] = row.insertCell();
      cells[figure].className = "number";
      cells[figure].dataset.figure = figure;
    }
    for (const picture of ["spark", "heat"]) {
      const canvas = document.createElement("canvas");
      canvas.width = KEPT * 3;
      canvas.height = ROWS;
      canvas.setAttribute("role", "img");
      canvas.dataset.picture = picture;
      row.insertCell().append(canvas);
      cells[picture] = canvas;
    }
    this.rows.set(leg, cells);
    this.heading.rowSpan = this.rows.size;
  }

  // What hurts most of its legs; what is of all time hurts less than anything of now.
  weight(figure) {
    let most = -2000;
    for (const leg of this.legs.values()) {
      const { value, old } = leg.figures[figure];
      if (!Number.isNaN(value)) most = Math.max(most, old ? value - 1000 : value);
    }
    return most;
  }

  draw() {
    for (const [name, cells] of this.rows) {
      const leg = this.legs.get(name);
      for (const [figure, { value, old }] of Object.entries(leg.figures)) {
        const text = Number.isNaN(value) ? "–" : value.toFixed(value < 10 ? 1 : 0);
        cells[figure].textContent = figure === "rate" ? text : duration(value);
        cells[figure].classList.toggle("old", old);
      }
      drawSpark(cells.spark, leg);
      drawHeat(cells.heat, leg);
    }
  }
}

// The p99 of each interval, on a logarithmic scale of its own.
function drawSpark(canvas, leg) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  const values = leg.intervals.map((interval) => quantile(interval.data, 0.99));
  const known = values.filter((value) => !Number.isNaN(value)).map(Math.log2);
  if (!known.length) {
    canvas.setAttribute("aria-label", "no samples in the last two minutes");
    return;
  }
  const low = Math.min(...known) - 0.5;
  const high = Math.max(...known) + 0.5;
  canvas.setAttribute("aria-label", `p99 between ${duration(2 ** (low + 0.5))} and ${duration(2 ** (high - 0.5))}`);
  canvas.parentElement.title = canvas.getAttribute("aria-label");
  const left = KEPT - values.length;
  context.strokeStyle = context.fillStyle = style("--mark");
  context.lineWidth = 1.5;
  context.beginPath();
  let drawing = false;
  values.forEach((value, i) => {
    const x = (left + i) * 3 + 1.5;
    const y = (canvas.height - 2) * (1 - (Math.log2(value) - low) / (high - low)) + 1;
    if (Number.isNaN(value)) {
      drawing = false;
    } else if (drawing) {
      context.lineTo(x, y);
    } else {
      context.moveTo(x, y);
      context.fillRect(x - 1, y - 1, 2, 2);
      drawing = true;
    }
  });
  context.stroke();
}

// A column for each interval, a row for each half of a power of two; the more samples, the darker.
function drawHeat(canvas, leg) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  const columns = leg.intervals.map(({ data }) => {
    const rows = new Float64Array(ROWS);
    data.forEach((count, bucket) => {
      rows[Math.min(ROWS - 1, Math.max(0, Math.floor((bucket - LOWEST - 1) / PER_ROW)))] += count;
    });
    return rows;
  });
  const most = Math.max(...columns.flatMap((rows) => [...rows]));
  const left = KEPT - columns.length;
  context.fillStyle = style("--mark");
  columns.forEach((rows, i) => {
    rows.forEach((count, row) => {
      if (!count) return;
      context.globalAlpha = 0.2 + 0.8 * (Math.log1p(count) / Math.log1p(most));
      context.fillRect((left + i) * 3, ROWS - 1 - row, 3, 1);
    });
  });
  context.globalAlpha = 1;
}

const pods = new Map();
let order = "p99";

const element = (id) => document.getElementById(id);

function arrange() {
  const sorted = [...pods.values()].sort((a, b) =>
    (order === "name" ? 0 : b.weight(order) - a.weight(order)) || a.name.localeCompare(b.name));
  const wanted = element("filter").value.trim();
  const table = document.querySelector("table");
  sorted.forEach((pod, i) => {
    pod.body.hidden = !pod.name.includes(wanted);
    if (table.tBodies[i] !== pod.body) table.insertBefore(pod.body, table.tBodies[i] ?? null);
  });
}

function take(answer) {
  element("node").textContent = `${answer.node}, ${answer.version}`;
  const present = new Set();
  for (const { namespace, pod, legs } of answer.pods) {
    const key = `${namespace}/${pod}`;
    present.add(key);
    if (!pods.has(key)) pods.set(key, new Pod(namespace, pod));
    pods.get(key).take(legs);
  }
  for (const [key, pod] of pods) {
    if (present.has(key)) continue;
    pod.body.remove();
    pods.delete(key);
  }
  const unmeasured = answer.unmeasured.map(({ namespace, pod, reason }) => `${namespace}/${pod} (${reason})`);
  element("unmeasured").hidden = unmeasured.length === 0;
  element("unmeasured").textContent = `Not measured: ${unmeasured.join(", ")}`;
}

function say(text, bad) {
  element("state").textContent = text;
  element("state").classList.toggle("bad", bad);
}

async function ask() {
  const answer = await fetch("pods.json", { cache: "no-store", signal: AbortSignal.timeout(10000) });
  if (!answer.ok) throw new Error(`HTTP status ${answer.status}`);
  return answer.json();
}

async function refresh() {
  try {
    take(await ask());
    if (!element("hold").checked) arrange();
    for (const pod of pods.values()) if (!pod.body.hidden) pod.draw();
    const what = pods.size === 1 ? "1 row" : `${pods.size} rows`;
    say(pods.size ? `${what}, ${new Date().toLocaleTimeString()}` : "No samples yet", false);
  } catch (error) {
    say(`podrttd does not answer: ${error.message}; what is shown is old`, true);
  }
  setTimeout(refresh, INTERVAL_MS);
}

for (const button of document.querySelectorAll("th button")) {
  const mark = () => {
    for (const other of document.querySelectorAll("th button")) other.setAttribute("aria-pressed", other.dataset.order === order);
  };
  button.addEventListener("click", () => {
    order = button.dataset.order;
    mark();
    arrange();
  });
  mark();
}
element("filter").addEventListener("input", arrange);
refresh();
