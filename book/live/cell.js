// One cell: its editor, its Run button, what it gave, and what that is worth (recorded, live, out of date).
import { edit } from "./editor.js";
import { button, icon } from "./icons.js";

const SHAPE = {
  recorded: "off", empty: "off", waiting: "waiting", running: "busy", ok: "done", error: "failed",
  interrupted: "interrupted", lost: "warning", stale: "off",
};

export class Cell {
  state = "recorded";
  #began = 0;
  #clock;
  #renderer;

  /** `page` has run(cell, stay) and output(name). */
  constructor(element, number, page) {
    this.element = element;
    this.number = number;
    this.page = page;
    this.source = element.querySelector(".cell_input pre").textContent.replace(/\n$/, "");
    this.text = this.source;
    const tagged = (tag) => element.classList.contains(`tag_${tag}`);
    this.mayFail = tagged("raises-exception");
    this.byHand = tagged("skip-execution"); // "Run all" leaves it to the reader
  }

  /** Put the editor and the strip below it in place of the printed code. */
  activate() {
    const input = this.element.querySelector(".cell_input");
    const place = document.createElement("div");
    place.className = "live-editor";
    input.classList.add("live");
    input.append(place);
    this.editor = edit(place, this.text, `Cell ${this.number}`, {
      run: (stay) => this.page.run(this, stay),
      leave: () => this.runButton.focus(),
      changed: (text) => this.#edited(text),
    });
    input.closest("details")?.addEventListener("toggle", () => this.editor.refresh());
    this.#addStrip(input);
    this.show(this.element.querySelector(".cell_output") ? "recorded" : "empty");
  }

  #addStrip(input) {
    this.runButton = button("Run", "live-run", () => this.page.run(this, true), "run");
    this.runButton.setAttribute("aria-label", `Run cell ${this.number}`);
    this.resetButton = button("Undo edits", "live-quiet", () => this.editor.setValue(this.source));
    this.resetButton.hidden = true;
    this.label = document.createElement("span");
    this.label.className = "live-label";
    const strip = document.createElement("div");
    strip.className = "live-strip";
    strip.append(this.runButton, this.resetButton, this.label);
    (input.closest("details") ?? input).after(strip);
  }

  #edited(text) {
    this.text = text;
    this.resetButton.hidden = text === this.source;
  }

  show(state, text = this.words(state)) {
    this.state = state;
    this.element.dataset.liveState = state;
    this.label.replaceChildren(icon(SHAPE[state]), text);
  }

  wait() {
    this.before = [this.state, this.label.textContent];
    this.show("waiting");
  }

  /** It will not run after all. */
  unwait() {
    this.show(...this.before);
  }

  words(state) {
    return {
      recorded: "recorded output", empty: "not run yet", waiting: "waiting", running: "running",
      ok: `live · ${this.#elapsed()}`, error: `error · ${this.#elapsed()}`, interrupted: "interrupted",
      lost: "the kernel ended before this cell did", stale: "not run since the kernel started afresh",
    }[state];
  }

  begin() {
    const output = this.#outputPlace();
    output.style.minHeight = `${output.offsetHeight}px`; // the text below stays where it is while output is replaced
    if (!this.#renderer) {
      this.#renderer = this.page.output(`cell-${this.number}`);
      output.replaceChildren();
      this.#renderer.attachToDOM(output);
    }
    this.#renderer.clear();
    this.#began = performance.now();
    this.show("running", `running · ${this.#elapsed()}`);
    this.#clock = setInterval(() => this.show("running", `running · ${this.#elapsed()}`), 100);
    return this.#renderer;
  }

  end(state) {
    clearInterval(this.#clock);
    this.state = state;
    this.#outputPlace().style.minHeight = "";
    this.show(state);
  }

  /** What this cell shows came from a kernel that is no more. */
  outdate() {
    if (!["recorded", "empty", "lost"].includes(this.state)) this.show("stale");
  }

  #outputPlace() {
    let output = this.element.querySelector(".cell_output");
    if (!output) {
      output = document.createElement("div");
      output.className = "cell_output docutils container";
      this.element.append(output);
    }
    return output;
  }

  #elapsed() {
    const seconds = (performance.now() - this.#began) / 1000;
    if (seconds < 1 && this.state !== "running") return `${Math.ceil(seconds * 100) * 10} ms`;
    return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  }
}
