"""The two towers as training runs them: a batch of pictures or of rows at once.

pictures -> base tile and grid tiles -> vision tower -> projector -> image tokens
rows (+ image tokens) -> language model -> loss of the answers
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from nano.architecture import GRIDS, SIDE, TILE
from nano.turns import NOTHING, Rows

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def normalised(pictures: Tensor, dtype: torch.dtype) -> Tensor:
    """Return uint8 RGB pictures (b, h, w, 3) as the tower takes them, (b, 3, h, w)."""
    mean = torch.tensor(CLIP_MEAN, device=pictures.device)
    std = torch.tensor(CLIP_STD, device=pictures.device)
    return ((pictures.float() / 255 - mean) / std).permute(0, 3, 1, 2).to(dtype)


def patches(model: Any, tiles: Tensor) -> Tensor:
    """Return the vision tower's tokens of tiles (n, 3, TILE, TILE), without the class token."""
    seen: Tensor = model.model.vision_tower(pixel_values=tiles).last_hidden_state
    return seen[:, 1:]


def picture_tokens(model: Any, pictures: Tensor, shape: str) -> Tensor:
    """Return the image tokens of uint8 pictures of one shape, (b, image_tokens(shape), d).

    As `LlavaNextModel.get_image_features` packs them. A square's base tile and only grid tile
    are the same pixels, so the tower sees them once.
    """
    rows, columns = GRIDS[shape]
    whole = normalised(pictures, model.dtype)
    count, width = len(whole), model.config.text_config.hidden_size
    tiles = whole.unfold(2, TILE, TILE).unfold(3, TILE, TILE)  # b, 3, rows, columns, TILE, TILE
    tiles = tiles.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, TILE, TILE)
    if rows * columns > 1:
        small = functional.interpolate(whole.float(), (TILE, TILE), mode="bicubic", antialias=True)
        tiles = torch.cat([tiles, small.to(whole.dtype)])
    tokens = model.model.multi_modal_projector(patches(model, tiles))
    grid = tokens[: count * rows * columns]
    base = tokens[-count:]
    grid = grid.view(count, rows, columns, SIDE, SIDE, width).transpose(2, 3)
    grid = grid.reshape(count, rows * SIDE, columns * SIDE, width)
    newline = model.model.image_newline.expand(count, rows * SIDE, 1, width)
    grid = torch.cat([grid, newline.to(grid.dtype)], dim=2).flatten(1, 2)
    return torch.cat([base, grid], dim=1)


@dataclass(frozen=True)
class Measures:
    """Over some labels: the sum of their losses, and how many were right, of how many."""

    loss: Tensor
    right: int
    count: int


def measured(logits: Tensor, labels: Tensor) -> Measures:
    """Compare logits (n, classes) with labels (n,)."""
    right = int((logits.argmax(-1) == labels).sum())
    return Measures(
        functional.cross_entropy(logits.float(), labels, reduction="sum"), right, len(labels)
    )


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
    before, labels = _foretelling(rows)
    learnt = labels != NOTHING
    return measured(functional.linear(states[before][learnt], table), labels[learnt])


def _foretelling(rows: Rows) -> tuple[Tensor, Tensor]:
    """Return which places foretell a next one of their own branch, and the labels they foretell."""
    same = (rows.branches[:, 1:] == rows.branches[:, :-1]) & (rows.branches[:, 1:] >= 0)
    before = torch.zeros_like(rows.branches, dtype=torch.bool)
    before[:, :-1] = same
    return before, rows.labels[:, 1:][same]
