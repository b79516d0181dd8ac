"""Each private name of transformers and torch does what e5v needs it for; none stands elsewhere."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from torch.nn.functional import scaled_dot_product_attention

from e5v.model import hf_internals, processor_internals, torch_internals
from e5v.model.loading import Loaded, load, outline

Checkpoints = Callable[[str], Path]
SRC = Path(__file__).parents[2] / "src"
HOMES = {
    "e5v/model/bitsandbytes_internals.py",
    "e5v/model/hf_internals.py",
    "e5v/model/processor_internals.py",
    "e5v/model/torch_internals.py",
    "e5v/verbs/usage.py",  # the parse errors of tyro
}
OWN = {"self", "cls", "other", "word"}  # records of e5v, and a named tuple


@pytest.fixture
def loaded(checkpoints: Checkpoints) -> Loaded:
    """Open a small model."""
    return load(checkpoints("llava_next_llama3"), dtype="float32", device="cpu")


def test_bfloat16_hardware_is_what_torch_says() -> None:
    """Catches a CPU that is taken for slow at bfloat16, or for fast."""
    assert torch_internals.has_avx512_bf16() == torch.cpu._is_avx512_bf16_supported()


def test_softmax_gradient_is_that_of_autograd() -> None:
    """Catches the gradient and the softmax in each other's place."""
    scores = torch.randn(3, 4, 5, requires_grad=True)
    softmax, gradient = scores.softmax(-1), torch.randn(3, 4, 5)
    (expected,) = torch.autograd.grad(softmax, scores, gradient)
    found = hf_internals.softmax_gradient(gradient, softmax.detach())
    torch.testing.assert_close(found, expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="FlashAttention needs a GPU")
def test_flash_attention_is_causal_attention() -> None:
    """Catches arguments of the kernel that change places."""
    query, key, value = torch.randn(3, 5, 2, 64, device="cuda", dtype=torch.float16)
    ends = torch.tensor([0, 5], device="cuda", dtype=torch.int32)
    output = hf_internals.flash_attention(query, key, value, (ends, ends), (5, 5), scale=None)
    rows = [one.transpose(0, 1) for one in (query, key, value)]
    expected = scaled_dot_product_attention(rows[0], rows[1], rows[2], is_causal=True)
    torch.testing.assert_close(output, expected.transpose(0, 1), atol=2e-3, rtol=1e-2)


def test_attention_is_the_named_one_and_then_the_one_before(loaded: Loaded) -> None:
    """Catches a pack that runs with the attention of a padded batch."""
    config = loaded.language_model.config
    with hf_internals.attention_implementation(loaded.language_model, "eager"):
        assert config._attn_implementation == "eager"
    assert config._attn_implementation == "sdpa"


def test_only_multimodal_types_take_images() -> None:
    """Catches a text model that is opened as if it took images."""
    assert hf_internals.takes_images("llava_next")
    assert not hf_internals.takes_images("llama")


def test_classes_are_found_by_config() -> None:
    """Catches a part of a model that cannot be opened, or a processor of another family."""
    config, other = transformers.LlavaNextConfig(), transformers.LlamaConfig()
    auto = transformers.AutoModelForImageTextToText
    found = hf_internals.find_model_class(auto, config)
    assert found is transformers.LlavaNextForConditionalGeneration
    assert hf_internals.find_model_class(auto, other) is None
    assert processor_internals.find_processor_class(config) is transformers.LlavaNextProcessor
    assert processor_internals.find_processor_class(transformers.CLIPVisionConfig()) is None


@pytest.mark.parametrize("name", ["Qwen2VLProcessor", "Qwen2_5OmniProcessor"])
def test_a_processor_without_video_has_all_other_parts(name: str) -> None:
    """Catches a processor that asks for torchvision, or one that lost its tokenizer."""
    whole: Any = getattr(transformers, name)
    smaller = processor_internals.without_part(whole, "video_processor", None)
    assert issubclass(smaller, whole)
    assert set(whole.get_attributes()) - set(smaller.get_attributes()) == {"video_processor"}
    assert {"image_processor", "tokenizer"} <= set(smaller.get_attributes())
    assert processor_internals.without_part(smaller, "video_processor", None) is smaller


