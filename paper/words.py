"""Figure 1: the words that lie nearest to an item, by the rows of the model's output head.

photos, their captions, edits -> E5V.words -> OUT

    python -m paper.words MODEL --photos examples/photos --out words.json

The paper shows a photo beside its caption, and a photo with an edit; so are these.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro
from tyro.conf import OmitArgPrefixes, Positional

from e5v import E5V
from e5v.captions import CAPTIONS, EDITS
from e5v.errors import E5VError
from e5v.inputs import RawItem
from e5v.verbs.model_options import Opening
from e5v.verbs.paths import need_folder
from nano.kept import write

PHOTOS, EDITED = 6, 4  # that are shown
COUNT = 5  # words of an item


@dataclass(frozen=True)
class Words:
    """Ask a model for the words nearest to some photos, captions and edits."""

    model: Positional[str]
    """Hub id or folder of the model."""
    photos: Path
    """A folder with captions.jsonl and edits.jsonl."""
    out: Path
    """File of the answers, JSON."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)


def ask(model: E5V, photos: Path) -> Iterator[dict[str, Any]]:
    """Yield what some photos, captions and edits say, likeliest word first."""
    captioned, edits = (_read(photos / name) for name in (CAPTIONS, EDITS))
    for row in captioned[:: max(1, len(captioned) // PHOTOS)][:PHOTOS]:
        image, caption = photos / "images" / row["image"], row["captions"][0]
        yield _tell(model, row["image"], "", image)
        yield _tell(model, row["image"], caption, caption, shown=False)
    for row in edits[:EDITED]:
        item = {"image": str(photos / "images" / row["image"]), "text": row["text"]}
        yield _tell(model, row["image"], row["text"], item, prompt="cirr")


def _tell(
    model: E5V,
    image: str,
    text: str,
    item: RawItem,
    *,
    prompt: str = "retrieval",
    shown: bool = True,
) -> dict[str, Any]:
    """Return the words of an item; `shown` says whether the image is part of it."""
    said = [one.word for one in model.words(item, COUNT, prompt=prompt)]
    return {"image": image if shown else "", "text": text, "words": said}


def _read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Read the command line, ask, and write the answers."""
    words = tyro.cli(Words)
    try:
        need_folder(words.photos, "--photos")
        said = list(ask(words.opening.open(words.model), words.photos))
    except E5VError as error:
        raise SystemExit(f"e5v: {error}") from error
    write(words.out, json.dumps(said, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
