const LABEL = "Namespaces of each place";

function cellButton(h, row, cell, choose) {
  if (cell.number === null) return h("td", {}, h("span", { class: "bnd-small" }, cell.text));
  const button = h("button", {
    type: "button", class: "bnd-cell", "aria-pressed": "false",
    "aria-label": `${row.kind} namespace ${cell.number} of ${cell.place}, ${cell.text}`,
  }, shape(h, cell.shape), " ", h("span", { class: "bnd-mono" }, String(cell.number)));
  button.addEventListener("click", () => choose(row, cell));
  return h("td", { "data-class": `${row.kind}/${cell.shape}`, class: `bnd-shape-${cell.shape % 8}` },
    button, h("span", { class: "bnd-small" }, cell.text));
}

function textTwin(h, rows) {
  return h("ul", {}, rows.map((row) => h("li", {}, `${row.kind} (${row.isolates}) — ${row.summary}: `,
    row.cells.map((cell) => `${cell.place} ${cell.number ?? ""} ${cell.text}`).join("; "))));
}

function render({ model, el }) {
  const h = maker(el.ownerDocument);
  const places = model.get("places");
  const rows = model.get("rows");
  const status = h("p", { role: "status", class: "bnd-status" }, "Press a number to see who shares it.");
  let chosen = null;

  const choose = (row, cell) => {
    const key = `${row.kind}/${cell.shape}`;
    const again = chosen === `${key}/${cell.place}`;
    chosen = again ? null : `${key}/${cell.place}`;
    for (const td of table.querySelectorAll("td[data-class]")) {
      const mine = !again && td.dataset.class === key;
      td.classList.toggle("bnd-chosen", mine);
      td.querySelector("button").setAttribute("aria-pressed", String(mine));
    }
    status.textContent = again ? "Press a number to see who shares it." : cell.status;
  };

  const head = h("tr", {}, h("th", { scope: "col" }, "namespace"),
    places.map((place) => h("th", { scope: "col" }, place.name,
      h("span", { class: "bnd-small" }, `${place.kind} · ${place.process}, pid ${place.pid}`))),
    h("th", { scope: "col" }, "in short"));
  const table = h("table", {}, h("thead", {}, head), h("tbody", {}, rows.map((row) =>
    h("tr", {}, h("th", { scope: "row" }, h("code", {}, row.kind), h("span", { class: "bnd-small" }, row.isolates)),
      row.cells.map((cell) => cellButton(h, row, cell, choose)), h("td", {}, row.summary)))));

  el.append(frame(h, model, "matrix", LABEL, [scrolling(h, LABEL, table), status], textTwin(h, rows)));
}

export default { render };
