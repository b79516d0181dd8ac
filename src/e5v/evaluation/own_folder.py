"""A folder of a user's own: whatever is there of images, captions, edits and graded pairs.

captions.jsonl, images/ -> image and text retrieval -+
edits.jsonl, images/    -> composed retrieval       -+-> Material
pairs.tsv               -> sentence similarity      -+

docs/evaluation-data.md has the formats.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from e5v.errors import DataError
from e5v.evaluation.captions import CAPTIONS, IMAGE_KEYS, as_text, find_named, read_captions
from e5v.evaluation.composed import compose
from e5v.evaluation.pictures import all_images, one_spelling
from e5v.evaluation.rows import Row, Wrong, digest, make_each, read_json_lines, text_lines
from e5v.evaluation.tasks import Grading, Judgements, Material, Pool, Search, Task

EDITS, PAIRS = "edits.jsonl", "pairs.tsv"
HEADINGS = {b"grade", b"score"}  # what tells a heading of pairs.tsv from a pair


def read_folder(folder: Path) -> Material:
    """Read a folder of one's own.

    Raises:
        DataError: there is nothing to ask, or a row cannot be used.
    """
    files = [folder / name for name in (CAPTIONS, EDITS, PAIRS) if (folder / name).is_file()]
    if not files:
        raise DataError(f"{folder} has none of {CAPTIONS}, {EDITS} and {PAIRS}; expected one")
    tasks: list[Task] = []
    notes: tuple[str, ...] = ()
    for file in files:
        if file.name == CAPTIONS:
            captions = read_captions(folder, most=None)
            tasks += captions.tasks
            notes = captions.notes
        else:
            tasks.append(_read_edits(file) if file.name == EDITS else _read_pairs(file))
    return Material(tuple(tasks), digest(files), notes)


@dataclass(frozen=True)
class _Edit:
    """A composed query; unless a user says otherwise, its reference is hidden."""

    reference: Path
    text: str
    targets: tuple[Path, ...]
    hidden: tuple[Path, ...]


def _read_edits(file: Path) -> Search:
    """Look for the targets of edits in all images: those of `images/` and those that are named."""
    listed = all_images(file.parent / "images")
    spell = one_spelling(listed)
    edits = read_json_lines(
        file, partial(_read_edit, lambda name: spell(find_named(file.parent, name)))
    )
    named = [path for edit in edits for path in (edit.reference, *edit.targets, *edit.hidden)]
    gallery = list(dict.fromkeys([*listed, *named]))
    places = {path: place for place, path in enumerate(gallery)}
    judged = Judgements(
        [[places[path] for path in edit.targets] for edit in edits],
        [[places[path] for path in edit.hidden] for edit in edits],
    )
    queries = compose([edit.reference for edit in edits], [edit.text for edit in edits], "cirr")
    return Search("edits", (queries,), Pool(gallery, "image", "cirr"), judged)


def _read_edit(find: Callable[[str], Path], row: Row) -> _Edit:
    reference = find(row.text(*IMAGE_KEYS))
    targets = [find(name) for name in row.texts("target")]
    hidden = [reference]
    if row.has("hidden"):
        names = [] if row.cells["hidden"] == [] else row.texts("hidden")
        hidden = [find(name) for name in names]
    if not set(targets).isdisjoint(hidden):
        raise Wrong('has a target that is hidden; say "hidden": [] if its reference may be found')
    return _Edit(reference, row.text("text"), tuple(targets), tuple(hidden))


@dataclass(frozen=True)
class _Pair:
    left: str
    right: str
    grade: float


def _read_pairs(file: Path) -> Grading:
    lines = list(text_lines(file))
    if lines and lines[0][1].split(b"\t")[-1].strip().lower() in HEADINGS:
        del lines[0]
    pairs = make_each(file, lines, _read_pair)
    if len({pair.grade for pair in pairs}) == 1:
        raise DataError(f"{file} has {len(pairs)} pairs of one grade; expected two that differ")
    return Grading(
        "pairs",
        Pool([as_text(pair.left) for pair in pairs], "text", "sts"),
        Pool([as_text(pair.right) for pair in pairs], "text", "sts"),
        [pair.grade for pair in pairs],
    )


def _read_pair(line: bytes) -> _Pair:
    try:
        cells = [cell.strip() for cell in line.decode().split("\t")]
    except UnicodeDecodeError:
        raise Wrong("is not UTF-8") from None
    match cells:
        case [str(left), str(right), str(grade)] if left and right:
            return _Pair(left, right, _grade(grade))
    raise Wrong(f"has {len(cells)} cells; expected two texts and a grade, parted by tabs")


def _grade(cell: str) -> float:
    try:
        grade = float(cell)
    except ValueError:
        grade = math.nan
    if not math.isfinite(grade):
        raise Wrong(f"has the grade {cell!a}; expected a number")
    return grade
