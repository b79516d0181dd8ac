"""`e5v demo`: the whole path in a few seconds, with nothing to download.

photos + captions -> E5V.encode -> cosines -> a table
"""

import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import OmitArgPrefixes, arg

from e5v.errors import UsageError
from e5v.verbs.opening import MODEL, Opening

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from e5v.model.embedder import E5V


@dataclass(frozen=True)
class Demo:
    """Embed a few photos and captions and show which are alike.

    e5v demo --model royokong/e5-v
    """

    model: Annotated[str | None, arg(metavar="M")] = None
    """A hub id or a folder; by default a small random model, made on the spot."""
    photos: Annotated[Path, arg(metavar="FOLDER")] = Path("examples/photos")
    """Photos beside a captions.jsonl: {"image": ..., "text": ...} on each line."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)


@dataclass(frozen=True)
class Captioned:
    """A photo and what it shows, in words."""

    photo: Path
    caption: str


def demo(verb: Demo) -> None:
    """Show the cosine of every photo with every caption, and say what was done.

    Raises:
        E5VError: there are no photos, or the model cannot be opened.
    """
    from rich.console import Console

    pairs = _captions(verb.photos)
    model = verb.opening.open(verb.model) if verb.model else _random_model(verb.opening)
    start = time.perf_counter()
    vectors = model.encode([*(pair.photo for pair in pairs), *(pair.caption for pair in pairs)])
    seconds = time.perf_counter() - start
    cosines = model.similarity(vectors[: len(pairs)], vectors[len(pairs) :])
    Console().print(_table(pairs, cosines))
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"{len(pairs)} photos and {len(pairs)} captions became {len(vectors)} unit vectors of "
        f"{model.width} values in {seconds:.2f} s: the cosines are above."
    )
    if not verb.model:
        console.print(
            "The model is small and its weights are random: the numbers show the path, not the "
            f"meaning.\nFor the meaning: e5v demo --model {MODEL}"
        )


def _captions(folder: Path) -> list[Captioned]:
    try:
        lines = (folder / "captions.jsonl").read_text(encoding="utf-8").splitlines()
        entries = [json.loads(line) for line in lines if line.strip()]
        pairs = [Captioned(folder / entry["image"], entry["text"]) for entry in entries]
    except FileNotFoundError:
        raise UsageError(
            f"{folder}/captions.jsonl does not exist; run this where e5v was cloned, or give "
            "--photos FOLDER"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f'{folder}/captions.jsonl is not lines of {{"image": ..., "text": ...}}: {error!r}'
        ) from None
    if not pairs:
        raise UsageError(f"{folder}/captions.jsonl is empty; expected a line per photo")
    return pairs


def _random_model(opening: Opening) -> "E5V":
    from e5v.model.toy import write_toy

    with tempfile.TemporaryDirectory(prefix="e5v-demo-") as folder:
        return opening.open(str(write_toy(Path(folder))))


def _table(pairs: list[Captioned], cosines: "NDArray[Any]") -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table("")
    for pair in pairs:
        table.add_column(Text(pair.caption), justify="right")
    for pair, row in zip(pairs, cosines, strict=True):
        cells = [Text(f"{cosine:.2f}", "bold" if cosine == row.max() else "dim") for cosine in row]
        table.add_row(Text(pair.photo.name), *cells)
    return table
