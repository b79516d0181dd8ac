"""Compute hidden states from token ids and pixels, for training and inference.

    ids + pixels -> embeddings with image tokens -> language model -> last token's state

It computes no logits, keeps no other layers' states and no key-value cache, and runs the last layer
at pooled positions only. The backbone's layout of a batch is packed, padded or whole.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from e5v.errors import ModelError
from e5v.model.attention import packed
from e5v.model.failures import model_errors
from e5v.model.image_inputs import ImageTokens, Pixels
from e5v.model.last_layer import can_pool, pick_states, pooled_layer
from e5v.model.loading import Loaded
from e5v.model.packing import Pack, shared_tokens
from e5v.model.readout import check_readout, read_at
from e5v.model.vision import accepted, cast, image_tokens

GRID = "image_grid_thw"  # an image's shape in patches: the positions of its tokens depend on it
_LOCKS: WeakKeyDictionary[Any, Lock] = WeakKeyDictionary()  # per model, for all its encoders


@dataclass(frozen=True)
class Prompted:
    """The model's input for one item: the ids of its whole prompt, and its images in order.

    `counts[i]` is the number of tokens of the i-th image. `literal` is the prompt of an item with
    images for an engine (`e5v.model.literal`): its text, and the files of its images.
    """

    ids: list[int]
    images: tuple[Pixels, ...] = ()
    counts: tuple[int, ...] = ()
    literal: tuple[str | bytes, ...] = ()


class Encoder:
    """Runs one open model; calls from several threads, and other encoders of it, take turns.

    Raises:
        UsageError: the model does not support `readout` (see `e5v.model.readout`).
    """

    def __init__(self, loaded: Loaded, readout: str = "last") -> None:
        check_readout(readout, len(loaded.language_model.layers))
        self.loaded = loaded
        self.readout = readout
        self.model: Any = loaded.model
        self.width: int = loaded.text_config.hidden_size
        self.layout = loaded.backbone.layout
        # A batch replaces the model's attention while it runs.
        self._lock = _LOCKS.setdefault(self.model, Lock())
        self._poolable = self.layout != "whole" and can_pool(loaded.language_model.layers[-1])

    @property
    def context(self) -> int:
        """The most tokens of one prompt."""
        return self.loaded.context

    @property
    def alone_above(self) -> int | None:
        """Length in tokens above which rotary embeddings depend on the batch; None if never."""
        rope = getattr(self.loaded.text_config, "rope_parameters", None) or {}
        if rope.get("rope_type") not in {"longrope", "dynamic"}:
            return None
        limit: int | None = rope.get("original_max_position_embeddings")
        return limit or int(self.loaded.text_config.max_position_embeddings)

    def states(self, batch: Sequence[Prompted]) -> Float[Tensor, "n d"]:
        """Return the last hidden state, after the final norm, of each prompt's last token.

        *Shape:* (n, d) in the model's dtype, on its device, one row per prompt in the order given.
        Put prompts of equal length next to each other for speed.

        Raises:
            ModelError: processor and vision tower disagree on the number of image tokens, or the
                model's own code failed.
        """
        with self.passing(batch) as states:
            return states

    @contextmanager
    def passing(self, batch: Sequence[Prompted]) -> Iterator[Float[Tensor, "n d"]]:
        """Yield the states of a batch; the model keeps this batch's attention until the block ends.

        Compute gradients inside the block: activation checkpointing recomputes layers in the
        backward pass, and needs the same attention and the same pooled rows.
        """
        ways = {"packed": self._packed, "padded": self._padded, "whole": self._whole}
        with self._lock, ExitStack() as routes:
            routes.enter_context(read_at(self.loaded.language_model, self.readout))
            with model_errors(self.loaded.name):
                states = ways[self.layout](batch, routes)
            yield states

    def _packed(self, batch: Sequence[Prompted], routes: ExitStack) -> Float[Tensor, "n d"]:
        shared = self._shared(batch)
        pack = Pack(shared, tuple(len(one.ids) - shared for one in batch))
        row = batch[0].ids[:shared] + [number for one in batch for number in one.ids[shared:]]
        ids = torch.tensor([row], device=self.loaded.device)
        images = self._images(batch)
        language_model = self.loaded.language_model
        deep = _deepstack(images, ids == self.loaded.image_token_id)
        routes.enter_context(packed(language_model))
        layers = language_model.layers
        pooled = self._poolable and len(images[0].deep if images else ()) < len(layers)
        columns = torch.tensor(pack.last, device=ids.device)
        if pooled:
            rows = torch.zeros_like(columns)
            routes.enter_context(pooled_layer(layers[-1], rows, columns))
        output = language_model(
            inputs_embeds=self._embed(ids, images),
            position_ids=self._positions(batch, shared).to(ids.device),
            use_cache=False,
            pack=pack,
            **deep,
        )
        states: Tensor = output.last_hidden_state[0]
        return states if pooled else states[columns.to(states.device)]

    def _padded(self, batch: Sequence[Prompted], routes: ExitStack) -> Float[Tensor, "n d"]:
        ids, mask = self._pad(batch)
        columns = mask.sum(1) - 1
        if self._poolable:
            rows = torch.arange(len(batch), device=ids.device)
            layer = self.loaded.language_model.layers[-1]
            routes.enter_context(pooled_layer(layer, rows, columns))
        output = self.model.base_model(
            inputs_embeds=self._embed(ids, self._images(batch)),
            attention_mask=mask,
            token_type_ids=(ids == self.loaded.image_token_id).long(),
            use_cache=False,
        )
        states: Tensor = output.last_hidden_state
        return states[:, 0] if self._poolable else pick_states(states, columns)

    def _whole(self, batch: Sequence[Prompted], routes: ExitStack) -> Float[Tensor, "n d"]:
        """Run the model's own forward pass: items with images one by one, texts padded right."""
        if any(one.images for one in batch) and len(batch) > 1:
            return torch.cat([self._whole([one], routes) for one in batch])
        ids, mask = self._pad(batch)
        base = self.model.base_model
        marks = (ids == self.loaded.image_token_id).long()
        extra = {"mm_token_type_ids": marks, "token_type_ids": marks, **self._arrays(batch)}
        output = base(
            input_ids=ids, attention_mask=mask, use_cache=False, **accepted(base.forward, extra)
        )
        states: Tensor = output.last_hidden_state
        return pick_states(states, mask.sum(1) - 1)

    def _arrays(self, batch: Sequence[Prompted]) -> dict[str, Tensor]:
        images = [image.arrays for one in batch for image in one.images]
        joined = {key: _concatenate([one[key] for one in images]) for key in (images or [{}])[0]}
        return {
            key: cast(value, self.model.dtype).to(self.loaded.device)
            for key, value in joined.items()
        }

    def _pad(self, batch: Sequence[Prompted]) -> tuple[Int[Tensor, "n L"], Bool[Tensor, "n L"]]:
        rows = [torch.tensor(one.ids) for one in batch]
        ids = pad_sequence(rows, batch_first=True)
        lengths = torch.tensor([len(row) for row in rows])
        mask = torch.arange(ids.shape[1])[None] < lengths[:, None]
        return ids.to(self.loaded.device), mask.to(self.loaded.device)

    def _shared(self, batch: Sequence[Prompted]) -> int:
        """Count the tokens in the common prefix of all prompts; image tokens are never shared."""
        shared = shared_tokens([one.ids for one in batch])
        ours = itertools.takewhile(lambda n: n != self.loaded.image_token_id, batch[0].ids[:shared])
        return len(list(ours))

    def _images(self, batch: Sequence[Prompted]) -> list[ImageTokens]:
        images = [image for one in batch for image in one.images]
        counts = [count for one in batch for count in one.counts]
        ready = [image.tokens.to(self.loaded.device) for image in images if image.tokens]
        if len(ready) == len(images):
            return ready
        if self.loaded.part == "language":
            raise ModelError(
                f"{self.loaded.name} is open without its vision tower; expected texts only"
            )
        return _run_tower(self.loaded, images, counts)

    def _embed(self, ids: Int[Tensor, "n L"], images: list[ImageTokens]) -> Float[Tensor, "n L d"]:
        """Embed the ids and insert the image tokens."""
        places = ids == self.loaded.image_token_id
        embeddings: Tensor = self.model.get_input_embeddings()(ids.masked_fill(places, 0))
        if not images:
            return embeddings
        tokens = torch.cat([image.tokens for image in images]).to(embeddings)
        return embeddings.masked_scatter(places.unsqueeze(-1).to(embeddings.device), tokens)

    def _positions(self, batch: Sequence[Prompted], shared: int) -> Int[Tensor, "*axes 1 T"]:
        """Return the position ids of a pack; each sequence continues from the shared tokens."""
        rows = [torch.arange(shared)]
        if self.loaded.backbone.rotary == 1:
            rows += [torch.arange(shared, len(one.ids)) for one in batch]
            return torch.cat(rows)[None]
        cubes = [rows[0].expand(3, -1), *(self._positions_3d(one)[:, shared:] for one in batch)]
        return torch.cat(cubes, dim=1)[:, None]

    def _positions_3d(self, one: Prompted) -> Int[Tensor, "3 L"]:
        if not one.images or self.loaded.recipe.positions == "1d":
            return torch.arange(len(one.ids)).expand(3, -1)
        ids = torch.tensor([one.ids])
        grids = torch.cat([image.arrays[GRID] for image in one.images])
        marks = (ids == self.loaded.image_token_id).int()
        count = self.model.base_model.get_rope_index
        given = {"mm_token_type_ids": marks, "image_grid_thw": grids}
        positions: Tensor = count(ids, **accepted(count, given))[0]
        return positions[:, 0]


