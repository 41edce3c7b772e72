// SPDX-License-Identifier: Apache-2.0
//
// The live page: asks podrttd for its histograms every two seconds, and shows what has come in between.
"use strict";

const INTERVAL_MS = 2000;
const KEPT_MS = 300000; // the longest that figures are of
const PICTURE_MS = 120000; // what the pictures show

// Of the heat maps: half an octave a row, from 2^-16 to 2^3 s.
const LOWEST_EXPONENT = -16;
const ROWS = 38;
const WIDTH = 180;

// What podrttd says of its buckets and of what it times; the first kind is shown in full.
let buckets = { count: 0, first_exponent: 0, per_octave: 1 };
let kinds = [];

// What an application waits for: the worst of these is named.
const WAITS = ["dns", "connect", "response", "recovery"];

const figures = () => ["worst", "p50", "p99", ...kinds.slice(1).map(({ name }) => name), "rate"];

// Histograms come, and are kept, as what is in them: [bucket, count, bucket, count, …].
const eachPair = (pairs, visit) => {
  for (let i = 0; i < pairs.length; i += 2) visit(pairs[i], pairs[i + 1]);
};

const total = (pairs) => {
  let sum = 0;
  eachPair(pairs, (_, count) => (sum += count));
  return sum;
};

// What has come between two answers; nothing where counts go back, which they only do if another daemon
// has begun at 0.
const difference = (now, before) => {
  const known = new Map();
  eachPair(before, (bucket, count) => known.set(bucket, count));
  const since = [];
  let back = false;
  eachPair(now, (bucket, count) => {
    const more = count - (known.get(bucket) ?? 0);
    known.delete(bucket);
    if (more < 0) back = true;
    if (more > 0) since.push(bucket, more);
  });
  return back || known.size ? [] : since;
};

const sumOf = (histograms) => {
  const sum = new Float64Array(buckets.count);
  for (const pairs of histograms) eachPair(pairs, (bucket, count) => (sum[bucket] += count));
  return sum;
};

// As quantile() in bpf/user/histogram.h. Seconds; NaN without samples.
const quantile = (counts, q) => {
  const count = counts.reduce((sum, more) => sum + more, 0);
  if (count === 0) return NaN;
  const rank = q * count;
  let bucket = 0;
  let below = 0;
  while (below + counts[bucket] < rank || counts[bucket] === 0) below += counts[bucket++];
  return 2 ** (buckets.first_exponent + (bucket - 1 + (rank - below) / counts[bucket]) / buckets.per_octave);
};

