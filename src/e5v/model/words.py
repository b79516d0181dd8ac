"""Read a vector as words: the most probable next words after its prompt.

state (d,) -> logits (V,) -> probabilities -> tokens that are words -> equal words merged

The head gives probabilities of tokens, and many tokens are pieces of words ("ountain", "'s", "w").
Only tokens that are whole words are counted. A token is one if it

    begins a word   it has a space before it (" mountain"), or it is not the end of any longer token
                    ("dessert" is not; "ountain" is, of " mountain")
    is complete     it has three letters or more; shorter tokens are far more often the start of a
                    word. Scripts without upper and lower case have no such limit
"""

import unicodedata
from functools import cached_property
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor

from e5v.model.loading import Loaded

CANDIDATES = 64  # tokens per requested word: several tokens may spell one word
SHORTEST = 3  # minimum letters of a word, in scripts with upper and lower case
SPACES = ("Ġ", "▁")  # how byte-level BPE and SentencePiece write the space before a word
VOCABULARIES: "WeakKeyDictionary[Any, Vocabulary]" = WeakKeyDictionary()  # one per open model


class Word(NamedTuple):
    """A word and its probability, 0 to 1, summed over its spellings."""

    word: str
    probability: float


def likely_words(loaded: Loaded, state: Float[Tensor, " d"], k: int) -> list[Word]:
    """Return the `k` most probable words in order; fewer if there are no more.

    Tokens that spell the same word (in another case, with or without a space) are summed. Pieces of
    words, punctuation and special tokens are excluded, so the probabilities may sum to much less
    than 1, such as when the next word is not a single token.
    """
    head = loaded.model.get_output_embeddings()
    probabilities = head(state).float().softmax(-1)
    top = torch.topk(probabilities, min(k * CANDIDATES, len(probabilities)))
    vocabulary = _vocabulary(loaded)
    words: dict[str, float] = {}
    for number, probability in zip(top.indices.tolist(), top.values.tolist(), strict=True):
        word = vocabulary.word(number)
        if word:
            words[word] = words.get(word, 0.0) + probability
    best = sorted(words.items(), key=lambda pair: -pair[1])[:k]
    return [Word(word, probability) for word, probability in best]


class Vocabulary:
    """Finds which tokens of a tokenizer are whole words."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._special = set(tokenizer.get_added_vocab().values())
        self._words: dict[int, str | None] = {}

    def word(self, number: int) -> str | None:
        """Return the word that a token spells, in lower case; None if it is not a whole word."""
        if number not in self._words:
            self._words[number] = self._find(number)
        return self._words[number]

    def _find(self, number: int) -> str | None:
        if number in self._special or number >= len(self._tokenizer):
            return None
        word: str = self._tokenizer.decode([number]).strip().lower()
        if not is_complete(word):
            return None
        before = self._before(
            _normalise_token(self._tokenizer.convert_ids_to_tokens(number)).strip()
        )
        return word if " " in before or not before else None

    def _before(self, spelled: str) -> set[str]:
        """Return the characters before a token's text in longer tokens that end with it."""
        found: set[str] = set()
        place = self._tokens.find(f"{spelled}\n")
        while place >= 0:
            character = self._tokens[place - 1]
            if character == " " or _is_letter(character) or not character.isascii():
                found.add(character)
            place = self._tokens.find(f"{spelled}\n", place + 1)
        return found

    @cached_property
    def _tokens(self) -> str:
        """All ordinary tokens in the tokenizer's own spelling, in lower case, one on each line."""
        numbers = [number for number in range(len(self._tokenizer)) if number not in self._special]
        names = self._tokenizer.convert_ids_to_tokens(numbers)
        return "\n" + "\n".join(_normalise_token(str(name)) for name in names) + "\n"


def _normalise_token(token: str) -> str:
    """Replace a tokenizer's mark for a space by a space, and lower the case."""
    return (f" {token[1:]}" if token.startswith(SPACES) else token).lower()


def is_complete(word: str) -> bool:
    """Check that a token's text has only letters, and enough for a word."""
    if not word or not all(map(_is_letter, word)):
        return False
    cased = word.upper() != word
    return len(word) >= SHORTEST or not cased


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM"  # letters and combining marks


def _vocabulary(loaded: Loaded) -> Vocabulary:
    model = loaded.model
    if model not in VOCABULARIES:
        VOCABULARIES[model] = Vocabulary(loaded.processor.tokenizer)
    return VOCABULARIES[model]
