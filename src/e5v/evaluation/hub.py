"""Data sets of the hub, with the columns that the official code reads.

HubSet -> `datasets` (extra `eval`) -> columns checked -> encoded images, decoded on demand

royokong/flickr30k_test, coco_test  image, text (captions)
royokong/fashioniq_val              candidate (image), caption, target_id, category
royokong/fashioniq_val_imgs         img, id, category
royokong/cirr_val                   candidate (image), candidate_id, caption, target_id
royokong/cirr_test                  candidate (image), candidate_id, caption, pairid
royokong/cirr_imgs                  img, id
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from e5v.errors import DataError
from e5v.evaluation.captions import MOST, searches
from e5v.evaluation.composed import (
    CATEGORIES,
    CIRR_CUTOFFS,
    FASHIONIQ_CUTOFFS,
    both_orders,
    compose,
    find_place,
)
from e5v.evaluation.image_files import Captioned, Lazy
from e5v.evaluation.parquet import encoded
from e5v.evaluation.rows import Row, make_each
from e5v.evaluation.tasks import Material, Pool, Relevance, Search, Submission
from e5v.hub_sets import open_split
from e5v.inputs import RawItem
from e5v.jsonl import listed

NO_SUBSETS = "the hub's copy has no subsets"

Made = TypeVar("Made")


@dataclass(frozen=True)
class HubSet:
    """A split of a data set on the hub, by its id, or of a folder with the same layout."""

    name: str
    split: str
    revision: str | None = None

    def __str__(self) -> str:
        """Name it with its revision."""
        return f"{self.name}@{self.revision or 'main'}"


@dataclass(frozen=True)
class HubCopy:
    """A benchmark's copy on the hub: its data sets, and the function that reads them."""

    read: Callable[..., Material]
    sets: tuple[HubSet, ...]

    def open(self) -> Material:
        """Read it.

        Raises:
            DataError: a set cannot be opened, lacks a column, or has a row that cannot be used.
            MissingExtraError: the package `datasets` is not installed.
        """
        return self.read(*self.sets)

    def find_in(self, folder: Path) -> "HubCopy | None":
        """Return the copy that a folder has of it, each set in a subfolder of its name, or None.

        A copy of one set has no subfolders: the benchmark's own reader knows its Parquet files.
        """
        own = [folder / one.name.rpartition("/")[2] for one in self.sets]
        if len(own) == 1 or not all(any(one.rglob("*.parquet")) for one in own):
            return None
        pairs = zip(self.sets, own, strict=True)
        moved = (replace(one, name=str(path), revision=None) for one, path in pairs)
        return HubCopy(self.read, tuple(moved))


def read_hub_captions(source: HubSet, *, most: int | None = MOST) -> Material:
    """Read captioned images: royokong/flickr30k_test or coco_test, split test.

    Raises:
        DataError: the set cannot be opened, lacks a column, or has a row that cannot be used.
        MissingExtraError: the package `datasets` is not installed.
    """
    table = _open_table(source, ("image", "text"))
    captions = table.each("text", lambda row: row.texts("text"))
    return searches(Captioned(table.images("image"), captions), str(table.source), most)


def read_hub_cirr(queries: HubSet, images: HubSet) -> Material:
    """Read royokong/cirr_val and cirr_imgs, split val, which lack CIRR's subsets.

    Raises:
        DataError, MissingExtraError: as for captions.
    """
    asked = _open_table(queries, ("candidate", "candidate_id", "caption", "target_id"))
    found = _open_table(images, ("img", "id"))
    texts = asked.each("caption", lambda row: row.text("caption"))
    relevance = Relevance(
        _find_places(asked, "target_id", found), _find_places(asked, "candidate_id", found)
    )
    candidates = Pool(found.images("img"), "image", "cirr")
    pool = compose(asked.images("candidate"), texts, candidates.prompt)
    search = Search("CIRR", (pool,), candidates, relevance, CIRR_CUTOFFS)
    return Material((search,), f"{asked.source}, {found.source}", (NO_SUBSETS,))


