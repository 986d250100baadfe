// Widget libraries come as AMD modules. This is all of AMD that they need: no require.js, and no global `define` left
// behind that other libraries would take for one.
const modules = new Map();

function define(name, needs, factory) {
  modules.set(name, { needs, factory });
}

function get(name) {
  const found = modules.get(name);
  if (!found) throw new Error(`the page has no copy of the widget module ${name}`);
  if (!("value" in found)) {
    const given = found.needs.map((need) => (need === "module" ? { id: name, uri: "" } : get(need)));
    found.value = found.factory(...given);
  }
  return found.value;
}

/** Run a script made of named modules. */
export async function bundle(load) {
  const require = (names, done, failed) => {
    Promise.all([names].flat().map(async (name) => get(name))).then((all) => done?.(...all), failed);
  };
  require.config = require.undef = () => {};
  window.requirejs = require; // html-manager looks modules up through it, later
  Object.assign(window, { define, require });
  try {
    await load();
  } finally {
    delete window.define;
    delete window.require;
  }
}

/** Give a module under a name. */
export function provide(name, needs, factory) {
  define(name, needs, factory);
}

/** The value of one anonymous module's text; `given` holds what it asks for. */
export function evaluate(text, given) {
  let value;
  const once = (needs, factory) => {
    value = factory(...needs.map((need) => given[need]));
  };
  once.amd = {};
  new Function("define", text)(once);
  return value;
}
