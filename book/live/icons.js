// State is said by a word and a shape; colour only helps.
const SHAPES = {
  off: '<circle cx="8" cy="8" r="5.5" fill="none" stroke-width="1.8"/>',
  connecting: '<circle cx="8" cy="8" r="5.5" fill="none" stroke-width="1.8" stroke-dasharray="3 2.8"/>',
  ready: '<circle cx="8" cy="8" r="6" class="fill"/>',
  busy: '<path d="M8 2a6 6 0 0 1 0 12z" class="fill"/><circle cx="8" cy="8" r="5.5" fill="none" stroke-width="1.6"/>',
  interrupted: '<rect x="3" y="3" width="10" height="10" rx="1.5" class="fill"/>',
  warning: '<path d="M8 1.8 15 14H1z" fill="none" stroke-width="1.7" stroke-linejoin="round"/><path d="M8 6.2v3.6M8 11.4v1" stroke-width="1.7" stroke-linecap="round"/>',
  failed: '<path d="m4 4 8 8m0-8-8 8" stroke-width="2.2" stroke-linecap="round"/>',
  done: '<path d="m3 8.5 3.5 3.5L13 4.8" fill="none" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"/>',
  waiting: '<circle cx="3" cy="8" r="1.5" class="fill"/><circle cx="8" cy="8" r="1.5" class="fill"/><circle cx="13" cy="8" r="1.5" class="fill"/>',
  run: '<path d="M4.5 2.8v10.4L13 8z" class="fill"/>',
};

export function icon(name) {
  const holder = document.createElement("span");
  holder.className = "live-icon";
  holder.setAttribute("aria-hidden", "true");
  holder.innerHTML = `<svg viewBox="0 0 16 16" stroke="currentColor">${SHAPES[name]}</svg>`;
  return holder;
}

export function button(text, className, onClick, shape) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = `live-button ${className}`;
  made.append(...(shape ? [icon(shape)] : []), text);
  made.addEventListener("click", onClick);
  return made;
}
