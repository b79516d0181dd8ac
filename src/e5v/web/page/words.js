// Words as buttons that search for them: the query in one word, and example queries.

// What the model says is a guess. It is shown if the likeliest word has a probability of at least
// SURE; beside it, words that have at least LEAST.
const SURE = 0.1;
const LEAST = 0.02;

/** Show the query in one word, as the model puts it; nothing where it is not sure. */
export function showWords(section, words, chosen) {
  const sure = words.length && words[0].share >= SURE;
  const shown = sure ? words.filter((word) => word.share >= LEAST) : [];
  section.hidden = !shown.length;
  list(section, shown.map(({ word, share }) => {
    const probability = document.createElement("span");
    probability.className = "share";
    probability.textContent = `${Math.round(share * 100)} %`;
    const label = `Search for ${word} (${probability.textContent})`;
    return button([word, probability], label, () => chosen(word));
  }));
}

/** Show queries to start with. */
export function showQueries(section, queries, chosen) {
  list(section, queries.map((query) => button([query], `Search for ${query}`, () => chosen(query))));
}

function button(parts, label, act) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...parts);
  button.setAttribute("aria-label", label);
  button.addEventListener("click", act);
  return button;
}

function list(section, buttons) {
  section.querySelector("ul").replaceChildren(
    ...buttons.map((button) => {
      const item = document.createElement("li");
      item.append(button);
      return item;
    }),
  );
}
