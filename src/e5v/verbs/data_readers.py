"""How each data set of the paper is read: by the readers of training and evaluation, rows counted.

DataSet, its folder -> e5v.training | e5v.evaluation | e5v.captions -> Contents: rows, images

It stands above both wings, which never import each other, and what it returns lies below them.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from e5v.data.contents import Contents
from e5v.data.records import DataSet
from e5v.errors import DataError, plural

if TYPE_CHECKING:
    from e5v.evaluation.tasks import Search, Submission
    from e5v.inputs import RawItem


def read_contents(data: DataSet, folder: Path) -> Contents:
    """Read a data set of the paper in its folder.

    Raises:
        DataError: a file is missing, lacks a column, or has a row that cannot be used.
        MissingExtraError: a library that reads it is not installed.
    """
    return READERS[data.name](folder)


def _read_nli(folder: Path) -> Contents:
    """Read SimCSE's triplets. What training leaves out is only noted."""
    from e5v.training.reading import read_triplets

    file = folder / "nli_for_simcse.csv"
    triplets = read_triplets([file])
    lacking = sum(not row.negatives for row in triplets.rows)
    if lacking == len(triplets.rows):
        raise DataError(
            f"{file}: none of {plural(lacking, 'row')} has a hard negative; expected the columns "
            "sent0, sent1 and hard_neg"
        )
    notes = [f"{plural(lacking, 'row')} without a hard negative"] if lacking else []
    if triplets.broken:
        first = f"row {triplets.broken[0].row}: {triplets.broken[0].cause}"
        notes.append(f"{plural(len(triplets.broken), 'row')} that training leaves out ({first})")
    return Contents({"triplets": triplets.count}, notes=tuple(notes))


def _read_llava(folder: Path) -> Contents:
    """Read LLaVA's pairs, as training does; every image must be there."""
    from e5v.captions import CAPTIONS, CaptionLine, read_captions

    file = folder / CAPTIONS
    try:
        lines = list(read_captions(file))
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from None
    pairs = [one for one in lines if isinstance(one, CaptionLine) and one.image and one.texts]
    images = [Path(one.image) for one in pairs if one.image]
    if missing := [image for image in images if not image.is_file()]:
        raise DataError(
            f"{len(missing):,} of {plural(len(images), 'image')} are missing; the first is "
            f"{missing[0]}"
        )
    unusable = len(lines) - len(pairs)
    notes = (f"{plural(unusable, 'pair')} that training leaves out",) if unusable else ()
    return Contents({"pairs": len(lines)}, images, notes)


def _read_captions(name: str, folder: Path) -> Contents:
    """Read Flickr30K or COCO: one search for images, one for captions."""
    images, captions = (task.candidates for task in _read_tasks(name, folder))
    return Contents({"captions": len(captions.items), "images": len(images.items)}, images.items)


def _read_cirr(folder: Path) -> Contents:
    """Read both splits of CIRR."""
    (val, *_), (test,) = _read_tasks("cirr", folder), _read_tasks("cirr-test", folder)
    rows = {**_count_rows("", val), **_count_rows("test ", test)}
    return Contents(rows, _join([*_list_images(val), *_list_images(test)]))


def _read_fashioniq(folder: Path) -> Contents:
    """Read the categories of FashionIQ."""
    tasks = _read_tasks("fashioniq", folder)
    rows = {key: n for task in tasks for key, n in _count_rows(f"{task.name} ", task).items()}
    return Contents(rows, _join([images for task in tasks for images in _list_images(task)]))


def _read_sts(folder: Path) -> Contents:
    """Read the seven sets of sentence pairs."""
    from typing import get_args

    from e5v.evaluation.sentences import Name, read_sts
    from e5v.evaluation.tasks import pools

    rows = {name: len(pools(read_sts(folder, name).tasks)[0].items) for name in get_args(Name)}
    return Contents(rows)


def _read_tasks(name: str, folder: Path) -> "list[Search | Submission]":
    """Read the searches of a benchmark."""
    from e5v.evaluation.benchmark_data import read_material
    from e5v.evaluation.benchmarks import find_benchmarks
    from e5v.evaluation.tasks import Grading

    (benchmark,) = find_benchmarks([name])
    tasks = read_material(benchmark, folder).tasks
    return [task for task in tasks if not isinstance(task, Grading)]


def _count_rows(before: str, task: "Search | Submission") -> dict[str, int]:
    return {
        f"{before}queries": len(task.queries[0].items),
        f"{before}images": len(task.candidates.items),
    }


def _list_images(task: "Search | Submission") -> "list[Sequence[RawItem]]":
    """Return the images of a composed search: the candidates, and those in the queries."""
    return [task.candidates.items, task.queries[0].items]


def _join(parts: "Sequence[Sequence[RawItem]]") -> "Sequence[RawItem]":
    """Return all items as one sequence; each is still read only when it is asked for."""
    from e5v.evaluation.image_files import Lazy

    starts = [*accumulate((len(part) for part in parts), initial=0)]

    def find(place: int) -> "RawItem":
        number = bisect_right(starts, place) - 1
        return parts[number][place - starts[number]]

    return Lazy(starts[-1], find)


READERS: dict[str, Callable[[Path], Contents]] = {
    "nli": _read_nli,
    "flickr30k": partial(_read_captions, "flickr30k"),
    "coco": partial(_read_captions, "coco"),
    "cirr": _read_cirr,
    "fashioniq": _read_fashioniq,
    "sts": _read_sts,
    "llava-pretrain": _read_llava,
}
