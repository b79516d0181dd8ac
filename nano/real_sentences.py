"""Real sentences beside the world's own, so that free English is not all foreign to the model.

NLI triplets (sent0, sent1, hard_neg) + captions -> sentences -> what is asked of each
"""

from __future__ import annotations

import csv
import json
import random
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nano.conversations import Conversation, Turn

LONGEST = 120  # characters
COMMON = 150  # this many of the most frequent words name nothing
KNOWN = 4  # a word met less often than this is not asked for
WORDS = re.compile(r"[a-z]{3,}")


@dataclass(frozen=True)
class Sentence:
    """A sentence, and one that follows from it where that is known."""

    text: str
    follows: str | None


class RealSentences:
    """Sentences of files, and the words that name what each is about."""

    def __init__(self, files: Iterable[Path]) -> None:
        """Read .csv files of triplets and .jsonl files of captions."""
        found = [sentence for file in files for sentence in _read(file)]
        self.sentences = [one for one in found if len(one.text) <= LONGEST]
        counts = Counter(word for one in self.sentences for word in _words(one.text))
        common = {word for word, _ in counts.most_common(COMMON)}
        self._weights = {
            word: 1 / count
            for word, count in counts.items()
            if count >= KNOWN and word not in common
        }

    def conversation(self, rng: random.Random) -> Conversation:
        """Return a sentence and what is asked of it."""
        while True:
            sentence = rng.choice(self.sentences)
            names = [word for word in _words(sentence.text) if word in self._weights]
            if names:
                break
        turns = [Turn("Repeat the sentence:", sentence.text)]
        if sentence.follows:
            turns.append(Turn("What follows from the sentence?", sentence.follows))
        names.sort(key=self._weights.__getitem__, reverse=True)
        for what in ("sentence", "image"):
            word = rng.choice(names[:3])
            turns.append(Turn(f"Summary above {what} in one word: ", word))
        return Conversation(sentence.text, tuple(turns), learn_x=True)


def _words(text: str) -> set[str]:
    return set(WORDS.findall(text.lower()))


def _read(file: Path) -> Iterable[Sentence]:
    if file.suffix == ".csv":
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                yield Sentence(row["sent0"].strip(), row["sent1"].strip())
                yield Sentence(row["hard_neg"].strip(), None)
    else:
        for line in file.read_text(encoding="utf-8").splitlines():
            for caption in json.loads(line)["captions"]:
                yield Sentence(caption.strip(), None)
