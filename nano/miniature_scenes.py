"""The part of docs/miniature.md that says on which scenes and edits texts are enough to train on.

Findings + the scenes that were asked for -> groups of queries -> tables, and who is ahead on which
"""

from collections.abc import Iterator, Mapping, Sequence

from nano.export import make_gallery
from nano.facts import facts
from nano.findings import EDITS, Findings, Sample, Verdict, compare
from nano.scenes import Scene
from nano.study import SCENES, texts_of
from nano.tables import table

OURS, RIVAL = "text", "pairs"
SETTINGS = ("base", OURS, RIVAL, "mixed")
KINDS = {
    "one": "one thing",
    "count": "several of one kind",
    "pair": "two things",
    "triple": "three things",
    "four": "four things",
}
CHANGES = {  # the first of these that differs
    "object": "which things there are",
    "number": "how many",
    "order": "what is where",
    "size": "how large",
    "background": "the background",
}
STANDS: Mapping[Verdict, str] = {
    "above": "ahead on",
    "below": "behind on",
    "level": "not told apart on",
}


def scenes(findings: Findings) -> Iterator[str]:
    """Compare trainings scene by scene and edit by edit."""
    known = [name for name in SETTINGS if name in findings.results]
    base = findings.first("base")
    if base is None or base["of"]["scenes"] != texts_of(SCENES) or not {OURS, RIVAL} < {*known}:
        return
    gallery = make_gallery("test")
    kinds = [scene.kind for scene in gallery.scenes]
    asked = zip(gallery.queries, gallery.targets, strict=True)
    changes = [_change(gallery.scenes[query.image], target) for query, target in asked]
    both = {name: findings.both(name, "R@1") for name in known}
    edits = {name: findings.figure(name, EDITS, "R@1") for name in known}
    yield "## Where texts are enough\n"
    yield "R@1 of both ways, by what a scene holds:\n"
    yield from _parted(findings, both, kinds, KINDS)
    yield "R@1 of composed queries, by what an edit changes:\n"
    yield from _parted(findings, edits, changes, CHANGES)


def _change(before: Scene, after: Scene) -> str:
    differ = {fact.kind for fact in facts(before) ^ facts(after)}
    return next(kind for kind in CHANGES if kind in differ)


def _parted(
    findings: Findings,
    recalls: Mapping[str, Sample | None],
    kinds: Sequence[str],
    said: Mapping[str, str],
) -> Iterator[str]:
    """Set the settings beside each other, part by part, and say on which ours stands where.

    `kinds` has the kind of each query, `said` what a kind is called.
    """
    known = {name: recall for name, recall in recalls.items() if recall}
    rows = []
    told: dict[Verdict, list[str]] = {}
    for kind, called in said.items():
        places = [place for place, one in enumerate(kinds) if one == kind]
        parts = {name: recall.only(places) for name, recall in known.items()}
        rows.append((called, len(places), *parts.values()))
        told.setdefault(compare(parts[OURS], parts[RIVAL]), []).append(called)
    yield table(("", "queries", *map(findings.title, known)), rows)
    stands = [f"{word} {', '.join(told[one])}" for one, word in STANDS.items() if one in told]
    ours, rival = (findings.title(name) for name in (OURS, RIVAL))
    yield f"_{ours.capitalize()}_ beside _{rival}_: {'; '.join(stands)}.\n"
