"""The model's shape: a LLaVA-NeXT of the real class, small enough to lie in a repository.

Size + tokenizer -> config -> random weights; tile side -> processor

A picture is a base tile and the tiles of its grid (1x1, 1x2 or 2x1), as LLaVA-NeXT's anyres has it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextProcessor,
)
from transformers.models.llava_next.image_processing_pil_llava_next import (
    LlavaNextImageProcessorPil,
)

from nano.layout import GRIDS, SIDE, TILE
from nano.scenes import Shape

PATCH = TILE // SIDE  # pixels
CONTEXT = 1024  # tokens
MATRIX = 2  # axes


@dataclass(frozen=True)
class Size:
    """Widths and depths of the two towers; an attention head is 48 or 64 wide."""

    text_width: int
    text_layers: int
    text_heads: int
    text_inner: int
    vision_width: int
    vision_layers: int
    vision_heads: int
    vision_inner: int


SIZES = {
    "nano": Size(288, 6, 6, 768, 256, 5, 4, 768),
    "tiny": Size(32, 2, 2, 64, 32, 2, 2, 64),  # for the tests
}


def image_tokens(shape: Shape) -> int:
    """Return the places an image takes in a prompt: base tile, grid, and a newline per grid row."""
    rows, columns = GRIDS[shape]
    return SIDE * SIDE + rows * SIDE * (columns * SIDE + 1)


def new_model(size: Size, tokenizer: Any, *, seed: int) -> Any:
    """Return a model with random weights, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlavaNextForConditionalGeneration(_config(size, tokenizer))
        _temper(model)
    return model


def _config(size: Size, tokenizer: Any) -> LlavaNextConfig:
    vision = CLIPVisionConfig(
        hidden_size=size.vision_width,
        intermediate_size=size.vision_inner,
        num_hidden_layers=size.vision_layers,
        num_attention_heads=size.vision_heads,
        image_size=TILE,
        patch_size=PATCH,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.text_width,
        intermediate_size=size.text_inner,
        num_hidden_layers=size.text_layers,
        num_attention_heads=size.text_heads,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlavaNextConfig(
        vision_config=vision,
        text_config=text,
        tie_word_embeddings=True,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=[[rows * TILE, columns * TILE] for rows, columns in GRIDS.values()],
        image_seq_length=SIDE * SIDE,
        vision_feature_layer=-1,
    )


def new_processor(tokenizer: Any) -> Any:
    """Return the processor that cuts a picture into this model's tiles."""
    image_processor = LlavaNextImageProcessorPil(
        size={"shortest_edge": TILE},
        crop_size={"height": TILE, "width": TILE},
        image_grid_pinpoints=[[rows * TILE, columns * TILE] for rows, columns in GRIDS.values()],
    )
    processor: Any = LlavaNextProcessor
    return processor(
        image_processor,
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=tokenizer.chat_template,
    )


@torch.no_grad()
def _temper(model: nn.Module) -> None:
    """Start matrices at 1/sqrt(inputs) and the way out of a block smaller: deep stacks learn."""
    for name, parameter in model.named_parameters():
        if parameter.ndim < MATRIX or "embed" in name:
            continue
        gain = 1 / math.sqrt(parameter[0].numel())
        if name.endswith(("o_proj.weight", "down_proj.weight", "out_proj.weight", "fc2.weight")):
            gain *= 0.3
        parameter.normal_(std=gain)
