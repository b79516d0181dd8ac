"""The part of docs/miniature.md that says on which scenes and edits texts are enough to train on.

Findings + the scenes that were asked for -> groups of queries -> tables, and who is ahead on which
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from nano.export import Gallery, make_gallery
from nano.facts import facts
from nano.findings import EDITS, Findings, Sample, Verdict, compare
from nano.scenes import Scene
from nano.study import SCENES, texts_of
from nano.tables import table

TEXT, PAIRS = "text", "pairs"
SETTINGS = ("base", TEXT, PAIRS, "mixed")
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
Groups = Mapping[str, list[int]]


def scenes(findings: Findings) -> Iterator[str]:
    """Compare trainings scene by scene and edit by edit."""
    known = [name for name in SETTINGS if name in findings.results]
    base = findings.first("base")
    if base is None or base["of"]["scenes"] != texts_of(SCENES) or not {TEXT, PAIRS} < {*known}:
        return
    gallery = make_gallery("test")
    yield "## Where texts are enough\n"
    yield "R@1 of both ways, by what a scene holds:\n"
    both: Callable[[str], Sample | None] = partial(findings.both, metric="R@1")
    yield from _beside(findings, known, both, _by_kind(gallery))
    yield "R@1 of composed queries, by what an edit changes:\n"
    edits: Callable[[str], Sample | None] = partial(findings.figure, task=EDITS, metric="R@1")
    yield from _beside(findings, known, edits, _by_change(gallery))


def _by_kind(gallery: Gallery) -> Groups:
    kinds = [scene.kind for scene in gallery.scenes]
    return {
        said: [place for place, one in enumerate(kinds) if one == kind]
        for kind, said in KINDS.items()
    }


def _by_change(gallery: Gallery) -> Groups:
    asked = zip(gallery.queries, gallery.targets, strict=True)
    changes = [_change(gallery.scenes[query.image], target) for query, target in asked]
    return {
        said: [place for place, one in enumerate(changes) if one == change]
        for change, said in CHANGES.items()
    }


def _change(before: Scene, after: Scene) -> str:
    differ = {fact.kind for fact in facts(before) ^ facts(after)}
    return next(kind for kind in CHANGES if kind in differ)


def _beside(
    findings: Findings, names: list[str], of: Callable[[str], Sample | None], groups: Groups
) -> Iterator[str]:
    """Set the settings beside each other, and say on which groups text-only stands where."""
    rows = []
    told: dict[Verdict, list[str]] = {}
    for said, places in groups.items():
        figures = {name: whole.only(places) for name in names if (whole := of(name))}
        rows.append((said, len(places), *figures.values()))
        told.setdefault(compare(figures[TEXT], figures[PAIRS]), []).append(said)
    yield table(("", "queries", *map(findings.title, names)), rows)
    stands = [f"{word} {', '.join(told[one])}" for one, word in STANDS.items() if one in told]
    texts, pairs = (findings.title(name) for name in (TEXT, PAIRS))
    yield f"_{texts.capitalize()}_ beside _{pairs}_: {'; '.join(stands)}.\n"
