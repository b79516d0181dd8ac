"""A split of the world as a folder to evaluate on, in the open formats of docs/evaluation-data.md.

seed -> 375 scenes + 125 with one fact changed -> images/, captions.jsonl
     -> 200 edits of them                      -> targets/ and their captions.jsonl, edits.jsonl
     -> 600 pairs of captions, graded          -> pairs.tsv

    python -m nano.export examples/scenes
    python -m nano.export build/nano/validation --split validation
    python -m nano.export build/nano/openmoji --style openmoji

No two images show the same facts. The targets lie apart, so that captions are looked for among
the 500 images and edits among all 700. The same seed gives the same scenes in every style.
"""

import argparse
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

from PIL import Image

from nano.art import STYLES, Art, Style, load_art
from nano.captions import canonical, caption
from nano.changes import changed
from nano.edits import edit
from nano.facts import Fact, facts, similarity
from nano.picture import draw
from nano.scenes import Scene, Split, sample

IMAGES, SIBLINGS, EDITS, PAIRS = 500, 125, 200, 600
TILE = 180  # pixels: three times what the model sees
CREDITS: dict[Style, str] = {
    "noto": """The drawings are rendered from Noto Color Emoji, a font by Google under the SIL Open
Font License 1.1. That licence does not extend to documents made with the font, such as these.""",
    "twemoji": """The drawings are Twemoji, copyright Twitter, Inc and other contributors, under
CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/); they are scaled and composed here.""",
    "openmoji": """The drawings are OpenMoji (https://openmoji.org), under CC BY-SA 4.0
(https://creativecommons.org/licenses/by-sa/4.0/); they are scaled and composed here. So is every
picture in this folder.""",
}
README = """# Scenes

{images} emoji scenes of the {split} split, with a caption each (`captions.jsonl`), {edits} edits
(`edits.jsonl`; their results are in `targets/`, with captions too) and {pairs} pairs of captions
graded by the facts that they share (`pairs.tsv`), in the formats of docs/evaluation-data.md. Every
scene holds a combination of two things, or of a thing and a background, that never occurs in
training. Of the images, {siblings} differ from another one in a single fact. Made by
`python -m nano.export`; made again, the files are the same.

## Credits

{credits}

Names and synonyms of the things are, for the most part, short names and keywords of the Unicode
CLDR, copyright Unicode, Inc., under the Unicode License V3 (https://www.unicode.org/license.txt).

The captions and the composition are our own, under the licence of this repository.
"""
HIGHEST = 5.0  # grade
STEPS = 6  # the grades 0 to 5, as often each
SEEDS: dict[Split, int] = {"train": 1, "validation": 2, "test": 3}


