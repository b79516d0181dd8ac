"""Pictures show what their scenes say, on art made up here: squares of one tone."""

import random
from dataclasses import replace
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from nano.art import FOLDER, LEVELS, STYLES, Art, Style, load_art
from nano.captions import caption
from nano.concepts import CONCEPTS
from nano.picture import COLOURS, GRIDS, SIDE, Drawing, draw
from nano.scenes import BACKGROUNDS, RELATIONS, Relation, Scene, Shape, Size, Thing, sample, sizes
from nano.text_images import letter, named_by


@pytest.fixture(scope="module")
def squares() -> Art:
    """Art without a package: every concept is a square with a tone of its own."""
    tones = np.arange(len(CONCEPTS)) % 200 + 30
    levels = {}
    for level in LEVELS:
        rows = np.full((len(CONCEPTS), level, level, 4), 255, dtype=np.uint8)
        rows[..., :3] = tones[:, None, None, None]
        levels[level] = rows
    return Art(levels)


def ink(drawn: Drawing, thing: Thing) -> NDArray[np.bool_]:
    """Return where a picture has the tone of a thing, "height width"."""
    tone: NDArray[np.bool_] = (drawn.pixels == 30 + thing.concept).all(axis=2)
    return tone


def test_shapes_and_labels_are_of_the_scene(squares: Art) -> None:
    """Would catch a picture of another size than the model's tiles, and labels of other things."""
    rng = random.Random(1)
    for _ in range(300):
        scene = sample(rng, "train")
        drawn = draw(scene, rng, squares, augment=True)
        rows, columns = GRIDS[scene.shape]
        assert drawn.pixels.shape == (60 * rows, 60 * columns, 3)
        assert drawn.pixels.dtype == np.uint8
        assert drawn.labels.shape == (SIDE * rows, SIDE * columns)
        ground = len(CONCEPTS) + BACKGROUNDS.index(scene.background)
        assert set(np.unique(drawn.labels)) <= {ground, *(one.concept for one in scene.things)}


@pytest.mark.parametrize("relation", RELATIONS)
def test_things_stand_in_order(squares: Art, relation: Relation) -> None:
    """Would catch rows drawn as columns, and the second thing drawn first."""
    rng = random.Random(2)
    shapes: tuple[Shape, Shape] = ("square", "wide" if relation == "left" else "tall")
    for shape in shapes * 30:
        things = (Thing(10), Thing(40), Thing(90))
        drawn = draw(Scene("triple", things, relation, 3, "blue", shape), rng, squares)
        axis = 1 if relation == "left" else 0
        middles = [np.argwhere(ink(drawn, thing))[:, axis].mean() for thing in things]
        assert middles == sorted(middles)


def test_four_are_a_grid_in_reading_order(squares: Art) -> None:
    """Would catch a grid filled by columns."""
    things = tuple(Thing(place) for place in (10, 40, 90, 120))
    drawn = draw(Scene("four", things, None, 4, "blue"), random.Random(3), squares)
    for place, thing in enumerate(things):
        down, across = np.argwhere(ink(drawn, thing)).mean(axis=0) // 30
        assert (down, across) == divmod(place, 2)


def test_sizes_can_be_told_apart_and_things_do_not_overlap(squares: Art) -> None:
    """Would catch a small thing larger than a medium one, and one that hides another."""
    rng = random.Random(4)
    for _ in range(200):
        scene = sample(rng, "train")
        sides = []
        for size in sizes(scene.kind, scene.shape):
            things = tuple(replace(thing, size=size) for thing in scene.things)
            drawn = draw(replace(scene, things=things, background="blue"), rng, squares)
            inked = int((drawn.pixels != np.array(COLOURS["blue"])).any(axis=2).sum())
            sides.append((inked / scene.count) ** 0.5)
        assert sides == sorted(sides)
        assert min(sides) >= 16
        assert all(b - a > 3 for a, b in pairwise(sides))


