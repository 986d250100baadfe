const WINDOW_S = 60;
const PING_MS = 15000;
const SETTLE_MS = 1500; // between asking for a limit and finding it in the cgroup's files

const two = (value) => (value == null ? "–" : value.toFixed(2));
const whole = (value) => (value == null ? "–" : Math.round(value).toString());
const percent = (value) => (value == null ? "–" : `${Math.round(value * 100)} %`);
const last = (list) => (list ?? []).findLast((value) => value != null) ?? null;

// A chart: its heading, the column that is drawn and the one that is its limit.
const CHARTS = [
  { id: "cpu", title: "CPU in use", unit: "cores", value: "cores", limit: "quota_cores", limitName: "quota", floor: 0.5, colour: "--c0", show: two },
  { id: "throttled", title: "Throttled periods", unit: "%", value: "throttled", limit: null, floor: 1, colour: "--c3", show: percent },
  { id: "memory", title: "Memory in use", unit: "MiB", value: "memory_mib", limit: "limit_mib", limitName: "limit", floor: 32, colour: "--c2", show: whole },
];

function slider(h, { id, text, unit, min, max, step, show, send }) {
  const output = h("output", { for: id }, "");
  const input = h("input", { type: "range", id, min, max, step });
  let timer = null;
  let sentAt = 0;
  const said = () => { output.textContent = `${show(Number(input.value))} ${unit}`; input.setAttribute("aria-valuetext", output.textContent); };
  input.addEventListener("input", () => {
    said();
    clearTimeout(timer);
    timer = setTimeout(() => { timer = null; sentAt = Date.now(); send(Number(input.value)); }, 200);
  });
  // What the kernel reports moves the slider, but never under the reader's hand.
  const follow = (value) => {
    if (timer || Date.now() - sentAt < SETTLE_MS || input.matches(":active")) return;
    if (value == null) { input.value = max; output.textContent = "no limit"; return; }
    input.value = value;
    said();
  };
  return { node: h("div", { class: "bnd-slider" }, h("label", { for: id }, text), output, input), input, follow };
}

function chartBlock(h, chart) {
  const number = h("span", { class: "bnd-number" });
  const beside = h("span", { class: "bnd-small" });
  const meter = h("meter", { min: 0, max: 1, value: 0, "aria-label": `${chart.title}, share of the ${chart.limitName ?? "whole"}` });
  const box = h("div", { class: "bnd-plotbox" });
  const node = h("div", { class: "bnd-chart", role: "group", "aria-label": chart.title },
    h("p", { class: "bnd-chart-title" }, chart.title), h("p", { class: "bnd-now" }, number, beside, meter),
    h("div", { "aria-hidden": "true" }, box));
  const say = (series) => {
    const value = last(series[chart.value]);
    const limit = chart.limit ? last(series[chart.limit]) : 1;
    number.textContent = `${chart.show(value)}${chart.unit === "%" ? "" : ` ${chart.unit}`}`;
    beside.textContent = chart.limit ? (limit == null ? ` no ${chart.limitName}` : ` of ${chart.show(limit)} ${chart.unit} ${chart.limitName}`) : " of the last second's periods";
    meter.max = limit ?? Math.max(value ?? 0, chart.floor);
    meter.value = value ?? 0;
    meter.textContent = `${number.textContent}${beside.textContent}`;
  };
  return { chart, node, box, say, plot: null };
}

function options(view, block, width) {
  const style = view.getComputedStyle(block.node);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 0.5 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  const { chart } = block;
  const top = (u, _low, high) => [0, Math.max(chart.floor, (high ?? 0) * 1.12)];
  const series = [{}, { stroke: colour(chart.colour), width: 2, fill: `${colour(chart.colour)}22`, points: { show: false } }];
  if (chart.limit) series.push({ stroke: colour("--ink"), width: 2, dash: [7, 5], points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) });
  return {
    width, height: 130, series, legend: { show: false }, cursor: { show: false },
    scales: { x: { time: false, range: (u, low, high) => [Math.max(0, (high ?? 0) - WINDOW_S), Math.max(high ?? 0, 2)] }, y: { range: top } },
    axes: [{ ...axis, size: 26, incrs: [1, 2, 5, 10, 20], space: 38, values: (u, ticks) => ticks.map((tick) => `${tick} s`) },
      { ...axis, size: 44, values: (u, ticks) => ticks.map((tick) => (chart.unit === "%" ? `${Math.round(tick * 100)} %` : `${tick}`)) }],
  };
}

const columnsOf = (chart, series) => [series.at_s ?? [], series[chart.value] ?? [], ...(chart.limit ? [series[chart.limit] ?? []] : [])];

function draw(view, block, series, anew) {
  const width = Math.floor(block.box.clientWidth);
  if (width < 40) return;
  const data = columnsOf(block.chart, series);
  if (block.plot && !anew) {
    if (block.plot.width !== width) block.plot.setSize({ width, height: 130 });
    block.plot.setData(data);
    return;
  }
  block.plot?.destroy();
  block.plot = new uPlot(options(view, block, width), data, block.box);
}

function fileList(h, model) {
  const files = Object.entries(model.get("files"));
  return [h("p", {}, `Files of cgroups ${model.get("version")} that are read:`),
    h("ul", {}, files.map(([what, path]) => h("li", {}, `${what}: `, h("code", {}, path))))];
}

