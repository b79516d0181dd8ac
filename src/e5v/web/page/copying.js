// Copying a text, also where a page has no clipboard: one that is not served over HTTPS.

/** Copy a text; return whether that was possible. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

/** Let a button copy what `text()` returns, and say that it did. */
export function copiesOnClick(button, text) {
  const name = button.textContent;
  let timer;
  button.addEventListener("click", async () => {
    const done = await copyText(text());
    clearTimeout(timer);
    button.textContent = done ? "Copied" : "Cannot copy here";
    timer = setTimeout(() => {
      button.textContent = name;
    }, 2000);
  });
}

function copySelected(text) {
  const held = document.activeElement;
  const field = document.createElement("textarea");
  field.className = "heard";
  field.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  held?.focus?.();
  return done;
}