def test_as_many_are_drawn_as_counted(squares: Art) -> None:
    """Would catch three dogs that are two."""
    rng = random.Random(5)
    for count in (2, 3, 4):
        for shape in get_args(Shape):
            scene = Scene("count", (Thing(10, "small"),), None, count, "blue", shape)
            drawn = draw(scene, rng, squares)
            assert ink(drawn, scene.things[0]).sum() / count == pytest.approx(16.5**2, rel=0.35)


def test_the_same_chance_gives_the_same_picture(squares: Art) -> None:
    """Would catch a second source of chance, after which no run can be made again."""
    scenes = [sample(random.Random(6), "train") for _ in range(20)]
    first, second = (
        [draw(one, random.Random(7), squares, augment=True).pixels.tobytes() for one in scenes]
        for _ in range(2)
    )
    assert first == second


def test_plain_pictures_keep_their_colours_at_any_size(squares: Art) -> None:
    """Would catch a ground that is not the colour that captions call it, or wraps round at 255."""
    for background, colour in COLOURS.items():
        scene = Scene("one", (Thing(10, "small"),), None, 1, background)
        for tile in (60, 180):
            drawn = draw(scene, random.Random(8), squares, tile=tile)
            ground = (drawn.pixels == np.array(colour)).all(axis=2)
            assert ground.mean() > 0.8
            assert drawn.labels.shape == (SIDE, SIDE)


def test_light_and_dark_side_by_side_stay_so() -> None:
    """Would catch a resized edge that overshoots, wraps round at 256, and comes out black."""
    levels = {}
    for level in LEVELS:
        glass = np.full((len(CONCEPTS), level, level, 4), 128, dtype=np.uint8)
        glass[:, :, level // 2 :, :3] = 0  # half clear: white on the left, black on the right
        levels[level] = glass
    for size in get_args(Size):
        scene = Scene("one", (Thing(10, size),), None, 1, "white")
        row = draw(scene, random.Random(8), Art(levels)).pixels.min(axis=(0, 2))
        assert row.min() > 120
        assert row[: row.argmin() - 3].min() > 240


def test_letters_are_black_on_white_and_fit() -> None:
    """Would catch a caption that runs out of its picture, or is labelled unasked."""
    rng = random.Random(9)
    for _ in range(100):
        drawn = letter(caption(sample(rng, "train"), rng), rng)
        assert drawn.pixels.shape == (60, 120, 3)
        assert (drawn.labels == -1).all()
        assert drawn.labels.shape == (5, 10)
        assert drawn.pixels.min() < 100
        assert (drawn.pixels[:, -1] == 255).all()


def test_words_are_labelled_where_they_stand() -> None:
    """Would catch a patch that is to be learnt as a word on another line, or as no word at all."""
    names = [concept.name for concept in CONCEPTS]
    dog, bread = names.index("dog"), names.index("bread")
    scene = Scene("pair", (Thing(dog), Thing(bread)), "above", 2, "purple")
    text = "on violet, a puppy above a loaf of bread"
    named = named_by(text, scene)
    ground = len(CONCEPTS) + BACKGROUNDS.index("purple")
    assert named == [-1, ground, -1, dog, -1, -1, bread, bread, bread]
    for seed in range(20):
        drawn = letter(text, random.Random(seed), named=named)
        blank = letter("", random.Random(seed)).pixels
        assert set(np.unique(drawn.labels)) == {-1, ground, dog, bread}
        for row, column in np.argwhere(drawn.labels >= 0):
            patch = np.s_[12 * row : 12 * row + 12, 12 * column : 12 * column + 12]
            assert (drawn.pixels[patch] != blank[patch]).any()


@pytest.mark.parametrize("style", STYLES)
def test_every_concept_has_a_drawing_of_its_own(style: Style) -> None:
    """Would catch an empty drawing, and the font's box for a missing one, which all would share."""
    file = FOLDER / f"{style}.npz"
    if not file.is_file():
        pytest.skip(f"no {file}; python -m nano.art makes it")
    art = load_art(style)
    drawings = {art.source(place, 40).tobytes() for place in range(len(CONCEPTS))}
    assert len(drawings) == len(CONCEPTS)
    covered = art.levels[LEVELS[-1]][..., 3].mean(axis=(1, 2)) / 255
    assert covered.min() > 0.05