def read_hub_cirr_test(queries: HubSet, images: HubSet) -> Material:
    """Read royokong/cirr_test and cirr_imgs, split test, which lack CIRR's subsets.

    Raises:
        DataError, MissingExtraError: as for captions.
    """
    asked = _open_table(queries, ("candidate", "candidate_id", "caption", "pairid"))
    found = _open_table(images, ("img", "id"))
    texts = asked.each("caption", lambda row: row.string("caption"))
    candidates = Pool(found.images("img"), "image", "cirr")
    pool = compose(asked.images("candidate"), texts, candidates.prompt)
    ids = asked.each("pairid", lambda row: row.name("pairid"))
    names = found.each("id", lambda row: row.name("id"))
    hidden, none = _find_places(asked, "candidate_id", found), [()] * len(ids)
    submission = Submission("CIRR", (pool,), candidates, ids, names, hidden, none)
    return Material((submission,), f"{asked.source}, {found.source}", (NO_SUBSETS,))


def read_hub_fashioniq(queries: HubSet, images: HubSet) -> Material:
    """Read royokong/fashioniq_val and fashioniq_val_imgs, split val: one search per category.

    Raises:
        DataError, MissingExtraError: as for captions.
    """
    asked = _open_table(queries, ("candidate", "caption", "target_id", "category"))
    found = _open_table(images, ("img", "id", "category"))
    tasks = [_make_fashioniq_task(one, asked.of(one), found.of(one)) for one in CATEGORIES]
    return Material(tuple(tasks), f"{asked.source}, {found.source}")


def _make_fashioniq_task(category: str, asked: "_Table", found: "_Table") -> Search:
    texts = asked.each("caption", lambda row: both_orders(row.strings("caption")))
    references = asked.images("candidate")
    candidates = Pool(found.images("img"), "image", f"fashioniq-{category}")
    pools = tuple(
        compose(references, order, candidates.prompt) for order in zip(*texts, strict=True)
    )
    relevance = Relevance(_find_places(asked, "target_id", found))
    return Search(category, pools, candidates, relevance, FASHIONIQ_CUTOFFS)


def _find_places(asked: "_Table", column: str, found: "_Table") -> list[tuple[int]]:
    """Return the index of the image that each row names in a column."""
    names = found.each("id", lambda row: row.name("id"))
    places = {name: place for place, name in enumerate(names)}
    return asked.each(column, lambda row: (find_place(row.name(column), places),))


@dataclass(frozen=True)
class _Table:
    """Some rows of a data set, counted from 0; images stay encoded."""

    source: HubSet
    data: Any
    rows: Sequence[int]

    def each(self, column: str, make: Callable[[Row], Made]) -> list[Made]:
        """Apply `make` to the cell of every row; no other column is read."""
        cells = self.data.select_columns([column]).select(self.rows)
        places = (f"row {row + 1}" for row in self.rows)
        return make_each(self.source, zip(places, map(Row, cells), strict=True), make)

    def images(self, column: str) -> Sequence[RawItem]:
        """Return the images of a column, read one by one."""
        return Lazy(len(self.rows), partial(self._read_image, self.data.select_columns([column])))

    def _read_image(self, cells: Any, place: int) -> RawItem:
        row = self.rows[place]
        (cell,) = cells[row].values()
        return encoded(cell, f"{self.source}, row {row + 1}")

    def of(self, category: str) -> "_Table":
        """Keep the rows of a category."""
        of_row = self.each("category", lambda row: row.name("category"))
        rows = [row for row, one in zip(self.rows, of_row, strict=True) if one == category]
        if not rows:
            raise DataError(f"{self.source} has no rows of the category {category}")
        return _Table(self.source, self.data, rows)


def _open_table(source: HubSet, columns: Sequence[str]) -> _Table:
    data: Any = open_split(
        source.name,
        source.split,
        revision=source.revision,
        shown=f"{source}, split {source.split},",
    )
    from datasets import Image

    source = replace(source, revision=_find_revision(data) or source.revision)
    if missing := [column for column in columns if column not in data.column_names]:
        raise DataError(
            f"{source} has the columns {listed(data.column_names)}; expected {', '.join(columns)}, "
            f"and {', '.join(missing)} is missing"
        )
    for column, kind in data.features.items():
        if isinstance(kind, Image):
            data = data.cast_column(column, Image(decode=False))
    return _Table(source, data, range(len(data)))


def _find_revision(data: Any) -> str:
    """Return the version of an opened data set, which names the folder of its cached files.

    It is the commit for a set on the hub, and a digest of the files for a folder.
    """
    folders = {Path(file["filename"]).parent.name for file in data.cache_files}
    return folders.pop()[:12] if len(folders) == 1 else ""
