"""What a vector says in words."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from e5v import E5V, UsageError

Checkpoints = Callable[[str], Path]


def _teach(model: E5V, tokens: dict[str, float]) -> None:
    """Make the head answer with these tokens' logits, whatever it is asked."""
    head = model.loaded.model.get_output_embeddings()
    tokenizer = model.loaded.processor.tokenizer
    head.weight.zero_()
    head.bias = torch.nn.Parameter(torch.full((head.out_features,), -30.0), requires_grad=False)
    for text, logit in tokens.items():
        head.bias[tokenizer.convert_tokens_to_ids(text)] = logit


def test_spellings_of_a_word_are_one(checkpoints: Checkpoints) -> None:
    """Spellings (dog, Dog, with a space) that split one word and let another win."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    _teach(model, {"a": 0.0, "Ġa": 0.0, "A": 0.0, "s": 1.0, "<|eot_id|>": 9.0, "Ċ": 9.0, ".": 9.0})
    (first, weight), (second, other) = model.words("anything", k=2)
    assert (first, second) == ("a", "s")
    assert weight / other == pytest.approx(3 / torch.e, rel=1e-4)


def test_probabilities_are_the_heads(checkpoints: Checkpoints) -> None:
    """Numbers that are no probabilities, or of another state than the vector's."""
    model = E5V(checkpoints("qwen2_vl"), dtype="float32")
    words = model.words("A dog.", k=8)
    assert len(words) == 8
    assert words == sorted(words, key=lambda word: -word.probability)
    assert 0 < sum(word.probability for word in words) <= 1
    assert all(word.word == word.word.strip().lower() for word in words)
    with pytest.raises(UsageError, match="k is 0"):
        model.words("A dog.", k=0)
