// The bar below the title: one button before a kernel is there; state and controls from then on.
import { button, icon } from "./icons.js";

const SAYS = {
  off: ["off", "Recorded when the book was built."],
  connecting: ["connecting", "Starting a kernel …"],
  ready: ["ready", "Ready"],
  found: ["ready", "Ready: the kernel you used before, with its variables"],
  busy: ["busy", "Running"],
  interrupted: ["interrupted", "Interrupted"],
  failed: ["failed", "Stopped at an error"],
  restarted: ["ready", "Restarted: nothing has run yet"],
  died: ["warning", "The kernel died. A new one is there; nothing has run in it."],
  ended: ["warning", "The kernel has ended, and the page's sandboxes with it."],
  lost: ["warning", "Connection lost: trying again …"],
  gone: ["warning", "Connection lost. If the book was stopped, start it again and open its new address."],
};

const EXPLAINS = {
  static: `<p><strong>This copy of the book has no kernels.</strong> What you see was recorded. To run the cells, get the book's
    source and type <code>./textbook serve</code> in its folder; it opens these pages with a kernel behind each.</p>`,
  login: `<p><strong>The server does not know this browser.</strong> Open the address that <code>./textbook serve</code>
    printed: it carries the key.</p>`,
  silent: `<p><strong>The book's server does not answer.</strong> If it was stopped, type <code>./textbook serve</code> again
    and open the address that it prints.</p>`,
};

export class Bar {
  /** `does` has connect, runAll, interrupt, restart and again (new connection or kernel). */
  constructor(after, does) {
    this.element = document.createElement("div");
    this.element.className = "live-bar";
    this.element.setAttribute("role", "region");
    this.element.setAttribute("aria-label", "Running this page");
    this.buttons = {
      connect: button("Run this page", "live-primary", does.connect, "run"),
      runAll: button("Run all", "live-primary", does.runAll, "run"),
      again: button("", "live-primary", does.again),
      interrupt: button("Interrupt", "", does.interrupt, "interrupted"),
      restart: button("Restart …", "", () => this.#ask(does.restart)),
    };
    this.status = document.createElement("span");
    this.status.className = "live-status";
    this.status.setAttribute("role", "status");
    this.note = document.createElement("div");
    this.note.className = "live-note";
    this.note.hidden = true;
    this.element.append(...Object.values(this.buttons), this.status);
    after.after(this.element, this.note);
    this.show("off");
  }

  show(state, more = "") {
    const [shape, words] = SAYS[state];
    this.element.dataset.state = state;
    this.status.replaceChildren(icon(shape), more ? `${words}: ${more}` : words);
    const connected = !["off", "connecting"].includes(state) || this.connected;
    this.connected = connected;
    this.buttons.again.textContent = state === "ended" ? "Start a new kernel" : "Try again";
    const over = ["gone", "ended"].includes(state);
    this.#only({
      connect: !connected,
      runAll: connected && !over,
      again: over,
      interrupt: connected && !over,
      restart: connected && !over,
    });
    this.buttons.connect.disabled = state === "connecting";
    this.buttons.runAll.disabled = ["busy", "connecting", "lost"].includes(state);
    this.buttons.interrupt.disabled = state !== "busy";
    this.buttons.restart.disabled = ["connecting", "lost"].includes(state);
    if (state !== "off") this.note.hidden = true;
  }

  explain(why, error) {
    this.note.innerHTML = EXPLAINS[why] ?? "<p><strong>The kernel could not be started.</strong> <span></span></p>";
    const detail = this.note.querySelector("span");
    if (detail) detail.textContent = String(error?.message ?? error);
    this.note.setAttribute("role", "alert");
    this.note.hidden = false;
  }

  #only(visible) {
    const lost = Object.entries(visible).some(([name, on]) => !on && this.buttons[name] === document.activeElement);
    for (const [name, on] of Object.entries(visible)) this.buttons[name].hidden = !on;
    if (lost) Object.values(this.buttons).find((one) => !one.hidden && !one.disabled)?.focus();
  }

  #ask(restart) {
    const dialog = document.createElement("dialog");
    dialog.className = "live-dialog";
    dialog.setAttribute("aria-labelledby", "live-dialog-title");
    dialog.innerHTML = `<h2 id="live-dialog-title">Restart the kernel?</h2>
      <p>Variables are forgotten, and the containers and guests of this page are closed. Your edits stay.</p>`;
    const row = document.createElement("div");
    row.className = "live-row";
    row.append(
      button("Restart", "live-primary", () => { dialog.close(); restart(); }),
      button("Keep it", "", () => dialog.close()),
    );
    dialog.append(row);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }
}
