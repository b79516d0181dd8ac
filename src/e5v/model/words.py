"""What a vector says: the last state through the language model's head, as words.

state (d,) -> logits (V,) -> probabilities -> tokens -> words, equal ones merged
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from e5v.model.loading import Loaded

CANDIDATES = 64  # tokens looked at per word wanted: spellings of one word are several tokens


class Word(NamedTuple):
    """A word and its probability, 0 to 1, summed over its spellings."""

    word: str
    probability: float


def say(loaded: Loaded, state: Float[Tensor, " d"], k: int) -> list[Word]:
    """Return the `k` likeliest words, likeliest first; fewer if the head has no more to say."""
    head = loaded.model.get_output_embeddings()
    probabilities = head(state).float().softmax(-1)
    top = torch.topk(probabilities, min(k * CANDIDATES, len(probabilities)))
    tokenizer = loaded.processor.tokenizer
    special = set(tokenizer.get_added_vocab().values())
    words: dict[str, float] = {}
    for number, probability in zip(top.indices.tolist(), top.values.tolist(), strict=True):
        word = "" if number in special else tokenizer.decode([number]).strip().lower()
        if any(letter.isalnum() for letter in word):
            words[word] = words.get(word, 0.0) + probability
    best = sorted(words.items(), key=lambda pair: -pair[1])[:k]
    return [Word(word, probability) for word, probability in best]
