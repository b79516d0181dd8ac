"""The list of things, without which every other number of the miniature means nothing."""

from collections import Counter

from nano.concepts import CONCEPTS, article, plural, singular
from tests.nano.reading import NAMES


def test_no_word_means_two_things() -> None:
    """Would catch a synonym that two concepts share, and a name that is also a category."""
    uses = Counter(word for one in CONCEPTS for word in one.names)
    uses.update({one.category for one in CONCEPTS})
    assert [word for word, count in uses.items() if count > 1] == []


def test_no_plural_is_another_name() -> None:
    """Would catch "two glasses" that could be drinking glasses or a pair to see with."""
    singulars = {word: one.name for one in CONCEPTS for word in one.names}
    for one in CONCEPTS:
        for word in one.names:
            assert singulars.get(plural(word), one.name) == one.name


def test_there_are_enough_and_all_are_plain() -> None:
    """Would catch a shrunken list, and words that a caption may not have."""
    assert len(CONCEPTS) >= 300
    assert len({one.emoji for one in CONCEPTS}) == len(CONCEPTS)
    assert all(
        set(word) <= set("abcdefghijklmnopqrstuvwxyz -") for one in CONCEPTS for word in one.names
    )
    assert NAMES["puppy"] == NAMES["dog"]


def test_things_are_counted_as_one_counts_them() -> None:
    """Would catch "a apple", "breads", "a jeans" and "knifes" in every caption."""
    assert [
        article(singular(name)) for name in ("apple", "bread", "jeans", "ufo", "hourglass")
    ] == [
        "an apple",
        "a loaf of bread",
        "a pair of jeans",
        "a ufo",
        "an hourglass",
    ]
    assert [plural(name) for name in ("knife", "bread", "jeans", "cherry", "bus", "fish")] == [
        "knives",
        "loaves of bread",
        "pairs of jeans",
        "cherries",
        "buses",
        "fish",
    ]
    assert plural("statue of liberty") == "statues of liberty"
    assert plural("key") == "keys"
