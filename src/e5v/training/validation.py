"""Retrieval on held-out data during training.

    HeldOut -> its images -> vision tower, once, before training -> image tokens on the CPU
    HeldOut + image tokens -> current language model -> unit rows -> Measures

Training uses texts only and does not load the vision tower. The tower is frozen: its tokens of an
image are the same at every step, so it is loaded separately, run once, and released. If its
projector is trained, they are not: the images are then run through the current model each time.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from e5v.errors import DataError, ItemError, ModelError
from e5v.inputs import Side
from e5v.model.embedder import E5V
from e5v.model.encoder import add_image_tokens
from e5v.model.loading import Loaded, load
from e5v.model.multimodal import MultimodalModel
from e5v.model.opening import OpenOptions
from e5v.model.preparing import Prepared, Preparer, ahead
from e5v.model.prompts import Prompt
from e5v.model.recipe import Purpose
from e5v.retrieval import centroid_distance, recall_at, true_ranks
from e5v.training.validation_data import HeldOut, read_held_out

LIMIT = 1_000  # rows; LLaVA-NeXT's tokens of so many photos take about 20 GB of memory


@dataclass(frozen=True)
class Measures:
    """The measurement at one step; None where the data does not allow it.

    Recalls are R@1, 0 to 1: the share of queries whose best candidate is a true one; a tie with a
    false one is a miss. `text_recall` is from an anchor to its positive among all positives
    and hard negatives, `image_recall` from a caption to its image, `caption_recall` from an image
    to any of its captions. `gap` is the distance between the centroids of the unit vectors of
    images and captions, 0 to 2 (Liang et al. 2022, arXiv 2203.02053).
    """

    text_recall: float | None = None
    image_recall: float | None = None
    caption_recall: float | None = None
    gap: float | None = None

    @classmethod
    def of(
        cls, held_out: HeldOut, queries: NDArray[np.float32], candidates: NDArray[np.float32]
    ) -> "Measures":
        """Measure unit vectors, (q, d) of the queries and (c, d) of the candidates."""
        truth = held_out.truth
        scores = np.where(held_out.own & ~truth, -np.inf, queries @ candidates.T)
        if not held_out.images:
            return cls(text_recall=_recall_at_1(scores, truth))
        return cls(
            image_recall=_recall_at_1(scores, truth),
            caption_recall=_recall_at_1(scores.T, truth.T),
            gap=centroid_distance(candidates, queries),
        )


def _recall_at_1(scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
    return recall_at(true_ranks(scores, truth), 1)


class Validation:
    """Held-out data, prepared once and measured repeatedly during training."""

    def __init__(self, held_out: HeldOut, prompt: Prompt, images: Sequence[Prepared]) -> None:
        self.held_out = held_out
        self._prompt = prompt
        self._queries: list[Prepared] = []
        self._candidates = list(images)

    @classmethod
    def open(
        cls,
        data: Path,
        model: str,
        prompt: Prompt,
        *,
        limit: int = LIMIT,
        frozen: bool = True,
        **options: Unpack[OpenOptions],
    ) -> "Validation":
        """Read the first `limit` rows of `data` (see `read_held_out`) and encode its images.

        The vision tower of `model` is loaded only if there are images, with `options` as in `load`,
        and only if it is `frozen` with its projector: else images are prepared at the first
        measurement.

        Raises:
            DataError: the data cannot be read, or has rows that cannot be used; names them.
            ModelError: the model's vision tower cannot be run separately.
        """
        held_out = read_held_out(data, limit)
        images: list[Prepared] = []
        if held_out.images and frozen:
            vision = load(model, part="vision", **options)
            images = list(_encode_images(held_out.images, vision, prompt))
        return cls(held_out, prompt, images)

    def measure(self, embedder: E5V) -> Measures:
        """Embed the data with the current language model, without dropout, and compare."""
        if not self._queries:
            self._queries = self._prepare(self.held_out.queries, embedder, "query")
        if not self._candidates:
            images = _prepare_images(self.held_out.images, embedder.loaded, self._prompt)
            self._candidates = [*images] or self._prepare(
                self.held_out.candidates, embedder, "document"
            )
        with _evaluating(embedder.loaded.model):
            queries, candidates = map(embedder.embed, (self._queries, self._candidates))
        return Measures.of(self.held_out, queries, candidates)

    def _prepare(self, texts: Iterable[object], embedder: E5V, side: Side) -> list[Prepared]:
        purpose = Purpose(side=side)
        return [
            embedder.prepare({"text": text}, prompt=self._prompt, purpose=purpose) for text in texts
        ]


def _encode_images(files: Iterable[Path], vision: Loaded, prompt: Prompt) -> Iterator[Prepared]:
    """Prepare images, and replace their pixels by the vision tower's tokens."""
    if vision.backbone.layout == "whole":
        raise ModelError(
            f"{vision.name} is of an architecture whose vision tower cannot be run separately; "
            "give a file of triplets as held-out data instead"
        )
    for one in _prepare_images(files, vision, prompt):
        yield replace(one, prompted=add_image_tokens(vision, [one.prompted])[0])


def _prepare_images(files: Iterable[Path], loaded: Loaded, prompt: Prompt) -> Iterator[Prepared]:
    prepare = partial(Preparer(loaded, loaded.context).prepare, prompt=prompt)
    for future in ahead(files, prepare):
        try:
            yield future.result()
        except ItemError as error:
            raise DataError(f"a held-out image cannot be used: {error.cause}") from error


@contextmanager
def _evaluating(model: MultimodalModel) -> Iterator[None]:
    """Switch dropout off, and restore every module's mode afterwards."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training
