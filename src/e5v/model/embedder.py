"""The public API: `E5V(model).encode(items)`.

items -> prepared on threads -> windows -> batches by token count -> encoder -> unit rows
"""

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Sized
from functools import partial
from pathlib import Path
from typing import Any, Literal, Unpack, overload

import numpy as np
import torch
from numpy.typing import NDArray

from e5v.errors import EncodeWarning, UsageError
from e5v.inputs import Item, RawItem, Side
from e5v.model.encode_warnings import describe_doubts, warn_at_end, warn_of_results
from e5v.model.encoded import Encoded, OnError, Skipped
from e5v.model.encoders import open_encoder
from e5v.model.engine_address import EngineAddress
from e5v.model.head import check_head
from e5v.model.loading import Loaded
from e5v.model.locating import absolute_name
from e5v.model.opening import ModelOptions
from e5v.model.preparing import Prepared, Preparer, ahead
from e5v.model.prompts import Prompt, find_prompt
from e5v.model.recipe import ANY, Purpose
from e5v.model.recognising import warn_of_recipe
from e5v.model.rendering import Renderer
from e5v.model.streaming import EncodeOptions, Items, Stream, StreamOptions, check_items, with_bar
from e5v.model.token_batches import token_budget
from e5v.model.tokens import LONGEST, Fit
from e5v.model.words import Word, likely_words
from e5v.vectors import Precision, check_dim, check_precision, quantise, similarity


