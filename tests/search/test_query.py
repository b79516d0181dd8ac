"""From a query to vectors: words, an example, both, and what is not wanted."""

import io
from typing import Any
from unicodedata import normalize

import numpy as np
import PIL.Image
import pytest

import e5v
from e5v import E5V
from e5v.errors import DataError, UsageError
from e5v.inputs import Image, RawItem
from e5v.search.index import Index
from e5v.search.index_model import fingerprint_of, manifest_of
from e5v.search.manifest import default_folder
from e5v.search.query import (
    Query,
    embed_query,
    find,
    load_stored_example,
    remove_unwanted,
)
from e5v.vectors import unit
from tests.search.followed import Followed
from tests.search.made import vectors


def test_a_query_is_what_the_model_says_of_it(model: E5V, photos: list[PIL.Image.Image]) -> None:
    """Catches a composed query that is not the paper's, and text taken for a path."""
    photo = photos[0]
    for query, item in (
        (Query(text="a dog"), {"text": "a dog"}),
        (Query(text="https://cat.jpg"), {"text": "https://cat.jpg"}),
        (Query(image=photo), photo),
        (Query(image=photo, text=" "), photo),
        (Query(image=photo, text="as a dog"), {"image": photo, "text": "as a dog"}),
        (Query(text="a dog", without=""), {"text": "a dog"}),
    ):
        vector = embed_query(model, query).query
        np.testing.assert_allclose(vector, model.encode([item])[0], atol=1e-5)


def test_both_forms_of_accents_are_one_query(model: E5V) -> None:
    """Catches a query that is answered by the keyboard it was typed on."""
    composed, decomposed = (normalize(form, "crème brûlée") for form in ("NFC", "NFD"))
    for one, other in (
        (Query(text=composed), Query(text=decomposed)),
        (Query(text="dessert", without=composed), Query(text="dessert", without=decomposed)),
    ):
        vectors = [embed_query(model, query).query for query in (one, other)]
        np.testing.assert_array_equal(vectors[0], vectors[1])


def test_only_an_image_with_words_is_an_example(model: E5V, photos: list[PIL.Image.Image]) -> None:
    """Catches a search by example that leaves out the very thing that is looked for."""
    example = embed_query(model, Query("as a dog", photos[0])).example
    assert example is not None
    np.testing.assert_allclose(example, model.encode(photos[:1])[0], atol=1e-5)
    assert embed_query(model, Query(image=photos[0], text=" ")).example is None
    assert embed_query(model, Query("a dog")).example is None


def test_what_is_not_wanted_is_not_in_the_query(model: E5V) -> None:
    """Catches a negative that is added, or half removed, or that turns the query around."""
    plain, unwanted = model.encode([{"text": "a dog"}, {"text": "snow and ice"}])
    vector = embed_query(model, Query(text="a dog", without="snow and ice")).query
    assert vector @ unwanted == pytest.approx(0, abs=1e-5)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    best = unit((plain - (plain @ unwanted) * unwanted)[None])[0]
    np.testing.assert_allclose(vector, best, atol=1e-5)
    with pytest.raises(UsageError, match="are the same"):
        embed_query(model, Query(text="a dog", without="a dog"))


def test_no_other_vector_without_it_is_nearer_to_the_query() -> None:
    """Catches a removal that takes more from the query than it must."""
    wanted, unwanted = vectors(2)
    nearest = remove_unwanted(wanted, [unwanted]) @ wanted
    others = vectors(2_000, seed=3)
    others = unit(others - (others @ unwanted)[:, None] * unwanted)
    assert (others @ wanted).max() <= nearest + 1e-5


def test_nothing_to_look_for(model: E5V) -> None:
    """Catches a query of nothing that is answered, and a broken example that is not told of."""
    for nothing in ({}, {"text": " "}, {"without": "snow"}):
        with pytest.raises(UsageError, match="nothing to search for"):
            Query(**nothing)
    with pytest.raises(UsageError, match="got both"):
        Query(image=b"an image", like="an entry")
    with pytest.raises(UsageError, match=r"the query cannot be embedded: .* not an image"):
        embed_query(model, Query(image=b"not an image"))


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"text": 3}, "text is of type int; expected a string"),
        ({"text": ["a dog"]}, "text is of type list; expected a string"),
        ({"text": "a dog", "without": b"snow"}, "without is of type bytes; expected a string"),
        ({"like": 7}, "like is of type int; expected a string"),
        ({"image": ["1.png", "2.png"]}, "image is a list of 2; expected one image: a path, "),
        ({"image": ("1.png",)}, "image is a tuple of 1; expected one image: "),
        ({"image": {"text": "x"}}, "image is a mapping with 0 images and 1 text; expected one "),
        ({"image": {"image": ["1.png", "2.png"]}}, "image is a mapping with 2 images and 0 texts"),
        ({"image": {"image": "1.png", "text": "x"}}, "a mapping with 1 image and 1 text; expected"),
        ({"image": {}}, "image is a mapping that is empty: .*; expected one image: "),
        ({"image": {"colour": "red"}}, 'image is a mapping that has the key "colour"; expected '),
        ({"image": 5}, "image is of type int; expected one image: "),
        ({"image": np.zeros((4, 4, 3))}, "image is of type ndarray; expected one image: "),
    ],
)
def test_fields_of_another_type(fields: dict[str, Any], fault: str) -> None:
    """Catches a second image that is silently not searched for, and an error deep in a library."""
    with pytest.raises(UsageError, match=fault) as told:
        Query(**fields)
    assert "\n" not in str(told.value)


