"""The strings that are trained on: those of use, and those of the official script."""

from collections.abc import Callable

import pytest

from e5v import E5V
from e5v.model.loading import Loaded
from e5v.model.prompts import find_prompt
from e5v.training.wording import Wording

Language = Callable[[str], Loaded]
PROMPT = find_prompt("retrieval")
BROKEN = (
    "<|start header id|>user<|end header id|>\n\n"
    "A dog.\nSummary above sentence in one word:"
    "<|eot id|><|start header id|>assistant<|end header id|>"
)


@pytest.mark.parametrize("family", ["llava_next_llama3", "llava_next_mistral", "qwen2_5_vl"])
def test_fixed_is_what_is_embedded_afterwards(family: str, language: Language) -> None:
    """A model that is tuned on one prompt and used with another."""
    loaded = language(family)
    wording = Wording(loaded, PROMPT, template="fixed", text_tokens=32)
    used = E5V(loaded).prepare("A dog.").prompted
    assert wording("A dog.").prompted == used
    assert not wording("A dog.").cut


def test_faithful_is_the_broken_template(language: Language) -> None:
    """An ablation of something else: special tokens that survive, line ends that stand."""
    loaded = language("llava_next_llama3")
    tokenizer = loaded.processor.tokenizer
    worded = Wording(loaded, PROMPT, template="faithful", text_tokens=32)("A dog.")
    assert worded.prompted.ids == tokenizer(BROKEN).input_ids
    special = set(tokenizer.get_added_vocab().values())
    assert [n for n in worded.prompted.ids if n in special] == [tokenizer.bos_token_id]
    assert tokenizer.decode(worded.prompted.ids[-1]) == ">"


def test_faithful_without_turn_pools_the_colon(language: Language) -> None:
    """A chat turn where the official script has none."""
    loaded = language("llava_next_mistral")
    tokenizer = loaded.processor.tokenizer
    worded = Wording(loaded, PROMPT, template="faithful", text_tokens=32)("A dog.")
    expected = tokenizer("A dog.\nSummary above sentence in one word:").input_ids
    assert worded.prompted.ids == expected


def test_texts_are_cut_before_the_prompt(language: Language) -> None:
    """A long text that pushes the prompt out, or that is cut without a word."""
    loaded = language("llava_next_llama3")
    tokenizer = loaded.processor.tokenizer
    text = "the old man looks at the snow on the roof and " * 20
    worded = Wording(loaded, PROMPT, template="fixed", text_tokens=10)(text)
    assert worded.cut
    kept = tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids[:10])
    assert worded.prompted == E5V(loaded).prepare(kept).prompted
