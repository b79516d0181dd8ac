"""Three programs that make the same vectors: each opens the checkpoint, warms up and encodes.

    Job -> a contender opens the folder -> first item, untimed -> all items, timed -> Outcome

Nothing heavy is imported until a contender runs, so that its memory is its own.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.memory import forget_peak, peak_mib, peak_since_mib

RawItem = str | Path
Vectors = NDArray[np.float32]
Encode = Callable[[Sequence[RawItem]], Vectors]

OFFICIAL_TEXTS = 15  # rows the official code pads together: 3 images' 5 captions


@dataclass(frozen=True)
class Job:
    """One timed run. `batch_size` is for contenders that batch by count; None is their default."""

    contender: str
    checkpoint: Path
    items: tuple[RawItem, ...]
    dtype: str
    batch_size: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What a run took and gave.

    Resident memory: `peak_mib` is the highest of the process, opening the model included,
    `encode_peak_mib` the highest while encoding (None where the system cannot tell).
    """

    seconds: float
    peak_mib: float
    encode_peak_mib: float | None
    vectors: Vectors


def run(job: Job) -> Outcome:
    """Encode the items of a job once; call it in a fresh process."""
    encode = CONTENDERS[job.contender](job)
    encode(job.items[:1])
    opened = peak_mib()  # read first: it is forgotten, too
    forgot = forget_peak()
    start = time.perf_counter()
    vectors = encode(job.items)
    seconds = time.perf_counter() - start
    peak = max(opened, peak_mib())
    return Outcome(seconds, peak, peak_since_mib() if forgot else None, vectors)


def _e5v(job: Job) -> Encode:
    """Call e5v as it comes: one list, whatever is in it."""
    from e5v import E5V
    from e5v.model.malloc import keep_freed_memory

    dtype: Any = job.dtype
    keep_freed_memory()
    model = E5V(job.checkpoint, device="cpu", dtype=dtype)
    return model.encode


def _sentence_transformers(job: Job) -> Encode:
    """Call sentence-transformers on the same folder, with one list as well.

    Photos are given as PIL images, opened but not decoded: their paths it would sort among the
    sentences by the length of the path, and pad the sentences beside them to thousands of tokens.
    """
    import torch
    from sentence_transformers import SentenceTransformer

    from e5v.model.image_files import open_image

    kwargs = {"dtype": getattr(torch, job.dtype)}
    model: Any = SentenceTransformer(str(job.checkpoint), device="cpu", model_kwargs=kwargs)
    batch_size = {} if job.batch_size is None else {"batch_size": job.batch_size}

    def encode(items: Sequence[RawItem]) -> Vectors:
        opened = [open_image(one.read_bytes()) if isinstance(one, Path) else one for one in items]
        vectors: Vectors = model.encode(opened, show_progress_bar=False, **batch_size)
        return vectors

    return encode


def _official(job: Job) -> Encode:
    """Take the official E5-V code's path: texts 15 at a time, images one by one.

    It asks the whole model for the hidden states of all layers, which brings the logits and the
    key-value cache of every token too. It has no mixed lists: texts go first, then images.
    """
    import torch
    from torch.nn.functional import normalize

    model, processor = _open_official(job)

    def embed(texts: list[str], images: list[Any] | None) -> Vectors:
        inputs = processor(text=texts, images=images, return_tensors="pt", padding=True)
        with torch.no_grad():
            output = model(**inputs, output_hidden_states=True, return_dict=True)
            last = output.hidden_states[-1][:, -1, :]
            vectors: Vectors = normalize(last, dim=-1).float().numpy()
        return vectors

    def encode(items: Sequence[RawItem]) -> Vectors:
        text, image = _official_prompts()
        rows = np.empty((len(items), model.config.text_config.hidden_size), np.float32)
        texts = [place for place, one in enumerate(items) if isinstance(one, str)]
        for first in range(0, len(texts), OFFICIAL_TEXTS):
            places = texts[first : first + OFFICIAL_TEXTS]
            rows[places] = embed([text.replace("<sent>", str(items[n])) for n in places], None)
        for place, one in enumerate(items):
            if isinstance(one, Path):
                rows[place] = embed([image], [_open_photo(one)])[0]
        return rows

    return encode


def _open_official(job: Job) -> tuple[Any, Any]:
    import torch
    from transformers import LlavaNextForConditionalGeneration, LlavaNextProcessor

    processor: Any = LlavaNextProcessor.from_pretrained(job.checkpoint)
    processor.tokenizer.padding_side = "left"
    model: Any = LlavaNextForConditionalGeneration.from_pretrained(
        job.checkpoint, dtype=getattr(torch, job.dtype)
    )
    return model.eval(), processor


def _official_prompts() -> tuple[str, str]:
    """Return the prompts of its retrieval.py, for a text in place of <sent> and for an image."""
    turn = "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|>"
    turn += "<|start_header_id|>assistant<|end_header_id|>\n\n \n"
    text = turn.format("<sent>\nSummary above sentence in one word: ")
    return text, turn.format("<image>\nSummary above image in one word: ")


def _open_photo(path: Path) -> Any:
    """Open a photo as the data sets library hands it to the official code: upright."""
    from e5v.inputs import Image
    from e5v.model.images import decode

    return decode(Image(path))


CONTENDERS: dict[str, Callable[[Job], Encode]] = {
    "e5v": _e5v,
    "official": _official,
    "sentence-transformers": _sentence_transformers,
}
