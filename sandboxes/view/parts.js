// Shared by all widgets: elements, shapes, the frame with caption, text twin and provenance.
const SHAPES = ["●", "■", "▲", "◆", "★", "✚", "⬟", "⬢"];
const KEYS = new Set(["button", "input", "summary"]);
const RECORDED = "recorded — run this page to use the controls";

// thebe may evaluate this module in a hidden iframe: elements are made by the document that shows them.
const maker = (doc) => (tag, attributes = {}, ...content) => {
  const element = doc.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  // JupyterLab takes arrow keys and Enter for itself; the attribute leaves them to what has the focus.
  if (KEYS.has(tag) || attributes.tabindex) element.setAttribute("data-lm-suppress-shortcuts", "true");
  element.append(...content.flat().filter((part) => part != null));
  return element;
};

// JupyterLab's and thebe's managers have the kernel; html-manager, which shows a recorded page, has none.
const hasKernel = (model) => Boolean(model.widget_manager?.kernel);

const shape = (h, number) =>
  h("i", { class: `bnd-shape bnd-shape-${number % 8}`, "aria-hidden": "true" }, SHAPES[number % 8]);

const freshId = (what) => `bnd-${what}-${Math.random().toString(36).slice(2, 9)}`;

function frame(h, model, kind, label, body, twin) {
  return h("figure", { class: `bnd bnd-${kind}`, "aria-label": label }, body,
    h("figcaption", {}, model.get("caption")),
    h("details", { class: "bnd-text" }, h("summary", {}, "as text"), twin),
    h("p", { class: "bnd-prov" }, model.get("provenance")));
}

const scrolling = (h, label, ...content) =>
  h("div", { class: "bnd-scroll", role: "region", "aria-label": label, tabindex: "0" }, content);
