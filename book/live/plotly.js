// Recorded figures call Plotly while the page is being read. The library (4.6 MB) comes with the first such call, so
// that pages without a figure never load it; until then this stands in for it and keeps the calls in order.
(() => {
  const source = new URL("../libraries/plotly/plotly.min.js", document.currentScript.src).href;
  let coming;
  const plotly = () =>
    (coming ||= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = source;
      script.onload = () => resolve(window.Plotly);
      script.onerror = () => reject(new Error("plotly.js could not be loaded"));
      document.head.append(script);
    }));
  window.Plotly = new Proxy({}, {
    get: (_, name) =>
      name === "then" || typeof name === "symbol"
        ? undefined
        : (...given) => plotly().then((library) => library[name](...given)),
  });
})();
