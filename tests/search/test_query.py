"""From what is asked to a vector: words, an example, both, and what is not wanted."""

from unicodedata import normalize

import numpy as np
import PIL.Image
import pytest

from e5v import E5V
from e5v.errors import ItemError, UsageError
from e5v.search.manifest import default_folder
from e5v.search.query import Ask, apart, asked, example_of, fingerprint_of, manifest_of
from e5v.vectors import unit
from tests.search.made import vectors


def test_a_query_is_what_the_model_says_of_it(model: E5V, photos: list[PIL.Image.Image]) -> None:
    """Catches a composed query that is not the paper's, and text taken for a path."""
    photo = photos[0]
    for ask, item in (
        (Ask(text="a dog"), {"text": "a dog"}),
        (Ask(text="https://cat.jpg"), {"text": "https://cat.jpg"}),
        (Ask(image=photo), photo),
        (Ask(image=photo, text=" "), photo),
        (Ask(image=photo, text="as a dog"), {"image": photo, "text": "as a dog"}),
        (Ask(text="a dog", without=""), {"text": "a dog"}),
    ):
        np.testing.assert_allclose(asked(model, ask), model.encode([item])[0], atol=1e-5)


def test_both_forms_of_accents_are_one_query(model: E5V) -> None:
    """Catches a query that is answered by the keyboard it was typed on."""
    composed, decomposed = (normalize(form, "crème brûlée") for form in ("NFC", "NFD"))
    for one, other in (
        (Ask(text=composed), Ask(text=decomposed)),
        (Ask(text="dessert", without=composed), Ask(text="dessert", without=decomposed)),
    ):
        np.testing.assert_array_equal(asked(model, one), asked(model, other))


def test_only_an_image_with_words_is_an_example(model: E5V, photos: list[PIL.Image.Image]) -> None:
    """Catches a search by example that leaves out the very thing that is looked for."""
    example = example_of(model, Ask("as a dog", photos[0]))
    assert example is not None
    np.testing.assert_allclose(example, model.encode(photos[:1])[0], atol=1e-5)
    assert example_of(model, Ask(image=photos[0], text=" ")) is None
    assert example_of(model, Ask("a dog")) is None


def test_what_is_not_wanted_is_not_in_the_query(model: E5V) -> None:
    """Catches a negative that is added, or half removed, or that turns the query around."""
    plain, unwanted = model.encode([{"text": "a dog"}, {"text": "snow and ice"}])
    vector = asked(model, Ask(text="a dog", without="snow and ice"))
    assert vector @ unwanted == pytest.approx(0, abs=1e-5)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    best = unit((plain - (plain @ unwanted) * unwanted)[None])[0]
    np.testing.assert_allclose(vector, best, atol=1e-5)
    with pytest.raises(UsageError, match="are the same"):
        asked(model, Ask(text="a dog", without="a dog"))


def test_no_other_vector_without_it_is_nearer_to_the_query() -> None:
    """Catches a removal that takes more from the query than it must."""
    wanted, unwanted = vectors(2)
    nearest = apart(np.stack([wanted, unwanted])) @ wanted
    others = vectors(2_000, seed=3)
    others = unit(others - (others @ unwanted)[:, None] * unwanted)
    assert (others @ wanted).max() <= nearest + 1e-5


def test_nothing_to_look_for(model: E5V) -> None:
    """Catches a query of nothing that is answered, and a broken example that is not told of."""
    for nothing in ({}, {"text": " "}, {"without": "snow"}):
        with pytest.raises(UsageError, match="nothing to search for"):
            Ask(**nothing)
    with pytest.raises(ItemError):
        asked(model, Ask(image=b"not an image"))


def test_facts_tell_models_apart(model: E5V) -> None:
    """Catches an index that cannot say how its model is opened again."""
    manifest = manifest_of(model, "small")
    assert (manifest.model, manifest.dtype, manifest.dim) == ("small", "float32", model.width)
    assert manifest.fingerprint == fingerprint_of(model)
    assert manifest.fingerprint != fingerprint_of(E5V(model.loaded, readout="before-mlp"))


def test_where_an_index_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an index in the folder that happens to be the present one."""
    monkeypatch.setenv("E5V_INDEX", "~/here")
    assert default_folder().is_absolute()
    assert default_folder().name == "here"
    monkeypatch.delenv("E5V_INDEX")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_folder().is_absolute()
    assert default_folder().parts[-2:] == ("e5v", "index")
