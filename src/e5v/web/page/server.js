// The server: questions in, answers or one kind of error out.
//
// path, body -> fetch -> JSON | Refusal(status, message, wait, passes)

const WAITS = [1, 2, 4, 8]; // seconds between tries, while it is hoped that they help
const PASSING = new Set([0, 408, 429, 502, 503, 504]); // 0: no answer at all
const SAID = {
  0: "The server does not answer.",
  401: "This server asks for its key. Reload the page and give the key as the password.",
  413: "That is larger than this server takes.",
  429: "The server is busy.",
};

export class Refusal extends Error {
  constructor(status, message, wait) {
    super(SAID[status] ?? message);
    this.status = status;
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
  const told = await reply.json().catch(() => null);
  const message = told?.error?.message ?? `The server answers ${reply.status}.`;
  throw new Refusal(reply.status, message, Number(reply.headers.get("Retry-After")) || undefined);
}

/** Ask until there is an answer, or a refusal that does not pass; `tell` hears of each trouble. */
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
