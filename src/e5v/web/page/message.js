// The message above the results: what does not work, and why.

import { tryNow } from "/api.js";

const box = document.querySelector(".trouble");
const again = box.querySelector("button");
const GONE = new Set([0, 502, 503, 504]);

again.addEventListener("click", tryNow);

/** Show an error after which the page tries again; null: the server answers. */
export function showOutage(error) {
  document.body.classList.toggle("away", Boolean(error) && GONE.has(error.status));
  if (!error && again.hidden) return; // a refusal is shown, and stays
  show(error && `${error.message} Trying again …`);
  again.hidden = false;
}

/** Show why something was refused; it stays until the next action. */
export function showError(error) {
  show(error.message);
  again.hidden = true;
}

/** Remove the message. */
export function clearMessage() {
  if (document.body.classList.contains("away")) return; // that is still so
  show(null);
}

function show(message) {
  box.hidden = !message;
  const line = box.querySelector("p");
  if (message && line.textContent !== message) line.textContent = message;
}