def test_a_missing_file_is_none(checkpoints: Checkpoints) -> None:
    """Catches an error about an optional file of a checkpoint."""
    folder = checkpoints("llava_next_llama3")
    assert hf_internals.find_file(str(folder), "config.json") == folder / "config.json"
    assert hf_internals.find_file(str(folder), "nothing.json") is None


def test_a_model_without_its_head_loads(checkpoints: Checkpoints) -> None:
    """Catches transformers tying, or initialising, weights that were taken out."""
    vision = load(checkpoints("llava_next_llama3"), device="cpu", part="vision")
    assert vision.model.all_tied_weights_keys == {}
    language = load(checkpoints("llava_next_llama3"), device="cpu", part="language")
    marked = [name for name, one in language.model.named_modules() if "_is_hf" in str(vars(one))]
    assert marked


def test_the_image_processor_needs_no_torchvision() -> None:
    """Catches a converted checkpoint whose images need another library than the original's."""
    made = processor_internals.llava_next_image_processor()
    assert issubclass(made, transformers.image_processing_utils.BaseImageProcessor)
    assert "torchvision" not in made.__module__


def test_what_the_last_layer_needs_is_found(loaded: Loaded) -> None:
    """Catches a decoder layer whose shortcut is silently off, or left on after an error."""
    layer: Any = loaded.language_model.layers[-1]
    assert hf_internals.find_cache_keyword(layer) in hf_internals.CACHE_KEYWORDS
    assert callable(hf_internals.find_rotary(layer.self_attn))
    assert hf_internals.find_rotary(SimpleNamespace()) is None
    layer.gradient_checkpointing = True
    before = layer.forward
    with hf_internals.replaced_forward(layer, print):
        assert layer.forward is print
        assert not layer.gradient_checkpointing
    assert layer.gradient_checkpointing
    assert layer.forward == before
    keys, values = torch.ones(1), torch.zeros(1)
    assert hf_internals.FixedCache(keys, values).update(values, keys, 0) == (keys, values)


def find_private_names(source: str) -> Iterator[str]:
    """Find private names of other packages: imported, or read from what is not our own."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            if ast.unparse(node.value).partition(".")[0] not in OWN:
                yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [*node.module.split("."), *(alias.name for alias in node.names)]
            if names[0] != "e5v" and any(map(_is_private, names)):
                yield f"from {node.module} import ..."


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def test_private_names_of_others_stand_in_one_file() -> None:
    """Catches the next private name: it broke with transformers 5.24 where nobody looked."""
    found = {
        path: list(find_private_names((SRC / path).read_text()))
        for path in (one.relative_to(SRC).as_posix() for one in SRC.rglob("*.py"))
    }
    assert {path for path, names in found.items() if names} == HOMES


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("config._attn_implementation = 1", 1),
        ("torch.cpu._is_avx512_bf16_supported()", 1),
        ("from tyro._errors import on_parse_error", 1),
        ("from torch import _C", 1),
        ("self._rows = model.__dict__", 0),
        ("from e5v.files import _lock\nfrom __future__ import annotations", 0),
    ],
)
def test_a_private_name_is_found(source: str, count: int) -> None:
    """Catches a search that passes whatever it is given."""
    assert len(list(find_private_names(source))) == count


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("llava_next_llama3", "language_model.model.layers.0.x", "model.language_model.layers.0.x"),
        ("llava_next_llama3", "vision_tower.vision_model.x", "model.vision_tower.x"),
        ("qwen2_vl", "model.layers.0.x", "model.language_model.layers.0.x"),
        ("qwen2_vl", "visual.blocks.0.x", "model.visual.blocks.0.x"),
    ],
)
def test_old_names_are_translated(name: str, old: str, new: str, checkpoints: Checkpoints) -> None:
    """Catches a version of transformers that translates no names, or those of now."""
    translate = hf_internals.name_translator(outline(checkpoints(name)).model)
    assert (translate(old), translate(new)) == (new, new)