class E5V:
    """A multimodal language model as a universal embedder (E5-V, arXiv 2407.12580).

    Args:
        model: a hub id or a folder of any image-text-to-text model that transformers can open, of a
            LoRA or DoRA adapter of one, or a training run; or an open model (`Loaded`).
        device: "cpu", "cuda", "mps", ...; by default the fastest available. On several
            (["cuda:0", "cuda:1"], or "auto" for every GPU), a copy of the model runs on each. With
            an `EngineAddress` (`e5v.model.engine_address`), a server has the weights.
        dtype: "float32", "bfloat16", "float16"; "auto": bfloat16 where the hardware is fast at it.
        max_tokens: maximum length of an item in tokens with prompt and images; longer text is
            truncated. By default the model's context length.
        trust_remote_code: run Python code that comes with the checkpoint. Off by default.
        readout: which hidden state is the vector: "last", or see `e5v.model.readout`.
        tiling: how LLaVA-NeXT cuts an image into tiles: "correct", or see `e5v.model.tiling`.
        recipe: how the model is asked, by name (`e5v.model.recipes`); by default as its authors ask
            it, or if it is unknown as E5-V is asked.
        adapter: a folder or hub id of an adapter of `model`, merged into its open weights.
        image_tokens: the most tokens that an image may take, by default as many as the model gives.
        weights: "full", "8bit" or "4bit": how the model's matrices are stored.
        device_map: "auto" divides one model that is larger than a GPU over all GPUs of the machine,
            then its memory, then its disk; a mapping gives the device of each module by name.

    An `E5V` can be pickled: unpickling opens the same model again.

    Raises:
        ModelError: it cannot be opened, is text only, lacks weights, or its engine is away.
    """

    def __init__(
        self,
        model: str | Path | Loaded,
        *,
        device: str | Sequence[str] | EngineAddress | None = None,
        max_tokens: int | None = None,
        readout: str = "last",
        **options: Unpack[ModelOptions],
    ) -> None:
        how: dict[str, Any] = {"device": device, "readout": readout, **options}
        self.encoder = open_encoder(model, **how)
        self._opened: tuple[str, dict[str, Any]] | None = None
        if not isinstance(model, Loaded):
            if adapter := options.get("adapter"):
                how["adapter"] = absolute_name(adapter)
            self._opened = absolute_name(model), how | {"max_tokens": max_tokens}
        self.loaded = self.encoder.loaded
        warn_of_recipe(self.loaded)
        context = self.encoder.context
        if max_tokens is not None and not 1 <= max_tokens <= context:
            raise UsageError(f"max_tokens is {max_tokens}; expected 1 to {context}, the context")
        self.max_tokens = max_tokens or context
        on_engine = isinstance(device, EngineAddress)
        self._preparer = Preparer(self.loaded, self.max_tokens, for_engine=on_engine)

    @property
    def width(self) -> int:
        """d, the number of values in a vector."""
        return self.encoder.width

    @property
    def dtype(self) -> torch.dtype:
        """The dtype the model computes in; vectors are always float32."""
        return self.loaded.model.dtype

    @property
    def device(self) -> torch.device:
        """The device the model is on; of a divided one, that of its inputs."""
        return self.loaded.device

    @property
    def renderer(self) -> Renderer:
        """Builds the prompt of an item for this model."""
        return self._preparer.renderer

    @overload
    def encode(
        self, items: Items, *, precision: Literal["float32"] = ..., **options: Unpack[EncodeOptions]
    ) -> NDArray[np.float32]: ...
    @overload
    def encode(
        self, items: Items, *, precision: Literal["float16"], **options: Unpack[EncodeOptions]
    ) -> NDArray[np.float16]: ...
    @overload
    def encode(
        self, items: Items, *, precision: Literal["int8"], **options: Unpack[EncodeOptions]
    ) -> NDArray[np.int8]: ...
    @overload
    def encode(
        self, items: Items, *, precision: Literal["binary"], **options: Unpack[EncodeOptions]
    ) -> NDArray[np.uint8]: ...
    def encode(
        self,
        items: Iterable[RawItem],
        *,
        precision: Precision = "float32",
        progress: bool = False,
        **options: Unpack[StreamOptions],
    ) -> NDArray[Any]:
        """Embed items: one unit row each, (n, d) float32, in the order given.

        An item is a string, an image (Path, PIL image, bytes, data URI) or a mixture in order
        (`{"image": ..., "text": ...}`, a list of parts, a chat message). A string is text, unless
        it is a data URI, a `file://` or `s3://` URL of an image, or the path of an existing image.
        A string that looks like an image path but is not one is embedded as text, with an
        `EncodeWarning`; `{"text": ...}` is always text.

        Each item is read when `items` yields it: a generator may then reuse its buffer or its file.

        Args:
            items: what to embed; a list, or any iterable.
            prompt: a name from `e5v.model.prompts.PROMPTS`, a `Prompt`, or your own template with
                `<text>` / `<image>` slots. By default "retrieval".
            instruction: what the items are for, if the model's recipe takes one; an item may have
                its own: `{"text": ..., "instruction": ...}`.
            side: "query" or "document", for models that word the two differently; by default, an
                item with an instruction is a query.
            batch_tokens: tokens per forward pass; the default depends on the device.
            dim: keep the first `dim` values and renormalise.
            precision: "float32", "float16", "int8" or "binary" (sign bits, packed).
            progress: show a progress bar on stderr.
            on_error: "raise" stops at the first bad item; "skip" skips bad items and lists them in
                an `EncodeWarning`.

        Raises:
            ItemError: an item cannot be read; names its position and the cause.
            PromptError: the prompt is unknown, or there is no slot for an item or instruction.
        """
        check_precision(precision)
        check_items(items)
        stream = self._stream(items, **options)
        total = len(items) if isinstance(items, Sized) else None
        results = list(with_bar(stream, total) if progress else stream)
        kept = [one for one in results if isinstance(one, Encoded)]
        warn_of_results(results)
        width = options.get("dim") or self.width
        rows = np.stack([one.vector for one in kept]) if kept else np.empty((0, width), np.float32)
        return quantise(rows, precision)

    def encode_iter(
        self, items: Iterable[RawItem], **options: Unpack[StreamOptions]
    ) -> Iterator[Encoded | Skipped]:
        """Embed a stream of items, in order, with a bounded number in memory.

        The options are those of `encode`. Yields one `Encoded` per item, or with `on_error="skip"`
        a `Skipped` for a bad one. Items of equal content are embedded once. Texts that look like
        image paths are listed in one `EncodeWarning`, after the last item.
        """
        return warn_at_end(self._stream(items, **options))

    def _stream(  # noqa: PLR0913  the options of the main call
        self,
        items: Iterable[RawItem],
        *,
        prompt: str | Prompt = "retrieval",
        instruction: str = "",
        side: Side | None = None,
        batch_tokens: int | None = None,
        dim: int | None = None,
        on_error: OnError = "raise",
    ) -> Generator[Encoded | Skipped, None, None]:
        check_dim(dim, self.width)
        budget = token_budget(batch_tokens, self.device.type)
        prepare = self._preparing(prompt, Purpose(instruction, side))
        return Stream(self.encoder, budget, dim, on_error).run(ahead(items, prepare))

    def _preparing(
        self, prompt: str | Prompt, purpose: Purpose = ANY
    ) -> Callable[[Item, int], Prepared]:
        """Return a function that prepares an item, by its position."""
        found = find_prompt(prompt)
        self.loaded.recipe.check(found, purpose)
        return partial(self._preparer.prepare, prompt=found, purpose=purpose)

    def states(
        self,
        items: Iterable[RawItem],
        *,
        prompt: str | Prompt = "retrieval",
        batch_tokens: int | None = None,
    ) -> NDArray[np.float32]:
        """Return the hidden states before normalisation: (n, d) float32.

        A FashionIQ query is the sum of two of them (section 3 of the paper's code).
        """
        budget = token_budget(batch_tokens, self.device.type)
        stream = Stream(self.encoder, budget, None, "raise", normalised=False)
        results = stream.run(ahead(items, self._preparing(prompt)))
        rows = [one.vector for one in results if isinstance(one, Encoded)]
        return np.stack(rows) if rows else np.empty((0, self.width), np.float32)

    def embed(
        self, prepared: Sequence[Prepared], *, batch_tokens: int | None = None
    ) -> NDArray[np.float32]:
        """Embed the results of `prepare`: (n, d) unit rows, in the order given."""
        stream = Stream(self.encoder, token_budget(batch_tokens, self.device.type), None, "raise")
        return stream.vectors(prepared)

    def prepare(
        self,
        item: RawItem,
        *,
        prompt: str | Prompt = "retrieval",
        fit: Fit = LONGEST,
        purpose: Purpose = ANY,
    ) -> Prepared:
        """Return an item's ids and pixels; `fit` says how a text that is too long is truncated."""
        return self._preparer.prepare(item, 0, find_prompt(prompt), fit=fit, purpose=purpose)

    def words(self, item: RawItem, k: int = 5, *, prompt: str | Prompt = "retrieval") -> list[Word]:
        """Return the `k` most probable next words and their probabilities (figure 1 of the paper).

        The state goes through the language model's head; tokens that spell one word are summed.

        Raises:
            ModelError: the checkpoint has no output head, or it is with an engine.
        """
        if k < 1:
            raise UsageError(f"k is {k}; expected at least 1")
        check_head(self.loaded.model)
        prepared = self.prepare(item, prompt=prompt)
        if prepared.doubt:
            warnings.warn(EncodeWarning(describe_doubts([prepared.doubt], 1), (0,)), stacklevel=2)
        with torch.inference_mode():
            state = self.encoder.states([prepared.prompted])[0]
            return likely_words(self.loaded, state, k)

    def similarity(self, left: object, right: object) -> NDArray[np.float32]:
        """Cosine of every row of `left` (n, d) with every row of `right` (m, d): (n, m) float32.

        A side is an array, a torch tensor or a list of rows; see `e5v.vectors.similarity`.

        Raises:
            UsageError: the widths differ, or a side is packed bits (binary) or not numeric.
        """
        return similarity(left, right)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle how the model was opened, not its weights; unpickling and copying open it again.

        Raises:
            UsageError: it was made from a `Loaded` model.
        """
        if self._opened is None:
            raise UsageError(
                f"{self.loaded.name} was passed as an open model and cannot be pickled or copied; "
                "open it by its name in each process: E5V(name)"
            )
        name, how = self._opened
        return partial(E5V, name, **how), ()
