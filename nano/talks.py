"""What is asked of a text or an image, and answered: what the language model learns from."""

from __future__ import annotations

from dataclasses import dataclass

IMAGE = "<image>"


@dataclass(frozen=True, slots=True)
class Turn:
    """A question on X and its answer."""

    question: str
    answer: str


@dataclass(frozen=True)
class Talk:
    """X and what is asked of it. `read` says that X itself is to be learnt, as plain text."""

    x: str
    turns: tuple[Turn, ...]
    read: bool = False
