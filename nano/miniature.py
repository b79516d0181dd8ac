"""Writes docs/miniature.md: each table and figure of the paper, small, with the paper's beside it.

nano/results/*.json -> Findings -> groups of queries -> miniature.md.jinja -> Markdown

    python -m nano.miniature

No number of ours is typed by hand, nor is a sentence that depends on one.
"""

from collections.abc import Sequence
from pathlib import Path

import tyro

from nano import findings as names
from nano.export import Gallery, make_gallery
from nano.facts import facts
from nano.findings import (
    BOTH,
    EDITS,
    IMAGES,
    NO_PROMPT,
    ONE_WORD,
    TEXTS,
    Findings,
    Record,
    Sample,
    compare,
    read_findings,
)
from nano.kept import write
from nano.scenes import Scene
from nano.study import GAP, RESULTS, SCENES, texts_of
from nano.templates import fill_in

FILE = GAP.with_name("miniature.md")
OURS, RIVAL = "text", "pairs"
COMPARED = ("base", OURS, RIVAL, "mixed")
SEEDED = (OURS, "text-sizes", "text-plain", RIVAL, "pairs-bare", "mixed")
KINDS = ("one", "count", "pair", "triple", "four")
CHANGES = ("object", "number", "order", "size", "background")  # the first of these that differs

EFFECT = {  # columns of the table of the effect: of which setting and variant
    "no prompt": ("base", NO_PROMPT),
    "one word": ("base", ONE_WORD),
    "tuned on texts": (OURS, ONE_WORD),
    "tuned on images and texts": (RIVAL, ONE_WORD),
}
TASKS = {  # its rows: of which task and metric
    "text to image": (IMAGES, "R@1"),
    "image to text": (TEXTS, "R@1"),
    "image and edit to image": (EDITS, "R@1"),
}


def write_effect(findings: Findings) -> str:
    """Return the table of the effect, R@1 in percent, for the README and the guide to training."""
    return findings.table(EFFECT, TASKS)


def write_document(name: str, findings: Findings) -> str:
    """Fill in a Markdown template of this folder, "miniature" or "model_card".

    Without results, the card says that nothing was measured.
    """
    values = {name: value for name, value in vars(names).items() if name.isupper()}
    values |= {"f": findings, "base": findings.first("base"), "text": findings.first("text")}
    values |= {"COMPARED": COMPARED, "query_groups": query_groups, "edits_by_seed": edits_by_seed}
    return fill_in(Path(__file__).parent, name, values)


def query_groups(findings: Findings) -> list[list[Record]]:
    """Group queries by what their scene holds, and edits by what they change.

    A group has R@1 of each setting of COMPARED, and where ours stands. There are none if the
    results are not of the scenes that this repository holds.
    """
    if not _is_of_our_scenes(findings) or not {OURS, RIVAL} < findings.results.keys():
        return []
    gallery = make_gallery("test")
    held = [scene.kind for scene in gallery.scenes]
    changed = _kinds_of_changes(gallery)
    return [_group(findings, BOTH, held, KINDS), _group(findings, EDITS, changed, CHANGES)]


def edits_by_seed(findings: Findings) -> list[Record]:
    """Tell each training's R@1 of composed queries, of all and by what an edit changes.

    "first" is how the first seed of several stands beside the others, and "ours" how as many seeds
    stand beside those of ours, kind by kind. "worded" is R@1 where a caption stands in a picture's
    place. There are none if the results are not of the scenes that this repository holds.
    """
    if not _is_of_our_scenes(findings):
        return []
    changed = _kinds_of_changes(make_gallery("test"))
    found = {name: findings.figure(name, EDITS) for name in SEEDED}
    told = []
    for name, recall in found.items():
        if recall and (ours := found[OURS]):
            seeds = range(min(len(recall.values), len(ours.values)))
            kinds = [_split(one, changed) for one in (recall, ours)]
            beside = [
                compare(one.of(seeds), other.of(seeds)) for one, other in zip(*kinds, strict=True)
            ]
            worded = findings.by_seed(name, EDITS, variant="worded")
            one = {"setting": name, "ours": beside, "worded": worded}
            told.append(one | _tell_seeds(recall, kinds[0]))
    return told


def _split(recall: Sample, kind_of: Sequence[str]) -> list[Sample]:
    """Return a recall kind by kind, in the order of CHANGES."""
    places = [[at for at, one in enumerate(kind_of) if one == kind] for kind in CHANGES]
    return [recall.only(some) for some in places]


def _tell_seeds(recall: Sample, by_kind: Sequence[Sample]) -> Record:
    first, *others = range(len(recall.values))
    rows = [[one.of([seed]) for one in (recall, *by_kind)] for seed in (first, *others)]
    stands = [compare(one.of([first]), one.of(others)) for one in by_kind if others]
    return {"seeds": rows, "kinds": CHANGES, "first": stands}


def _is_of_our_scenes(findings: Findings) -> bool:
    base = findings.first("base")
    return base is not None and base["of"]["scenes"] == texts_of(SCENES)


def _kinds_of_changes(gallery: Gallery) -> list[str]:
    return [_kind_of_change(gallery.scenes[place], one.target) for place, one in gallery.edits]


def _kind_of_change(before: Scene, after: Scene) -> str:
    differ = {fact.kind for fact in facts(before) ^ facts(after)}
    return next(kind for kind in CHANGES if kind in differ)


def _group(
    findings: Findings, task: str, kind_of: Sequence[str], kinds: Sequence[str]
) -> list[Record]:
    """Compare settings group by group; `kind_of` has the group of each query."""
    found = {name: findings.figure(name, task) for name in COMPARED}
    groups = []
    for kind in kinds:
        places = [place for place, one in enumerate(kind_of) if one == kind]
        recalls = {name: recall.only(places) for name, recall in found.items() if recall}
        verdict = compare(recalls[OURS], recalls[RIVAL])
        group = {"kind": kind, "queries": len(places), "verdict": verdict}
        groups.append({**group, "recalls": list(recalls.values())})
    return groups


def main(results: Path = RESULTS, out: Path = FILE) -> None:
    """Write the document of a folder of results."""
    findings = read_findings(results)
    if findings.first("base") is None:
        raise SystemExit("no result of the setting base; make it with python -m nano.study")
    write(out, write_document("miniature", findings))
    print(f"wrote {out}")  # noqa: T201


if __name__ == "__main__":
    tyro.cli(main)
