// Requests to the server: JSON, or one kind of error.
//
// path, body -> fetch -> JSON | Refusal(status, message, code, wait, passes)

const WAITS = [1, 2, 4, 8]; // seconds before the next try
const PASSING = new Set([0, 408, 429, 502, 503, 504]); // worth another try; 0: no answer at all
const SAID = {
  0: "The server does not answer.",
  401: "This server requires a key. Reload the page and enter the key as the password.",
  413: "That is larger than this server accepts.",
  429: "The server is busy.",
};

export class Refusal extends Error {
  constructor(status, { message, code } = {}, wait = undefined) {
    super(SAID[status] ?? message ?? `The server answers with status ${status}.`);
    this.status = status;
    this.code = code; // what is at fault: "item" is an image or text that cannot be read
    this.wait = wait;
    this.passes = PASSING.has(status);
  }
}

const hurry = new EventTarget();

/** Try now what is waiting to be tried again. */
export function tryNow() {
  hurry.dispatchEvent(new Event("now"));
}

window.addEventListener("online", tryNow);

/** Ask once. */
export async function ask(path, { body, signal } = {}) {
  const sent = body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  };
  let reply;
  try {
    reply = await fetch(path, { ...sent, signal });
    if (reply.ok) return await reply.json();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refusal(0);
  }
  const refusal = await reply.json().catch(() => null);
  throw new Refusal(reply.status, refusal?.error, Number(reply.headers.get("Retry-After")) || undefined);
}

/** Ask until there is an answer or a lasting refusal; `tell` is called with each passing error. */
export async function askPatiently(path, { body, signal, tell }) {
  for (let tries = 0; ; tries += 1) {
    try {
      const answer = await ask(path, { body, signal });
      tell(null);
      return answer;
    } catch (error) {
      if (signal?.aborted || !error.passes) throw error;
      tell(error);
      await pause(error.wait ?? WAITS[Math.min(tries, WAITS.length - 1)], signal);
    }
  }
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const settle = (done) => () => {
      clearTimeout(timer);
      hurry.removeEventListener("now", go);
      signal?.removeEventListener("abort", stop);
      done(signal?.reason);
    };
    const go = settle(resolve);
    const stop = settle(reject);
    const timer = setTimeout(go, seconds * 1000);
    hurry.addEventListener("now", go);
    signal?.addEventListener("abort", stop);
    if (signal?.aborted) stop();
  });
}
