"""Run the vision tower: pixels to image tokens, a bounded number of tiles at a time.

Pixels of many images -> chunks of equal shape -> vision tower + projector -> tokens per image
"""

import inspect
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from e5v.model.hf_internals import input_device
from e5v.model.image_inputs import ImageTokens, Pixels

# Pixel values in one call of the vision tower: 23 tiles of 336 x 336, which fill a GPU. A CPU is
# full with two; more would only move the activations out of its cache.
CHUNK_VALUES = {"cpu": 1_000_000}
LARGE_CHUNK = 8_000_000
IMAGES = 4  # dimensions of a batch of images: (n, channels, H, W)


def image_tokens(
    model: Any, images: Sequence[Pixels], way: str, counts: Sequence[int]
) -> list[ImageTokens]:
    """Run the vision tower on images; `counts` are the numbers of placeholder tokens of each.

    Images of equal shape share a call. Results are in the order of the images.
    """
    found: dict[int, ImageTokens] = {}
    device = input_device(model)
    most = CHUNK_VALUES.get(device.type, LARGE_CHUNK)
    for places in _chunks(images, most):
        arrays = _stack([images[place].arrays for place in places], device)
        share = [counts[place] for place in places]
        found |= zip(places, FEATURES[way](model, arrays, share), strict=True)
    return [found[place] for place in range(len(images))]


def _chunks(images: Sequence[Pixels], most: int) -> Iterator[list[int]]:
    """Group indices of images whose arrays can be stacked, up to `most` pixel values each."""

    def shape(place: int) -> list[tuple[str, tuple[int, ...]]]:
        return sorted((key, tuple(x.shape[1:])) for key, x in images[place].arrays.items())

    for _, alike in itertools.groupby(sorted(range(len(images)), key=shape), key=shape):
        chunk: list[int] = []
        values = 0
        for place in alike:
            size = max(x.numel() for x in images[place].arrays.values())
            if chunk and values + size > most:
                yield chunk
                chunk, values = [], 0
            chunk.append(place)
            values += size
        yield chunk


def _stack(arrays: Sequence[dict[str, Tensor]], device: torch.device) -> dict[str, Tensor]:
    return {key: torch.cat([one[key] for one in arrays]).to(device) for key in arrays[0]}


def _from_method(model: Any, arrays: dict[str, Tensor], counts: Sequence[int]) -> list[ImageTokens]:
    """Call the model's own `get_image_features`, with the arrays that it accepts."""
    method = model.get_image_features
    given = {key: cast(value, model.dtype) for key, value in accepted(method, arrays).items()}
    output = method(**given, return_dict=True)
    layers = getattr(output, "deepstack_features", None) or []
    deep = [_split(_rows(layer), counts) for layer in layers]
    return [
        ImageTokens(tokens, tuple(layer[place] for layer in deep))
        for place, tokens in enumerate(_split(_rows(output.pooler_output), counts))
    ]


def _from_phi4(model: Any, arrays: dict[str, Tensor], counts: Sequence[int]) -> list[ImageTokens]:
    """Phi-4 writes image tokens into embeddings: pass it a row of placeholders only."""
    module = model.model.embed_tokens_extend.image_embed
    number = model.config.vision_config.image_token_id
    ids = torch.full((1, sum(counts)), number, device=input_device(model))
    blank = torch.zeros(1, sum(counts), model.config.hidden_size, dtype=model.dtype).to(ids.device)
    written = module(
        ids,
        blank,
        image_pixel_values=arrays["image_pixel_values"],
        image_sizes=arrays["image_sizes"],
        image_attention_mask=arrays["image_attention_mask"],
    )
    return [ImageTokens(tokens) for tokens in _split(written[0], counts)]


def _rows(features: Tensor | Sequence[Tensor]) -> Float[Tensor, "n d"]:
    """Join features, (..., d), that come as one tensor or as one per image."""
    parts = [features] if isinstance(features, Tensor) else features
    return torch.cat([part.flatten(0, -2) for part in parts])


def accepted(function: Callable[..., Any], given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return those of `given` that a function of a model takes by name."""
    takes = inspect.signature(inspect.unwrap(function)).parameters
    return {key: value for key, value in given.items() if key in takes}


def cast(value: Tensor, dtype: torch.dtype) -> Tensor:
    """Cast pixels to the model's dtype; integers (sizes, grids, masks) are unchanged.

    Images (n, 3, H, W) are stored with channels last, in which a CPU's convolutions are faster.
    """
    if not value.is_floating_point():
        return value
    layout = torch.channels_last if value.dim() == IMAGES else torch.preserve_format
    return value.to(dtype, memory_format=layout)


def _split(joined: Float[Tensor, "n d"], counts: Sequence[int]) -> tuple[Tensor, ...]:
    if len(joined) != sum(counts):
        raise ValueError(
            f"the vision tower gave {len(joined)} tokens; the prompt has {sum(counts)}"
        )
    parts: tuple[Tensor, ...] = torch.split(joined, list(counts))
    return parts


FEATURES: dict[str, Callable[[Any, dict[str, Tensor], Sequence[int]], list[ImageTokens]]] = {
    "get_image_features": _from_method,
    "phi4": _from_phi4,
}