def test_every_form_of_one_image_is_an_example(model: E5V, followed: Followed) -> None:
    """Catches the check of a query that refuses an image that the model would read."""
    file = followed.folder / "a.png"
    data = file.read_bytes()
    expected = model.encode([file])[0]
    for image in (str(file), file, data, memoryview(data), PIL.Image.open(file), Image(file)):
        np.testing.assert_array_equal(embed_query(model, Query(image=image)).query, expected)
    for mapping in ({"bytes": data, "path": "a.png"}, {"image": file, "text": None}):
        np.testing.assert_array_equal(embed_query(model, Query(image=mapping)).query, expected)


def test_an_index_is_searched_in_one_call(followed: Followed, model: E5V) -> None:
    """Catches a search from Python that is not that of the command line."""
    e5v.index([followed.folder], index=followed.index, model=model)
    given, own = Index.open(followed.index, model=model), Index.open(str(followed.index))
    photo = followed.folder / "a.png"
    near = given.search(Query(image=photo), k=1)[0].entry
    for query in (
        Query("a dog"),
        Query(image=photo),
        Query("as a dog", photo),
        Query("as a dog", str(photo), without="snow"),
    ):
        hits = given.search(query, k=3, where="kind = 'image'")
        expected = find(given, embed_query(model, query), k=3, where="kind = 'image'")
        assert [hit.entry.id for hit in hits] == [hit.entry.id for hit in expected]
    words = [index.search("a dog", min_score=-1) for index in (given, own)]
    assert words[0] == given.search(Query("a dog")) != []
    assert [hit.entry.id for hit in words[0]] == [hit.entry.id for hit in words[1]]
    assert near.path == str(photo)
    for query in (Query(like=near.id), Query("as a dog", like=near.id)):
        assert near.id not in {hit.entry.id for hit in given.search(query)}
    alike = embed_query(model, Query("as a dog", photo))
    liked = load_stored_example(given, Query("as a dog", like=near.id))
    vectors = embed_query(model, Query("as a dog", like=near.id), liked)
    np.testing.assert_allclose(vectors.query, alike.query, atol=1e-5)
    np.testing.assert_array_equal(vectors.example, given.vector(near.id))


def test_mistakes_in_a_search_from_python(followed: Followed, model: E5V) -> None:
    """Catches hits of a model that did not make the index: plausible nonsense."""
    followed.follow()
    other = E5V(model.loaded, readout="before-mlp")
    with pytest.raises(DataError, match="cannot be compared"):
        Index.open(followed.index, model=other).search("a dog")
    index = Index.open(followed.index, model=model)
    with pytest.raises(UsageError, match="no entry 'nobody'"):
        index.search(Query(like="nobody"))
    with pytest.raises(UsageError, match="k is 0"):
        index.search(Query("a dog", followed.folder / "a.png"), k=0)


def test_a_shared_image_that_is_decoded_once_is_the_same(model: E5V) -> None:
    """Catches items that get the pixels of another image, or other vectors than alone."""
    draw = np.random.default_rng(0)
    files = []
    for _ in range(2):
        file = io.BytesIO()
        pixels = draw.integers(0, 256, (40, 40, 3), np.uint8)
        PIL.Image.fromarray(pixels).save(file, "PNG")
        files.append(file.getvalue())
    one, other = files
    items: list[RawItem] = [
        {"image": one, "text": "as a dog"},
        {"image": other, "text": "as a dog"},
        bytes(bytearray(one)),
        [other, one],
        other,
    ]
    alone = np.concatenate([model.encode([item]) for item in items])
    np.testing.assert_allclose(model.encode(items), alone, atol=1e-5)
    assert np.abs(alone[2] - alone[4]).max() > 1e-3


def test_a_manifest_identifies_its_model(model: E5V) -> None:
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
