// Names for what the theme and the widget libraries leave without one, or give another name than the one that is seen
// (WCAG 2.5.3 and 4.1.2).

/** A button that shows words is called by them. */
function sayWhatIsSeen() {
  for (const element of document.querySelectorAll("summary[aria-label], .search-button-field[aria-label]")) {
    element.removeAttribute("aria-label");
  }
  for (const picture of document.querySelectorAll("button[aria-label] > svg")) {
    picture.querySelector("title")?.remove();
    picture.setAttribute("aria-hidden", "true");
  }
}

/** Entries of a bibliography are not list items, so what holds them is no list. */
function freeBibliography() {
  document.querySelector(".citation-list")?.removeAttribute("role");
}

/** What scrolls sideways can be scrolled with the keyboard. */
function reachWhatScrolls() {
  for (const element of document.querySelectorAll(".bd-article :is(table.table, pre)")) {
    if (element.scrollWidth > element.clientWidth) element.tabIndex = 0;
  }
}

/** A slider's handle is called what stands beside it. */
function nameSliders(root) {
  for (const handle of root.querySelectorAll(".noUi-handle:not([aria-label])")) {
    const label = handle.closest(".jupyter-widgets")?.querySelector(".widget-label")?.textContent.trim();
    handle.setAttribute("aria-label", label || "value");
  }
}

/** Again when the page has changed: outputs and widgets come while it is read. Once a frame is enough. */
function watch(article) {
  let planned = false;
  const look = () => {
    planned = false;
    nameSliders(article);
    reachWhatScrolls();
  };
  new MutationObserver(() => {
    if (!planned) requestAnimationFrame(look);
    planned = true;
  }).observe(article, { childList: true, subtree: true });
}

sayWhatIsSeen();
freeBibliography();
reachWhatScrolls();
nameSliders(document);
const article = document.querySelector("article");
if (article) watch(article);
for (const late of [0, 500, 2000]) setTimeout(sayWhatIsSeen, late); // the theme makes some of them after loading
