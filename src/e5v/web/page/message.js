// The message above the results: what does not work, and why.

import { tryNow } from "/api.js";

const box = document.querySelector(".trouble");
const again = box.querySelector("button");
const GONE = new Set([0, 502, 503, 504]);

again.addEventListener("click", tryNow);

/** Show an error after which the page tries again; null: the server answers. */
export function trouble(error) {
  document.body.classList.toggle("away", Boolean(error) && GONE.has(error.status));
  if (!error && again.hidden) return; // a refusal is shown, and stays
  say(error && `${error.message} Trying again …`);
  again.hidden = false;
}

/** Show why something was refused; it stays until the next action. */
export function complain(error) {
  say(error.message);
  again.hidden = true;
}

/** Remove the message. */
export function calm() {
  if (document.body.classList.contains("away")) return; // that is still so
  say(null);
}

function say(message) {
  box.hidden = !message;
  const line = box.querySelector("p");
  if (message && line.textContent !== message) line.textContent = message;
}
