"""Composed retrieval: search for an image by a reference image and an edit text.

CIRR      captions/cap.rc2.val.json, image_splits/split.rc2.val.json     -+
FashionIQ captions/cap.dress.val.json, image_splits/split.dress.val.json -+-> edits -> searches
CIRCO     annotations/val.json, the images of COCO unlabeled2017         -+

Folders are as the data sets are published; protocols are those of the official code and SEARLE.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from e5v.errors import DataError
from e5v.evaluation.image_files import Lazy, all_images, find_images
from e5v.evaluation.rows import Row, digest, make_each, read_json, read_json_list
from e5v.evaluation.tasks import Material, Pool, Relevance, Search, Submission
from e5v.inputs import Item, RawItem, Text, normalise
from e5v.jsonl import Wrong

CIRR_CUTOFFS, SUBSET_CUTOFFS = (1, 5, 10, 50), (1, 2, 3)
FASHIONIQ_CUTOFFS = (10, 50)
CIRCO_CUTOFFS = (5, 10, 25, 50)
CATEGORIES = ("dress", "shirt", "toptee")  # of FashionIQ
CIRCO_IMAGES = 123_403
COCO = "COCO2017_unlabeled"  # where CIRCO expects COCO's images
COCO_INFO = f"{COCO}/annotations/image_info_unlabeled2017.json"
COCO_FOLDERS = (f"{COCO}/unlabeled2017", "unlabeled2017", "images")


@dataclass(frozen=True)
class Edit:
    """A composed query; images are given by their index in the candidates.

    `texts` are wordings of its text, whose vectors are summed. `others` are the images of its CIRR
    set other than the reference.
    """

    reference: int
    texts: tuple[str, ...]
    targets: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    id: str = ""


def read_cirr(folder: Path, split: Literal["val", "test1"] = "val") -> Material:
    """Read CIRR. References are excluded; in the subset, only the other images of a set compete.

    Images are where the split's file says: in the folder, its images/ or its img_raw/.

    Raises:
        DataError: a file or image is missing, or a row cannot be used.
    """
    captions = folder / "captions" / f"cap.rc2.{split}.json"
    listing = folder / "image_splits" / f"split.rc2.{split}.json"
    paths = _read_listing(listing)
    places = {name: place for place, name in enumerate(paths)}
    edits = read_json_list(captions, partial(_read_cirr_row, places, judged=split == "val"))
    images = find_images(folder, {name: _list_cirr_paths(path) for name, path in paths.items()})

    candidates = Pool(list(images.values()), "image", "cirr")
    queries = ask(edits, candidates)
    hidden, among = [(edit.reference,) for edit in edits], [edit.others for edit in edits]
    revision = digest([captions, listing])
    if split == "test1":
        ids = [edit.id for edit in edits]
        submission = Submission("CIRR", queries, candidates, ids, list(images), hidden, among)
        return Material((submission,), revision)
    true = [edit.targets for edit in edits]
    whole, subset = Relevance(true, hidden), Relevance(true, hidden, among)
    tasks = (
        Search("CIRR", queries, candidates, whole, CIRR_CUTOFFS),
        Search("CIRR subset", queries, candidates, subset, SUBSET_CUTOFFS),
    )
    return Material(tasks, revision)


def read_fashioniq(folder: Path) -> Material:
    """Read the validation split of FashionIQ: one search per category; references are candidates.

    Images are `images/<id>.png` or `.jpg`, or in the folder itself.

    Raises:
        DataError: a file or image is missing, or a row cannot be used.
    """
    files: list[Path] = []
    tasks: list[Search] = []
    for category in CATEGORIES:
        captions = folder / "captions" / f"cap.{category}.val.json"
        listing = folder / "image_splits" / f"split.{category}.val.json"
        places = {name: place for place, name in enumerate(_read_names(listing))}
        edits = read_json_list(captions, partial(_read_fashioniq_row, places))
        images = find_images(folder, {name: _list_fashioniq_paths(name) for name in places})

        candidates = Pool(list(images.values()), "image", f"fashioniq-{category}")
        relevance = Relevance([edit.targets for edit in edits])
        queries = ask(edits, candidates)
        tasks.append(Search(category, queries, candidates, relevance, FASHIONIQ_CUTOFFS))
        files += captions, listing
    return Material(tuple(tasks), digest(files))


def read_circo(folder: Path, split: Literal["val", "test"] = "val") -> Material:
    """Read CIRCO: any of several images is right, none is excluded, and all of COCO competes.

    Raises:
        DataError: a file or image is missing, or a row cannot be used.
    """
    annotations = folder / "annotations" / f"{split}.json"
    images = _read_coco(folder)
    places = {name: place for place, name in enumerate(images)}
    edits = read_json_list(annotations, partial(_read_circo_row, places, judged=split == "val"))

    candidates = Pool(list(images.values()), "image", "cirr")
    queries = ask(edits, candidates)
    notes: tuple[str, ...] = ()
    if len(images) != CIRCO_IMAGES:
        notes = (f"{len(images):,} images are searched; CIRCO searches {CIRCO_IMAGES:,}",)
    task: Search | Submission
    if split == "test":
        ids, none = [edit.id for edit in edits], [()] * len(edits)
        task = Submission("CIRCO", queries, candidates, ids, list(images), none, none, "map")
    else:
        relevance = Relevance([edit.targets for edit in edits])
        task = Search("CIRCO", queries, candidates, relevance, CIRCO_CUTOFFS, "map")
    return Material((task,), digest([annotations]), notes)


def ask(edits: Sequence[Edit], candidates: Pool) -> tuple[Pool, ...]:
    """Build queries from edits of the candidates' images, in its prompt: one pool per wording."""
    references = [candidates.items[edit.reference] for edit in edits]
    orders = zip(*(edit.texts for edit in edits), strict=True)
    return tuple(compose(references, texts, candidates.prompt) for texts in orders)


