"""Limit the tokens that an image may take, by the settings of each family's own image processor.

a number of tokens -> the family's currency -> Limit: settings | the least possible
                   -> processor and model changed -> ImageBudget, which also fits extreme shapes

Settings are those that the image processor has anyway, so the model sees what it sees in any other
program with the same settings. Counted are image tokens, the positions that features of the image
take: not the words that some families write around them ("<row_1_col_1>").
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import PIL.Image

from e5v.errors import ModelError, UsageError
from e5v.model.backbones import BACKBONES, Backbone, Currency
from e5v.model.image_files import UnreadableError
from e5v.model.opening import Opening
from e5v.model.processor_internals import keep_base_tile
from e5v.model.processors import ImageProcessor, image_token_id, open_processor

PINPOINTS = "image_grid_pinpoints"
BASE_ONLY = [[0, 0]]  # a grid without tiles: only the one that shows the whole image is left
LONGEST = 200  # times as long as wide: Qwen's processor refuses an image that is longer
SHAPES = ((64, 64), (256, 64))  # pixels; an image of any shape takes as many tokens, if it is fixed
Fit = Callable[[int, int], dict[str, Any]]  # height, width -> arguments of the processor


@dataclass(frozen=True)
class Limit:
    """What keeps images within a number of tokens.

    `least` is the fewest tokens that an image can be given; `settings` are changes of the image
    processor's, `config` of the model's, `fit` of an image's own, by its size. None of them: the
    limit changes nothing.
    """

    least: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    fit: Fit | None = None


@dataclass(frozen=True)
class ImageBudget:
    """The most tokens that an image takes; `binds` if some images would take more without it."""

    most: int
    binds: bool
    fit: Fit | None = None


def check_image_budget(
    name: str, source: str, config: Any, backbone: Backbone, how: Opening
) -> None:
    """Check that no image of a model needs more tokens than it may take, before it is loaded.

    `source` is where its processor is.

    Raises:
        UsageError: an image cannot have so few.
        ModelError: the tokens of the model's images cannot be limited, or it has no processor.
    """
    most = how.image_tokens
    if most is None:
        return
    if backbone.currency == "none":
        known = ", ".join(one.name for one in BACKBONES if one.currency != "none")
        raise ModelError(
            f"{name} is a {config.model_type} model, whose image tokens cannot be limited, as "
            f"those of {known} can; leave image_tokens out",
            argument="image_tokens",
        )
    if how.tiling != "correct":
        raise UsageError(
            f"the tiling {how.tiling} is for comparisons with the paper's figures, which have no "
            "limit of image tokens; leave one of them out",
            argument="image_tokens",
        )
    processor = open_processor(source, config, backbone, how.trust_remote_code)
    least = CURRENCIES[backbone.currency](processor, config, most).least
    if most < least:
        raise UsageError(
            f"image_tokens is {most}; an image of {name} takes {least} at the least",
            argument="image_tokens",
        )


def use_image_budget(
    most: int | None, backbone: Backbone, config: Any, processor: Any
) -> ImageBudget | None:
    """Let no image take more than `most` tokens, which are enough; None changes nothing.

    `config` and `processor` are of an open model.
    """
    if most is None:
        return None
    limit = CURRENCIES[backbone.currency](processor, config, most)
    if limit.settings:
        stock = processor.image_processor
        processor.image_processor = type(stock).from_dict(stock.to_dict() | dict(limit.settings))
    if limit.settings.get(PINPOINTS) == BASE_ONLY:
        keep_base_tile(processor, limit.least)
    for setting, value in limit.config.items():
        setattr(config, setting, value)
    return ImageBudget(most, bool(limit.settings or limit.fit), limit.fit)


def _limit_tiles(processor: Any, _config: Any, most: int) -> Limit:
    """LLaVA-NeXT: the grids of which no image takes more, or the base tile alone.

    A grid of tiles has a line end after each row of features; the base tile alone has one.
    """
    tile: int = processor.image_processor.crop_size["height"]
    side = tile // processor.patch_size
    whole = processor.vision_feature_select_strategy != "default"
    base = side**2 + processor.num_additional_image_tokens - (not whole)
    grids: list[list[int]] = processor.image_processor.image_grid_pinpoints
    fitting = [
        [high, wide]
        for high, wide in grids
        if base + high // tile * side * (wide // tile * side + 1) <= most
    ]
    changed = {} if len(fitting) == len(grids) else {PINPOINTS: fitting or BASE_ONLY}
    return Limit(base + 1, changed, changed)


def _limit_pixels(processor: Any, _config: Any, most: int) -> Limit:
    """Qwen's: the number of pixels, of which those of a merged patch make one token.

    The image processor rounds the sides of an image to patches. A strip or a small image may then
    get more tokens than its setting says: such an image has a setting of its own.
    """
    stock = processor.image_processor
    factor: int = stock.patch_size * stock.merge_size
    area, least = factor**2, math.ceil(math.sqrt(LONGEST) / factor)
    own = {edge: stock.size[edge] for edge in ("shortest_edge", "longest_edge")}
    limits = {edge: min(pixels, most * area) for edge, pixels in own.items()}

    def fit(height: int, width: int) -> dict[str, Any]:
        edges = dict(limits)
        try:
            while _count_patches(stock, height, width, edges) > most * stock.merge_size**2:
                edges = {edge: max(pixels * 7 // 8, 1) for edge, pixels in edges.items()}
        except ValueError:  # a shape that the processor refuses, and says so
            return {}
        return {} if edges == limits else {"size": edges}

    return Limit(least, {} if limits == own else {"size": limits}, fit=fit)


def _count_patches(stock: Any, height: int, width: int, edges: Mapping[str, int]) -> int:
    pixels = {"min_pixels": edges["shortest_edge"], "max_pixels": edges["longest_edge"]}
    return int(stock.get_number_of_image_patches(height, width, pixels))


def _limit_splits(processor: Any, _config: Any, most: int) -> Limit:
    """SmolVLM and Idefics3: the longest edge, which is cut into squares; or no cutting at all.

    Beside the squares, of which there are as many along the shorter edge at the most, there is the
    whole image in small.
    """
    stock, each = processor.image_processor, int(processor.image_seq_len)
    square: int = stock.max_image_size["longest_edge"]
    own = -(-stock.size["longest_edge"] // square)
    if not stock.do_image_splitting or (own**2 + 1) * each <= most:
        return Limit(each)
    along = max((n for n in range(2, own) if (n**2 + 1) * each <= most), default=0)
    if not along:
        return Limit(each, {"do_image_splitting": False})
    return Limit(each, {"size": {"longest_edge": along * square}})


def _limit_patches(processor: Any, _config: Any, most: int) -> Limit:
    """InternVL: the number of squares; beside two or more there is the whole image in small."""
    stock, each = processor.image_processor, int(processor.image_seq_length)
    squares = max(most // each - 1, 1)
    squares = 1 if squares < 2 else squares  # noqa: PLR2004
    if stock.max_patches <= squares:
        return Limit(each)
    least = min(stock.min_patches, squares)
    return Limit(each, {"max_patches": squares, "min_patches": least})


def _limit_nothing(processor: Any, config: Any, _most: int) -> Limit:
    """LLaVA-1.5, FastVLM and Gemma 3: every image takes the same number of tokens.

    Gemma 3's processor adds crops ("pan and scan") only if each call asks for them.
    """
    process = ImageProcessor(processor)
    number = image_token_id(type(processor).__name__, config, processor)
    token = processor.tokenizer.convert_ids_to_tokens(number)
    counts = {_count_tokens(process, token, shape) for shape in SHAPES}
    if len(counts) > 1:
        raise ModelError(
            f"the number of a {type(processor).__name__}'s image tokens depends on the image here, "
            "and cannot be limited; leave image_tokens out",
            argument="image_tokens",
        )
    return Limit(counts.pop())


def _count_tokens(process: ImageProcessor, token: str, size: tuple[int, int]) -> int:
    try:
        return process(PIL.Image.new("RGB", size)).expansion.count(token)
    except UnreadableError as error:
        raise ModelError(str(error)) from error


CURRENCIES: dict[Currency, Callable[[Any, Any, int], Limit]] = {
    "fixed": _limit_nothing,
    "tiles": _limit_tiles,
    "pixels": _limit_pixels,
    "splits": _limit_splits,
    "patches": _limit_patches,
}
