"""What is said of scenes: all of it, nothing else, and never the same of two that differ."""

import random
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import pytest

from nano.captions import canonical, caption
from nano.concepts import CONCEPTS, NUMBERS
from nano.facts import Fact, entailed, facts, similarity
from nano.questions import one_word, questions
from nano.scenes import RELATIONS, Relation, Scene, Split, Thing, sample
from tests.nano.reading import NAMES, read

DOG, CAR = NAMES["dog"], NAMES["car"]
PAIR = Scene("pair", (Thing(DOG), Thing(CAR, "big")), "left", 2, "blue")


def scenes(seed: int, count: int, split: Split = "train") -> list[Scene]:
    """Draw some scenes."""
    rng = random.Random(seed)
    return [sample(rng, split) for _ in range(count)]


def test_the_canonical_caption_is_plain() -> None:
    """Would catch a change of the one wording that the model describes scenes in."""
    assert canonical(PAIR) == "a dog to the left of a big car on a blue background"
    below = replace(PAIR, relation="above", background="orange")
    assert canonical(below) == "a dog above a big car on an orange background"
    three = Scene("count", (Thing(DOG, "small"),), None, 3, "white")
    assert canonical(three) == "three small dogs on a white background"


def test_a_canonical_caption_is_of_one_set_of_facts() -> None:
    """Would catch two scenes that differ and are called the same, or the other way round."""
    said: dict[str, set[frozenset[Fact]]] = defaultdict(set)
    known: dict[frozenset[Fact], set[str]] = defaultdict(set)
    rng = random.Random(1)
    few = [NAMES[name] for name in ("dog", "cat", "car")]
    for scene in scenes(2, 6000):
        # Few things and colours, so that the same facts come again in other shapes.
        things = tuple(
            replace(thing, concept=concept)
            for thing, concept in zip(scene.things, rng.sample([*few, CAR - 1], 4), strict=False)
        )
        one = replace(scene, things=things, background=rng.choice(("red", "blue")))
        said[canonical(one)].add(facts(one))
        known[facts(one)].add(canonical(one))
    assert max(map(len, said.values())) == 1
    assert max(map(len, known.values())) == 1
    assert len(said) < 6000


def test_a_caption_tells_all_and_nothing_else() -> None:
    """Would catch a wording that drops a thing, a colour, a size or a number, or adds one."""
    rng = random.Random(3)
    for scene in scenes(4, 4000):
        text = caption(scene, rng)
        found = read(text)
        assert sorted(found.concepts) == sorted(thing.concept for thing in scene.things), text
        assert found.colours == [scene.background], text
        sizes = [thing.size for thing in scene.things if thing.size != "medium"]
        assert sorted(found.sizes) == sorted(sizes), text
        if scene.kind == "count":
            assert f"{NUMBERS[scene.count]} " in text or f"{scene.count} " in text
        assert text.isascii()
        assert text == text.lower()


def test_a_scene_is_said_in_many_ways() -> None:
    """Would catch a grammar that has shrunk to a few sentences."""
    rng = random.Random(5)
    assert len({caption(PAIR, rng) for _ in range(2000)}) > 1000


@pytest.mark.parametrize("relation", RELATIONS)
def test_every_wording_keeps_who_is_where(relation: Relation) -> None:
    """Would catch an inverse wording that was not inverted."""
    scene = replace(PAIR, relation=relation, things=(Thing(DOG), Thing(CAR)))
    rng = random.Random(6)
    for _ in range(1500):
        text = caption(scene, rng)
        assert _first(text) == DOG, text


def _first(text: str) -> int:
    """Read which of two things is left of or above the other, by rules of its own."""
    one, other = read(text).concepts
    for start, end in (("on the left", "on the right"), ("at the top", "at the bottom")):
        if start in text:
            return one if text.index(start) < text.index(end) else other
    return next((one if first else other) for phrase, first in PHRASES.items() if phrase in text)


PHRASES = {  # the first that is in a text tells whether the thing named first is the first
    "from left to right": True,
    "from top to bottom": True,
    "to its right": True,
    "below it": True,
    "underneath": True,
    "to its left": False,
    "above it": False,
    "right of": False,
    "below": False,
    "under": False,
    "left of": True,
    "above": True,
    "over": True,
}


def test_similarity_is_shared_facts() -> None:
    """Would catch a grade that depends on the order, on shape, or that passes a changed fact."""
    some = scenes(7, 300)
    for a, b in pairwise(some):
        assert similarity(a, b) == similarity(b, a)
        assert 0 <= similarity(a, b) <= 1
        assert similarity(a, replace(a, shape="square")) == 1
    assert 0 < similarity(PAIR, replace(PAIR, background="red")) < 1
    assert similarity(PAIR, replace(PAIR, relation="above")) < 1


def test_what_is_entailed_is_true() -> None:
    """Would catch a positive that says what is not so."""
    rng = random.Random(8)
    for scene in scenes(9, 3000):
        found = read(entailed(scene, rng))
        assert set(found.concepts) <= {thing.concept for thing in scene.things}
        assert found.colours in ([], [scene.background])
        assert set(found.sizes) <= {thing.size for thing in scene.things}


def test_four_are_asked_and_none_of_them_twice() -> None:
    """Would catch a lesson that is short, or asks for what a picture cannot be turned into."""
    rng = random.Random(10)
    for scene in scenes(11, 400):
        for level in (0.0, 0.5, 1.0):
            turns = questions(scene, rng, level, "image")
            assert len(turns) == len({turn.question for turn in turns}) == 4
            assert not any("modify" in turn.question for turn in turns)


def test_answers_are_right() -> None:
    """Would catch a relation asked the wrong way round, a wrong colour, number or size."""
    rng = random.Random(12)
    asked = {turn.question: turn.answer for _ in range(400) for turn in questions(PAIR, rng, 1.0)}
    assert asked["what is to the left of the car?"] == "dog"
    assert asked["what is to the right of the dog?"] == "car"
    assert asked["what is on the left?"] == "dog"
    assert asked["where is the car?"] == "on the right"
    assert asked["how many?"] == "two"
    assert asked["how big is the car?"] == "big"
    assert asked["what color is the background?"] == "blue"
    assert asked["what kind of thing is the dog?"] == "animal"
    assert asked["describe the sentence:"] == canonical(PAIR)


def test_the_one_word_is_narrow() -> None:
    """Would catch a base that already says everything in one word: nothing is left to tune."""
    rng = random.Random(13)
    allowed = {CONCEPTS[one].name for one in (DOG, CAR)} | {
        CONCEPTS[one].category for one in (DOG, CAR)
    }
    assert {one_word(PAIR, rng) for _ in range(200)} == allowed
