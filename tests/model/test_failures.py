"""A model whose own code fails: one line that names the versions, never a bare traceback."""

import inspect
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from e5v import E5V
from e5v.cli import main
from e5v.errors import ModelError
from e5v.model import hf_internals, last_layer

Checkpoints = Callable[[str], Path]
ERRORS = (
    RuntimeError("The size of tensor a (12) must match\nthe size of tensor b (96)"),
    TypeError("forward() got an unexpected keyword argument 'cache'"),
    AttributeError("'Layer' object has no attribute 'rotary'"),
    IndexError("index out of range in self"),
    KeyError("position_embeddings"),
)
FAMILIES = ("llava_next_llama3", "gemma3", "qwen3_vl")  # packed, padded, three axes


def _fail(module: torch.nn.Module, error: Exception) -> None:
    def hook(*_: object) -> None:
        raise error

    module.register_forward_pre_hook(hook)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_in_a_layer_names_the_versions(checkpoints: Checkpoints, error: Exception) -> None:
    """Catches a traceback from within transformers when a release changes a layer."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    _fail(model.loaded.language_model.layers[0].mlp, error)
    with pytest.raises(ModelError, match=type(error).__name__) as raised:
        model.encode(["a cat"])
    message = str(raised.value)
    assert f"torch {torch.__version__} and transformers {version('transformers')}" in message
    assert len(message.splitlines()) == 1
    assert raised.value.__cause__ is error
    with pytest.raises(ModelError, match="failed in its own code"):
        model.words("a cat")


def test_an_error_in_the_vision_tower_names_the_versions(checkpoints: Checkpoints) -> None:
    """Catches the same for images, which take another way through the model."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    _fail(model.loaded.model.base_model.vision_tower, RuntimeError("no kernel image"))
    with pytest.raises(ModelError, match=r"failed in its own code.*no kernel image"):
        model.encode([Image.new("RGB", (30, 20), "red")])


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 68719476736 bytes. Error code 12"
        ),
        MemoryError(),
    ],
)
def test_full_memory_is_not_taken_for_a_fault_of_the_model(
    checkpoints: Checkpoints, error: Exception
) -> None:
    """Catches advice about versions where smaller batches would help."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    _fail(model.loaded.language_model.layers[0].mlp, error)
    with pytest.raises(
        ModelError, match=r"does not fit in the machine's memory.*smaller"
    ) as raised:
        model.encode(["a cat"])
    assert raised.value.argument == "batch_tokens"


def test_a_full_gpu_stays_what_it_is(checkpoints: Checkpoints) -> None:
    """Catches an error that training and the command line no longer recognise."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    _fail(model.loaded.language_model.layers[0].mlp, error)
    with pytest.raises(torch.OutOfMemoryError):
        model.encode(["a cat"])


def test_the_command_line_prints_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a plain install that ends in fifty lines of somebody else's code."""

    def broken(*_: object) -> Any:
        raise RuntimeError("shape '[1, 96]' is invalid for input of size 12")

    monkeypatch.setattr(last_layer, "_keys_values", broken)
    assert main(["encode", "a cat", "--model", "nano"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("e5v: nano failed in its own code, with torch ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("keyword", ["cache", "past_key_values"])
def test_the_last_layer_gets_its_cache_under_the_keyword_it_has(
    checkpoints: Checkpoints, name: str, keyword: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a rename of one keyword (transformers 5.24), after which nothing can be embedded."""
    model = E5V(checkpoints(name), dtype="float32")
    texts = ["a cat", "two dogs in the grass"]
    expected = model.encode(texts)
    layer = model.loaded.language_model.layers[-1]
    there = hf_internals.find_cache_keyword(layer)
    assert there is not None
    attention, decoder = type(layer.self_attn).forward, type(layer).forward
    seen: list[str] = []

    def attend(self: Any, hidden_states: Any, **options: Any) -> Any:
        return attention(self, hidden_states, **options)

    def decode(self: Any, hidden_states: Any, **options: Any) -> Any:
        seen.extend(key for key in hf_internals.CACHE_KEYWORDS if options.get(key) is not None)
        if keyword in options:
            options[there] = options.pop(keyword)
        return decoder(self, hidden_states, **options)

    signature = inspect.signature(attention)
    renamed = [
        one.replace(name=keyword) if one.name == there else one
        for one in signature.parameters.values()
    ]
    attend.__signature__ = signature.replace(parameters=renamed)  # type: ignore[attr-defined]
    monkeypatch.setattr(type(layer.self_attn), "forward", attend)
    monkeypatch.setattr(type(layer), "forward", decode)
    again = model.encode(texts)
    assert set(seen) == {keyword}
    assert abs(again - expected).max() < 1e-6


def test_a_layer_without_a_known_cache_goes_without_the_shortcut(checkpoints: Checkpoints) -> None:
    """Catches a failure where only speed is at stake, when the keyword is renamed once more."""
    model = E5V(checkpoints("llava_next_llama3"), dtype="float32")
    layer = model.loaded.language_model.layers[-1]

    class Unknown:
        """An attention that takes its cache under another name."""

        k_proj = None

        def forward(self, hidden_states: Any, memory: Any = None) -> Any:
            """Do nothing."""

    Unknown.__module__ = type(layer.self_attn).__module__

    class Layer:
        """A layer with it."""

        self_attn = Unknown()
        input_layernorm = None

    assert last_layer.can_pool(layer)
    assert not last_layer.can_pool(Layer())
