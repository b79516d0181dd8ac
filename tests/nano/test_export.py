"""The folder to evaluate on, and the file to train on."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from e5v.evaluation.own_folder import read_folder
from e5v.evaluation.tasks import Grading, Search
from e5v.training.reading import read_triplets
from nano.export import Gallery, make_gallery, readme, write_gallery
from nano.facts import facts
from nano.scenes import split_of
from nano.triplets import triplets, write_triplets
from tests.nano.small import gray
from tests.nano.test_changes import differences


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    """All that the test folder holds."""
    return make_gallery("test")


def test_a_gallery_is_held_out_and_no_two_images_say_the_same(gallery: Gallery) -> None:
    """Would catch an image that is right for two captions, or was trained on."""
    scenes = (*gallery.scenes, *(one.target for _, one in gallery.edits))
    assert (len(gallery.scenes), len(gallery.edits), len(gallery.pairs)) == (500, 200, 600)
    assert {split_of(scene) for scene in scenes} == {"test"}
    assert len({facts(scene) for scene in scenes}) == 700


def test_a_quarter_differs_in_one_fact(gallery: Gallery) -> None:
    """Would catch a gallery in which the objects alone find every image."""
    for sibling in gallery.scenes[375:]:
        assert any(
            one.kind == sibling.kind and len(differences(one, sibling)) == 1
            for one in gallery.scenes[:375]
        )


def test_grades_are_spread(gallery: Gallery) -> None:
    """Would catch a rank correlation that only parts the alike from the unlike."""
    counts = Counter(round(grade) for _, _, grade in gallery.pairs)
    assert counts == dict.fromkeys(range(6), 100)


def test_the_evaluation_reads_the_folder(gallery: Gallery, tmp_path: Path) -> None:
    """Would catch a field or a path that `e5v evaluate` does not know, and targets among images."""
    few = replace(
        gallery,
        scenes=gallery.scenes[:3],
        captions=gallery.captions[:3],
        edits=tuple((1, one) for _, one in gallery.edits[:2]),
    )
    write_gallery(few, tmp_path / "scenes", gray())
    images, texts, edits, pairs = read_folder(tmp_path / "scenes").tasks
    assert isinstance(images, Search)
    assert isinstance(texts, Search)
    assert isinstance(edits, Search)
    assert isinstance(pairs, Grading)
    assert (len(images.candidates.items), len(edits.candidates.items)) == (3, 5)
    assert len(pairs.left.items) == 600
    with Image.open(tmp_path / "scenes" / "images" / "0001.png") as image:
        assert min(image.size) == 180
    with pytest.raises(FileExistsError, match="remove it first"):
        write_gallery(few, tmp_path / "scenes", gray())


def test_a_gallery_is_the_same_each_time_and_another_for_validation(gallery: Gallery) -> None:
    """Would catch numbers that nobody can make again, and choices made on the test."""
    assert make_gallery("test") == gallery
    assert {split_of(scene) for scene in make_gallery("validation").scenes} == {"validation"}


def test_whose_drawings_they_are_is_said() -> None:
    """Would catch a folder of pictures without the credits that its style asks for."""
    assert "Open Font License" in " ".join(readme("test", "noto").split())
    assert "CC BY 4.0" in readme("test", "twemoji")
    assert "CC BY-SA 4.0" in readme("test", "openmoji")


def test_training_reads_the_triplets(tmp_path: Path) -> None:
    """Would catch columns that `e5v train` does not know, and other rows for the same seed."""
    write_triplets(tmp_path / "a.csv", rows=50, seed=3)
    write_triplets(tmp_path / "b.csv", rows=50, seed=3)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    found = read_triplets([tmp_path / "a.csv"])
    first = next(triplets(3))
    assert len(found.rows) == 50
    assert found.rows[0].items == (first.anchor, first.positive, first.negative)
