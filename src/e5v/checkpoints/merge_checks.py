"""Check a merged model before it is renamed to its target.

files of both, byte by byte -> source's vectors -> merged model's vectors -> verify -> Check

The two models are opened one after the other, each once.
"""

import gc
from collections.abc import Collection, Iterator
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from e5v.checkpoints.merge import Merged
from e5v.checkpoints.tensors import Weights, open_weights
from e5v.model.embedder import E5V
from e5v.model.opening import OpenOptions
from e5v.model.verify import FP32_LIMIT, TEXTS, Check, check, picture

# Both models compute the same items in the same way, so equal weights give equal bits. Any larger
# difference than float32 rounding between batches comes from the weights, in any dtype.
MOVED = FP32_LIMIT


def prove(
    merged: Merged,
    **options: Unpack[OpenOptions],
) -> Iterator[Check]:
    """Yield each check of a merged checkpoint as it finishes; `options` as in `E5V`.

    Raises:
        ModelError: the checkpoint or its source cannot be opened.
    """
    before, after = open_weights(merged.source), open_weights(merged.folder)
    yield _check_unchanged(before, after, before.places.keys() - set(merged.changed))
    yield _check_changed(before, after, merged.changed)

    asked: OpenOptions = {**options, "recipe": merged.recipe}
    source = _embed_samples(E5V(merged.source, **asked))
    gc.collect()  # free its weights before opening the next
    embedder = E5V(merged.folder, **options)
    distances = np.abs(_embed_samples(embedder) - source).max(-1)
    for kind, distance in zip(("text", "image"), distances, strict=True):
        figure, limit = f"{distance:.1e}", f"difference > {MOVED:.0e}"
        yield Check(f"{kind} vector moved", bool(distance > MOVED), figure, limit)
    yield from check(embedder)


def _check_unchanged(before: Weights, after: Weights, names: Collection[str]) -> Check:
    """Check that all tensors but the merged ones are bit-identical."""
    unlike = before.places.keys() ^ after.places.keys()
    unlike |= {name for name in names if name not in unlike and not _is_same(before, after, name)}
    figure = f"{len(unlike)} of {len(names)} differ"
    figure += f" ({min(unlike)}, ...)" if unlike else ""
    return Check("all else bit-identical", not unlike, figure, "0")


def _check_changed(before: Weights, after: Weights, names: Collection[str]) -> Check:
    """Check that merged tensors differ; rounding may hide some changes, but not all."""
    differ = sum(not _is_same(before, after, name) for name in names)
    return Check("language model tuned", differ > 0, f"{differ} of {len(names)} differ", "> 0")


def _is_same(before: Weights, after: Weights, name: str) -> bool:
    left, right = before.places[name], after.places[name]
    alike = (left.dtype, left.shape) == (right.dtype, right.shape)
    return alike and before.content(name) == after.content(name)


def _embed_samples(embedder: E5V) -> NDArray[np.float32]:
    """Embed a text and a picture: (2, d)."""
    vectors: NDArray[np.float32] = embedder.encode([TEXTS[1], picture(320, 240, seed=0)])
    return vectors
