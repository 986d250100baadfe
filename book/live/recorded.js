// Widgets as they were when the book was built: their recorded state is in the page, no kernel is needed.
import { bundle, evaluate, provide } from "./amd.js";
import { LIBRARIES, script } from "./place.js";

const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';

export async function showRecordedWidgets() {
  if (!document.querySelector(STATE)) return;
  window.__jupyter_widgets_assets_path__ = `${LIBRARIES}widgets/`;
  speakMathJax2();
  const anywidget = await (await fetch(`${LIBRARIES}anywidget/index.js`)).text();
  provide("anywidget", ["@jupyter-widgets/base"], (base) => evaluate(anywidget, { "@jupyter-widgets/base": base }));
  await bundle(() => script(`${LIBRARIES}widgets/embed-amd.js`)); // renders every recorded view when it is loaded
}

/** The widget libraries typeset through MathJax 2's queue; the page has MathJax 3. */
function speakMathJax2() {
  if (!window.MathJax || window.MathJax.Hub) return;
  window.MathJax.Hub = {
    Queue: async ([, , element]) => {
      await window.MathJax.startup?.promise;
      await window.MathJax.typesetPromise?.([element]);
    },
  };
}
