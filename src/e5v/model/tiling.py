"""Cut and join the tiles of LLaVA-NeXT as transformers 4.41.2 did, errors included.

picture -> resized -> padded -> tiles -> vision tower -> one grid of features -> cropped, one row

The paper's official code pins that version, which differs from what was meant, and from
transformers 5, in three ways:

- An odd padding loses its last pixel, so the last tiles are one pixel short and are stretched.
- The tiles are joined with the rows and columns of their grid exchanged. In a grid that is not
  square, features get other neighbours, and the padding is cropped from the wrong sides.
- The crop is computed in single precision and cut off without rounding, so that at a few sizes one
  more row or column is lost on each side.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers.image_processing_utils import select_best_resolution

from e5v.errors import ModelError, UsageError
from e5v.model.backbones import BACKBONES, Backbone, Tiling
from e5v.model.processor_internals import replace_llava_next_tiling

KNOWN = tuple(dict.fromkeys(tiling for one in BACKBONES for tiling in one.tilings))
Size = tuple[int, int]  # height and width


def check_tiling(name: str, tiling: str, backbone: Backbone, model_type: str) -> None:
    """Check that the images of a model can be tiled in a way.

    Raises:
        UsageError: the tiling is unknown.
        ModelError: the model is of another family.
    """
    if tiling not in KNOWN:
        raise UsageError(f'tiling is "{tiling}"; expected {" or ".join(KNOWN)}', argument="tiling")
    if tiling not in backbone.tilings:
        families = " and ".join(one.name for one in BACKBONES if tiling in one.tilings)
        raise ModelError(
            f"{name} is a {model_type} model; the tiling {tiling} is for {families} only: leave it "
            f"{KNOWN[0]}",
            argument="tiling",
        )


def use_tiling(tiling: Tiling, model: Any, processor: Any) -> None:
    """Let an open LLaVA-NeXT tile its images in a way; "correct" leaves it as it is."""
    if tiling == "transformers-4.41":
        join = partial(_join_tiles, model.config, model.base_model)
        replace_llava_next_tiling(model, processor, pad=_pad, count=_count_features, join=join)


def _pad(original: Size, target: Size) -> tuple[Size, Size]:
    """Return the padding before and after, of rows and of columns: half of it, rounded down."""
    rows, columns = ((size - own) // 2 for own, size in zip(original, target, strict=True))
    return (rows, rows), (columns, columns)


def _count_features(
    height: int, width: int, tile_rows: int, tile_columns: int, down: int, across: int
) -> tuple[int, int]:
    """Count the features of an image's tiles after cropping, and the line ends after its rows.

    A tile has `tile_rows` x `tile_columns` features, and the grid is `down` x `across` tiles.
    """
    grid = tile_rows * across, tile_columns * down  # exchanged
    top, left = _crop(torch.tensor([height, width]), grid)
    rows, columns = grid[0] - 2 * top, grid[1] - 2 * left
    return rows * columns, rows


def _crop(original: Tensor, grid: Size) -> Size:
    """Count the features to crop at the top and at the left, and as many at the other ends.

    `original` is the height and width of the image, as a tensor: the divisions are then in single
    precision, as they were.
    """
    height, width = original
    rows, columns = grid
    if width / height > columns / rows:
        return (rows - int(height * (columns / width))) // 2, 0
    return 0, (columns - int(width * (rows / height))) // 2


def _join_tiles(
    config: Any,
    model: Any,
    image_features: Sequence[Tensor],
    image_sizes: Tensor,
    **_: Any,
) -> tuple[list[Tensor], Tensor]:
    """Join the features of each image, (tiles, features, d), to one row; return their lengths, too.

    The first tile is the whole image in small; a line end follows each row of the others.
    """
    joined = []
    for features, size in zip(image_features, image_sizes.cpu(), strict=True):
        grid = _join_grid(config, features[1:], size)
        ends = model.image_newline[:, None, None].expand(-1, grid.shape[1], 1).to(grid)
        rows = torch.cat((grid, ends), dim=-1).flatten(1).T
        joined.append(torch.cat((features[0], rows)))
    lengths = torch.tensor([len(one) for one in joined], device=joined[0].device)
    return joined, lengths


def _join_grid(config: Any, tiles: Tensor, size: Tensor) -> Tensor:
    """Put tiles together to a cropped grid of features: (tiles, features, d) -> (d, rows, columns).

    `size` is the height and width of the image in pixels.
    """
    vision = config.vision_config
    side = vision.image_size // vision.patch_size
    best = select_best_resolution(tuple(size.tolist()), config.image_grid_pinpoints)
    across, down = (length // vision.image_size for length in best)  # exchanged
    grid = tiles.view(down, across, side, side, -1).permute(4, 0, 2, 1, 3)
    whole = grid.flatten(1, 2).flatten(2, 3)
    top, left = _crop(size, (down * side, across * side))
    return whole[:, top : whole.shape[1] - top, left : whole.shape[2] - left]
