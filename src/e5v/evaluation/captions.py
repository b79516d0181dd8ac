"""Images and their captions, as in Flickr30K and COCO: retrieval in both directions.

captions.jsonl, image files -+
Parquet: image, text        -+-> images, and the captions of each -> two searches
the hub: image, text        -+                                    -> the same, captions drawn (I2I)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from e5v.captions import CAPTIONS, IMAGES, read_captioned
from e5v.errors import DataError, UsageError, plural
from e5v.evaluation.image_files import Captioned, Lazy, all_images, one_spelling
from e5v.evaluation.parquet import read_tables
from e5v.evaluation.rows import digest, make_each_line
from e5v.evaluation.tasks import Material, Pool, Relevance, Search, Task, pools
from e5v.image_names import looks_like_image, strip
from e5v.inputs import RawItem, normalise

if TYPE_CHECKING:
    from PIL.Image import Image

    from e5v.evaluation.caption_images import Layout

MOST = 5  # captions of an image: some of COCO's have more; the official code ignores the rest


def read_captions(folder: Path, *, most: int | None = MOST) -> Material:
    """Read images with `captions.jsonl`, or the Parquet files of a hub data set.

    Of the captions of an image, the first `most` are used.

    Raises:
        DataError: there is neither, or a row cannot be used.
    """
    file = folder / CAPTIONS
    if file.is_file():
        return searches(_read_folder(file), digest([file]), most)
    files = sorted(folder.rglob("*.parquet"))
    files = [one for one in files if one.name.startswith("test")] or files
    if not files:
        raise DataError(f"{folder} has neither {CAPTIONS} nor Parquet files; expected one of them")
    return searches(read_tables(files), digest(files), most)


def searches(captioned: Captioned, revision: str, most: int | None = MOST) -> Material:
    """Search for the image of each caption, and for any caption of each captioned image.

    A caption is true for its own image only, even if another image has the same one.
    """
    images, captions = captioned.images, [own[:most] for own in captioned.captions]
    texts = Pool([as_text(caption) for own in captions for caption in own], "text")
    candidates = Pool(images, "image")
    asked = [place for place, own in enumerate(captions) if own]
    all_asked = len(asked) == len(captions)
    queries = candidates if all_asked else Pool([images[place] for place in asked], "image")

    owners = [[place] for place, own in enumerate(captions) for _ in own]
    bounds = pairwise(accumulate(map(len, captions), initial=0))
    owned = [range(first, last) for first, last in bounds if first < last]
    tasks = (
        Search("image retrieval", (texts,), candidates, Relevance(owners)),
        Search("text retrieval", (queries,), texts, Relevance(owned)),
    )
    notes = []
    if cut := sum(map(len, captioned.captions)) - len(owners):
        notes.append(f"left out: {plural(cut, 'caption')}, beyond the first {most} of their image")
    if not all_asked:
        notes.append(
            f"candidates only: {plural(len(captions) - len(asked), 'image')} without a caption"
        )
    return Material(tasks, revision, tuple(notes))


def rendered(material: Material, font: Path | None = None, layout: "Layout" = "basic") -> Material:
    """Return the same searches with every caption drawn as an image and embedded as one (I2I).

    Captions are drawn on demand. `font` is a TrueType file to use instead of the default, `layout`
    what places its letters.

    Raises:
        UsageError: a task has no captions, the font cannot be read, or there is no such layout.
    """
    from e5v.evaluation.caption_images import PAPERS, check_layout, draw_caption, font_name

    check_layout(layout)
    name = font_name(font)
    differs = (f"captions are drawn in {name}; the paper's are in {PAPERS}",)
    draw = partial(draw_caption, font=font, layout=layout)
    drawn = {id(pool): _draw_pool(pool, draw) for pool in pools(material.tasks)}
    return Material(
        tasks=tuple(_render_task(task, drawn) for task in material.tasks),
        revision=f"{material.revision}, drawn in {name}, {layout} layout",
        notes=material.notes + (() if name == PAPERS else differs),
    )


def _render_task(task: Task, drawn: Mapping[int, Pool]) -> Search:
    """Replace pools by drawn ones, by id: a pool of two tasks stays one pool."""
    if not isinstance(task, Search) or "text" not in {task.queries[0].kind, task.candidates.kind}:
        raise UsageError(f'task "{task.name}" has no captions to draw; expected image retrieval')
    queries = tuple(drawn[id(pool)] for pool in task.queries)
    return replace(task, queries=queries, candidates=drawn[id(task.candidates)])


def _draw_pool(pool: Pool, draw: "Callable[[str], Image]") -> Pool:
    if pool.kind != "text":
        return pool
    return Pool(Lazy(len(pool.items), partial(_draw_item, pool.items, draw)), "image", "rendered")


def _draw_item(items: Sequence[RawItem], draw: "Callable[[str], Image]", place: int) -> RawItem:
    return draw(normalise(items[place]).texts[0])


def as_text(text: str) -> RawItem:
    """Return a text as an item that is read as text, even if it looks like a file name."""
    name = strip(text)
    ambiguous = name[:5].lower() in {"data:", "file:"} or looks_like_image(name)
    return {"text": text} if ambiguous else text


def _read_folder(file: Path) -> Captioned:
    """Read `captions.jsonl`; other images in `images/` are candidates, too."""
    captions: dict[Path, tuple[str, ...]] = {}
    listed = all_images(file.parent / IMAGES)
    spell = one_spelling(listed)
    for line in make_each_line(file, read_captioned(file), lambda line: line):
        image = spell(line.image)
        captions[image] = captions.get(image, ()) + line.texts
    others = [path for path in listed if path not in captions]
    return Captioned((*captions, *others), (*captions.values(), *[()] * len(others)))
