"""An open model in another process: it is opened again there, by its name."""

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from e5v import E5V, UsageError
from e5v.model.loading import load

Checkpoints = Callable[[str], Path]


def test_a_pickle_opens_the_model_again(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback about a lock; or a model that comes back with other settings."""
    folder = checkpoints("qwen2_vl")
    monkeypatch.chdir(folder.parent)
    model = E5V(folder.name, dtype="float32", max_tokens=50, readout="before-mlp")
    content = pickle.dumps(model)
    assert len(content) < 1_000  # no weights in it
    monkeypatch.chdir("/")
    for again in (pickle.loads(content), copy.deepcopy(model)):
        assert again is not model
        assert again.loaded.model is not model.loaded.model
        assert (again.max_tokens, again.encoder.readout) == (50, "before-mlp")
        assert again.encode(["a dog"]).tobytes() == model.encode(["a dog"]).tobytes()


@pytest.mark.usefixtures("warm")
def test_a_process_opens_it_again(checkpoints: Checkpoints) -> None:
    """A pool of processes that cannot be given the model."""
    model = E5V(checkpoints("qwen2_vl"), dtype="float32")
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        vectors = pool.submit(model.encode, ["a dog", "a cat"]).result()
    np.testing.assert_allclose(vectors, model.encode(["a dog", "a cat"]), rtol=0, atol=1e-6)


def test_what_has_no_name_is_refused(checkpoints: Checkpoints) -> None:
    """A deep traceback for a model that was handed over open, and cannot be opened again."""
    model = E5V(load(checkpoints("qwen2_vl")))
    for act in (pickle.dumps, copy.deepcopy):
        with pytest.raises(UsageError, match=r"open it by its name in each process: E5V\(name\)"):
            act(model)
