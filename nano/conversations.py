"""Conversations about a scene, and the rows of tokens a model learns them from.

X + [(question, answer), ...] -> one prefix and a branch per question -> tokens, positions, mask

X, a text or the places of an image, stands once; every question about it is a branch that sees X
and itself but no other question. So each answer is learnt exactly as it will be asked: as a first
turn. The turn is the paper's (paper section 1.2), so that "in one word" is asked in training as in
use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

IMAGE = "<image>"
HEAD = "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n"
TAIL = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n \n"
PARTED = "\n"  # X from a question
END = "<|eot_id|>"
IGNORED = -100  # the label of a token that is not learnt


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
    """A batch of conversations: tokens, positions, branches and labels, each (b, t).

    A branch of 0 is the prefix, -1 is padding. Labels are of the same place, not yet shifted.
    """

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

    def to(self, device: torch.device) -> Rows:
        """Return the rows on a device."""
        moved = (self.tokens, self.positions, self.branches, self.labels)
        return Rows(*(tensor.to(device, non_blocking=True) for tensor in moved))


@dataclass(frozen=True)
class MicroBatch:
    """Some conversations of a batch, by their places in it, run at once."""

    places: tuple[int, ...]
    rows: Rows


@dataclass
class _Row:
    tokens: list[int]
    positions: list[int]
    branches: list[int]
    labels: list[int]

    def add(self, tokens: list[int], start: int, branch: int, *, learnt: bool) -> None:
        self.tokens += tokens
        self.positions += range(start, start + len(tokens))
        self.branches += [branch] * len(tokens)
        self.labels += tokens if learnt else [IGNORED] * len(tokens)


class ConversationEncoder:
    """Turns conversations into rows with one tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        """Keep the tokenizer's backend: plain strings in, plain ids out."""
        self._backend = tokenizer.backend_tokenizer
        self._image = tokenizer.convert_tokens_to_ids(IMAGE)
        self._pad = tokenizer.pad_token_id
        self._head, self._tail, self._end = self._ids(HEAD), self._ids(TAIL), self._ids(END)

    def micro_batches(
        self, conversations: Sequence[Conversation], size: int, *, image_tokens: int = 0
    ) -> list[MicroBatch]:
        """Return the conversations in padded micro-batches of at most `size`, alike in length.

        An image takes `image_tokens` places.
        """
        rows = [self._row(conversation, image_tokens) for conversation in conversations]
        order = sorted(range(len(rows)), key=lambda place: len(rows[place].tokens))
        starts = range(0, len(order), size)
        places = [order[start : start + size] for start in starts]
        return [
            MicroBatch(tuple(taken), self._padded([rows[i] for i in taken])) for taken in places
        ]

    def _padded(self, rows: Sequence[_Row]) -> Rows:
        longest = -(-max(len(row.tokens) for row in rows) // 8) * 8

        def stack(name: str, filler: int) -> Tensor:
            lists = [getattr(row, name) for row in rows]
            return torch.tensor([one + [filler] * (longest - len(one)) for one in lists])

        return Rows(
            stack("tokens", self._pad),
            stack("positions", 0),
            stack("branches", -1),
            stack("labels", IGNORED),
        )

    def _row(self, conversation: Conversation, image_tokens: int) -> _Row:
        row = _Row([], [], [], [])
        row.add(self._head, 0, 0, learnt=False)
        x = [self._image] * image_tokens if conversation.x == IMAGE else self._ids(conversation.x)
        row.add(x, len(self._head), 0, learnt=conversation.learn_x)
        start = len(row.tokens)
        for branch, turn in enumerate(conversation.turns, start=1):
            asked = self._ids(PARTED + turn.question) + self._tail
            row.add(asked, start, branch, learnt=False)
            answer = self._ids(turn.answer) + self._end
            row.add(answer, start + len(asked), branch, learnt=True)
        return row

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        return ids
