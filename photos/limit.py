"""Where the tower is the limit: photos whose captions name what ImageNet's classes name, or not.

class table -> words -> captions that use one -> photos, in two groups -> recall of each
"""

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from e5v.checkpoints.photos_settings import CLASSES, ClassName, read_classes
from e5v.model.bundled import FOLDERS, PHOTOS
from nano.findings import BOTH, Findings, Sample, Verdict, judge
from photos.pictures import Listed, identify, read_list


@dataclass(frozen=True)
class Group:
    """Photos of one kind, and R@1 of both ways on them alone, by setting."""

    named: bool
    photos: int
    recalls: dict[str, Sample]


def class_words(classes: Sequence[ClassName]) -> set[str]:
    """Return what the classes are called, and what kinds of things they are."""
    return {word.lower() for one in classes for word in (one.name, *one.hypernyms)}


def names_a_class(caption: str, words: Collection[str]) -> bool:
    """Tell whether a caption has one of the words in it, or its plural."""
    spoken = re.sub(r"[^a-z]+", " ", caption.lower()).split()
    longest = max(len(word.split()) for word in words)
    for start in range(len(spoken)):
        for end in range(start + 1, start + 1 + longest):
            said = " ".join(spoken[start:end])
            if {said, said.removesuffix("s"), said.removesuffix("es")} & set(words):
                return True
    return False


def is_named(photo: Listed, words: Collection[str]) -> bool:
    """Tell whether more than half of a photo's captions name a class."""
    return 2 * sum(names_a_class(one, words) for one in photo.captions) > len(photo.captions)


def group_photos(findings: Findings, settings: Sequence[str]) -> list[Group]:
    """Return the two groups, first the photos that the classes name.

    There are none if the results are not of the photos in the list, or a setting has none.
    """
    base, listed = findings.first("base"), read_list()
    recalls = {name: findings.figure(name, BOTH) for name in settings}
    found = {name: recall for name, recall in recalls.items() if recall}
    if base is None or base["of"]["photos"] != identify(listed) or len(found) < len(settings):
        return []
    words = class_words(read_classes(FOLDERS[PHOTOS] / CLASSES))
    named = [is_named(one, words) for one in listed]
    groups = []
    for kind in (True, False):
        places = [place for place, one in enumerate(named) if one is kind]
        only = {name: recall.only(places) for name, recall in found.items()}
        groups.append(Group(kind, len(places), only))
    return groups


def compare_apart(left: Sample, right: Sample) -> Verdict:
    """Tell whether a recall is above another one that is of other queries."""
    asked = [100 * one.first.mean(0).std(ddof=1) / math.sqrt(one.queries) for one in (left, right)]
    return judge(left, right, math.hypot(*asked))
