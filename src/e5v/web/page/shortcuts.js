// What works everywhere on the page: the "/" key, the link to the start, and copying the command.

import { copiesOnClick } from "/copying.js";

/** Listen for them: `starts()` for the link, `types()` for the key, unless `busy()`. */
export function listenForShortcuts({ starts, types, busy }) {
  document.querySelector(".name").addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    starts();
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, textarea") || busy();
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    types();
  });
  const command = document.querySelector(".command code");
  const button = document.querySelector(".command button");
  copiesOnClick(button, () => command.textContent);
}
