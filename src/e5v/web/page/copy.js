// A button that copies a text.

/** Copy an element's text when a button is clicked; select it where copying is not allowed. */
export function copies(button, element) {
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(element.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(element);
    }
  });
}
