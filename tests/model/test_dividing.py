"""One model over several devices: the vectors of one device, and what does not go together."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.hooks import attach_align_device_hook_on_blocks
from PIL import Image
from torch import nn
from torch._functorch import config
from torch._subclasses.fake_tensor import FakeTensorMode

from e5v import E5V, ModelError, UsageError
from e5v.errors import MissingExtraError
from e5v.model.dividing import main_device
from e5v.model.encoder import Encoder, add_image_tokens
from e5v.model.engine_address import EngineAddress
from e5v.model.fingerprint import fingerprint
from e5v.model.loading import outline
from e5v.model.partial import language_path
from e5v.model.streaming import Stream
from tests.adapters import write_adapter

Checkpoints = Callable[[str], Path]
LLAVA = "llava_next_llama3"
TEXTS = ["A dog runs.", "word " * 30, "The same length."]
pytestmark = pytest.mark.filterwarnings("ignore:.*kept on disk")


def _divide(folder: Path) -> dict[str, str]:
    """Leave the decoder's layers in their file, and everything else on the CPU."""
    model = outline(folder).model
    layers = f"{language_path(model)}.layers"
    parts = {f"{layers}.{number}": "disk" for number in range(len(model.get_decoder().layers))}
    for name in model.state_dict():
        path = name.rpartition(".")[0]
        if not name.startswith(layers):  # a weight beside modules is named by itself
            parts[name if list(model.get_submodule(path).children()) else path] = "cpu"
    return parts


@pytest.fixture(scope="module")
def divided(checkpoints: Checkpoints) -> E5V:
    """Open a small LLaVA-NeXT divided."""
    folder = checkpoints(LLAVA)
    with pytest.warns(UserWarning, match="are kept on disk and copied for every batch"):
        return E5V(folder, dtype="float32", device_map=_divide(folder))


@pytest.mark.parametrize("name", [LLAVA, "qwen3_vl", "gemma3", "aya_vision"])
def test_vectors_are_those_of_one_device(
    name: str, checkpoints: Checkpoints, photos: list[Image.Image]
) -> None:
    """Catches a last layer that runs without its weights, and tokens that an image lost."""
    folder = checkpoints(name)
    items: list[Any] = [*TEXTS, *photos[:2], {"image": photos[0], "text": "but blue"}]
    divided = E5V(folder, dtype="float32", device_map=_divide(folder))
    assert all(weight.is_meta for weight in divided.loaded.language_model.layers.parameters())
    whole = E5V(folder, dtype="float32", device="cpu")
    assert divided.encode(items).tobytes() == whole.encode(items).tobytes()


def test_what_else_is_asked_of_a_model_is_that_of_one_device(
    divided: E5V, checkpoints: Checkpoints
) -> None:
    """Catches a fingerprint of absent weights, and a read-out that leaves a layer without them."""
    folder = checkpoints(LLAVA)
    whole = E5V(folder, dtype="float32", device="cpu")
    assert fingerprint(divided.loaded) == fingerprint(whole.loaded)
    assert divided.words("a dog") == whole.words("a dog")
    assert divided.device == torch.device("cpu")
    for readout in ("1", "before-mlp"):
        expected = Stream(Encoder(whole.loaded, readout), 64, None, "raise")
        found = Stream(Encoder(divided.loaded, readout), 64, None, "raise")
        items = [whole.prepare(text) for text in TEXTS]
        assert found.vectors(items).tobytes() == expected.vectors(items).tobytes()
    assert divided.encode(TEXTS).tobytes() == whole.encode(TEXTS).tobytes()  # its layers are back


