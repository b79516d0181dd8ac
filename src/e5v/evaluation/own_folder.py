"""A user's own folder: any of captioned images, edits and graded pairs.

captions.jsonl, images/ -> image and text retrieval -+
edits.jsonl, images/    -> composed retrieval       -+-> Material
pairs.tsv               -> sentence similarity      -+

docs/evaluation-data.md has the formats.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from e5v.captions import CAPTIONS, EDITS, IMAGES, EditLine, read_edits
from e5v.errors import DataError, plural
from e5v.evaluation.captions import as_text, read_captions
from e5v.evaluation.composed import compose
from e5v.evaluation.image_files import all_images, one_spelling
from e5v.evaluation.rows import digest, make_each_line
from e5v.evaluation.tasks import Grading, Material, Pool, Relevance, Search, Task
from e5v.jsonl import LineFault, TextLine, Wrong, read_text_lines

PAIRS = "pairs.tsv"
HEADINGS = {"grade", "score"}  # the last cell of a heading of pairs.tsv


def read_folder(folder: Path) -> Material:
    """Read a user's own folder.

    Raises:
        DataError: it has none of the files, or a row cannot be used.
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


def _read_edits(file: Path) -> Search:
    """Search for the targets of edits in all images of `images/` and all that are named."""
    listed = all_images(file.parent / IMAGES)
    spell = one_spelling(listed)
    edits = make_each_line(file, read_edits(file), partial(_respell_images, spell))
    named = [path for edit in edits for path in (edit.image, *edit.targets, *_find_hidden(edit))]
    candidates = list(dict.fromkeys([*listed, *named]))
    places = {path: place for place, path in enumerate(candidates)}
    relevance = Relevance(
        [[places[path] for path in edit.targets] for edit in edits],
        [[places[path] for path in _find_hidden(edit)] for edit in edits],
    )
    queries = compose([edit.image for edit in edits], [edit.text for edit in edits], "cirr")
    return Search("edits", (queries,), Pool(candidates, "image", "cirr"), relevance)


def _respell_images(spell: Callable[[Path], Path], edit: EditLine) -> EditLine:
    """Return an edit with one path per image; refuse it if a target is hidden."""
    edit = replace(
        edit,
        image=spell(edit.image),
        targets=tuple(map(spell, edit.targets)),
        hidden=None if edit.hidden is None else tuple(map(spell, edit.hidden)),
    )
    if not set(edit.targets).isdisjoint(_find_hidden(edit)):
        raise Wrong('has a hidden target; set "hidden": [] if the reference may be found')
    return edit


def _find_hidden(edit: EditLine) -> tuple[Path, ...]:
    """Return the images to exclude: the reference, unless the line names others."""
    return (edit.image,) if edit.hidden is None else edit.hidden


@dataclass(frozen=True)
class _Pair:
    left: str
    right: str
    grade: float


def _read_pairs(file: Path) -> Grading:
    pairs = make_each_line(file, _read_pair_lines(file), _read_pair)
    if len({pair.grade for pair in pairs}) == 1:
        raise DataError(
            f"{file} has {plural(len(pairs), 'pair')} of one grade; expected at least two grades"
        )
    return Grading(
        "pairs",
        Pool([as_text(pair.left) for pair in pairs], "text", "sts"),
        Pool([as_text(pair.right) for pair in pairs], "text", "sts"),
        [pair.grade for pair in pairs],
    )


def _read_pair_lines(file: Path) -> Iterator[TextLine | LineFault]:
    """Read the lines of a table, without its heading."""
    for place, line in enumerate(read_text_lines(file)):
        cells = line.text.split("\t") if isinstance(line, TextLine) else [""]
        if place or cells[-1].strip().lower() not in HEADINGS:
            yield line


def _read_pair(line: TextLine) -> _Pair:
    cells = [cell.strip() for cell in line.text.split("\t")]
    match cells:
        case [str(left), str(right), str(grade)] if left and right:
            return _Pair(left, right, _read_grade(grade))
    raise Wrong(
        f"has {plural(len(cells), 'cell')}; expected two texts and a grade, separated by tabs"
    )


def _read_grade(cell: str) -> float:
    try:
        grade = float(cell)
    except ValueError:
        grade = math.nan
    if not math.isfinite(grade):
        raise Wrong(f"has the grade {cell!a}; expected a number")
    return grade
