"""Fingerprints: equal for equal vectors, other for whatever moves them."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import torch

from e5v.model.fingerprint import fingerprint
from e5v.model.loading import load

Checkpoints = Callable[[str], Path]


def test_where_a_model_lies_does_not_matter(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """A cache that is empty after a folder was renamed."""
    source = checkpoints("llava_next_llama3")
    copytree(source, tmp_path / "moved")
    assert fingerprint(load(source)) == fingerprint(load(tmp_path / "moved"))


def test_whatever_moves_a_vector_matters(checkpoints: Checkpoints) -> None:
    """Vectors of a tuned model, answered from the cache of the one before."""
    loaded = load(checkpoints("llava_next_llama3"), dtype="float32")
    seen = {fingerprint(loaded), fingerprint(loaded, "1")}
    seen.add(fingerprint(load(checkpoints("llava_next_llama3"), dtype="bfloat16")))
    weight = loaded.language_model.layers[0].mlp.up_proj.weight
    with torch.no_grad():
        weight[0, 0] += 1e-3
    seen.add(fingerprint(loaded))
    with torch.no_grad():
        weight[0, 0] -= 1e-3
        weight[[0, 1]] = weight[[1, 0]].clone()  # the same values, in other places
    seen.add(fingerprint(loaded))
    loaded.processor.image_processor.image_mean = [0.1, 0.2, 0.3]
    seen.add(fingerprint(loaded))
    assert len(seen) == 6
