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

import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tyro
from jinja2 import Template
from PIL import Image
from tyro.conf import Positional

from e5v.files import replace_folder
from nano.art import Art, Style, load_art
from nano.captions import canonical, caption
from nano.changes import Edit, changed, edit
from nano.facts import Fact, facts, similarity
from nano.picture import draw
from nano.scenes import Scene, Split, sample

IMAGES, SIBLINGS, EDITS, PAIRS = 500, 125, 200, 600
TILE = 180  # pixels: three times what the model sees
GRADES = range(6)
SEEDS: dict[Split, int] = {"train": 1, "validation": 2, "test": 3}


@dataclass(frozen=True, slots=True)
class Gallery:
    """Scenes with a caption each, edits of some of them, and pairs of other captions.

    An edit stands beside the place of its scene; a pair has a grade from 0 to 5, for how alike what
    they say is.
    """

    scenes: tuple[Scene, ...]
    captions: tuple[str, ...]
    edits: tuple[tuple[int, Edit], ...]
    pairs: tuple[tuple[str, str, float], ...]


def make_gallery(split: Split) -> Gallery:
    """Draw all that the folder of a split holds."""
    rng = random.Random(SEEDS[split])
    seen: set[frozenset[Fact]] = set()
    scenes = [_unseen(seen, partial(sample, rng, split)) for _ in range(IMAGES - SIBLINGS)]
    originals = rng.sample(scenes, SIBLINGS)
    scenes += [_unseen(seen, partial(changed, one, rng, split)) for one in originals]
    captions = tuple(caption(scene, rng) for scene in scenes)
    edits = []
    for number in rng.sample(range(IMAGES), EDITS):
        asked = edit(scenes[number], rng, split)
        while facts(asked.target) in seen:
            asked = edit(scenes[number], rng, split)
        seen.add(facts(asked.target))
        edits.append((number, asked))
    return Gallery(tuple(scenes), captions, tuple(edits), tuple(_pairs(rng, split)))


def _unseen(seen: set[frozenset[Fact]], make: Callable[[], Scene]) -> Scene:
    """Make scenes until one shows what none has shown."""
    while facts(scene := make()) in seen:
        pass
    seen.add(facts(scene))
    return scene


def _pairs(rng: random.Random, split: Split) -> Iterator[tuple[str, str, float]]:
    """Draw pairs of scenes that share more and more, as many of each grade."""
    for grade in GRADES:
        wanted = PAIRS // len(GRADES)
        while wanted:
            left = sample(rng, split)
            right = left if grade > 1 else sample(rng, split)  # what little is alike is by chance
            for _ in range(GRADES[-1] - grade if grade > 1 else 0):
                right = changed(right, rng, split)
            shared = GRADES[-1] * similarity(left, right)
            if round(shared) == grade:
                wanted -= 1
                yield caption(left, rng), caption(right, rng), round(shared, 2)


def write_gallery(gallery: Gallery, folder: Path, art: Art) -> None:
    """Write a folder that is not there yet."""
    if folder.exists():
        raise FileExistsError(f"{folder} is there already; remove it first, or name another")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with replace_folder(folder) as part:
        targets = [one.target for _, one in gallery.edits]
        _write_images(gallery.scenes, part / "images", art)
        _write_images(targets, part / "targets", art)
        _write_captions(gallery.captions, part)
        _write_captions(map(canonical, targets), part / "targets")
        names = map(_png, range(len(targets)))
        edits = [
            {
                "image": f"images/{_png(place)}",
                "text": one.instruction,
                "target": f"targets/{name}",
            }
            for name, (place, one) in zip(names, gallery.edits, strict=True)
        ]
        _write_lines(part / "edits.jsonl", edits)
        rows = [("text1", "text2", "grade"), *gallery.pairs]
        text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
        (part / "pairs.tsv").write_text(text, encoding="utf-8")


def _png(number: int) -> str:
    """Return the file of an image; the first one is 0001.png."""
    return f"{number + 1:04}.png"


def _write_images(scenes: Sequence[Scene], folder: Path, art: Art) -> None:
    """Draw plainly, in 256 colours: where things stand is chance, the same for each number."""
    folder.mkdir()
    for number, scene in enumerate(scenes):
        rng = random.Random(f"{folder.name}/{number}")
        image = Image.fromarray(draw(scene, rng, art, tile=TILE).pixels)
        image = image.quantize(256, dither=Image.Dither.NONE)
        image.save(folder / _png(number), optimize=True)


def _write_captions(texts: Iterable[str], folder: Path) -> None:
    rows = [{"image": _png(number), "text": text} for number, text in enumerate(texts)]
    _write_lines(folder / "captions.jsonl", rows)


def _write_lines(file: Path, rows: Sequence[dict[str, str]]) -> None:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")


def readme(split: Split, style: Style) -> str:
    """Say what the folder holds, and whose drawings these are."""
    text = Path(__file__).with_name("scenes.md.jinja").read_text(encoding="utf-8")
    template: Template = Template(text, keep_trailing_newline=True, trim_blocks=True)
    counts = {"images": IMAGES, "siblings": SIBLINGS, "edits": EDITS, "pairs": PAIRS}
    return template.render(split=split, style=style, **counts)


def main(folder: Positional[Path], split: Split = "test", style: Style = "noto") -> None:
    """Write the scenes of a split into a new folder."""
    write_gallery(make_gallery(split), folder, load_art(style))
    (folder / "README.md").write_text(readme(split, style), encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
