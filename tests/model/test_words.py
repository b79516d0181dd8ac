"""What a vector says in words."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from e5v import E5V, UsageError
from e5v.model.words import is_complete

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
    the = {"Ġthe": 0.0, "The": 0.0, "ĠThe": 0.0}
    _teach(model, {**the, "Ġcat": 1.0, "<|eot_id|>": 9.0, "Ċ": 9.0, ".": 9.0})
    (first, weight), (second, other) = model.words("anything", k=2)
    assert (first, second) == ("the", "cat")
    assert weight / other == pytest.approx(3 / torch.e, rel=1e-4)


def test_pieces_of_words_are_no_words(checkpoints: Checkpoints) -> None:
    """Ends of words, their first letters, numbers and marks, shown as if they were words."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    pieces = ("mage", "oon", "uita", "ssistant", "s", "Ġw", "Ġla", "ĠDe", "202", "Ġ[/", "<image>")
    _teach(model, {**dict.fromkeys(pieces, 9.0), "Ġimage": 3.0, "tree": 2.0, "ldren": 1.0})
    assert [word.word for word in model.words("anything", k=2)] == ["image", "tree"]
    assert model.words("anything", k=1)[0].probability < 0.01  # not of the words alone


def test_words_of_sentencepiece(checkpoints: Checkpoints) -> None:
    """A leading space written as SentencePiece does, which is not seen once a token is decoded."""
    model = E5V(checkpoints("llava_next_mistral"), dtype="float32")
    _teach(model, {"mage": 9.0, "▁image": 3.0, "▁sentence": 2.0})
    assert [word.word for word in model.words("anything", k=2)] == ["image", "sentence"]


@pytest.mark.parametrize("text", ["dog", "größe", "собака", "犬", "คน"])
def test_what_may_be_a_word(text: str) -> None:
    """A limit for alphabets that hides words of other scripts."""
    assert is_complete(text)


@pytest.mark.parametrize("text", ["s", "se", "'s", "7", "\ufffd", ""])
def test_what_is_no_word(text: str) -> None:
    """Single letters, numbers and broken bytes that are shown as words."""
    assert not is_complete(text)


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
