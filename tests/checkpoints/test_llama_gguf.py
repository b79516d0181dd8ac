"""A Llama in GGUF becomes the model that it was before llama.cpp wrote it."""

from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
import transformers

from e5v.checkpoints.llama_gguf import Llama, read_llama
from tests.checkpoints.photos_files import make_llama, write_gguf
from tests.families.tokenizers import byte_level_pieces

IDS = torch.tensor([[5, 200, 31, 7, 399, 12, 12, 88]])


@pytest.fixture(scope="module")
def model() -> Any:
    """Give a random Llama of transformers."""
    return make_llama()


def logits(model: Any) -> torch.Tensor:
    """Run a model on a few tokens."""
    with torch.inference_mode():
        values: torch.Tensor = model(IDS).logits
    return values


def rebuild(llama: Llama) -> Any:
    """Put what was read into a model of transformers."""
    made: Any = transformers.LlamaForCausalLM(llama.config)
    made.model.load_state_dict(llama.weights)
    made.tie_weights()
    return made.eval()


def test_what_is_read_is_what_was_written(model: Any, tmp_path: Path) -> None:
    """Catches a row, a name or a number of the config in the wrong place."""
    llama = read_llama(write_gguf(tmp_path / "llama.gguf", model))
    expected = model.model.state_dict()
    assert llama.weights.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(llama.weights[name], tensor, rtol=0, atol=0, msg=name)
    torch.testing.assert_close(logits(rebuild(llama)), logits(model))


def test_transformers_own_reader_gives_the_same_logits(model: Any, tmp_path: Path) -> None:
    """Catches a mistake that our reader and the writer of this test share."""
    file = write_gguf(tmp_path / "llama.gguf", model)
    opened: Any = transformers.AutoModelForCausalLM
    theirs = opened.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    torch.testing.assert_close(logits(rebuild(read_llama(file))), logits(theirs))


@pytest.mark.parametrize(
    ("kind", "most"),
    [(gguf.GGMLQuantizationType.Q8_0, 0.01), (gguf.GGMLQuantizationType.Q4_1, 0.12)],
)
def test_quantised_matrices_are_made_whole(
    model: Any, tmp_path: Path, kind: Any, most: float
) -> None:
    """Catches blocks of a quantised matrix taken for its values, and half of them lost."""
    llama = read_llama(write_gguf(tmp_path / "llama.gguf", model, kind))
    for name, tensor in model.model.state_dict().items():
        error = (llama.weights[name] - tensor).norm() / tensor.norm()
        assert error <= (most if tensor.ndim > 1 else 0), name


def test_the_tokenizer_is_that_of_the_file(model: Any, tmp_path: Path) -> None:
    """Catches a tokenizer with other ids than the rows of the embedding."""
    tokenizer = read_llama(write_gguf(tmp_path / "llama.gguf", model)).tokenizer
    text = "A dog runs in the grass; 12 birds.\n"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    pieces = byte_level_pieces().shifted(("<|endoftext|>", "<|im_start|>", "<|im_end|>"))
    assert [pieces.vocab[token] for token in tokenizer.convert_ids_to_tokens(ids)] == ids
    assert tokenizer.decode(ids) == text
    assert tokenizer("<|im_end|>", add_special_tokens=False)["input_ids"] == [2]
