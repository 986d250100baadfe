// A page that runs: finds the cells, keeps the queue of those to run, and ties bar, cells and kernel together.
import { Bar } from "./bar.js";
import { Cell } from "./cell.js";
import { loadEditor } from "./editor.js";
import { Kernel, NoServer } from "./kernel.js";
import { showRecordedWidgets } from "./recorded.js";

class Page {
  #kernel = new Kernel();
  #queue = [];
  #running = false;
  #outcome = null; // what the bar says while the kernel is idle: found, failed, interrupted, restarted

  constructor(title, elements) {
    this.cells = elements.map((element, i) => new Cell(element, i + 1, this));
    this.bar = new Bar(title, {
      connect: () => this.connect(),
      runAll: () => this.runAll(),
      interrupt: () => this.interrupt(),
      restart: () => this.restart(),
      again: () => this.again(),
    });
    this.#kernel.addEventListener("change", () => this.#kernelChanged());
  }

  async connect() {
    try {
      await Promise.all([this.#kernel.connect(), loadEditor()]);
    } catch (error) {
      this.bar.show("off");
      this.bar.explain(error instanceof NoServer ? error.why : "other", error);
      return;
    }
    document.body.classList.add("live-page");
    for (const cell of this.cells) cell.activate();
    if (this.#kernel.found) this.#outcome = "found";
    this.#say();
  }

  output(name) {
    return this.#kernel.output(name);
  }

  run(cell, stay) {
    this.#add([cell]);
    if (!stay) this.#next(cell);
  }

  runAll() {
    this.#add(this.cells.filter((cell) => !cell.byHand));
  }

  interrupt() {
    this.#drop();
    return this.#kernel.interrupt();
  }

  async restart() {
    this.#drop();
    await this.#kernel.restart();
    for (const cell of this.cells) cell.outdate();
    this.#outcome = "restarted";
    this.#say();
  }

  /** After the connection or the kernel was lost for good. */
  again() {
    if (this.#kernel.state === "gone") return this.#kernel.reconnect();
    location.reload(); // the session is over: a fresh page starts a fresh kernel
    return undefined;
  }

  #add(cells) {
    for (const cell of cells) {
      if (cell.state === "running" || this.#queue.includes(cell)) continue;
      cell.wait();
      this.#queue.push(cell);
    }
    this.#work();
  }

  async #work() {
    if (this.#running) return;
    this.#running = true;
    this.#outcome = null;
    for (let cell = this.#queue.shift(); cell; cell = this.#queue.shift()) {
      this.current = cell;
      this.#say();
      const outcome = await this.#kernel.run(cell.text, cell.begin());
      cell.end(outcome);
      if (outcome !== "ok" && !cell.mayFail) {
        this.#drop();
        this.#outcome = { error: "failed", interrupted: "interrupted" }[outcome] ?? null;
      }
    }
    this.current = null;
    this.#running = false;
    this.#say();
  }

  /** What waits will not run. */
  #drop() {
    for (const cell of this.#queue.splice(0)) cell.unwait();
  }

  #next(cell) {
    const next = this.cells[cell.number];
    if (!next) return;
    next.editor.focus();
    next.element.scrollIntoView({ block: "nearest" });
  }

  #kernelChanged() {
    if (["died", "ended"].includes(this.#kernel.state)) {
      this.#drop();
      for (const cell of this.cells) cell.outdate();
    }
    this.#say();
  }

  #say() {
    const { state } = this.#kernel;
    if (state === "busy" || (this.#running && state === "ready")) {
      this.bar.show("busy", this.current ? `cell ${this.current.number} of ${this.cells.length}` : "");
    } else this.bar.show(state === "ready" && this.#outcome ? this.#outcome : state);
  }
}

function start() {
  const title = document.querySelector("article h1");
  const elements = [...document.querySelectorAll("div.cell")].filter((cell) => cell.querySelector(".cell_input pre"));
  if (title && elements.length) new Page(title, elements);
  showRecordedWidgets();
}

start();
