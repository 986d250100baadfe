// Live widgets. thebe-core would fetch require.js and every custom widget from a CDN; here the core widgets are the ones
// it was built with, and anywidget is the copy that came with the kernel's own package.
import { evaluate } from "./amd.js";
import { LIBRARIES, script } from "./place.js";

const BASE = "@jupyter-widgets/base";

export function keepLocal(manager) {
  const core = Object.getPrototypeOf(Object.getPrototypeOf(manager)).loadClass.bind(manager);
  let anywidget;
  manager.loadClass = async (name, module, version) => {
    if (module.startsWith("@jupyter-widgets/")) return core(name, module, version);
    if (module !== "anywidget") throw new Error(`the page has no copy of the widget module ${module}`);
    anywidget ||= loadAnywidget(core);
    return (await anywidget)[name];
  };
  manager.rendermime.latexTypesetter = { typeset };
}

async function loadAnywidget(core) {
  const names = ["DOMWidgetModel", "DOMWidgetView", "WidgetModel", "WidgetView"];
  const classes = await Promise.all(names.map((name) => core(name, BASE, "*")));
  const text = await (await fetch(`${LIBRARIES}anywidget/index.js`)).text();
  return evaluate(text, { [BASE]: Object.fromEntries(names.map((name, i) => [name, classes[i]])) });
}

/** Labels and HTMLMath stay empty unless something typesets them; text without mathematics needs no MathJax. */
async function typeset(element) {
  if (!/\$|\\\(|\\\[|\\begin/.test(element.textContent)) return;
  if (!window.MathJax) {
    window.MathJax = { tex: { inlineMath: [["$", "$"], ["\\(", "\\)"]] } };
    await script(`${LIBRARIES}mathjax/tex-mml-chtml.js`);
  }
  await window.MathJax.startup?.promise;
  element.classList.add("tex2jax_process");
  await window.MathJax.typesetPromise?.([element]);
}
