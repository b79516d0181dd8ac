"""The face: `E5V(model).encode(items)`.

    items -> prepared ahead on threads -> windows -> batches by token cost -> encoder -> unit rows
"""

import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from e5v.errors import EncodeWarning, ItemError, ModelError, PromptError, UsageError
from e5v.items import RawItem
from e5v.model.encoder import Encoder
from e5v.model.loading import DTypeName, load
from e5v.model.planning import plan
from e5v.model.preparing import Prepared, Preparer, ahead
from e5v.model.prompts import Prompt, find_prompt
from e5v.model.rendering import Renderer
from e5v.model.words import Word, say
from e5v.vectors import (
    Precision,
    check_dim,
    check_precision,
    quantise,
    similarity,
    truncate,
    unit,
)

OnError = Literal["raise", "skip"]
WINDOW_BATCHES = 8  # how many batches' worth of tokens are sorted together
REMEMBERED_BYTES = 256 * 2**20  # vectors kept to answer for items of equal content


@dataclass(frozen=True)
class Encoded:
    """The vector of one item: `vector` (d,) unit float32; `cut` if its text was shortened."""

    position: int
    vector: NDArray[np.float32]
    cut: bool


@dataclass(frozen=True)
class Skipped:
    """An item left out under `on_error="skip"`, and why."""

    position: int
    error: ItemError | PromptError


