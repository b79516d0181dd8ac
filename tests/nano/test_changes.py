"""Scenes made from scenes: one fact changed, or what an edit asks for."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from nano.captions import canonical
from nano.changes import CHANGED, Edit, changed, changes, edit, first_kept
from nano.concepts import NUMBERS
from nano.scenes import Scene, Size, Split, Thing, sample, sizes, split_of
from tests.nano.reading import NAMES, read


def differences(a: Scene, b: Scene) -> list[str]:
    """Name every single thing that differs, in a way of its own."""
    found = []
    if a.background != b.background:
        found.append("background")
    if a.relation != b.relation:
        found.append("axis")
    if a.count != b.count:
        found.append("count")
    if sorted(map(str, a.things)) == sorted(map(str, b.things)):
        return found + ["order"] * (a.things != b.things)
    for one, other in zip(a.things, b.things, strict=True):
        found += ["object"] * (one.concept != other.concept) + ["size"] * (one.size != other.size)
    return found


@pytest.mark.parametrize("split", ["train", "test"])
def test_exactly_one_fact_is_changed(split: Split) -> None:
    """Would catch a hard negative that is too easy, or none at all."""
    rng = random.Random(21)
    counts: Counter[str] = Counter()
    for _ in range(2000):
        scene = sample(rng, split)
        other = changed(scene, rng, split)
        assert len(differences(scene, other)) == 1, (scene, other)
        assert canonical(scene) != canonical(other)
        counts.update(differences(scene, other))
    assert set(counts) == set(CHANGED)
    assert min(counts.values()) > 50


@pytest.mark.parametrize("kind", CHANGED)
def test_a_kind_of_change_can_be_asked_for(kind: str) -> None:
    """Would catch a table of negatives by kind whose kinds are mixed up."""
    rng = random.Random(22)
    for _ in range(300):
        scene = sample(rng, "train")
        if kind in changes(scene):
            assert differences(scene, CHANGED[kind](scene, rng)) == [kind]


def test_scenes_stay_drawable() -> None:
    """Would catch a size in a row so narrow that all sizes look the same, or two dogs in a pair."""
    rng = random.Random(23)
    for _ in range(2000):
        scene = sample(rng, "train")
        for one in (scene, changed(scene, rng, "train"), edit(scene, rng, "train").target):
            assert {thing.size for thing in one.things} <= set(sizes(one.kind, one.shape))
            assert len({thing.concept for thing in one.things}) == len(one.things)
            assert one.shape != ("tall" if one.relation == "left" else "wide") or not one.relation
            assert (one.relation is None) == (one.kind in ("one", "count", "four"))


def test_edits_come_out_as_they_are_asked_for() -> None:
    """Would catch an instruction that asks for one thing and a target that shows another."""
    rng = random.Random(24)
    counts: Counter[str] = Counter()
    for _ in range(4000):
        scene = sample(rng, "train")
        asked = edit(scene, rng, "train")
        kind = kind_of(scene, asked)
        counts[kind] += 1
        assert kind, (scene, asked)
        assert canonical(asked.target) != canonical(scene)
    assert set(counts) == {"background", "size", "count", "replace", "add", "remove", "order"}


def kind_of(scene: Scene, asked: Edit) -> str:
    """Carry out an instruction by its words alone; empty where that does not give the target."""
    words, target = read(asked.instruction), asked.target
    there = [thing.concept for thing in scene.things]
    new = [one for one in words.concepts if one not in there]
    after = [thing.concept for thing in target.things]
    gone = [one for one in words.concepts if one in there]
    first = any(word in asked.instruction for word in ("on the left", "at the top"))
    if words.colours:
        kind, right = "background", target == replace(scene, background=words.colours[0])
    elif words.sizes:
        kind, right = "size", _resized(scene, target, gone[0], words.sizes[0])
    elif scene.kind == target.kind == "count" and scene.count != target.count:
        number = NUMBERS[target.count], str(target.count)
        kind, right = "count", any(one in asked.instruction for one in number)
    elif new and len(after) == len(there):
        kind, right = "replace", after == [new[0] if one == gone[0] else one for one in there]
    elif new:
        kind, right = "add", after == ([*new, *there] if first else [*there, *new])
    elif len(after) < len(there):
        kind, right = "remove", after == [one for one in there if one not in gone]
    else:
        kind, right = "order", sorted(after) == sorted(there)
    return kind if right else ""


def _resized(scene: Scene, target: Scene, concept: int, size: Size) -> bool:
    place = [thing.concept for thing in scene.things].index(concept)
    wanted = replace(scene.things[place], size=size)
    return target == replace(
        scene, things=(*scene.things[:place], wanted, *scene.things[place + 1 :])
    )


def test_an_edit_of_a_size_can_be_asked_for() -> None:
    """Rows said to hold more edits of sizes, and holding as many as ever."""
    rng = random.Random(26)
    for _ in range(300):
        scene = sample(rng, "train")
        asked = edit(scene, rng, "train", resized=True)
        sized = differences(scene, asked.target) == ["size"] if "size" in changes(scene) else True
        assert sized, (scene, asked)
        assert asked.target != scene


def test_swaps_and_moves_put_things_where_they_are_asked_to_stand() -> None:
    """Would catch "put the dog above the cat" whose target has the cat on top."""
    rng = random.Random(25)
    moved = 0
    for _ in range(4000):
        scene = sample(rng, "train")
        if scene.kind != "pair":
            continue
        asked = edit(scene, rng, "train")
        text, order = asked.instruction, read(asked.instruction).concepts
        after = [thing.concept for thing in asked.target.things]
        for phrase, relation in ((" above ", "above"), (" to the left of ", "left")):
            if phrase in text and len(order) == 2:
                assert (asked.target.relation, after) == (relation, order), asked
                moved += 1
        for phrase, relation in ((" below ", "above"), (" to the right of ", "left")):
            if phrase in text and len(order) == 2:
                assert (asked.target.relation, after) == (relation, order[::-1]), asked
                moved += 1
    assert moved > 50


def test_a_change_that_is_not_in_the_split_is_told() -> None:
    """Would catch a search without end, or a scene of another split handed out."""
    scene = Scene("pair", (Thing(NAMES["dog"]), Thing(NAMES["cat"])), "left", 2, "red")
    split: Split = "train" if split_of(scene) == "test" else "test"
    with pytest.raises(ValueError, match="stays in its split"):
        first_kept([CHANGED["axis"]], scene, random.Random(0), lambda one: split_of(one) == split)