@torch.no_grad()
def add_image_tokens(
    loaded: Loaded,
    batch: Sequence[Prompted],
    known: dict[int, Pixels] | None = None,
    *,
    alone: bool = False,
) -> list[Prompted]:
    """Run the vision tower; return the prompts with image tokens, on the CPU, instead of pixels.

    The encoder then runs the language model only. `loaded` may be the vision tower alone. `known`
    collects images by `id`, so that other batches which share them need not run it again. Images
    that have tokens already stay as they are. `alone` runs the tower on one image at a time: tokens
    are then equal, bit for bit, whatever else is in the batch.

    Raises:
        ModelError: processor and vision tower disagree on the number of image tokens, or the
            model's own code failed.
    """
    known = {} if known is None else known
    pairs = [pair for one in batch for pair in zip(one.images, one.counts, strict=True)]
    known |= {id(image): image for image, _ in pairs if image.tokens}
    fresh = {id(image): (image, count) for image, count in pairs if id(image) not in known}
    together = [[key] for key in fresh] if alone else [list(fresh)]
    for keys in together:
        images = [fresh[key][0] for key in keys]
        with model_errors(loaded.name):
            made = _run_tower(loaded, images, [fresh[key][1] for key in keys])
        known |= zip(keys, map(_replace_pixels, images, made), strict=True)
    return [replace(one, images=tuple(known[id(image)] for image in one.images)) for one in batch]


