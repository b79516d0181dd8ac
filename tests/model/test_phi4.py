"""Phi-4-multimodal, whose image processor needs torchvision: here it is given arrays made by hand.

random arrays in the processor's format -> Encoder.states, and the model's own forward -> equal
"""

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import Phi4MultimodalConfig, Phi4MultimodalForCausalLM
from transformers.models.phi4_multimodal.configuration_phi4_multimodal import (
    Phi4MultimodalAudioConfig,
    Phi4MultimodalVisionConfig,
)

from e5v.model.backbones import find_backbone
from e5v.model.encoder import Encoder, Prompted
from e5v.model.image_inputs import Pixels
from e5v.model.loading import Loaded

IMAGE, CROP, PATCH = 99, 28, 14  # token id; pixels: 2 x 2 patches a crop, one token after pooling


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    """A small random Phi-4-multimodal in float32, without a processor."""
    torch.manual_seed(0)
    vision = Phi4MultimodalVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=CROP,
        patch_size=PATCH,
        crop_size=CROP,
        image_token_id=IMAGE,
    )
    audio = Phi4MultimodalAudioConfig(
        hidden_size=32, intermediate_size=64, num_blocks=1, num_attention_heads=2
    )
    config = Phi4MultimodalConfig(
        vocab_size=120,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        vision_config=vision,
        audio_config=audio,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        embd_pdrop=0.0,
        max_position_embeddings=512,
    )
    model: Any = Phi4MultimodalForCausalLM(config)
    model.eval().requires_grad_(requires_grad=False)
    for name, weight in model.named_parameters():
        if weight.ndim > 1 or "extensor" in name:
            torch.nn.init.normal_(weight, std=0.08)
    backbone = find_backbone(config.model_type)
    no_processor: Any = None
    return Loaded("phi-4", model, no_processor, backbone, None, IMAGE, ())


def _pixels(rows: int, columns: int) -> tuple[Pixels, int]:
    """One picture of rows x columns crops after its thumbnail, and how many tokens it takes."""
    tiles = 1 + rows * columns
    arrays: dict[str, Tensor] = {
        "image_pixel_values": torch.randn(1, tiles, 3, CROP, CROP),
        "image_sizes": torch.tensor([[rows * CROP, columns * CROP]]),
        "image_attention_mask": torch.ones(1, tiles, CROP // PATCH, CROP // PATCH),
    }
    count = (
        rows * columns + rows + 1 + 1 + 1
    )  # crops, a separator a row; one; thumbnail and its own
    return Pixels(arrays, ""), count


def _plain(loaded: Loaded, one: Prompted) -> Tensor:
    arrays = one.images[0].arrays if one.images else {}
    # Asked for hidden states, transformers 5.23 loses those of Phi-4's own vision tower.
    output = loaded.model.model(input_ids=torch.tensor([one.ids]), use_cache=False, **arrays)
    last: Tensor = output.last_hidden_state[:, -1]
    return torch.nn.functional.normalize(last, dim=-1)


def test_states_are_the_models_own(loaded: Loaded) -> None:
    """Fused query-key-value weights cut at the wrong place, or image tokens in another order."""
    wide, wide_count = _pixels(1, 2)
    tall, tall_count = _pixels(3, 1)
    batch = [
        Prompted([1, 5, 7, 9, 11]),
        Prompted([1, 5, 20, 21, 22, 23, 30, 11]),
        Prompted([1, 5, *[IMAGE] * wide_count, 40, 11], (wide,), (wide_count,)),
        Prompted([1, 5, 33, *[IMAGE] * tall_count, 41, 11], (tall,), (tall_count,)),
    ]
    with torch.inference_mode():
        ours = torch.nn.functional.normalize(Encoder(loaded).states(batch), dim=-1)
        theirs = torch.cat([_plain(loaded, one) for one in batch])
    assert (ours - theirs).abs().max() <= 1e-5
    assert (theirs[2] - theirs[3]).abs().max() > 1e-2
