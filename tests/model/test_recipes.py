"""Published embedders: their authors' vectors, from plain code and strings written by hand."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray
from PIL import Image
from transformers.image_utils import SizeDict

from e5v import E5V
from e5v.model.recipes import RECIPES
from tests.families import build, load_processor, qwen
from tests.model.recipe_cases import PUBLISHED, Case, Published

Places = Callable[[str], Path]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Give the small checkpoint of a published embedder, in a folder of its name."""
    root = tmp_path_factory.mktemp("published")

    @cache
    def make(family: str, patch: int) -> Path:
        before, qwen.PATCH = qwen.PATCH, patch
        try:
            return build(family, root / f"{family}-{patch}" / "made")
        finally:
            qwen.PATCH = before

    def place(name: str) -> Path:
        published = PUBLISHED[name]
        made = make(published.family, published.patch)
        folder = made.parent / published.id.rpartition("/")[2]
        if not folder.exists():
            folder.symlink_to(made, target_is_directory=True)
        return folder

    return place


def _plain_vector(model: Any, processor: Any, case: Case, *, one_axis: bool) -> NDArray[np.float32]:
    """Return the unit last hidden state of the last token, (d,), as a model card computes it."""
    inputs = processor(text=[case.string], images=[*case.pictures] or None, return_tensors="pt")
    if one_axis:
        count = torch.arange(inputs["input_ids"].shape[1])
        inputs["position_ids"] = torch.stack([count, count, count])[:, None]
    with torch.no_grad():
        states = model(**inputs, output_hidden_states=True).hidden_states[-1][:, -1]
    row: NDArray[np.float32] = torch.nn.functional.normalize(states, dim=-1)[0].numpy()
    return row


def _plain_rows(folder: Path, published: Published, cases: list[Case]) -> NDArray[np.float32]:
    auto: Any = transformers.AutoModelForImageTextToText
    model, processor = auto.from_pretrained(folder, dtype="float32").eval(), load_processor(folder)
    if published.pixels:
        least, most = published.pixels
        processor.image_processor.size = SizeDict(shortest_edge=least, longest_edge=most)
    one_axis = published.one_axis
    rows = [_plain_vector(model, processor, case, one_axis=one_axis) for case in cases]
    return np.stack(rows)


@pytest.mark.parametrize("name", PUBLISHED)
def test_vectors_are_the_authors(name: str, places: Places, photos: list[Image.Image]) -> None:
    """Catches a wording, order, resizing, position or side that is not the authors'.

    Alone, and beside others in one batch.
    """
    published = PUBLISHED[name]
    cases = published.cases(photos[0], photos[3])
    model = E5V(places(name), dtype="float32")
    assert (model.loaded.recipe.name, model.loaded.recipe_by) == (name, "known by its name")
    expected = _plain_rows(places(name), published, cases)
    alone = np.concatenate([model.encode([case.item], **case.options) for case in cases])
    assert np.abs(alone - expected).max() <= 1e-5
    calls: tuple[dict[str, Any], ...] = ({}, {"side": "query"})
    for options in calls:
        same = [place for place, case in enumerate(cases) if case.options == options]
        items = [cases[place].item for place in same]
        if items:
            together = model.encode([*items, "another beside them"], **options)[:-1]
            assert np.abs(together - expected[same]).max() <= 1e-5


def test_every_recipe_is_written_out() -> None:
    """Catches a record that nothing compares with what its authors do."""
    assert {recipe.name for recipe in RECIPES} == {"e5-v", *PUBLISHED}