def compose(references: Sequence[RawItem], texts: Sequence[str], prompt: str) -> Pool:
    """Pair images and texts to composed queries."""
    items = Lazy(len(texts), lambda place: _compose_item(references[place], texts[place]))
    return Pool(items, "composed", prompt)


def _compose_item(image: RawItem, text: str) -> RawItem:
    if text.strip():
        return {"image": image, "text": text}
    # One text of CIRR's test split is a single space; its server expects an answer, too.
    return Item((*normalise({"image": image}).parts, Text(text)))


def both_orders(captions: Sequence[str]) -> tuple[str, str]:
    """Join FashionIQ's captions of an edit, first to last and last to first.

    Raises:
        Wrong: they are blank.
    """
    texts = [caption.strip(".?, ") for caption in captions]
    if not any(texts):
        raise Wrong("has only blank captions")
    return ", ".join(texts), ", ".join(reversed(texts))


def _read_cirr_row(places: Mapping[str, int], row: Row, *, judged: bool) -> Edit:
    reference = find_place(row.name("reference"), places)
    others = [find_place(name, places) for name in row.row("img_set").names("members")]
    others = [place for place in others if place != reference]
    targets = (find_place(row.name("target_hard"), places),) if judged else ()
    caption = row.string("caption")
    if not set(targets) <= set(others):
        raise Wrong("has a target that is its reference, or is not in its img_set")
    if not caption:
        raise Wrong('has an empty "caption"')
    return Edit(reference, (caption,), targets, tuple(others), row.name("pairid"))


def _read_fashioniq_row(places: Mapping[str, int], row: Row) -> Edit:
    reference = find_place(row.name("candidate"), places)
    targets = (find_place(row.name("target"), places),)
    return Edit(reference, both_orders(row.strings("captions")), targets)


def _read_circo_row(places: Mapping[str, int], row: Row, *, judged: bool) -> Edit:
    reference = find_place(row.name("reference_img_id"), places)
    targets = [find_place(name, places) for name in row.names("gt_img_ids")] if judged else ()
    return Edit(reference, (row.text("relative_caption"),), tuple(targets), id=row.name("id"))


def find_place(name: str, places: Mapping[str, int]) -> int:
    """Return the index of a name among the candidates.

    Raises:
        Wrong: the candidates do not have it.
    """
    if name not in places:
        raise Wrong(f"names the image {name!a}, which is not among the candidates")
    return places[name]


def _list_cirr_paths(path: str) -> list[str]:
    """Say where an image may be: its path is ./dev/dev-0-0-img0.png."""
    name = Path(path).name
    return [path, *(f"{root}/{one}" for root in ("images", "img_raw") for one in (path, name))]


def _list_fashioniq_paths(name: str) -> list[str]:
    return [f"{root}{name}{suffix}" for root in ("images/", "") for suffix in (".png", ".jpg")]


def _read_listing(file: Path) -> dict[str, str]:
    """Read the paths of CIRR's images by name."""
    paths = read_json(file)
    if not isinstance(paths, dict) or not all(isinstance(path, str) for path in paths.values()):
        raise DataError(f"{file} is not a JSON object of paths by name; expected a split of CIRR")
    return paths


def _read_names(file: Path) -> list[str]:
    """Read the names of FashionIQ's images, without repetitions."""
    names = read_json(file)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{file} is not a list of names; expected a split of FashionIQ")
    return list(dict.fromkeys(names))


def _read_coco(folder: Path) -> dict[str, Path]:
    """Find the images of COCO by id: those in its own list, or all that are present."""
    info = folder / COCO_INFO
    if info.is_file():
        listed = read_json(info)
        rows = listed.get("images") if isinstance(listed, dict) else None
        if not isinstance(rows, list):
            raise DataError(f'{info} has no list "images"; expected COCO\'s image info')
        places = ((f"image {number}", row) for number, row in enumerate(rows, 1))
        named = make_each(info, places, _read_coco_row)
        return find_images(folder, dict(named))
    for place in COCO_FOLDERS:
        if files := all_images(folder / place):
            return {_read_coco_id(file): file for file in files}
    raise DataError(f"{folder} has no images in {', '.join(COCO_FOLDERS)}; expected COCO's there")


def _read_coco_row(value: Any) -> tuple[str, list[str]]:
    row = Row.of(value)
    return row.name("id"), [f"{place}/{row.text('file_name')}" for place in COCO_FOLDERS]


def _read_coco_id(file: Path) -> str:
    if not file.stem.isdecimal():
        raise DataError(f"{file} is not named by its number; expected names like 000000000001.jpg")
    return str(int(file.stem))
