"""The model: a LLaVA-NeXT of the real class, small enough to lie in a repository.

sizes.json + tokenizer -> config -> random weights; tile side -> processor
pictures -> base tile and grid tiles -> vision tower -> projector -> image tokens
rows (+ image tokens) -> language model -> loss of the answers

A picture is a base tile and the tiles of its grid (1x1, 1x2 or 2x1), as LLaVA-NeXT's anyres has it.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional
from transformers.utils.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from nano.conversations import IGNORED, IMAGE, Rows
from nano.picture import GRIDS, SIDE, TILE
from nano.scenes import Shape

SIZES: dict[str, dict[str, dict[str, Any]]] = json.loads(
    Path(__file__).with_name("sizes.json").read_text(encoding="utf-8")
)  # "tiny" is for the tests
PINPOINTS = [[rows * TILE, columns * TILE] for rows, columns in GRIDS.values()]


def image_tokens(shape: Shape) -> int:
    """Return the places an image takes in a prompt: base tile, grid, and a newline per grid row."""
    rows, columns = GRIDS[shape]
    return SIDE * SIDE + rows * SIDE * (columns * SIDE + 1)


def new_model(size: str, tokenizer: Any, *, seed: int) -> Any:
    """Return a model with random weights, the same for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.LlavaNextForConditionalGeneration(_config(size, tokenizer))
        _temper(model)
    return model


def _config(size: str, tokenizer: Any) -> transformers.LlavaNextConfig:
    text = transformers.LlamaConfig(
        **SIZES[size]["text"],
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return transformers.LlavaNextConfig(
        vision_config=transformers.CLIPVisionConfig(**SIZES[size]["vision"]),
        text_config=text,
        tie_word_embeddings=True,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_grid_pinpoints=PINPOINTS,
        image_seq_length=SIDE * SIDE,
        vision_feature_layer=-1,
    )


def new_processor(tokenizer: Any) -> Any:
    """Return the processor that cuts a picture into this model's tiles."""
    image_processor = transformers.LlavaNextImageProcessorPil(
        size={"shortest_edge": TILE},
        crop_size={"height": TILE, "width": TILE},
        image_grid_pinpoints=PINPOINTS,
    )
    processor: Any = transformers.LlavaNextProcessor
    return processor(
        image_processor,
        tokenizer,
        patch_size=TILE // SIDE,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=tokenizer.chat_template,
    )


@torch.no_grad()
def _temper(model: nn.Module) -> None:
    """Start matrices at 1/sqrt(inputs) and the way out of a block smaller: deep stacks learn."""
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1 or "embed" in name:
            continue
        gain = 1 / math.sqrt(parameter[0].numel())
        if name.endswith(("o_proj.weight", "down_proj.weight", "out_proj.weight", "fc2.weight")):
            gain *= 0.3
        parameter.normal_(std=gain)


def look(model: Any, pictures: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
    """Return the image tokens, and the vision tower's patches, of uint8 RGB pictures of one shape.

    Tokens (b, image_tokens(shape), d) are packed as `LlavaNextModel.get_image_features` does;
    patches (b, rows * SIDE, columns * SIDE, d) are of the grid. A square's base tile and only grid
    tile are the same pixels, so the tower sees them once.
    """
    rows, columns = GRIDS[shape]
    mean, std = (
        torch.tensor(one, device=pictures.device) for one in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD)
    )
    whole = ((pictures.float() / 255 - mean) / std).permute(0, 3, 1, 2).to(model.dtype)
    count = len(whole)
    tiles = whole.unfold(2, TILE, TILE).unfold(3, TILE, TILE)  # b, 3, rows, columns, TILE, TILE
    tiles = tiles.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, TILE, TILE)
    if rows * columns > 1:
        small = functional.interpolate(whole.float(), (TILE, TILE), mode="bicubic", antialias=True)
        tiles = torch.cat([tiles, small.to(whole.dtype)])
    seen = model.model.vision_tower(pixel_values=tiles).last_hidden_state[:, 1:]  # no class token
    tokens = model.model.multi_modal_projector(seen)
    grid, patched = (_laid(one[: count * rows * columns], rows, columns) for one in (tokens, seen))
    newline = model.model.image_newline.expand(count, rows * SIDE, 1, grid.shape[-1])
    grid = torch.cat([grid, newline.to(grid.dtype)], dim=2).flatten(1, 2)
    return torch.cat([tokens[-count:], grid], dim=1), patched


def _laid(tiles: Tensor, rows: int, columns: int) -> Tensor:
    """Lay tiles (b * rows * columns, SIDE * SIDE, d) beside each other: (b, height, width, d)."""
    grid = tiles.view(-1, rows, columns, SIDE, SIDE, tiles.shape[-1]).transpose(2, 3)
    return grid.reshape(-1, rows * SIDE, columns * SIDE, tiles.shape[-1])


@dataclass(frozen=True)
class Measures:
    """Over some labels: the sum of their losses, and how many were right, of how many."""

    loss: Tensor
    right: int
    count: int


def measured(logits: Tensor, labels: Tensor) -> Measures:
    """Compare logits (n, classes) with labels (n,)."""
    right = int((logits.argmax(-1) == labels).sum())
    loss = functional.cross_entropy(logits.float(), labels, reduction="sum")
    return Measures(loss, right, len(labels))


def answers(model: Any, rows: Rows, images: Tensor | None = None) -> Measures:
    """Run the language model on rows and measure what it foretells of the learnt tokens."""
    table = model.model.language_model.embed_tokens.weight
    inputs = functional.embedding(rows.tokens, table)
    if images is not None:
        places = rows.tokens == model.config.image_token_id
        inputs = inputs.masked_scatter(places[:, :, None], images.to(inputs.dtype))
    states = model.model.language_model(
        inputs_embeds=inputs,
        attention_mask=rows.mask(inputs.dtype),
        position_ids=rows.positions,
        use_cache=False,
    ).last_hidden_state
    # A place foretells the next one of its own branch.
    same = (rows.branches[:, 1:] == rows.branches[:, :-1]) & (rows.branches[:, 1:] >= 0)
    learnt = same & (rows.labels[:, 1:] != IGNORED)
    return measured(functional.linear(states[:, :-1][learnt], table), rows.labels[:, 1:][learnt])
