"""Training data with pictures: an anchor is a scene's picture, its positive tells the same scene.

scenes -> picture, caption, one-fact-changed caption -+-> images/, pairs.jsonl, for `e5v train`
triplets of texts                                    -+
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from e5v.training.triplets import Triplet
from nano.art import Art
from nano.captions import caption
from nano.changes import changed
from nano.picture import TILE, draw
from nano.scenes import sample
from nano.settings import Setting


def write_pairs(
    folder: Path,
    setting: Setting,
    art: Art,
    *,
    rows: int,
    seed: int,
    texts: Sequence[Triplet] = (),
) -> Path:
    """Write a new folder; return the file of its rows, some of which are `texts`."""
    images = folder / "images"
    images.mkdir(parents=True)
    rng = random.Random(seed)
    file = folder / "pairs.jsonl"
    with file.open("w", encoding="utf-8") as lines:
        for number in range(rows):
            if rng.random() >= setting.images:
                items = rng.choice(texts).items
                row = dict(zip(("anchor", "positive", "negative"), items, strict=False))
            else:
                row = _draw_row(images / f"{number:06}.png", art, rng, negatives=setting.negatives)
            lines.write(f"{json.dumps(row)}\n")
    return file


def _draw_row(image: Path, art: Art, rng: random.Random, *, negatives: bool) -> dict[str, Any]:
    """Draw a scene; the caption is of the scene that is shown."""
    scene = sample(rng, "train")
    row: dict[str, Any] = {"anchor": {"image": image.name}}
    if negatives:
        row["negative"] = caption(changed(scene, rng, "train"), rng)
    caption(scene, rng)  # not used: so a seed goes on drawing the scenes that it always has
    row["positive"] = caption(scene, rng)
    Image.fromarray(draw(scene, rng, art, tile=TILE, augment=True).pixels).save(image)
    return row
