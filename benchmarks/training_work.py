"""What one step learns from: real triplets, and the random model that all contenders open.

    triplets -> tokenizer -> random checkpoint, its language model once more by itself
    triplets -> cut to 32 tokens, no text twice -> as many as a batch has -> CSV

Texts are distinct: e5v never holds a text against itself, its peers do. They are cut beforehand,
so that all cut alike.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.sizes import SIZES
from e5v.training.reading import read_triplets
from e5v.training.recipe import Recipe
from e5v.training.triplets import Triplet

BATCH, FEW = "batch.csv", "few.csv"  # the triplets of a step, and of the comparison before it
COLUMNS = ("anchor", "positive", "negative")
LANGUAGE = "language_model"  # the folder of the language model by itself


@dataclass(frozen=True)
class BuildJob:
    """A folder to fill: which size of model, and how many triplets of which file."""

    folder: Path
    model: str
    data: Path
    batch: int


def build(job: BuildJob) -> None:
    """Write the checkpoint and the triplets.

    Raises:
        SystemExit: the file has too few triplets.

    """
    from transformers import AutoTokenizer

    from benchmarks.checkpoint import write
    from e5v.training.chunks import OFFICIAL_ROWS

    rows = read_triplets([job.data]).rows
    whole = (row for row in rows if row.negatives)
    write(job.folder, SIZES[job.model], [text for row in rows for text in _texts(row)])
    _set_apart(job.folder)
    tokenizer = AutoTokenizer.from_pretrained(job.folder)
    chosen = list(islice(_distinct(_cut(whole, tokenizer)), job.batch))
    if len(chosen) < job.batch:
        raise SystemExit(
            f"{job.data} has {len(chosen)} triplets without a text in common; "
            f"expected at least --batch {job.batch}"
        )
    _write(job.folder / BATCH, chosen)
    _write(job.folder / FEW, chosen[:OFFICIAL_ROWS])


def _texts(row: Triplet) -> list[str]:
    return [item for item in row.items if isinstance(item, str)]


def _set_apart(folder: Path) -> None:
    """Save the language model with its head as the official script does before it trains."""
    from transformers import LlamaForCausalLM, LlavaNextForConditionalGeneration

    whole: Any = LlavaNextForConditionalGeneration.from_pretrained(folder)
    language: Any = LlamaForCausalLM(whole.config.text_config)
    language.model.load_state_dict(whole.model.language_model.state_dict())
    language.lm_head.load_state_dict(whole.lm_head.state_dict())
    language.save_pretrained(folder / LANGUAGE)


def _cut(rows: Iterable[Triplet], tokenizer: Any) -> Iterator[Triplet]:
    most = Recipe().text_tokens

    def cut(text: str) -> str:
        encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        offsets = encoding["offset_mapping"]
        return text if len(offsets) <= most else text[: offsets[most - 1][1]]

    for row in rows:
        anchor, positive, *negatives = (cut(text.strip()).strip() for text in _texts(row))
        yield Triplet(anchor, positive, tuple(negatives[:1]))


def _distinct(rows: Iterable[Triplet]) -> Iterator[Triplet]:
    """Leave out triplets that have a text twice, or one that was there before."""
    seen: set[str] = set()
    for row in rows:
        texts = set(_texts(row))
        if len(texts) == len(COLUMNS) and not texts & seen:
            seen |= texts
            yield row


def _write(file: Path, rows: Iterable[Triplet]) -> None:
    with file.open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(COLUMNS)
        writer.writerows(map(_texts, rows))
