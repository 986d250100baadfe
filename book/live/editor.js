// A cell's editor. Tab indents, so Escape leads out of it: nobody is caught (WCAG 2.1.2).
import { LIBRARIES, script, style } from "./place.js";

export async function loadEditor() {
  style(`${LIBRARIES}codemirror/lib/codemirror.css`);
  await script(`${LIBRARIES}codemirror/lib/codemirror.js`);
  await Promise.all(
    ["mode/python/python", "addon/edit/matchbrackets", "addon/edit/closebrackets"].map((part) =>
      script(`${LIBRARIES}codemirror/${part}.js`)),
  );
}

/** Keys: `run(stay)` for Shift+Enter and Ctrl+Enter, `leave()` for Escape. */
export function edit(place, text, label, { run, leave, changed }) {
  const editor = window.CodeMirror(place, {
    value: text,
    mode: "python",
    indentUnit: 4,
    inputStyle: "contenteditable",
    matchBrackets: true,
    autoCloseBrackets: true,
    viewportMargin: Infinity,
    screenReaderLabel: `${label}. Shift+Enter runs it, Escape leaves the editor.`,
    extraKeys: {
      "Shift-Enter": () => run(false),
      "Ctrl-Enter": () => run(true),
      "Cmd-Enter": () => run(true),
      Esc: leave,
      Tab: (cm) => (cm.somethingSelected() ? cm.indentSelection("add") : cm.replaceSelection("    ", "end")),
      "Shift-Tab": (cm) => cm.indentSelection("subtract"),
    },
  });
  editor.on("change", () => changed(editor.getValue()));
  return editor;
}
