// What does not work, in words.

import { tryNow } from "/server.js";

const box = document.querySelector(".trouble");
const again = box.querySelector("button");

again.addEventListener("click", tryNow);

/** Say that something does not work but is tried again; or, of nothing, that it works. */
export function trouble(error) {
  if (!error && again.hidden) return; // that is a refusal, and stays
  say(error && `${error.message} Trying again …`);
  again.hidden = false;
}

/** Say what was refused. */
export function complain(error) {
  say(error.message);
  again.hidden = true;
}

/** Say nothing more. */
export function calm() {
  say(null);
}

function say(message) {
  box.hidden = !message;
  const line = box.querySelector("p");
  if (message && line.textContent !== message) line.textContent = message;
}