function textTwin(h, model) {
  const body = h("tbody");
  const names = ["second", "cores in use", "quota", "periods throttled", "MiB in use", "limit, MiB"];
  const node = scrolling(h, "Readings, one a second", h("table", {},
    h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))), body));
  const fill = (series) => {
    const seen = new Set();
    const rows = (series.at_s ?? []).map((at, index) => [Math.floor(at), index])
      .filter(([second, index]) => series.cores[index] != null && !seen.has(second) && seen.add(second));
    body.replaceChildren(...rows.slice(-WINDOW_S).map(([second, i]) => h("tr", {}, h("th", { scope: "row" }, String(second)),
      [two(series.cores[i]), two(series.quota_cores[i]), percent(series.throttled[i]), whole(series.memory_mib[i]), whole(series.limit_mib[i])]
        .map((text) => h("td", {}, text)))));
  };
  return { nodes: [node, ...fileList(h, model)], fill };
}

function render({ model, el }) {
  const doc = el.ownerDocument;
  const view = doc.defaultView;
  const h = maker(doc);
  const live = hasKernel(model);
  const { cpus, memory_mib: memory, block_mib: block } = model.get("ranges");
  const tell = (what, value) => model.send(value === undefined ? { do: what } : { do: what, value });

  const cpu = slider(h, { id: freshId("cpus"), text: "CPU quota", unit: "cores", min: cpus[0], max: cpus[1], step: 0.05, show: two, send: (value) => tell("cpus", value) });
  const mem = slider(h, { id: freshId("memory"), text: "Memory limit", unit: "MiB", min: memory[0], max: memory[1], step: 8, show: whole, send: (value) => tell("memory", value) });
  const button = (text, what) => h("button", { type: "button", class: "bnd-do", onclick: () => tell(what) }, text);
  const buttons = [button("Start CPU load", "load"), button(`Allocate ${block} MiB more`, "allocate"), button("Stop and free all", "stop")];
  const state = h("p", { class: "bnd-state" });
  const problem = h("pre", { class: "bnd-problem", role: "alert", hidden: true });
  const blocks = CHARTS.map((chart) => chartBlock(h, chart));
  const events = h("div", { class: "bnd-events", role: "log", "aria-label": "What happened", tabindex: "0" });
  const twin = textTwin(h, model);

  const controls = h("fieldset", { class: "bnd-controls" }, h("legend", {}, `Container ${model.get("name")}`), state,
    cpu.node, mem.node, h("div", { class: "bnd-buttons" }, buttons));
  const root = frame(h, model, "panel", `Limits of container ${model.get("name")}`,
    [controls, problem, h("div", { class: "bnd-charts" }, blocks.map((one) => one.node)),
      h("p", { class: "bnd-chart-title" }, "What happened"), events], twin.nodes);
  el.append(root);
  const details = root.querySelector("details.bnd-text");

  const onState = () => {
    const ended = model.get("ended");
    const usable = live && !ended;
    for (const control of [cpu.input, mem.input, ...buttons]) control.disabled = !usable;
    if (usable && !model.get("working") && doc.activeElement !== buttons[2]) buttons[2].disabled = true;
    state.textContent = !live ? RECORDED : ended ? `Ended: ${ended}` : "live: read five times a second";
    state.dataset.state = usable ? "live" : "still";
    problem.textContent = model.get("problem");
    problem.hidden = !problem.textContent;
  };
  const onSeries = (anew) => {
    const series = model.get("series");
    for (const one of blocks) { one.say(series); draw(view, one, series, anew === true); }
    cpu.follow(last(series.quota_cores));
    mem.follow(last(series.limit_mib));
    if (details.open) twin.fill(series);
  };
  const onEvents = () => {
    const list = model.get("events");
    const known = Number(events.dataset.known ?? 0);
    const item = ({ at, text }) => h("p", { class: text.startsWith("OOM") ? "bnd-oom" : "" }, h("time", {}, at), " ", text);
    if (!known || list.length <= known) events.replaceChildren(...list.map(item));
    else events.append(...list.slice(known).map(item));
    events.dataset.known = list.length;
    events.scrollTop = events.scrollHeight;
    if (!list.length) events.replaceChildren(h("p", { class: "bnd-small" }, "Nothing yet."));
  };
  const redraw = () => onSeries(true);

  details.addEventListener("toggle", () => twin.fill(model.get("series")));
  model.on("change:series", onSeries);
  model.on("change:events", onEvents);
  for (const name of ["ended", "problem", "working"]) model.on(`change:${name}`, onState);
  const sizes = new view.ResizeObserver(() => onSeries());
  sizes.observe(root);
  const themes = new view.MutationObserver(redraw);
  themes.observe(doc.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  themes.observe(doc.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  const scheme = view.matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", redraw);
  const here = () => { if (live && !doc.hidden && el.isConnected) tell("here"); };
  const pings = live ? view.setInterval(here, PING_MS) : null;
  onState();
  onEvents();
  view.requestAnimationFrame(() => { onSeries(true); if (live) tell("here"); });

  return () => {
    view.clearInterval(pings);
    sizes.disconnect();
    themes.disconnect();
    scheme.removeEventListener("change", redraw);
    for (const one of blocks) one.plot?.destroy();
  };
}

export default { render };