def _run_tower(
    loaded: Loaded, images: Sequence[Pixels], counts: Sequence[int]
) -> list[ImageTokens]:
    """Run the vision tower, once on an image that several items share."""
    distinct = {id(image): place for place, image in enumerate(images)}
    if not distinct:
        return []
    pixels = [images[place] for place in distinct.values()]
    shares = [counts[place] for place in distinct.values()]
    try:
        tokens = image_tokens(loaded.model, pixels, loaded.backbone.features, shares)
    except ValueError as error:
        raise ModelError(f"{loaded.name}: processor and model disagree: {error}") from error
    known = dict(zip(distinct, tokens, strict=True))
    return [known[id(image)] for image in images]


def _replace_pixels(image: Pixels, tokens: ImageTokens) -> Pixels:
    grid = {key: array for key, array in image.arrays.items() if key == GRID}
    return replace(image, arrays=grid, tokens=tokens.to("cpu"))


def _concatenate(arrays: Sequence[Tensor]) -> Tensor:
    """Concatenate arrays of several images; smaller ones are padded with zeros."""
    widest = [max(sizes) for sizes in zip(*(array.shape[1:] for array in arrays), strict=True)]
    full = [array.new_zeros(len(array), *widest) for array in arrays]
    for blank, array in zip(full, arrays, strict=True):
        blank[tuple(slice(size) for size in array.shape)] = array
    return torch.cat(full)


def _deepstack(images: list[ImageTokens], places: Bool[Tensor, "1 T"]) -> dict[str, Any]:
    """Return the arguments of a language model that adds image features after early layers."""
    if not images or not images[0].deep:
        return {}
    layers = [torch.cat(layer) for layer in zip(*(image.deep for image in images), strict=True)]
    return {"visual_pos_masks": places, "deepstack_visual_embeds": layers}
