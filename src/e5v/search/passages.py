"""Split a text into passages.

text -> paragraphs; long ones are split after a sentence, short ones joined -> passages
"""

import re
from collections.abc import Iterator

LONGEST_PASSAGE = 1_000  # characters, about 250 tokens
SENTENCE = re.compile(r"(?<=[.!?])\s+")


def split_passages(text: str) -> list[str]:
    """Return the passages of a text, in order; none is empty."""
    passages: list[str] = []
    for piece in _split_paragraphs(text):
        if passages and len(passages[-1]) + 2 + len(piece) <= LONGEST_PASSAGE:
            passages[-1] += f"\n\n{piece}"
        else:
            passages.append(piece)
    return passages


def _split_paragraphs(text: str) -> Iterator[str]:
    """Yield paragraphs, or pieces of long ones."""
    for paragraph in re.split(r"\n\s*\n", text):
        rest = paragraph.strip()
        while len(rest) > LONGEST_PASSAGE:
            cut = _find_cut(rest)
            yield rest[:cut].strip()
            rest = rest[cut:].strip()
        if rest:
            yield rest


def _find_cut(text: str) -> int:
    """Return where to split a long paragraph: after a sentence, else a word, else anywhere."""
    ends = [found.start() for found in SENTENCE.finditer(text, 1, LONGEST_PASSAGE)]
    if ends:
        return ends[-1]
    space = text.rfind(" ", 1, LONGEST_PASSAGE)
    return space if space > 0 else LONGEST_PASSAGE
