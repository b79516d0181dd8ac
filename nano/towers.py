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

from nano.conversations import IGNORED, Rows
from nano.layout import GRIDS, SIDE, TILE
from nano.scenes import Shape

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


@dataclass(frozen=True)
class Sighted:
    """What the towers make of pictures of one shape.

    tokens (b, image_tokens(shape), d): as the language model takes them.
    patches (b, rows * SIDE, columns * SIDE, d): the vision tower's, of the grid.
    """

    tokens: Tensor
    patches: Tensor


def look(model: Any, pictures: Tensor, shape: Shape) -> Sighted:
    """Return what is seen in uint8 pictures of one shape.

    Tokens are packed as `LlavaNextModel.get_image_features` does. A square's base tile and only
    grid tile are the same pixels, so the tower sees them once.
    """
    rows, columns = GRIDS[shape]
    whole = normalised(pictures, model.dtype)
    count = len(whole)
    tiles = whole.unfold(2, TILE, TILE).unfold(3, TILE, TILE)  # b, 3, rows, columns, TILE, TILE
    tiles = tiles.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, TILE, TILE)
    if rows * columns > 1:
        small = functional.interpolate(whole.float(), (TILE, TILE), mode="bicubic", antialias=True)
        tiles = torch.cat([tiles, small.to(whole.dtype)])
    seen = patches(model, tiles)
    tokens = model.model.multi_modal_projector(seen)
    grid, base = _laid(tokens[: count * rows * columns], rows, columns), tokens[-count:]
    newline = model.model.image_newline.expand(count, rows * SIDE, 1, grid.shape[-1])
    grid = torch.cat([grid, newline.to(grid.dtype)], dim=2).flatten(1, 2)
    patched = _laid(seen[: count * rows * columns], rows, columns)
    return Sighted(torch.cat([base, grid], dim=1), patched)


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
    learnt = labels != IGNORED
    return measured(functional.linear(states[before][learnt], table), labels[learnt])


def _foretelling(rows: Rows) -> tuple[Tensor, Tensor]:
    """Return which places foretell a next one of their own branch, and the labels they foretell."""
    same = (rows.branches[:, 1:] == rows.branches[:, :-1]) & (rows.branches[:, 1:] >= 0)
    before = torch.zeros_like(rows.branches, dtype=torch.bool)
    before[:, :-1] = same
    return before, rows.labels[:, 1:][same]
