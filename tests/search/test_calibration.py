"""Images and texts in one order, and what a score means, in an index whose kinds lie apart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from e5v.errors import UsageError
from e5v.search import nearest as ranking
from e5v.search.calibration import BY_COSINE, Calibration
from e5v.search.entries import Filters
from e5v.search.index import Index
from e5v.search.query import QueryVectors, find
from e5v.search.snapshot import Snapshot
from e5v.vectors import unit
from tests.search.made import DIM, change, fill, found, ids, record

THINGS = 40  # each with an image (even number) and a text (odd)
GAP = np.eye(2, DIM, dtype=np.float32) * 2.5  # where images lie, and where texts do


def apart(things: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image and a text of each thing: nearer to their kind than to each other."""
    pairs = np.stack([things + GAP[0], things + GAP[1]], axis=1)
    return unit(pairs.reshape(-1, DIM))


def draw(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Return things that have nothing in common, and nothing with where the kinds lie."""
    drawn = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    drawn[:, :3] = 0
    return 2 * unit(drawn)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Index an image and a text of each of some things."""
    return Index.open(fill(tmp_path_factory.mktemp("apart"), apart(draw(THINGS))))


def query_of(place: int, kind: str = "text") -> QueryVectors:
    """Return a query for one of the things, in words or by an image."""
    near = draw(THINGS)[place : place + 1] + 0.2 * draw(1, seed=9)
    return QueryVectors(apart(near)[int(kind == "text")], kind=kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["text", "image"])
def test_both_of_a_thing_come_first(index: Index, kind: str) -> None:
    """Catches every text before any image of words, and the other way round for an image."""
    for place in range(THINGS):
        query = query_of(place, kind)
        plain = found(index.search(query.query, k=THINGS))
        assert len({int(id[2:]) % 2 for id in plain}) == 1  # by cosine, one kind alone
        hits = find(index, query, k=10)
        assert set(found(hits[:2])) == set(ids([2 * place, 2 * place + 1]))
        assert [hit.match for hit in hits[:2]] == ["strong", "strong"]
        vectors = [index.vector(hit.entry.id) for hit in hits]
        scores = np.array([hit.score for hit in hits])
        np.testing.assert_allclose(scores, np.array(vectors) @ query.query, atol=1e-3)


def test_the_first_hits_do_not_depend_on_how_many(index: Index) -> None:
    """Catches a second page that repeats hits of the first, or loses some."""
    query = query_of(3)
    every = found(find(index, query, k=2 * THINGS))
    assert len(set(every)) == 2 * THINGS
    for k in (1, 2, 7, 30):
        assert found(find(index, query, k=k)) == every[:k]


def test_filters_count_before_the_kinds_are_merged(index: Index) -> None:
    """Catches fewer hits than there are, because those of the other kind took their places."""
    query = query_of(5)
    texts = find(index, query, k=10, where="kind = 'text'")
    assert found(texts) == found(index.search(query.query, k=10, where="kind = 'text'"))
    least = texts[7].score
    near = find(index, query, k=8, min_score=least)
    assert len(near) == 8
    assert min(hit.score for hit in near) >= least
    some = find(index, query, k=5, where="part = 1 OR path LIKE '%0%.jpg'")
    assert len(some) == 5


def test_what_nothing_is_close_to(index: Index) -> None:
    """Catches a nearest entry that is called a match because something has to be nearest."""
    elsewhere = 2 * np.eye(3, DIM, dtype=np.float32)[2:]  # no thing lies there
    nothing = QueryVectors(unit(elsewhere + GAP[1])[0], kind="text")
    assert {hit.match for hit in find(index, nothing, k=10)} == {"none"}


def test_one_kind_is_as_it_was(tmp_path: Path) -> None:
    """Catches an order, or a score, that changes where there is nothing to merge."""
    rows = apart(draw(THINGS))[1::2]
    texts = [record(2 * place + 1, row) for place, row in enumerate(rows)]
    index = Index.open(change(tmp_path, lambda writer: writer.commit(texts, [])))
    query = query_of(2)
    hits = find(index, query, k=9)
    assert [replace(hit, match=None) for hit in hits] == index.search(query.query, k=9)
    assert (hits[0].match, hits[-1].match) == ("strong", "none")
    image = find(index, query_of(2, "image"), k=9)  # there is no image to compare it with
    assert {hit.match for hit in image} == {None}


def test_a_vector_and_an_unknown_query_are_ranked_by_cosine(index: Index) -> None:
    """Catches a scale that is put on a vector of which nobody says what it is of."""
    query = query_of(4)
    plain = index.search(query.query, k=12)
    assert find(index, replace(query, kind=None), k=12) == plain
    assert {hit.match for hit in plain} == {None}


def test_few_of_a_kind_are_ordered_and_not_rated(tmp_path: Path) -> None:
    """Catches two notes among photos that always come first, and a rating from two vectors."""
    rows = apart(draw(THINGS))
    chosen = [1, 3, *range(0, 40, 2)]  # the texts of two things, the images of twenty
    few = [record(number, rows[number]) for number in chosen]
    index = Index.open(change(tmp_path, lambda writer: writer.commit(few, [])))
    hits = find(index, query_of(7), k=4)
    assert found(hits)[0] == "id00014"  # the image of that thing, which no note is about
    assert {hit.match for hit in hits} == {None}
    assert set(found(find(index, query_of(1), k=2))) == {"id00002", "id00003"}
    alone = Calibration({"image": rows[:1], "text": rows[1:2]})
    assert alone.scale("text", rows[1]) == BY_COSINE


def test_a_kind_that_has_just_been_added() -> None:
    """Catches a search that fails because a writer adds the first text of an index meanwhile."""
    rows = apart(draw(THINGS))
    scale = Calibration({"image": rows[0::2]}).scale("image", rows[0])
    assert scale.merge({"image": [0.9, 0.2], "text": [0.5]}) == [
        ("image", 0),
        ("text", 0),
        ("image", 1),
    ]


def test_an_image_with_words_lies_between() -> None:
    """Catches a composed query that is ranked as words alone, or as the image alone."""
    rows = apart(draw(THINGS))
    known = Calibration({"image": rows[0::2], "text": rows[1::2]})
    text, image = (known.scale(kind, rows[0]).spreads["text"].mean for kind in ("text", "image"))
    between = unit((rows[0] + rows[1])[None])[0]
    assert image < known.scale("mixed", between).spreads["text"].mean < text
    assert known.scale("mixed", rows[0]).spreads["text"].mean == pytest.approx(image, abs=0.05)
    assert Calibration({"image": rows[0::2]}).scale("mixed", between) == BY_COSINE


def test_what_is_avoided_is_avoided_by_the_scale(index: Index) -> None:
    """Catches a query without something of which everything is called far away."""
    plain = query_of(6)
    removed = query_of(30).query
    left = unit((plain.query - (plain.query @ removed) * removed)[None])[0]
    hits = find(index, QueryVectors(left, kind="text", removed=(removed,)), k=4)
    assert set(found(hits[:2])) == set(ids([12, 13]))
    assert [hit.match for hit in hits[:2]] == ["strong", "strong"]


def test_signs_are_compared_once_for_both_kinds(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a search of both kinds that costs twice as much as one of all."""
    query, scale = query_of(7), BY_COSINE
    exact = index.search_kinds(query.query, 6, Filters(), scale)
    monkeypatch.setattr(ranking, "DIRECT", 0)
    monkeypatch.setattr(ranking, "FIRST_LEAST", 20)
    monkeypatch.setattr(ranking, "FINE_EACH", 1)
    compared: list[int] = []
    count = np.bitwise_count

    def counted(bits: NDArray[np.uint64]) -> NDArray[np.uint8]:
        compared.append(bits.size)
        found: NDArray[np.uint8] = count(bits)
        return found

    monkeypatch.setattr(np, "bitwise_count", counted)
    assert index.search_kinds(query.query, 6, Filters(), scale) == exact
    together = len(compared)
    compared.clear()
    index.search(query.query, k=6)
    assert together == len(compared)


def test_the_large_index_finds_both_kinds(tmp_path: Path) -> None:
    """Catches an index of LanceDB that finds the nearest of one kind alone, or by a slow filter."""
    fill(tmp_path, apart(draw(400)))
    query = QueryVectors(apart(draw(400)[9:10])[1], kind="text")
    exact = find(Index.open(tmp_path), query, k=6)
    table = Snapshot.take(tmp_path).table
    assert table.lacks_index
    table.make_index()
    assert not table.lacks_index
    index = Index.open(tmp_path)
    hits = find(index, query, k=6)
    assert set(found(hits[:2])) == set(found(exact[:2])) == set(ids([18, 19]))
    assert find(index, query, k=6, where="kind = 'image' OR kind = 'text'")[:2] == hits[:2]
    with pytest.raises(UsageError, match="the filter 'nonsense =' cannot be used"):
        find(index, query, k=6, where="nonsense =")


def test_a_calibration_is_made_once_for_a_version(index: Index) -> None:
    """Catches a search that samples the index again, each time."""
    assert index.calibration() is index.calibration()
