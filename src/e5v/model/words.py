"""What a vector says: the last state through the language model's head, as whole words.

state (d,) -> logits (V,) -> probabilities -> tokens that are words -> words, equal ones merged

The head gives probabilities of tokens, and many tokens are pieces of words ("ountain", "'s", "w").
Only tokens that are words by themselves are counted. The vocabulary shows which those are:

    begins a word   it is written with a space before it (" mountain"), or it is not the end of any
                    longer token ("dessert" is not; "ountain" is, of " mountain")
    is complete     it has three letters or more; shorter ones are the first letters of a word far
                    more often than a word. Scripts without upper and lower case have no such limit
"""

import unicodedata
from functools import cached_property
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor

from e5v.model.loading import Loaded

CANDIDATES = 64  # tokens looked at per word wanted: spellings of one word are several tokens
SHORTEST = 3  # letters of a word, in scripts with upper and lower case
SPACES = ("Ġ", "▁")  # how byte-level BPE and SentencePiece write the space before a word
VOCABULARIES: "WeakKeyDictionary[Any, Vocabulary]" = WeakKeyDictionary()  # one per open model


class Word(NamedTuple):
    """A word and its probability, 0 to 1, summed over its spellings."""

    word: str
    probability: float


def say(loaded: Loaded, state: Float[Tensor, " d"], k: int) -> list[Word]:
    """Return the `k` likeliest words, likeliest first; fewer if the head gives no more.

    Tokens that spell one word (in another case, with or without a space) are counted together.
    Pieces of words, punctuation and special tokens are left out, so that the probabilities may sum
    to much less than 1: the model began a word that no single token spells.
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
    """Which tokens of a tokenizer are words."""

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
        before = self._before(_plain(self._tokenizer.convert_ids_to_tokens(number)).strip())
        return word if " " in before or not before else None

    def _before(self, spelled: str) -> set[str]:
        """Return what precedes a token's text where longer tokens end with it: spaces, letters."""
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
        return "\n" + "\n".join(_plain(str(name)) for name in names) + "\n"


def _plain(token: str) -> str:
    """Write the space before a word as a space, and letters in lower case."""
    return (f" {token[1:]}" if token.startswith(SPACES) else token).lower()


def is_complete(word: str) -> bool:
    """Check that a token's text has letters only, and enough of them to be a word."""
    if not word or not all(map(_is_letter, word)):
        return False
    cased = word.upper() != word
    return len(word) >= SHORTEST or not cased


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM"  # letters, and the marks that go with them


def _vocabulary(loaded: Loaded) -> Vocabulary:
    model = loaded.model
    if model not in VOCABULARIES:
        VOCABULARIES[model] = Vocabulary(loaded.processor.tokenizer)
    return VOCABULARIES[model]
