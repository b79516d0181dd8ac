"""What the tokenizer is learnt from: the world's texts, with the words of real sentences.

scenes -> captions, instructions; English -> sentences; concepts -> names
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from nano.captions import caption
from nano.concepts import CONCEPTS
from nano.edits import edit
from nano.english import English
from nano.questions import questions
from nano.scenes import sample

SCENES = 20_000


def texts(english: Sequence[Path]) -> Iterator[str]:
    """Give all there is to learn pieces from; names often enough to become one piece each."""
    rng = random.Random(0)
    for _ in range(SCENES):
        scene = sample(rng, "train")
        yield caption(scene, rng)
        yield edit(scene, rng, "train").instruction
        for turn in questions(scene, rng, 1.0, rng.choice(("text", "image"))):
            yield turn.question
            yield turn.answer
    for concept in CONCEPTS:
        for name in concept.names:
            yield f" {name}\n{name}"
    if english:
        for sentence in English(english).sentences:
            yield sentence.text
    for wording in ("Summary above sentence in one word: ", "Summary above image in one word: "):
        yield from [wording] * 1000
