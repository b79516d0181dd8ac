"""Conversations about a text or a picture, and the rows of tokens a model learns them from.

X + [(question, answer), ...] -> one prefix and a branch per question -> tokens, positions, mask
NLI triplets (sent0, sent1, hard_neg) + captions -> sentences -> what is asked of each

X, a text or the places of an image, stands once; every question about it is a branch that sees X
and itself but no other question. So each answer is learnt exactly as it will be asked: as a first
turn. The turn is the paper's (paper section 1.2), so that "in one word" is asked in training as in
use.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nano.triplets import read_nli

IMAGE = "<image>"
HEAD = "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n"
TAIL = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n \n"
PARTED = "\n"  # X from a question
END = "<|eot_id|>"
TEXT_WORD = "Summary above sentence in one word: "
IMAGE_WORD = "Summary above image in one word: "
IGNORED = -100  # the label of a token that is not learnt
LONGEST = 120  # characters of a real sentence
COMMON = 150  # this many of the most frequent words name nothing
KNOWN = 4  # a word met less often than this is not asked for
WORDS = re.compile(r"[a-z]{3,}")


@dataclass(frozen=True, slots=True)
class Turn:
    """A question about X and its answer."""

    question: str
    answer: str


@dataclass(frozen=True)
class Conversation:
    """X and the questions about it; with `learn_x`, X itself is learnt, too, as plain text."""

    x: str
    turns: tuple[Turn, ...]
    learn_x: bool = False


@dataclass(frozen=True)
class Rows:
    """Some conversations of a batch, by their places in it, run at once; each tensor is (b, t).

    A branch of 0 is the prefix, -1 is padding. Labels are of the same place, not yet shifted.
    """

    places: tuple[int, ...]
    tokens: Tensor
    positions: Tensor
    branches: Tensor
    labels: Tensor

    def mask(self, dtype: torch.dtype) -> Tensor:
        """Return the attention mask, (b, 1, t, t): the lowest number where a token may not look."""
        place = torch.arange(self.tokens.shape[1], device=self.tokens.device)
        mine, theirs = self.branches[:, :, None], self.branches[:, None, :]
        seen = (place[:, None] >= place[None, :]) & ((theirs == 0) | (theirs == mine))
        hidden = torch.zeros(seen.shape, dtype=dtype, device=self.tokens.device)
        return hidden.masked_fill_(~seen, torch.finfo(dtype).min)[:, None]

    def to(self, device: torch.device) -> "Rows":
        """Return the rows on a device."""
        moved = (self.tokens, self.positions, self.branches, self.labels)
        return Rows(self.places, *(tensor.to(device, non_blocking=True) for tensor in moved))


class ConversationEncoder:
    """Turns conversations into rows with one tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        """Keep the tokenizer's backend: plain strings in, plain ids out."""
        self._backend = tokenizer.backend_tokenizer
        self._image = tokenizer.convert_tokens_to_ids(IMAGE)
        self._padding = torch.tensor([tokenizer.pad_token_id, 0, -1, IGNORED])  # as `Rows` has them
        self._head, self._tail, self._end = map(self._ids, (HEAD, TAIL, END))

    def encode(
        self, conversations: Sequence[Conversation], size: int, *, image_tokens: int = 0
    ) -> list[Rows]:
        """Return the conversations in padded rows, at most `size` at once, alike in length.

        An image takes `image_tokens` places.
        """
        rows = [self._row(conversation, image_tokens) for conversation in conversations]
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        parts = [order[start : start + size] for start in range(0, len(order), size)]
        return [self._padded(rows, part) for part in parts]

    def _padded(self, rows: Sequence[Tensor], places: Sequence[int]) -> Rows:
        longest = -(-max(len(rows[place]) for place in places) // 8) * 8
        padded = self._padding.repeat(len(places), longest, 1)
        for line, place in zip(padded, places, strict=True):
            line[: len(rows[place])] = rows[place]
        return Rows(tuple(places), *(one.contiguous() for one in padded.unbind(-1)))

    def _row(self, conversation: Conversation, image_tokens: int) -> Tensor:
        """Return token, position, branch and label of each place, (t, 4)."""
        found: list[tuple[int, ...]] = []

        def add(ids: Sequence[int], start: int, branch: int, *, learnt: bool = False) -> int:
            for position, one in enumerate(ids, start):
                found.append((one, position, branch, one if learnt else IGNORED))
            return start + len(ids)

        picture = conversation.x == IMAGE
        x = [self._image] * image_tokens if picture else self._ids(conversation.x)
        start = add(x, add(self._head, 0, 0), 0, learnt=conversation.learn_x)
        for branch, turn in enumerate(conversation.turns, start=1):
            asked = add(self._ids(PARTED + turn.question) + self._tail, start, branch)
            add(self._ids(turn.answer) + self._end, asked, branch, learnt=True)
        return torch.tensor(found)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        return ids


class RealSentences:
    """Sentences of files, and the words that name what each is about.

    They stand beside the world's own, so that free English is not all foreign to the model.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        """Read .csv files of triplets and .jsonl files of captions."""
        found = [pair for file in files for pair in _read_sentences(file)]
        self._sentences = [(text, follows) for text, follows in found if len(text) <= LONGEST]
        self.texts = [text for text, _ in self._sentences]
        counts = Counter(word for text in self.texts for word in _words(text))
        common = {word for word, _ in counts.most_common(COMMON)}
        known = (word for word in counts if counts[word] >= KNOWN and word not in common)
        self._counts = {word: counts[word] for word in known}

    def conversation(self, rng: random.Random) -> Conversation:
        """Return a sentence and what is asked of it: also for one of its three rarest words."""
        names: list[str] = []
        while not names:
            text, follows = rng.choice(self._sentences)
            names = [word for word in _words(text) if word in self._counts]
        names.sort(key=lambda word: (self._counts[word], word))
        turns = [Turn("Repeat the sentence:", text)]
        if follows:
            turns.append(Turn("What follows from the sentence?", follows))
        turns += [Turn(question, rng.choice(names[:3])) for question in (TEXT_WORD, IMAGE_WORD)]
        return Conversation(text, tuple(turns), learn_x=True)


def _words(text: str) -> list[str]:
    return sorted({*WORDS.findall(text.lower())})


def _read_sentences(file: Path) -> Iterator[tuple[str, str]]:
    """Yield sentences, each with one that follows from it where that is known."""
    if file.suffix == ".csv":
        for row in read_nli(file):
            yield row.anchor, row.positive
            yield row.negative, ""
    else:
        for line in file.read_text(encoding="utf-8").splitlines():
            for caption in json.loads(line)["captions"]:
                yield caption.strip(), ""