@dataclass(frozen=True, slots=True)
class Query:
    """An edit of the image of that number, counted from 0."""

    image: int
    text: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Two captions, and how alike what they say is, from 0 to 5."""

    left: str
    right: str
    grade: float


@dataclass(frozen=True, slots=True)
class Gallery:
    """Scenes with a caption each, edits of some of them, and the scene after each edit."""

    scenes: tuple[Scene, ...]
    captions: tuple[str, ...]
    queries: tuple[Query, ...]
    targets: tuple[Scene, ...]
    pairs: tuple[Pair, ...]


def make_gallery(split: Split) -> Gallery:
    """Draw all that the folder of a split holds."""
    rng = random.Random(SEEDS[split])
    seen: set[frozenset[Fact]] = set()
    scenes = [_unseen(seen, partial(sample, rng, split)) for _ in range(IMAGES - SIBLINGS)]
    originals = rng.sample(scenes, SIBLINGS)
    scenes += [_unseen(seen, partial(changed, one, rng, split)) for one in originals]
    captions = tuple(caption(scene, rng) for scene in scenes)
    queries, targets = [], []
    for number in rng.sample(range(IMAGES), EDITS):
        asked = edit(scenes[number], rng, split)
        while facts(asked.target) in seen:
            asked = edit(scenes[number], rng, split)
        seen.add(facts(asked.target))
        queries.append(Query(number, asked.instruction))
        targets.append(asked.target)
    pairs = tuple(_pairs(rng, split))
    return Gallery(tuple(scenes), captions, tuple(queries), tuple(targets), pairs)


def _unseen(seen: set[frozenset[Fact]], make: Callable[[], Scene]) -> Scene:
    """Make scenes until one shows what none has shown."""
    while True:
        scene = make()
        if facts(scene) not in seen:
            seen.add(facts(scene))
            return scene


def _pairs(rng: random.Random, split: Split) -> Iterator[Pair]:
    """Draw pairs of scenes that share more and more, as many of each grade."""
    for step in range(STEPS):
        wanted = PAIRS // STEPS
        while wanted:
            left = sample(rng, split)
            right = _alike(left, rng, split, changes=max(0, STEPS - 1 - step))
            grade = HIGHEST * similarity(left, right)
            if round(grade) == step:
                wanted -= 1
                yield Pair(caption(left, rng), caption(right, rng), round(grade, 2))


def _alike(scene: Scene, rng: random.Random, split: Split, *, changes: int) -> Scene:
    """Change a fact a number of times; from four on, what is left of it is any other scene."""
    if changes >= STEPS - 2:
        return sample(rng, split)
    for _ in range(changes):
        scene = changed(scene, rng, split)
    return scene


def write_gallery(gallery: Gallery, folder: Path, art: Art) -> None:
    """Write a folder that is not there yet, beside its name first.

    Raises:
        FileExistsError: the folder is there.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} is there already; remove it first, or name another")
    beside = folder.with_name(f"{folder.name}.beside")
    _write_images(gallery.scenes, beside / "images", art)
    _write_images(gallery.targets, beside / "targets", art)
    _write_lines(
        beside / "captions.jsonl",
        (
            {"image": name_of_image(number), "text": text}
            for number, text in enumerate(gallery.captions)
        ),
    )
    _write_lines(
        beside / "targets" / "captions.jsonl",
        (
            {"image": name_of_image(number), "text": canonical(scene)}
            for number, scene in enumerate(gallery.targets)
        ),
    )
    _write_lines(
        beside / "edits.jsonl",
        (
            {
                "image": f"images/{name_of_image(query.image)}",
                "text": query.text,
                "target": f"targets/{name_of_image(number)}",
            }
            for number, query in enumerate(gallery.queries)
        ),
    )
    rows = [f"{one.left}\t{one.right}\t{one.grade}\n" for one in gallery.pairs]
    (beside / "pairs.tsv").write_text("text1\ttext2\tgrade\n" + "".join(rows), encoding="utf-8")
    beside.replace(folder)


def readme(split: Split, style: Style) -> str:
    """Say what the folder holds, and whose drawings these are."""
    return README.format(
        images=IMAGES,
        split=split,
        edits=EDITS,
        pairs=PAIRS,
        siblings=SIBLINGS,
        credits=CREDITS[style],
    )


def name_of_image(number: int) -> str:
    """Return the file of an image; the first one is 0001.png."""
    return f"{number + 1:04}.png"


def _write_images(scenes: Sequence[Scene], folder: Path, art: Art) -> None:
    """Draw plainly, in 256 colours: where things stand is chance, the same for each number."""
    folder.mkdir(parents=True)
    for number, scene in enumerate(scenes):
        rng = random.Random(f"{folder.name}/{number}")
        image = Image.fromarray(draw(scene, rng, art, tile=TILE).pixels)
        image = image.quantize(256, dither=Image.Dither.NONE)
        image.save(folder / name_of_image(number), optimize=True)


def _write_lines(file: Path, rows: Iterable[dict[str, str]]) -> None:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def main() -> None:
    """Write the folder that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", choices=get_args(Split), default="test")
    parser.add_argument("--style", choices=STYLES, default="noto")
    asked = parser.parse_args()
    style: Style = asked.style
    write_gallery(make_gallery(asked.split), asked.folder, load_art(style))
    (asked.folder / "README.md").write_text(readme(asked.split, style), encoding="utf-8")


if __name__ == "__main__":
    main()
