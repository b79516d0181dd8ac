"""The paper's model reads its prompts with LLaMA-3's tokenizer: the very ids, and the pooled one.

The tokenizer is Meta's and is not in the repository; where it lies beside it, this runs.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from e5v.inputs import Image, Item, Text
from e5v.model.prompts import PROMPTS, TURNS, ask, find_prompt
from e5v.model.tokens import PromptTokenizer

LLAMA3 = Path(__file__).parents[3] / "shared" / "data" / "llama3_tokenizer"
PHOTO = Image(b"not opened here")


@pytest.fixture(scope="module")
def llama3() -> PromptTokenizer:
    """Give the real LLaMA-3 tokenizer, with `<image>` as the paper's model has it."""
    if not LLAMA3.is_dir():
        pytest.skip(f"the LLaMA-3 tokenizer is not at {LLAMA3}")
    tokenizer_class: Any = PreTrainedTokenizerFast
    tokenizer: PreTrainedTokenizerFast = tokenizer_class(
        tokenizer_file=str(LLAMA3 / "tokenizer_derived.json"),
        bos_token="<|begin_of_text|>",
        eos_token="<|eot_id|>",
    )
    return PromptTokenizer(tokenizer, 60)


def llama3_ids(llama3: PromptTokenizer, item: Item, prompt: str) -> list[int]:
    """Tokenise an item for the paper's model, every image as one token."""
    turn = next(turn for turn in TURNS if turn.name == "llama3")
    pieces = turn.wrap(ask(item, find_prompt(prompt)))
    return llama3.encode(pieces, ["<image>"] * len(item.images)).ids


def test_the_papers_ids(llama3: PromptTokenizer) -> None:
    """Catches a prompt that looks right and is read differently from the paper's."""
    cases = json.loads((LLAMA3 / "expected_ids.json").read_text())["tests"]
    expected = {case["text"]: [128000, *case["ids_without_bos"]] for case in cases}
    header, close = "<|start_header_id|>user<|end_header_id|>\n\n", " \n"
    prompts = {text: ids for text, ids in expected.items() if text.startswith(header)}
    assert len(prompts) == 2
    assert all(text.endswith(close) for text in prompts)

    for text in expected.keys() - prompts.keys():
        assert llama3.encode([Text(text)], []).ids == expected[text]
    image, sentence = Item((PHOTO,)), Item((Text(" A dog runs."),))
    asked = [llama3_ids(llama3, item, "retrieval") for item in (image, sentence)]
    assert asked == list(prompts.values())


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_paper_pools_token_720(llama3: PromptTokenizer, prompt: str) -> None:
    r"""Catches a closing " \n" that is trimmed, merged or cut away: it carries the vector."""
    words = Text("many words " * 50)
    for parts in (
        (Text("A dog."),),
        (Text("ends in a newline\n"),),
        (Text("<|eot_id|>\n\n \n"),),
        (PHOTO,),
        (PHOTO, Text("red")),
        (Text("left"), PHOTO, Text("right"), PHOTO),
        (words,),
        (PHOTO, words),
    ):
        ids = llama3_ids(llama3, Item(parts), prompt)
        assert ids[0] == 128000
        assert ids[-6:] == [128009, 128006, 78191, 128007, 271, 720]
        assert len(ids) <= 60
