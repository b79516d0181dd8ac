"""What is held out is held out: of scenes, and of every text, read by its words alone."""

import random
from collections import Counter

import pytest

from nano.captions import canonical, caption
from nano.changes import changed, edit
from nano.concepts import CONCEPTS
from nano.facts import entailed
from nano.questions import questions
from nano.scenes import (
    BACKGROUNDS,
    KINDS,
    Scene,
    Split,
    Thing,
    pair_split,
    pairs,
    sample,
    split_of,
)
from nano.triplets import triplets
from tests.nano.reading import combined

OTHER: dict[Split, Split] = {"validation": "test", "test": "validation"}


def test_no_text_for_training_holds_a_combination_that_is_held_out() -> None:
    """Would catch a leak in 20,000 captions, parts of them, negatives, and results of edits."""
    rng = random.Random(11)
    for _ in range(4000):
        scene = sample(rng, "train")
        texts = [
            caption(scene, rng),
            entailed(scene, rng),
            caption(changed(scene, rng, "train"), rng),
            canonical(edit(scene, rng, "train").target),
            canonical(scene),
        ]
        assert split_of(scene) == "train"
        for text in texts:
            assert combined(text) <= {"train"}, text


def test_no_lesson_brings_together_what_is_held_out() -> None:
    """Would catch a leak by a question: a thing put into a text beside what it never stands by."""
    rng = random.Random(12)
    for _ in range(1000):
        scene = sample(rng, "train")
        if scene.kind in ("one", "count"):
            continue  # a colour that is asked for beside another is no combination
        for turn in questions(scene, rng, 1.0):
            assert combined(canonical(scene), turn.question, turn.answer) <= {"train"}, turn


def test_no_triplet_holds_a_combination_that_is_held_out() -> None:
    """Would catch a leak in the file that the model is tuned on."""
    for triplet, _ in zip(triplets(seed=5), range(2000), strict=False):
        for text in (triplet.anchor, triplet.positive, triplet.negative):
            assert combined(text) <= {"train"}, text


@pytest.mark.parametrize("split", ["validation", "test"])
def test_held_out_scenes_and_what_is_made_of_them_are_of_their_split(split: Split) -> None:
    """Would catch test scenes that choices were made on, and siblings that were trained on."""
    rng = random.Random(13)
    for _ in range(1500):
        scene = sample(rng, split)
        made = (scene, changed(scene, rng, split), edit(scene, rng, split).target)
        for one in made:
            found = {pair_split(*pair) for pair in pairs(one)}
            assert split in found
            assert OTHER[split] not in found
            assert split_of(one) == split
        assert OTHER[split] not in combined(entailed(scene, rng))


def test_a_tenth_is_for_validation_and_a_tenth_for_testing() -> None:
    """Would catch a hash that differs between runs, or that holds out far more than is said."""
    emoji = [one.emoji for one in CONCEPTS]
    counts = Counter(pair_split(a, b) for a in emoji for b in emoji if a < b)
    total = counts.total()
    assert counts["validation"] / total == pytest.approx(0.10, abs=0.01)
    assert counts["test"] / total == pytest.approx(0.11, abs=0.01)
    assert pair_split("🐶", "🐱") == pair_split("🐱", "🐶")
    colours = Counter(pair_split(one, colour) for one in emoji for colour in BACKGROUNDS)
    assert colours["test"] / colours.total() == pytest.approx(0.11, abs=0.02)


def test_the_rule_is_the_same_on_every_day() -> None:
    """Would catch a change of the rule, after which old weights were trained on new tests."""
    assert pair_split("🐶", "🐱") == pair_split("🐶", "red") == "train"
    assert pair_split("🐵", "🦝") == pair_split("🍎", "🚗") == "validation"
    assert pair_split("🐵", "🐹") == pair_split("🦍", "🦌") == "test"


def test_a_scene_of_both_held_out_splits_is_of_none() -> None:
    """Would catch a triple that is in the test, with a pair of the validation in it."""
    rng = random.Random(14)
    while True:
        concepts = rng.sample(range(len(CONCEPTS)), 3)
        scene = Scene("triple", tuple(map(Thing, concepts)), "left", 3, "red")
        if {pair_split(*pair) for pair in pairs(scene)} >= {"validation", "test"}:
            break
    assert split_of(scene) is None


def test_kinds_come_at_their_rates() -> None:
    """Would catch a split whose scenes are of another mixture than those trained on."""
    for split in ("train", "test"):
        rng = random.Random(15)
        counts = Counter(sample(rng, split).kind for _ in range(3000))
        for kind, share in KINDS.items():
            assert counts[kind] / 3000 == pytest.approx(share, abs=0.03)
