"""Chooses the concepts: chosen.txt, checked against CLDR's annotations, becomes concepts.json.

chosen.txt (by hand) + CLDR's short names and keywords -> checked rows -> concepts.json

    npm install --prefix build/nano cldr-annotations-full@48.2.0
    python -m nano.collect

Every word is CLDR's unless chosen.txt marks it with `+`, and no word means two things.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nano.concepts import FILE, Concept, read_concepts

CHOSEN = Path(__file__).with_name("chosen.txt")
CLDR = Path("build/nano/node_modules/cldr-annotations-full")
OWN = "+"  # marks a word that CLDR does not have
PLAIN = re.compile(r"[a-z]+([ -][a-z]+)*")


def read_chosen(file: Path = CHOSEN) -> Iterator[Concept]:
    """Read the list; words of our own keep their mark."""
    category = ""
    for line in filter(None, map(str.strip, file.read_text(encoding="utf-8").splitlines())):
        if line.startswith("["):
            category = line.strip("[]")
        elif not line.startswith("#"):
            emoji, words = line.split(maxsplit=1)
            name, _, synonyms = words.partition(":")
            others = tuple(filter(None, map(str.strip, synonyms.split(","))))
            yield Concept(emoji, name.strip(), others, category)


def read_keywords(folder: Path = CLDR) -> dict[str, set[str]]:
    """Return the single words of CLDR's English short names and keywords, by emoji."""
    file = folder / "annotations" / "en" / "annotations.json"
    rows = json.loads(file.read_text(encoding="utf-8"))["annotations"]["annotations"]
    return {
        emoji: {word for text in (*row["default"], *row["tts"]) for word in _words(text)}
        for emoji, row in rows.items()
    }


def _words(text: str) -> set[str]:
    text = text.lower()
    return {text, *re.split(r"[^a-z]+", text)}


def clean(concept: Concept) -> Concept:
    """Drop the marks."""
    synonyms = tuple(word.removeprefix(OWN) for word in concept.synonyms)
    return Concept(concept.emoji, concept.name.removeprefix(OWN), synonyms, concept.category)


def faults(concepts: tuple[Concept, ...], keywords: dict[str, set[str]]) -> Iterator[str]:
    """Name every word that CLDR does not have, that is not plain, or that means two things."""
    for concept in concepts:
        known = keywords[concept.emoji.replace("\ufe0f", "")]
        for word in concept.names:
            parts = {part for one in word.split() for part in (one, one + "s", one + "es")}
            if not word.startswith(OWN) and not (word in known or _covered(word, known)):
                yield f"{concept.emoji} {word}: not in CLDR ({sorted(parts & known)})"
    cleaned = [clean(concept) for concept in concepts]
    uses = Counter(word for one in cleaned for word in {*one.names})
    uses.update({one.category for one in cleaned})
    yield from (f"{word}: means {count} things" for word, count in uses.items() if count > 1)
    yield from (f"{word}: not plain" for word in uses if not PLAIN.fullmatch(word))


def _covered(word: str, known: set[str]) -> bool:
    """Every part is there, in the singular or the plural."""
    return all(
        {one, one + "s", one + "es", one.removesuffix("s"), re.sub("y$", "ies", one)} & known
        for one in word.split()
    )


def main() -> None:
    """Check the list and write it.

    Raises:
        SystemExit: a word is at fault.
    """
    chosen = tuple(read_chosen())
    if found := list(faults(chosen, read_keywords())):
        raise SystemExit("\n".join(found))
    rows = [clean(concept) for concept in chosen]
    lines = ",\n".join(
        json.dumps(
            {
                "emoji": one.emoji,
                "name": one.name,
                "synonyms": one.synonyms,
                "category": one.category,
            },
            ensure_ascii=False,
        )
        for one in rows
    )
    FILE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    if read_concepts() != tuple(rows):
        raise SystemExit(f"{FILE} does not read back")


if __name__ == "__main__":
    main()
