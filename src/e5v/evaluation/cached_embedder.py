"""Embedders: our own models, or any object with `encode`; vectors are cached.

Pool -> digest of every item -> known rows from the cache -> the rest embedded, cached
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from e5v.errors import DataError, ItemError, UsageError
from e5v.evaluation.cache import Cache
from e5v.evaluation.tasks import Kind, Pool
from e5v.inputs import Image, Item, RawItem, normalise
from e5v.model.embedder import E5V
from e5v.model.fingerprint import fingerprint
from e5v.model.image_files import UnreadableError, read_bytes
from e5v.model.images import digest
from e5v.model.prompts import Prompt, find_prompt

Vectors = NDArray[np.float32]
PART = 512  # items embedded before they are cached: the most that a kill can lose


class Embedder(Protocol):
    """Embeds items: (n, d) float32, not necessarily of length 1."""

    fingerprint: str
    """Identifies its vectors in the cache."""

    def embed(self, items: Sequence[RawItem], prompt: str) -> Vectors:
        """Embed items with a prompt, by its name."""

    def wording(self, prompt: str) -> str:
        """Return the wording of a prompt, for reports and for the cache."""


class OwnModel:
    """An `E5V` with the prompts of the tasks, or with replacements.

    `prompts` maps the name of a prompt to its replacement.
    """

    def __init__(self, model: E5V, prompts: Mapping[str, Prompt] | None = None) -> None:
        self.model = model
        self.prompts = prompts or {}
        cut = f"-{model.max_tokens}" if model.max_tokens < model.loaded.context else ""
        self.fingerprint = fingerprint(model.loaded, model.encoder.readout) + cut

    def embed(self, items: Sequence[RawItem], prompt: str) -> Vectors:
        """Return the states of items."""
        return self.model.states(items, prompt=self._find_prompt(prompt))

    def wording(self, prompt: str) -> str:
        """Return the wording of a prompt."""
        return str(self._find_prompt(prompt))

    def wordings(self, pools: Iterable[Pool]) -> dict[str, str]:
        """Return the prompt wordings of some pools, by prompt and kind of item."""
        asked = sorted({(pool.prompt, pool.kind) for pool in pools})
        return {f"{prompt}, {kind}": self._find_wording(prompt, kind) for prompt, kind in asked}

    def _find_wording(self, prompt: str, kind: Kind) -> str:
        wording = self.model.loaded.recipe.shown(self._find_prompt(prompt))
        return {"text": wording.text, "image": wording.image, "composed": wording.edit}[kind]

    def _find_prompt(self, prompt: str) -> Prompt:
        return self.prompts.get(prompt) or find_prompt(prompt)


class EncodingModel(Protocol):
    """A model of another library: `encode(items)` returns one row of numbers per item."""

    @property
    def encode(self) -> Callable[..., ArrayLike]:
        """Embed a list of items; may have the option `show_progress_bar`."""


class AnyModel:
    """Any object with `encode(items)`, like those of sentence-transformers, and its own prompts.

    `name` identifies it in the cache: give every model its own name.
    """

    def __init__(self, model: EncodingModel, name: str) -> None:
        self.model = model
        self.fingerprint = name
        silent = "show_progress_bar" in inspect.signature(model.encode).parameters
        self._options = {"show_progress_bar": False} if silent else {}

    def embed(self, items: Sequence[RawItem], prompt: str) -> Vectors:
        """Return what its `encode` returns."""
        rows = np.asarray(self.model.encode(list(items), **self._options), dtype=np.float32)
        if rows.ndim != 2 or len(rows) != len(items):  # noqa: PLR2004
            raise UsageError(f"encode gave {rows.shape} for {len(items)} items; expected (n, d)")
        return rows

    def wording(self, prompt: str) -> str:
        """Return an empty string: the model has its own prompts, or none."""
        return ""


class CachedEmbedder:
    """Embeds pools through a cache; `made` counts the items that were not cached."""

    def __init__(self, embedder: Embedder, cache: Cache) -> None:
        self.embedder = embedder
        self.cache = cache
        self.made = 0

    def vectors(self, pool: Pool, step: Callable[[int], None] = lambda _: None) -> Vectors:
        """Return the vectors (n, d) of a pool, in order; `step` gets counts of items done.

        Raises:
            DataError: an item cannot be read; it is named.
        """
        wording = self.embedder.wording(pool.prompt)
        fingerprint = self.embedder.fingerprint
        rows: list[Vectors] = []
        for start in range(0, len(pool.items), PART):
            part = [pool.items[place] for place in _make_span(start, len(pool.items))]
            keys = [
                Cache.key(fingerprint, wording, _digest_item(item, start + place))
                for place, item in enumerate(part)
            ]
            known = self.cache.find(keys)
            fresh = {key: item for key, item in zip(keys, part, strict=True) if key not in known}
            if fresh:
                try:
                    made = self.embedder.embed(list(fresh.values()), pool.prompt)
                except ItemError as error:
                    raise DataError(f"an item cannot be embedded: {error.cause}") from error
                new = dict(zip(fresh, made, strict=True))
                self.cache.keep(new)
                self.made += len(new)
                known |= new
            rows.append(np.stack([known[key] for key in keys]))
            step(len(part))
        return np.concatenate(rows) if rows else np.empty((0, 0), np.float32)


def _make_span(start: int, end: int) -> range:
    return range(start, min(start + PART, end))


def _digest_item(raw: RawItem, position: int) -> bytes:
    """Return the digest of an item's content, files included."""
    try:
        item = normalise(raw, position)
        parts = tuple(read_bytes(part) if isinstance(part, Image) else part for part in item.parts)
    except UnreadableError as error:
        raise DataError(f"an item cannot be read: {error}") from error
    except ItemError as error:
        raise DataError(f"an item cannot be read: {error.cause}") from error
    return digest(Item(parts))
