// What the query says in one word, as the model would; each can be searched for.

const LEAST = 0.02; // of the first word's share; what is below it is not worth showing

/** Show words as buttons in a section; `chosen(word)` is called for one that is clicked. */
export function showWords(section, words, chosen) {
  const told = words.filter((word) => word.share >= LEAST * words[0].share);
  section.hidden = !told.length;
  section.querySelector("ul").replaceChildren(
    ...told.map(({ word, share }) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const part = document.createElement("span");
      part.className = "share";
      part.textContent = share < 0.01 ? "<1 %" : `${Math.round(share * 100)} %`;
      button.type = "button";
      button.append(word, part);
      button.setAttribute("aria-label", `Search for ${word} (${part.textContent})`);
      button.addEventListener("click", () => chosen(word));
      item.append(button);
      return item;
    }),
  );
}
