"""The collections that `e5v demo` shows, one record each: images, model, and what is asked.

Collection -> its queries in words, by example, and "like this, but ..."
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from e5v.model.bundled import NANO, PHOTOS

if TYPE_CHECKING:
    from e5v.search.query import Query


@dataclass(frozen=True)
class DemoQuery:
    """A query, and how a person would put it."""

    title: str
    query: "Query"


@dataclass(frozen=True)
class Collection:
    """Images of the repository, the model that indexes them, and what is asked of it.

    `captions` are the files that list the images, in `folder`. `examples` are queries by an image
    (what it shows), `edits` composed ones (a change in words), by file. `worded` are the images
    whose words are shown. `next_step` has a slot for the command.
    """

    name: str
    folder: Path
    captions: tuple[str, ...]
    model: str
    index: str
    words: tuple[str, ...]
    examples: dict[str, str]
    edits: dict[str, str]
    worded: tuple[str, ...]
    example: str
    next_step: str

    def queries(self, folder: Path) -> Iterator[DemoQuery]:
        """Yield the queries; `folder` is where the images are."""
        from e5v.search.query import Query

        for words in self.words:
            yield DemoQuery(f'In words: "{words}"', Query(text=words))
        for file, shows in self.examples.items():
            image = folder / file
            yield DemoQuery(f"By example, {image} ({shows})", Query(image=image))
        for file, edit in self.edits.items():
            image = folder / file
            yield DemoQuery(f'Like {image}, but "{edit}"', Query(text=edit, image=image))


COLLECTIONS = {
    one.name: one
    for one in (
        Collection(
            name="scenes",
            folder=Path("examples/scenes"),
            captions=("captions.jsonl", "targets/captions.jsonl"),
            model=NANO,
            index="demo",
            words=("a panda and a pumpkin",),
            examples={"images/0042.png": "three gowns"},
            edits={"images/0181.png": "a newspaper instead of the avocado"},
            worded=(),
            example="a cat above a guitar",
            next_step="With photographs:    {command} assemble "
            f"{PHOTOS}, then {{command}} demo {PHOTOS}",
        ),
        Collection(
            name="photos",
            folder=Path("examples/photos"),
            captions=("captions.jsonl",),
            model=PHOTOS,
            index="demo-photos",
            words=("a lighthouse by the sea", "something to drink", "a farm animal"),
            examples={"images/20.jpg": "a mountain under the stars"},
            edits={"images/49.jpg": "a rooster instead of the cat"},
            worded=tuple(f"images/{number:02}.jpg" for number in (2, 7, 19, 30, 37, 38)),
            example="snow on the mountains",
            next_step="Your own photos:     {command} index ~/Pictures --model " + PHOTOS,
        ),
    )
}
