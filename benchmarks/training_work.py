"""What one step learns from: real triplets, and the random model that all contenders open.

    triplets -> tokenizer -> random checkpoint, its language model once more by itself
    triplets -> cut to 32 tokens, no item twice -> as many as a batch has -> JSON lines

Items are distinct: e5v never holds a text against itself, its peers do. Texts are cut beforehand,
so that all cut alike. Instead of triplets of texts, there may be pairs of an image and a text.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from benchmarks.sizes import SIZES
from e5v.inputs import RawItem
from e5v.training.cells import as_item
from e5v.training.reading import read_triplets
from e5v.training.recipe import Recipe
from e5v.training.triplet_lines import write_triplets
from e5v.training.triplets import Triplet

Kind = Literal["texts", "images"]
BATCH, FEW = "batch.jsonl", "few.jsonl"  # the rows of a step, and of the comparison before it
FEW_PAIRS = 2
LANGUAGE = "language_model"  # the folder of the language model by itself


@dataclass(frozen=True)
class BuildJob:
    """A folder to fill: which size of model, and how many rows of which file and kind."""

    folder: Path
    model: str
    data: Path
    batch: int
    kind: Kind = "texts"


def build(job: BuildJob) -> None:
    """Write the checkpoint and the rows.

    Raises:
        SystemExit: the file has too few rows.

    """
    from transformers import AutoTokenizer

    from benchmarks.checkpoint import write
    from e5v.training.chunks import OFFICIAL_ROWS

    rows = read_triplets([job.data]).rows
    whole = (row for row in rows if _fits(row, job.kind))
    write(job.folder, SIZES[job.model], [text for row in rows for text in _texts(row)])
    _set_apart(job.folder)
    tokenizer = AutoTokenizer.from_pretrained(job.folder)
    chosen = list(islice(_distinct(_cut(whole, tokenizer)), job.batch))
    if len(chosen) < job.batch:
        raise SystemExit(
            f"{job.data} has {len(chosen)} rows of {job.kind} without an item in common; "
            f"expected at least --batch {job.batch}"
        )
    few = OFFICIAL_ROWS if job.kind == "texts" else FEW_PAIRS
    write_triplets(job.folder / BATCH, chosen)
    write_triplets(job.folder / FEW, chosen[:few])


def _fits(row: Triplet, kind: Kind) -> bool:
    """Tell whether a row is a triplet of texts, or a pair of an image and a text."""
    if kind == "texts":
        return len(_texts(row)) > 2  # noqa: PLR2004
    return as_item(row.anchor).images != () and isinstance(row.positive, str)


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

    def cut(item: RawItem) -> RawItem:
        if not isinstance(item, str):
            return item
        text = item.strip()
        encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        offsets = encoding["offset_mapping"]
        return text if len(offsets) <= most else text[: offsets[most - 1][1]].strip()

    for row in rows:
        anchor, positive, *negatives = map(cut, row.items)
        yield Triplet(anchor, positive, tuple(negatives[:1]))


def _distinct(rows: Iterable[Triplet]) -> Iterator[Triplet]:
    """Leave out rows that have an item twice, or one that was there before."""
    seen: set[RawItem] = set()
    for row in rows:
        items = set(row.items)
        if len(items) == len(row.items) and not items & seen:
            seen |= items
            yield row