@pytest.mark.parametrize("name", [LLAVA, "gemma3", "aya_vision"])
def test_what_a_layer_gets_is_on_its_device(
    name: str, checkpoints: Checkpoints, photos: list[Image.Image]
) -> None:
    """Catches rows, masks and tokens that stay on the first device, without a second GPU.

    Tensors without content know their device, and refuse those of another: "cpu" and "meta" stand
    for two GPUs.
    """
    model = E5V(checkpoints(name), dtype="float32", device="cpu")
    items: list[Any] = [*TEXTS, *([photos[0]] if name != "aya_vision" else [])]
    prompts = add_image_tokens(model.loaded, [model.prepare(item).prompted for item in items])
    with config.patch(fake_tensor_allow_meta=True), FakeTensorMode(allow_non_fake_inputs=True):
        _place_on_two(model.loaded.model)
        with torch.no_grad():
            states = Encoder(model.loaded).states(prompts)
    assert (states.device.type, tuple(states.shape)) == ("meta", (len(items), model.width))


def _place_on_two(model: Any) -> None:
    """Put the decoder's layers but the first, and its norm, on a second device, without content."""
    path = language_path(model)
    devices = {name: "cpu" for name, module in model.named_modules() if not [*module.children()]}
    number = len(model.get_decoder().layers)
    later = [f"{path}.layers.{place}" for place in range(1, number)]
    for name, module in model.named_modules():
        second = name == f"{path}.norm" or any(f"{name}.".startswith(f"{one}.") for one in later)
        for held in (module._parameters, module._buffers):
            for key, value in held.items():
                if value is not None:
                    made = torch.empty_like(value, device="meta" if second else "cpu")
                    weight = nn.Parameter(made, requires_grad=False)
                    held[key] = weight if held is module._parameters else made
    devices = {name: place for name, place in devices.items() if f"{path}.layers." not in name}
    devices |= {f"{path}.layers.0": "cpu", **dict.fromkeys(later, "meta"), f"{path}.norm": "meta"}
    hooks = dict.fromkeys(devices, False)
    attach_align_device_hook_on_blocks(model, {**devices, "": "cpu"}, hooks)


def test_auto_needs_no_gpu(checkpoints: Checkpoints) -> None:
    """Catches an option that only opens on the machine that it is for."""
    folder = checkpoints(LLAVA)
    spread = E5V(folder, dtype="float32", device_map="auto")
    if not torch.cuda.is_available():
        whole = E5V(folder, dtype="float32", device="cpu")
        assert spread.encode(TEXTS).tobytes() == whole.encode(TEXTS).tobytes()


def test_what_does_not_go_together_is_said_first(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches two options of which one is passed over, and a download before one line."""
    monkeypatch.setattr("e5v.model.loading._read_config", None)
    for device in ("cpu", ["cpu", "cpu"]):
        with pytest.raises(UsageError, match="device is cpu, and device_map auto; expected one of"):
            E5V("nano-base", device=device, device_map="auto")
    wrong: Any
    for wrong in ("balanced", {}, 3):
        with pytest.raises(UsageError, match='expected "auto", or the device of each module'):
            E5V("nano-base", device_map=wrong)
    with pytest.raises(UsageError, match="an engine has its own"):
        E5V("nano-base", device=EngineAddress("http://127.0.0.1:1"), device_map="auto")
    monkeypatch.setattr("e5v.extras.is_installed", lambda _: False)
    with pytest.raises(MissingExtraError, match=r"needs accelerate.*pip install 'e5v\[divide\]'"):
        E5V("nano-base", device_map="auto")


def test_an_adapter_needs_weights_in_memory(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """Catches an adapter that is added to absent weights, and lost."""
    folder = checkpoints(LLAVA)
    adapter = write_adapter(tmp_path / "adapter", folder)
    with pytest.raises(ModelError, match="cannot be merged into weights that wait"):
        E5V(folder, adapter=adapter, dtype="float32", device_map=_divide(folder))


@pytest.mark.parametrize(
    ("device_map", "expected"),
    [({"a": "disk", "b": "cpu"}, "cpu"), ({"a": "disk", "b": "meta"}, "meta")],
)
def test_the_main_device_is_one_that_computes(device_map: Any, expected: str) -> None:
    """Catches the number format of a disk."""
    assert main_device(None, device_map).type == expected
    with pytest.raises(UsageError, match='device "gpu" cannot be used here'):
        main_device(None, {"a": "disk", "b": "gpu"})
