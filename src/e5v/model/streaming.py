"""Embed a stream of prepared items, one bounded window at a time.

futures of Prepared -> window -> new content -> batches by token count -> encoder -> unit rows
                              -> repeated content -> cached row

With several devices, the batches of the next windows are begun before a window is finished.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from os import PathLike
from typing import TypeAlias, TypedDict, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from e5v.errors import ItemError, ModelError, PromptError, UsageError
from e5v.inputs import RawItem, Side
from e5v.model.device_pool import DevicePool, RunningBatches
from e5v.model.encoded import Encoded, OnError, Skipped
from e5v.model.encoder import Prompted
from e5v.model.encoders import AnyEncoder
from e5v.model.preparing import Prepared
from e5v.model.prompts import Prompt
from e5v.model.token_batches import token_batches
from e5v.vectors import truncate, unit

Items: TypeAlias = Iterable[RawItem]
WINDOW_BATCHES = 8  # batches of tokens that are sorted together,
WINDOW_TOKENS = 16_384  # and the minimum number of tokens;
WINDOW_BYTES = 2 * 2**30  # the maximum of pixels: some models take 40 KB of them per token
CACHE_BYTES = 256 * 2**20  # cache of vectors, for items of equal content


class StreamOptions(TypedDict, total=False):
    """The options of `encode_iter`."""

    prompt: str | Prompt
    instruction: str
    side: Side | None
    batch_tokens: int | None
    dim: int | None
    on_error: OnError


class EncodeOptions(StreamOptions, total=False):
    """The options of `encode` that do not change the type of its result."""

    progress: bool


@dataclass(frozen=True)
class Stream:
    """Runs one call's items through the encoder.

    `budget` is the maximum number of tokens per batch, `dim` the width vectors are truncated to
    (None: full width). Rows are unit vectors, or with `normalised` false the hidden states.
    """

    encoder: AnyEncoder
    budget: int
    dim: int | None
    on_error: OnError
    normalised: bool = True

    def __post_init__(self) -> None:
        """Check the options."""
        if self.on_error not in get_args(OnError):
            raise UsageError(f'on_error is "{self.on_error}"; expected "raise" or "skip"')

    def run(self, futures: Iterable[Future[Prepared]]) -> Generator[Encoded | Skipped, None, None]:
        """Yield a result per future, in order.

        Raises:
            ItemError, PromptError: the first bad item, with `on_error="raise"`.
            ModelError: the model returned values that are not finite.
        """
        try:
            yield from self._run(futures)
        finally:
            if isinstance(futures, Generator):
                futures.close()  # end its threads now, even if the caller keeps the error

    def _run(self, futures: Iterable[Future[Prepared]]) -> Iterator[Encoded | Skipped]:
        begun: deque[_Begun] = deque()
        try:
            yield from self._run_windows(self._windows(futures), begun)
        finally:
            for one in begun:  # none, unless the caller stops or a model fails
                one.work.cancel()

    def _run_windows(
        self, windows: Iterator[Sequence[Prepared | Skipped]], begun: "deque[_Begun]"
    ) -> Iterator[Encoded | Skipped]:
        """Embed windows; on several devices, the next ones are begun before one is finished."""
        cache = _Cache(CACHE_BYTES // (4 * self.encoder.width))
        ahead = self.encoder.lookahead if isinstance(self.encoder, DevicePool) else 0
        bad: ItemError | PromptError | None = None
        while bad is None:
            try:
                window = next(windows, None)
            except (ItemError, PromptError) as error:
                window, bad = None, error
            if window is None:
                break
            begun.append(self._begin(window, cache))
            if len(begun) > ahead:
                yield from self._finish(begun[0])
                begun.popleft()
        while begun:
            yield from self._finish(begun[0])
            begun.popleft()
        if bad is not None:  # after the items before it
            raise bad

    def _windows(
        self, futures: Iterable[Future[Prepared]]
    ) -> Iterator[Sequence[Prepared | Skipped]]:
        window: list[Prepared | Skipped] = []
        tokens = pixels = 0
        for position, future in enumerate(futures):
            try:
                prepared = future.result()
            except (ItemError, PromptError) as error:
                if self.on_error == "raise":
                    raise
                window.append(Skipped(position, _drop_traceback(error)))
                tokens += 1  # so that bad items also fill the window
            else:
                window.append(prepared)
                tokens += len(prepared.prompted.ids)
                pixels += _pixel_bytes(prepared)
            if tokens >= max(WINDOW_BATCHES * self.budget, WINDOW_TOKENS) or pixels >= WINDOW_BYTES:
                yield window
                window, tokens, pixels = [], 0, 0
        yield window

    def _begin(self, window: Sequence[Prepared | Skipped], cache: "_Cache") -> "_Begun":
        """Begin to embed what is new in a window; other rows may be those of an earlier one."""
        items = [one for one in window if isinstance(one, Prepared)]
        fresh = {one.digest: one for one in items if one.digest not in cache}
        work = self._embed(list(fresh.values()))
        rows = dict(zip(fresh, work.rows, strict=True))
        known = {one.digest: cache[one.digest] for one in items if one.digest not in rows}
        cache.update(rows)
        return _Begun(window, rows | known, work)

    def _finish(self, begun: "_Begun") -> Iterator[Encoded | Skipped]:
        begun.work.finish()
        for one in begun.window:
            if isinstance(one, Skipped):
                yield one
                continue
            yield Encoded(
                one.position,
                truncate(begun.rows[one.digest], self.dim),
                one.cut,
                is_text=not one.prompted.images,
                doubt=one.doubt,
                tokens=len(one.prompted.ids),
                digest=one.digest,
            )

    def vectors(self, items: Sequence[Prepared]) -> NDArray[np.float32]:
        """Embed prepared items: (n, d) rows in the order given."""
        work = self._embed(items)
        work.finish()
        return work.rows

    def _embed(self, items: Sequence[Prepared]) -> "_Work":
        lengths = [len(one.prompted.ids) for one in items]
        padded = self.encoder.layout != "packed"
        batches = token_batches(
            lengths, self.budget, padded=padded, alone_above=self.encoder.alone_above
        )
        prompts = [[items[place].prompted for place in places] for places in batches]
        rows = np.empty((len(items), self.encoder.width), np.float32)
        return _Work(rows, batches, self._run_batches(prompts), self._read)

    def _run_batches(self, batches: Sequence[Sequence[Prompted]]) -> Iterator[torch.Tensor]:
        """Return the states of batches: of several devices begun now, otherwise when asked for."""
        if isinstance(self.encoder, DevicePool):
            return self.encoder.run(batches)
        return map(torch.inference_mode()(self.encoder.states), batches)

    def _read(self, states: torch.Tensor) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = states.float().cpu().numpy()
        if not np.isfinite(rows).all():
            loaded = self.encoder.loaded
            fix = 'load it with dtype="bfloat16" or "float32"'
            if loaded.model.dtype == torch.float32:
                fix = "its weights are broken: download or train them again"
            raise ModelError(
                f"{loaded.name} returned values that are not finite in {loaded.model.dtype}; {fix}"
            )
        return unit(rows) if self.normalised else rows


@dataclass(frozen=True)
class _Work:
    """Batches of a window that were begun; `rows` (n, d) are filled by `finish`."""

    rows: NDArray[np.float32]
    batches: Sequence[Sequence[int]]
    states: Iterator[torch.Tensor]
    read: Callable[[torch.Tensor], NDArray[np.float32]]

    def finish(self) -> None:
        """Wait for the states of all batches, and fill the rows."""
        for places, states in zip(self.batches, self.states, strict=True):
            self.rows[places] = self.read(states)

    def cancel(self) -> None:
        """Drop the batches that no device has begun."""
        if isinstance(self.states, RunningBatches):
            self.states.cancel()


@dataclass(frozen=True)
class _Begun:
    """A window, the rows of its items by digest, and the work that fills those that are new.

    Rows of content that an earlier window had are filled by the work of that one.
    """

    window: Sequence[Prepared | Skipped]
    rows: Mapping[bytes, NDArray[np.float32]]
    work: _Work


def _drop_traceback(error: ItemError | PromptError) -> ItemError | PromptError:
    """Drop an error's traceback: its frames keep the item's file and pixels in memory."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


def _pixel_bytes(prepared: Prepared) -> int:
    images = prepared.prompted.images
    return sum(array.nbytes for image in images for array in image.arrays.values())


class _Cache(OrderedDict[bytes, NDArray[np.float32]]):
    """Cache of the latest `most` vectors, by content."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def update(self, vectors: Mapping[bytes, NDArray[np.float32]]) -> None:  # type: ignore[override]
        super().update(vectors)
        while len(self) > self._most:
            self.popitem(last=False)


def check_items(items: object) -> None:
    """Raise `UsageError` if `items` is one item, or nothing to go through."""
    if isinstance(items, (str, bytes, PathLike, Mapping)) or hasattr(items, "getexif"):
        raise UsageError(
            f"items is one {type(items).__name__}; expected a list: encode([item])[0] for one"
        )
    if not isinstance(items, Iterable):
        raise UsageError(f"items is of type {type(items).__name__}; expected a list of items")


def with_bar(stream: Iterator[Encoded | Skipped], total: int | None) -> Iterator[Encoded | Skipped]:
    """Show a progress bar on stderr while a stream is read."""
    from rich.console import Console
    from rich.progress import track

    yield from track(stream, "Encoding", total=total, console=Console(stderr=True))
