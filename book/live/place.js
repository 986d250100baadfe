// Where this page, its libraries and its server are.
const here = new URL("./", import.meta.url);

export const LIBRARIES = new URL("../libraries/", here).href;

/** Name of the page and of its kernel, written by the Sphinx extension. */
export const about = JSON.parse(document.getElementById("live-page").textContent);

/** The server's base address: pages are below <base>book/, this file in <base>book/_static/live/. */
export const SERVER = new URL("../../../", here).href;

/** The kernel's session: the kernel starts in the page's folder, and a reload finds the same one again. */
export const SESSION_PATH = `${about.page}.ipynb`;

const loaded = new Map();

export function script(url) {
  if (!loaded.has(url)) {
    loaded.set(url, new Promise((resolve, reject) => {
      const tag = document.createElement("script");
      tag.src = url;
      tag.onload = resolve;
      tag.onerror = () => {
        loaded.delete(url);
        reject(new Error(`${url} could not be loaded`));
      };
      document.head.append(tag);
    }));
  }
  return loaded.get(url);
}

/** Styles go first, so that the theme's and ours win over them. */
export function style(url) {
  if (loaded.has(url)) return;
  loaded.set(url, true);
  const tag = document.createElement("link");
  tag.rel = "stylesheet";
  tag.href = url;
  document.head.prepend(tag);
}