const duration = (seconds) => {
  if (Number.isNaN(seconds)) return "–";
  // With a space that no line ends at.
  if (seconds < 1e-3) return `${(seconds * 1e6).toFixed(0)}\u00a0µs`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(2)}\u00a0ms`;
  return `${seconds.toFixed(2)}\u00a0s`;
};

// What the reader has chosen, kept in the address so that it can be handed on.
const chosen = { filter: "", order: "worst", window: "60", pod: "" };
for (const [name, value] of new URLSearchParams(location.search)) if (name in chosen) chosen[name] = value;

const windowMs = () => Number(chosen.window) * 1000;

function choose(name, value) {
  chosen[name] = value;
  const search = new URLSearchParams(Object.entries(chosen).filter(([, text]) => text !== ""));
  history.replaceState(null, "", `?${search}`);
}

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);

// A leg of a pod: what was counted last, and what has come since the page is open, answer by answer. They
// come at intervals that the browser makes longer where nobody looks.
class Leg {
  constructor() {
    this.counted = null;
    this.intervals = []; // {from, to, and a histogram for each kind}; ms of performance.now()
    this.figures = {};
  }

  take(histograms, from, to) {
    if (this.counted) {
      const interval = { from, to };
      for (const { name } of kinds) interval[name] = difference(histograms[name] ?? [], this.counted[name] ?? []);
      this.intervals.push(interval);
    }
    while (this.intervals.length && this.intervals[0].to < to - KEPT_MS) this.intervals.shift();
    this.counted = histograms;
    this.reckon(to);
  }

  // The figures of the window that is chosen.
  reckon(now) {
    const recent = this.since(now, windowMs());
    this.figures = {
      worst: this.worst(recent),
      p50: this.figure(recent, kinds[0].name, 0.5),
      p99: this.figure(recent, kinds[0].name, 0.99),
      rate: { value: this.rate(recent), old: false },
    };
    for (const { name } of kinds.slice(1)) this.figures[name] = this.figure(recent, name, 0.5);
  }

  // Of the window; else of all time, which is then said to be old.
  figure(recent, kind, q) {
    const value = quantile(sumOf(recent.map((interval) => interval[kind])), q);
    if (!Number.isNaN(value)) return { value, old: false };
    return { value: quantile(sumOf([this.counted[kind] ?? []]), q), old: true };
  }

  // The wait whose p99 is longest, of the window if there is any.
  worst(recent) {
    const waits = kinds
      .filter(({ name }) => WAITS.includes(name))
      .map(({ name, title }) => ({ ...this.figure(recent, name, 0.99), title }))
      .filter(({ value }) => !Number.isNaN(value))
      .sort((a, b) => a.old - b.old || b.value - a.value);
    return waits[0] ?? { value: NaN, old: false };
  }

  // The intervals of the last while.
  since(now, ms) {
    return this.intervals.filter((interval) => interval.to > now - ms);
  }

  rate(recent) {
    if (!recent.length) return NaN;
    const samples = recent.reduce((sum, interval) => sum + total(interval[kinds[0].name]), 0);
    return (samples * 1000) / (recent.at(-1).to - recent[0].from);
  }
}

// A line of a name, of which the middle is left out where there is no room: pods of one owner differ at their ends.
const END_LENGTH = 11;
function line(name) {
  const whole = document.createElement("span");
  for (const part of [name.slice(0, -END_LENGTH), name.slice(-END_LENGTH)])
    whole.appendChild(document.createElement("span")).textContent = part; // never as HTML: names come from elsewhere
  return whole;
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
    const alone = document.createElement("a"); // the pod alone, with its waits side by side
    alone.href = `?${new URLSearchParams({ pod: this.name })}`;
    const [first, ...rest] = this.name.split("/");
    alone.append(...(rest.length ? [line(`${first}/`), line(rest.join("/"))] : [line(first)]));
    this.heading.append(alone);
    this.heading.title = this.name;
    this.inView = true; // until the browser says otherwise
  }

  take(legs, from, to) {
    for (const [name, histograms] of Object.entries(legs)) {
      if (!this.legs.has(name)) {
        this.legs.set(name, new Leg());
        this.addRow(name);
      }
      this.legs.get(name).take(histograms, from, to);
    }
  }

  addRow(leg) {
    const row = this.body.insertRow();
    row.dataset.leg = leg;
    if (this.rows.size === 0) row.append(this.heading);
    row.insertCell().textContent = leg;
    const cells = {};
    for (const figure of figures()) {
      cells[figure] = row.insertCell();
      cells[figure].className = "number";
      cells[figure].dataset.figure = figure;
    }
    for (const picture of ["spark", "heat"]) {
      const canvas = document.createElement("canvas");
      canvas.width = WIDTH;
      canvas.height = ROWS;
      canvas.setAttribute("role", "img");
      canvas.dataset.picture = picture;
      const cell = row.insertCell();
      cell.className = `picture ${picture}`;
      cell.append(canvas);
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

  draw(now) {
    for (const [name, cells] of this.rows) {
      const leg = this.legs.get(name);
      for (const [figure, { value, old, title }] of Object.entries(leg.figures)) {
        const text = Number.isNaN(value) ? "–" : value.toFixed(value < 10 ? 1 : 0);
        cells[figure].textContent = figure === "rate" ? text : title ? `${title} ${duration(value)}` : duration(value);
        cells[figure].classList.toggle("old", old);
      }
      drawSpark(cells.spark, leg, now);
      drawHeat(cells.heat, leg, now);
    }
  }
}

const xOf = (time, now) => WIDTH * (1 - (now - time) / PICTURE_MS);

// The p99 of each interval, on a logarithmic scale for each picture.
function drawSpark(canvas, leg, now) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  const shown = leg.since(now, PICTURE_MS);
  const points = shown.map((interval) => [xOf(interval.to, now), quantile(sumOf([interval[kinds[0].name]]), 0.99)]);
  const known = points.map(([, value]) => value).filter((value) => !Number.isNaN(value));
  const text = known.length
    ? `p99 between ${duration(Math.min(...known))} and ${duration(Math.max(...known))}`
    : "no samples in the last two minutes";
  canvas.setAttribute("aria-label", text);
  canvas.parentElement.title = text;
  if (!known.length) return;
  const low = Math.log2(Math.min(...known)) - 0.5;
  const high = Math.log2(Math.max(...known)) + 0.5;
  context.strokeStyle = context.fillStyle = style("--mark");
  context.lineWidth = 1.5;
  context.beginPath();
  let drawing = false;
  for (const [x, value] of points) {
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
  }
  context.stroke();
}

// A column for each interval, a row for each half of a power of two; the more samples, the darker.
function drawHeat(canvas, leg, now) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  const lowest = (LOWEST_EXPONENT - buckets.first_exponent) * buckets.per_octave;
  const shown = leg.since(now, PICTURE_MS);
  const columns = shown.map((interval) => {
    const rows = new Float64Array(ROWS);
    eachPair(interval[kinds[0].name], (bucket, count) => {
      rows[Math.min(ROWS - 1, Math.max(0, Math.floor(((bucket - lowest - 1) * 2) / buckets.per_octave)))] += count;
    });
    return rows;
  });
  const most = columns.reduce((highest, rows) => Math.max(highest, ...rows), 0);
  context.fillStyle = style("--mark");
  columns.forEach((rows, i) => {
    const left = xOf(shown[i].from, now);
    const right = xOf(shown[i].to, now);
    rows.forEach((count, row) => {
      if (!count) return;
      context.globalAlpha = 0.2 + 0.8 * (Math.log1p(count) / Math.log1p(most));
      context.fillRect(left, ROWS - 1 - row, right - left, 1);
    });
  });
  context.globalAlpha = 1;
}

const pods = new Map();
let asked = performance.now(); // the last time

// Only what is in view is drawn: a node may have hundreds of pods.
const watch = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const pod = pods.get(target.dataset.key);
    if (!pod) continue;
    pod.inView = isIntersecting;
    if (isIntersecting) pod.draw(asked);
  }
});

const element = (id) => document.getElementById(id);

function arrange() {
  const order = figures().includes(chosen.order) ? chosen.order : "name";
  const sorted = [...pods.values()].sort((a, b) =>
    (order === "name" ? 0 : b.weight(order) - a.weight(order)) || a.name.localeCompare(b.name));
  const wanted = chosen.filter.trim().toLowerCase();
  const table = element("pods");
  sorted.forEach((pod, i) => {
    pod.body.hidden = chosen.pod ? pod.name !== chosen.pod : !pod.name.toLowerCase().includes(wanted);
    if (table.tBodies[i] !== pod.body) table.insertBefore(pod.body, table.tBodies[i] ?? null);
  });
}

// A column for each kind but the first, before the rate.
function learn(answer) {
  if (kinds.length) return;
  buckets = answer.buckets;
  kinds = answer.kinds;
  const rate = document.querySelector('[data-order="rate"]').closest("th");
  for (const { name, title, help } of kinds.slice(1)) {
    const heading = document.createElement("th");
    heading.scope = "col";
    heading.className = "number";
    heading.dataset.figure = name;
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.order = name;
    button.title = `Median. ${help}`;
    button.textContent = title;
    heading.append(button);
    rate.before(heading);
  }
  listenToHeadings();
}

// What is switched off has no column.
function hideEmptyColumns() {
  for (const { name } of kinds.slice(1)) {
    const measured = [...pods.values()].some((pod) =>
      [...pod.legs.values()].some((leg) => !Number.isNaN(leg.figures[name].value)));
    for (const cell of document.querySelectorAll(`[data-figure="${name}"]`)) cell.hidden = !measured;
  }
}

// Leaves out what does not fit beside names that can be told apart.
const LEFT_OUT = ["", "heat", "pictures", "pictures some", "pictures most"];

function fit() {
  const table = element("pods");
  for (const without of LEFT_OUT) {
    table.dataset.without = without;
    if (table.offsetWidth <= document.body.clientWidth) return;
  }
}

function take(answer, from, to) {
  learn(answer);
  element("node").textContent = `${answer.node}, ${answer.version}`;
  const present = new Set();
  for (const { namespace, pod, legs } of answer.pods) {
    const key = `${namespace}/${pod}`;
    present.add(key);
    if (!pods.has(key)) {
      pods.set(key, new Pod(namespace, pod));
      pods.get(key).body.dataset.key = key;
      element("pods").append(pods.get(key).body); // until it is put in its place
      watch.observe(pods.get(key).body);
    }
    pods.get(key).take(legs, from, to);
  }
  for (const [key, pod] of pods) {
    if (present.has(key)) continue;
    watch.unobserve(pod.body);
    pod.body.remove();
    pods.delete(key);
  }
  hideEmptyColumns();
  list("unmeasured", "Not measured", answer.unmeasured.map(({ namespace, pod, reason }) => `${namespace}/${pod} (${reason})`));
  list("idle", "No samples yet", answer.idle.map(({ namespace, pod }) => `${namespace}/${pod}`));
  element("empty").hidden = pods.size > 0 || answer.idle.length > 0 || answer.unmeasured.length > 0;
}

function list(id, what, names) {
  element(id).hidden = names.length === 0;
  element(id).textContent = `${what}: ${names.join(", ")}`;
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
    const answer = await ask();
    const now = performance.now();
    take(answer, asked, now);
    asked = now;
    if (!element("hold").checked) arrange();
    for (const pod of pods.values()) if (pod.inView) pod.draw(now);
    fit();
    drawCharts([...pods.values()].find(({ name }) => name === chosen.pod), now);
    const what = pods.size === 1 ? "1 pod" : `${pods.size} pods`;
    say(pods.size ? `${what}, ${new Date().toLocaleTimeString()}` : "No samples yet", false);
  } catch (error) {
    say(`podrttd does not answer: ${error.message}; this is what it said last`, true);
  }
  setTimeout(refresh, INTERVAL_MS);
}

function listenToHeadings() {
  const buttons = document.querySelectorAll("th button");
  const mark = () => {
    for (const button of buttons) button.setAttribute("aria-pressed", button.dataset.order === chosen.order);
  };
  for (const button of buttons)
    button.addEventListener("click", () => {
      choose("order", button.dataset.order);
      mark();
      arrange();
    });
  mark();
}

element("filter").value = chosen.filter;
element("filter").addEventListener("input", () => {
  choose("filter", element("filter").value);
  arrange();
});

addEventListener("resize", fit);

if ([...element("window").options].some(({ value }) => value === chosen.window)) element("window").value = chosen.window;
else chosen.window = element("window").value;
element("window").addEventListener("change", () => {
  choose("window", element("window").value);
  for (const pod of pods.values()) {
    for (const leg of pod.legs.values()) leg.reckon(asked);
    pod.draw(asked);
  }
  arrange();
});
refresh();
