"""Split a text into passages that are short enough for one vector each.

text -> paragraphs -> long ones split after a sentence -> short ones joined -> passages
"""

import re
from collections.abc import Iterator

LONGEST = 1_000  # characters of a passage, about 250 tokens
SENTENCE = re.compile(r"(?<=[.!?])\s+")


def split(text: str) -> list[str]:
    """Return the passages of a text, in order; none is empty."""
    passages: list[str] = []
    for piece in _pieces(text):
        if passages and len(passages[-1]) + 2 + len(piece) <= LONGEST:
            passages[-1] += f"\n\n{piece}"
        else:
            passages.append(piece)
    return passages


def _pieces(text: str) -> Iterator[str]:
    """Yield paragraphs, or pieces of long ones."""
    for paragraph in re.split(r"\n\s*\n", text):
        rest = paragraph.strip()
        while len(rest) > LONGEST:
            cut = _cut(rest)
            yield rest[:cut].strip()
            rest = rest[cut:].strip()
        if rest:
            yield rest


def _cut(text: str) -> int:
    """Return where to split a long paragraph: after a sentence, else a word, else anywhere."""
    ends = [found.start() for found in SENTENCE.finditer(text, 1, LONGEST)]
    if ends:
        return ends[-1]
    space = text.rfind(" ", 1, LONGEST)
    return space if space > 0 else LONGEST
