"""The strings that are trained on: those of use, and those of the official script."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from e5v import E5V
from e5v.model.loading import Loaded, load
from e5v.model.preparing import Prepared
from e5v.training.recipe import Mode, Recipe
from e5v.training.training_prompts import TrainingPrompts

Language = Callable[[str], Loaded]
BROKEN = (
    "<|start header id|>user<|end header id|>\n\n"
    "A dog.\nSummary above sentence in one word:"
    "<|eot id|><|start header id|>assistant<|end header id|>"
)


def prepare(loaded: Loaded, text: str, *, template: Mode, text_tokens: int) -> Prepared:
    """Prepare one text for training."""
    recipe = Recipe(template=template, text_tokens=text_tokens)
    return TrainingPrompts(loaded, recipe).prepare([text])[0]


@pytest.mark.parametrize("family", ["llava_next_llama3", "llava_next_mistral", "qwen2_5_vl"])
def test_fixed_is_what_is_embedded_afterwards(family: str, language: Language) -> None:
    """A model that is tuned on one prompt and used with another."""
    loaded = language(family)
    prepared = prepare(loaded, "A dog.", template="fixed", text_tokens=32)
    assert prepared.prompted == E5V(loaded).prepare("A dog.").prompted
    assert not prepared.cut


def test_faithful_is_the_broken_template(language: Language) -> None:
    """An ablation of something else: special tokens that survive, line ends that stand."""
    loaded = language("llava_next_llama3")
    tokenizer = loaded.processor.tokenizer
    prepared = prepare(loaded, "A dog.", template="faithful", text_tokens=32)
    assert prepared.prompted.ids == tokenizer(BROKEN).input_ids
    special = set(tokenizer.get_added_vocab().values())
    assert [n for n in prepared.prompted.ids if n in special] == [tokenizer.bos_token_id]
    assert tokenizer.decode(prepared.prompted.ids[-1]) == ">"


def test_faithful_without_turn_pools_the_colon(language: Language) -> None:
    """A chat turn where the official script has none."""
    loaded = language("llava_next_mistral")
    tokenizer = loaded.processor.tokenizer
    prepared = prepare(loaded, "A dog.", template="faithful", text_tokens=32)
    expected = tokenizer("A dog.\nSummary above sentence in one word:").input_ids
    assert prepared.prompted.ids == expected


def test_texts_are_cut_before_the_prompt(language: Language) -> None:
    """A long text that pushes the prompt out, or that is cut without a word."""
    loaded = language("llava_next_llama3")
    tokenizer = loaded.processor.tokenizer
    text = "the old man looks at the snow on the roof and " * 20
    prepared = prepare(loaded, text, template="fixed", text_tokens=10)
    assert prepared.cut
    kept = tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids[:10])
    assert prepared.prompted == E5V(loaded).prepare(kept).prompted


CLEANED = {  # of transformers 4.41
    " .": ".",
    " ?": "?",
    " !": "!",
    " ,": ",",
    " ' ": "'",
    " n't": "n't",
    " 'm": "'m",
    " 's": "'s",
    " 've": "'ve",
    " 're": "'re",
}
AWKWARD = (
    "A boat .",
    "He said , why ?",
    "It does n't move .",
    " two  spaces and snake_case ",
    "the old man looks at the snow on the roof . " * 20,
    "\u00e9\U0001f600 " * 30,
)


@pytest.mark.parametrize("cleans", [True, False, None])
@pytest.mark.parametrize("text", AWKWARD)
@pytest.mark.parametrize("family", ["llava_next_llama3", "llava_next_mistral"])
def test_faithful_is_the_official_procedure(
    family: str,
    text: str,
    cleans: bool | None,  # noqa: FBT001
    checkpoints: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    """An ablation that leaves out what the script's decoding does to "boat ."."""
    folder = shutil.copytree(checkpoints(family), tmp_path / "model")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    del config["clean_up_tokenization_spaces"]
    if cleans is not None:
        config["clean_up_tokenization_spaces"] = cleans
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    loaded = load(folder, dtype="float32", device="cpu", part="language")
    tokenizer = loaded.processor.tokenizer

    kept = tokenizer(text, truncation=True, max_length=32, add_special_tokens=False).input_ids
    sentence = tokenizer.backend_tokenizer.decode(kept, skip_special_tokens=False)
    for spaced, cleaned in CLEANED.items() if cleans in {True, None} else ():
        sentence = sentence.replace(spaced, cleaned)
    template = "*sent 0*\nSummary above sentence in one word:"
    if family == "llava_next_llama3":
        template = (
            f"<|start header id|>user<|end header id|>\n\n{template}"
            "<|eot id|><|start header id|>assistant<|end header id|>\n\n \n"
        )
    expected = tokenizer(template.replace("*sent 0*", sentence).strip()).input_ids

    prepared = prepare(loaded, text, template="faithful", text_tokens=32)
    assert prepared.prompted.ids == expected
    long = tokenizer(text, add_special_tokens=False).input_ids
    assert prepared.cut == (len(long) > 32)
    fixed = prepare(loaded, text, template="fixed", text_tokens=1_000)
    assert fixed.prompted == E5V(loaded).prepare({"text": text}).prompted
