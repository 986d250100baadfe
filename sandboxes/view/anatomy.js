const LABEL = "Layers of a running guest, top to bottom";

function factTable(h, layer) {
  const rows = layer.facts.map((fact) => h("tr", {}, h("th", { scope: "row" }, fact.name),
    h("td", {}, h("span", { class: "bnd-mono" }, fact.value)), h("td", { class: "bnd-source" }, fact.source)));
  return scrolling(h, `Facts about: ${layer.name}`, h("table", {},
    h("thead", {}, h("tr", {}, ["fact", "value", "where it was read"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, rows)));
}

function layerBlock(h, layer, number) {
  const id = freshId("layer");
  const facts = h("div", { id, class: "bnd-facts", hidden: true }, factTable(h, layer));
  const button = h("button", { type: "button", class: "bnd-layer", "aria-expanded": "false", "aria-controls": id },
    shape(h, number),
    h("span", { class: "bnd-name" }, layer.name),
    h("span", { class: "bnd-what" }, layer.summary, layer.badge ? h("strong", { class: "bnd-badge" }, `⚠ ${layer.badge}`) : null),
    h("span", { class: "bnd-fold", "aria-hidden": "true" }, "+"));
  button.addEventListener("click", () => {
    facts.hidden = !facts.hidden;
    button.setAttribute("aria-expanded", String(!facts.hidden));
    button.querySelector(".bnd-fold").textContent = facts.hidden ? "+" : "−";
  });
  return h("div", { class: `bnd-block bnd-shape-${number % 8}` }, button, facts);
}

const crossing = (h, layer) => h("p", { class: layer.edge ? "bnd-crossing bnd-edge" : "bnd-crossing" },
  h("span", {}, h("span", { "aria-hidden": "true" }, "⇅ "), layer.crossing));

function zones(h, layers) {
  const parts = [];
  layers.forEach((layer, number) => {
    if (parts.at(-1)?.dataset.zone !== layer.zone) {
      parts.push(h("section", { class: "bnd-zone", "data-zone": layer.zone, "aria-label": layer.zone },
        h("p", { class: "bnd-zone-name" }, layer.zone)));
    }
    parts.at(-1).append(layerBlock(h, layer, number));
    if (layer.edge) parts.push(crossing(h, layer));
    else if (layer.crossing) parts.at(-1).append(crossing(h, layer));
  });
  return parts;
}

function textTwin(h, layers) {
  return h("ol", {}, layers.map((layer) => h("li", {}, h("b", {}, layer.name), ` (${layer.zone.toLowerCase()}): `,
    layer.summary, layer.badge ? ` — ${layer.badge}` : "",
    h("ul", {}, layer.facts.map((fact) => h("li", {}, `${fact.name}: ${fact.value} (${fact.source})`))),
    layer.crossing ? h("p", {}, `Below it: ${layer.crossing}.`) : null)));
}

function render({ model, el }) {
  const h = maker(el.ownerDocument);
  const layers = model.get("layers");
  el.append(frame(h, model, "anatomy", LABEL, h("div", { class: "bnd-stack" }, zones(h, layers)), textTwin(h, layers)));
}

export default { render };