class E5V:
    """A multimodal language model as a universal embedder (E5-V, arXiv 2407.12580).

    Args:
        model: a hub id or a folder of any image-text-to-text model that transformers can open.
        device: "cpu", "cuda", "mps", ...; the fastest at hand by default.
        dtype: "float32", "bfloat16", "float16"; "auto" is bfloat16 where the machine is fast at it.
        max_tokens: longest item in tokens, prompt and images included; longer text is cut. The
            model's own context by default.
        trust_remote_code: run Python code that comes with the checkpoint. Off unless asked for.

    Raises:
        ModelError: the model cannot be opened, is text only, or lacks weights.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        device: str | None = None,
        dtype: DTypeName = "auto",
        max_tokens: int | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        self.loaded = load(model, device=device, dtype=dtype, trust_remote_code=trust_remote_code)
        context = getattr(self.loaded.text_config, "max_position_embeddings", None) or 2**20
        if max_tokens is not None and not 1 <= max_tokens <= context:
            raise UsageError(f"max_tokens is {max_tokens}; expected 1 to {context}, the context")
        self.max_tokens: int = max_tokens or context
        self._encoder = Encoder(self.loaded)
        self._preparer = Preparer(self.loaded, self.max_tokens)

    @property
    def width(self) -> int:
        """d, the number of values of a vector."""
        return self._encoder.width

    @property
    def dtype(self) -> torch.dtype:
        """What the model computes in; vectors are float32 whatever it is."""
        dtype: torch.dtype = self.loaded.model.dtype
        return dtype

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = self.loaded.model.device
        return device

    @property
    def renderer(self) -> Renderer:
        """What words an item's prompt for this model."""
        return self._preparer.renderer

    def encode(
        self,
        items: Iterable[RawItem],
        *,
        prompt: str | Prompt = "retrieval",
        batch_tokens: int | None = None,
        dim: int | None = None,
        precision: Precision = "float32",
        progress: bool = False,
        on_error: OnError = "raise",
    ) -> NDArray[Any]:
        """Embed items: one unit row each, (n, d) float32, in the order given.

        An item is a string, an image (Path, PIL image, bytes, data URI) or a mixture in order
        (`{"image": ..., "text": ...}`, a list of parts, a chat message). A string is text; it is an
        image only if it ends in a known image suffix and names an existing file.

        Args:
            items: what to embed; a list, or any iterable.
            prompt: a name from `e5v.model.prompts.PROMPTS`, a `Prompt`, or a wording of your own
                with `<text>` / `<image>` slots.
            batch_tokens: tokens per forward pass; by default what suits the device.
            dim: keep the first `dim` values and renormalise.
            precision: "float32", "float16", "int8" or "binary" (sign bits, packed).
            progress: draw a bar on stderr.
            on_error: "raise" stops at the first bad item; "skip" leaves out exactly the bad ones and
                says which in an `EncodeWarning`.

        Raises:
            ItemError: an item cannot be read; names its position and the cause.
            PromptError: the prompt is unknown or has no slot for an item.
        """
        check_precision(precision)
        _check_items(items)
        stream = self.encode_iter(
            items, prompt=prompt, batch_tokens=batch_tokens, dim=dim, on_error=on_error
        )
        if progress:
            stream = _with_bar(stream, len(items) if isinstance(items, Sized) else None)
        results = list(stream)
        kept = [one for one in results if isinstance(one, Encoded)]
        _warn(results)
        width = dim or self.width
        rows = np.stack([one.vector for one in kept]) if kept else np.empty((0, width), np.float32)
        return quantise(rows, precision)

    def encode_iter(
        self,
        items: Iterable[RawItem],
        *,
        prompt: str | Prompt = "retrieval",
        batch_tokens: int | None = None,
        dim: int | None = None,
        on_error: OnError = "raise",
    ) -> Iterator[Encoded | Skipped]:
        """Embed a stream of items, in order, holding a bounded window of them.

        The arguments are those of `encode`. Yields one `Encoded` per item, or under
        `on_error="skip"` a `Skipped` for a bad one. Items of equal content are embedded once.
        """
        check_dim(dim, self.width)
        if on_error not in get_args(OnError):
            raise UsageError(f'on_error is "{on_error}"; expected "raise" or "skip"')
        budget = batch_tokens or (32_768 if self.device.type == "cuda" else 2_048)
        if budget < 1:
            raise UsageError(f"batch_tokens is {batch_tokens}; expected at least 1")
        prepare = partial(self._preparer.prepare, prompt=find_prompt(prompt))
        return self._stream(ahead(items, prepare), budget, dim, on_error)

    def _stream(
        self,
        futures: Iterator[Future[Prepared]],
        budget: int,
        dim: int | None,
        on_error: OnError,
    ) -> Iterator[Encoded | Skipped]:
        memory = _Memory(REMEMBERED_BYTES // (4 * self.width))
        window: list[Prepared | Skipped] = []
        tokens = 0
        for position, future in enumerate(futures):
            try:
                prepared = future.result()
            except (ItemError, PromptError) as error:
                if on_error == "raise":
                    raise
                window.append(Skipped(position, error))
                continue
            window.append(prepared)
            tokens += len(prepared.prompted.ids)
            if tokens >= WINDOW_BATCHES * budget:
                yield from self._flush(window, memory, budget, dim)
                window, tokens = [], 0
        yield from self._flush(window, memory, budget, dim)

    def _flush(
        self,
        window: Sequence[Prepared | Skipped],
        memory: "_Memory",
        budget: int,
        dim: int | None,
    ) -> Iterator[Encoded | Skipped]:
        fresh = {
            one.digest: one
            for one in window
            if isinstance(one, Prepared) and one.digest not in memory
        }
        vectors = dict(zip(fresh, self._vectors(list(fresh.values()), budget), strict=True))
        for one in window:
            if isinstance(one, Skipped):
                yield one
                continue
            vector = vectors[one.digest] if one.digest in vectors else memory[one.digest]
            yield Encoded(one.position, truncate(vector, dim), one.cut)
        memory.update(vectors)

    def _vectors(self, batch: Sequence[Prepared], budget: int) -> NDArray[np.float32]:
        """Embed prepared items: (n, d) unit rows in the order given."""
        rows = np.empty((len(batch), self.width), np.float32)
        lengths = [len(one.prompted.ids) for one in batch]
        padded = self._encoder.layout != "packed"
        for places in plan(lengths, budget, padded=padded, alone_above=self._alone_above):
            rows[places] = unit(self._states([batch[place] for place in places]))
        return rows

    def _states(self, batch: Sequence[Prepared]) -> NDArray[np.float32]:
        with torch.inference_mode():
            states = self._encoder.states([one.prompted for one in batch])
        rows: NDArray[np.float32] = states.float().cpu().numpy()
        if not np.isfinite(rows).all():
            raise ModelError(
                f"{self.loaded.name} gave values that are not finite in {self.dtype}; "
                'load it with dtype="bfloat16" or "float32"'
            )
        return rows

    @property
    def _alone_above(self) -> int | None:
        """Tokens beyond which the rotary embedding of this model changes with the batch."""
        rope = getattr(self.loaded.text_config, "rope_parameters", None) or {}
        if rope.get("rope_type") not in {"longrope", "dynamic"}:
            return None
        limit: int = rope.get("original_max_position_embeddings") or self.max_tokens
        return limit

    def prepare(self, item: RawItem, *, prompt: str | Prompt = "retrieval") -> Prepared:
        """Return what the encoder would be given for an item: its ids and arrays."""
        return self._preparer.prepare(item, 0, find_prompt(prompt))

    def words(self, item: RawItem, k: int = 5, *, prompt: str | Prompt = "retrieval") -> list[Word]:
        """Say what the vector says: the `k` likeliest next words, and their probabilities.

        The state is put through the language model's head; tokens that spell one word (in another
        case, with or without a space) are counted together. Figure 1 of the paper.
        """
        if k < 1:
            raise UsageError(f"k is {k}; expected at least 1")
        prepared = self.prepare(item, prompt=prompt)
        with torch.inference_mode():
            state = self._encoder.states([prepared.prompted])[0]
            return say(self.loaded, state, k)

    def similarity(self, left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float32]:
        """Cosine of every row of `left` (n, d) with every row of `right` (m, d): (n, m)."""
        return similarity(left, right)


class _Memory(OrderedDict[bytes, NDArray[np.float32]]):
    """The latest vectors by content, at most `most` of them."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def update(self, vectors: Mapping[bytes, NDArray[np.float32]]) -> None:  # type: ignore[override]
        super().update(vectors)
        while len(self) > self._most:
            self.popitem(last=False)


def _check_items(items: object) -> None:
    if isinstance(items, (str, bytes, PathLike, Mapping)) or hasattr(items, "getexif"):
        raise UsageError(
            f"items is one {type(items).__name__}; expected a list: encode([item])[0] for one"
        )


def _warn(results: Sequence[Encoded | Skipped]) -> None:
    """Say once what was cut and what was left out."""
    skipped = [one for one in results if isinstance(one, Skipped)]
    cut = tuple(one.position for one in results if isinstance(one, Encoded) and one.cut)
    if skipped:
        causes = "; ".join(str(one.error) for one in skipped[:5])
        message = f"{len(skipped)} of {len(results)} items left out: {causes}"
        warnings.warn(
            EncodeWarning(message, tuple(one.position for one in skipped)), stacklevel=3
        )
    if cut:
        message = f"{len(cut)} of {len(results)} items were cut to fit the model"
        warnings.warn(EncodeWarning(message, cut), stacklevel=3)


def _with_bar(
    stream: Iterator[Encoded | Skipped], total: int | None
) -> Iterator[Encoded | Skipped]:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import track  # noqa: PLC0415

    yield from track(stream, "Encoding", total=total, console=Console(stderr=True))
