// The page's kernel: starts or finds it, runs code in it, and says at all times what state it is in.
import { LIBRARIES, SERVER, SESSION_PATH, about, script, style } from "./place.js";
import { keepLocal } from "./widgets.js";

const PATIENCE_MS = 15000; // a connection that stays lost for so long is called gone; it may still come back
const MATHJAX = { mathjaxUrl: "page", mathjaxConfig: "" }; // ours is used: see widgets.js

/** Why there is no kernel to be had: "static" host, "login" needed, or "silent" server. */
export class NoServer extends Error {
  constructor(why) {
    super(why);
    this.why = why;
  }
}

/** Fires "change" whenever `state` changes: off, connecting, ready, busy, lost, gone, died, ended. */
export class Kernel extends EventTarget {
  state = "off";
  found = false; // it ran already when this page connected to it
  #kernel;
  #session;
  #thebe;
  #restarting = false;
  #losing;

  async connect() {
    this.#become("connecting");
    try {
      await reachServer();
      await this.#open();
      this.#become(this.#kernel.status === "busy" ? "busy" : "ready");
    } catch (error) {
      this.#become("off");
      throw error;
    }
  }

  /** Somewhere to show what a cell gives; `element` is emptied when the first run begins. */
  output(name) {
    const { PassiveCellRenderer } = this.#thebe.module;
    return new PassiveCellRenderer(name, this.#session.manager.rendermime);
  }

  /** Resolves to "ok", "error", "interrupted" or "lost" when the kernel has finished with the code. */
  async run(code, output) {
    if (this.state === "died") this.#become("busy"); // it stays said until something runs
    const future = this.#kernel.requestExecute({ code, stop_on_error: true });
    output.area.future = future;
    try {
      const { content } = await future.done;
      if (content.status === "ok") return "ok";
      return content.ename === "KeyboardInterrupt" || content.status === "aborted" ? "interrupted" : "error";
    } catch {
      return "lost"; // the kernel was restarted, or died, before it answered
    }
  }

  interrupt() {
    return this.#kernel.interrupt();
  }

  async restart() {
    this.#restarting = true;
    this.#become("connecting");
    try {
      await this.#kernel.restart();
      await this.#kernel.info;
    } finally {
      this.#restarting = false;
    }
    this.#become("ready");
  }

  /** After "gone": try the connection once more. */
  async reconnect() {
    this.#become("lost");
    try {
      await this.#kernel.reconnect();
    } catch {
      this.#become("gone");
    }
  }

  async #open() {
    style(`${LIBRARIES}thebe/thebe-core.css`);
    await script(`${LIBRARIES}thebe/thebe-core.min.js`);
    this.#thebe = window.thebeCore;
    const { api } = this.#thebe;
    const serverSettings = { baseUrl: SERVER, wsUrl: SERVER.replace(/^http/, "ws"), token: "", appendToken: false };
    const kernelOptions = { kernelName: about.kernel, path: SESSION_PATH };
    const config = api.makeConfiguration({ serverSettings, kernelOptions, ...MATHJAX });
    const server = api.connectToJupyter(config);
    await server.ready;
    this.found = (await server.refreshRunningSessions()).some((session) => session.path === SESSION_PATH);
    this.#session = await server.startNewSession(api.makeRenderMimeRegistry(MATHJAX));
    this.#kernel = this.#session.kernel;
    keepLocal(this.#session.manager);
    await this.#kernel.info;
    this.#kernel.statusChanged.connect((_, status) => this.#heard(status));
    this.#kernel.connectionStatusChanged.connect((_, status) => this.#linkChanged(status));
  }

  #heard(status) {
    if (this.#restarting || this.state === "gone") return;
    if (status === "autorestarting") this.#become("died");
    else if (status === "dead" || status === "terminating") this.#become("ended");
    else if (this.state === "died" || this.state === "lost") return;
    else if (status === "idle") this.#become("ready");
    else if (status === "busy") this.#become("busy");
  }

  async #linkChanged(link) {
    if (this.#restarting || ["died", "ended"].includes(this.state)) return;
    if (link === "connected") this.#become(this.#kernel.status === "busy" ? "busy" : "ready");
    else if (link === "connecting") this.#become(this.state === "gone" ? "gone" : "lost");
    else this.#become((await this.#exists()) ? "gone" : "ended");
  }

  /** False only when the server answers and does not know the kernel. */
  async #exists() {
    try {
      const answer = await fetch(`${SERVER}api/kernels/${this.#kernel.id}`);
      return answer.status !== 404;
    } catch {
      return true;
    }
  }

  #become(state) {
    if (state === this.state) return;
    this.state = state;
    clearTimeout(this.#losing);
    if (state === "lost") this.#losing = setTimeout(() => this.#become("gone"), PATIENCE_MS);
    this.dispatchEvent(new Event("change"));
  }
}

async function reachServer() {
  let answer;
  try {
    answer = await fetch(location.href.split("#")[0], { method: "HEAD", cache: "no-store" });
  } catch {
    throw new NoServer(location.protocol === "file:" ? "static" : "silent");
  }
  if (answer.headers.get("X-Boundaries") === "kernels") return;
  throw new NoServer(answer.redirected ? "login" : "static");
}
