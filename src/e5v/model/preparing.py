"""Prepare raw items for the encoder, on threads ahead of the model.

caller's thread: raw -> Item; files read and PIL images copied if they may change
other threads:   file read, digest -> picture -> arrays -> prompt, chat turn -> ids -> Prepared
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b
from threading import Lock
from weakref import WeakValueDictionary

import PIL.Image

from e5v.errors import ItemError, PromptError
from e5v.image_formats import is_image_name
from e5v.inputs import Image, Item, RawItem, normalise
from e5v.model.encoder import Prompted
from e5v.model.image_files import UnreadableError, read_images
from e5v.model.image_inputs import Pixels
from e5v.model.images import decode, digest
from e5v.model.literal import LiteralWriter
from e5v.model.loading import Loaded
from e5v.model.processors import ImageProcessor
from e5v.model.prompts import Prompt, Segment
from e5v.model.recipe import ANY, Purpose
from e5v.model.rendering import Renderer
from e5v.model.snapshots import megabytes, take
from e5v.model.tokens import LONGEST, Fit, PromptTokenizer, TooLongError

AHEAD = 512  # limit of what is prepared ahead of the model: a text counts 1, an image 16
WORKERS = min(16, os.cpu_count() or 1)


@dataclass(frozen=True)
class Prepared:
    """An item ready for the encoder; `digest` identifies its content, `cut` if text was truncated.

    `doubt` names a text that looks like an image, and why it is not one; otherwise it is empty.
    """

    position: int
    digest: bytes
    prompted: Prompted
    cut: bool
    doubt: str = ""


class Preparer:
    """Prepares items for one model; thread-safe.

    `known` returns an image whose tokens are known, by the digest of its file, else None. With
    `for_engine`, items have what an engine needs (`e5v.model.literal`).
    """

    def __init__(
        self,
        loaded: Loaded,
        max_tokens: int,
        known: Callable[[bytes], Pixels | None] | None = None,
        *,
        for_engine: bool = False,
    ) -> None:
        tokenizer = loaded.processor.tokenizer
        self._tokenizer = PromptTokenizer(tokenizer, max_tokens)
        self._writer = LiteralWriter(self._tokenizer) if for_engine else None
        self.renderer = Renderer(loaded.processor, loaded.turn)
        self._recipe = loaded.recipe
        self._pixels = SharedPixels(ImageProcessor.of(loaded), known)
        self._image_token: str = tokenizer.convert_ids_to_tokens(loaded.image_token_id)
        self._image_token_id = loaded.image_token_id

    def prepare(
        self,
        raw: RawItem,
        position: int,
        prompt: Prompt,
        *,
        fit: Fit = LONGEST,
        purpose: Purpose = ANY,
    ) -> Prepared:
        """Prepare one item; `fit` says how a text that is too long is truncated.

        Raises:
            ItemError: it cannot be read or does not fit; names `position`.
            PromptError: the prompt has no slot for a part of it; names `position`.
        """
        try:
            item = read_images(normalise(raw, position))
            pixels = tuple(map(self._pixels.read, item.images))
            pieces = self.renderer.render(self._recipe.ask(item, prompt, purpose))
            prompted, cut = self._tokenize(item, pieces, pixels, fit)
            content = digest(item)
        except (UnreadableError, TooLongError) as error:
            raise ItemError(position, str(error)) from error
        except PromptError as error:
            raise PromptError(f"item {position}: {error}") from error
        return Prepared(position, content, prompted, cut, item.doubt)

    def _tokenize(
        self, item: Item, pieces: Sequence[Segment], pixels: tuple[Pixels, ...], fit: Fit
    ) -> tuple[Prompted, bool]:
        expansions = [one.expansion for one in pixels]
        tokens = self._tokenizer.encode(pieces, expansions, fit)
        counts = tuple(expansion.count(self._image_token) for expansion in expansions)
        places = tokens.ids.count(self._image_token_id) if pixels else 0
        if places != sum(counts):
            raise UnreadableError(
                f"its images need {sum(counts)} tokens, but its prompt has {places}"
            )
        prompted = Prompted(tokens.ids, pixels, counts)
        if self._writer is not None:
            prompted = self._writer.write(item, pieces, tokens, prompted)
        return prompted, tokens.cut


class SharedPixels:
    """Decodes images for a model; an image that several items have at a time is decoded once.

    Equal files become the same `Pixels`, which the vision tower then sees once per batch. They are
    kept only as long as an item needs them. PIL images are not compared: they are decoded already.
    An image that is `known` is not decoded.
    """

    def __init__(
        self,
        process: Callable[[PIL.Image.Image], Pixels],
        known: Callable[[bytes], Pixels | None] | None = None,
    ) -> None:
        self._process = process
        self._known = known
        self._found: WeakValueDictionary[bytes, Pixels] = WeakValueDictionary()
        self._decoding: WeakValueDictionary[bytes, Lock] = WeakValueDictionary()
        self._lock = Lock()

    def read(self, image: Image) -> Pixels:
        """Decode one image, unless another item has it.

        Raises:
            UnreadableError: it cannot be decoded, or the model's processor refuses it.
        """
        if not isinstance(image.source, bytes):
            return self._process(decode(image))
        content = blake2b(image.source, digest_size=16).digest()
        with self._lock:
            one_at_a_time = self._decoding.setdefault(content, Lock())
        with one_at_a_time:
            pixels = (self._known and self._known(content)) or self._found.get(content)
            if pixels is None:
                made = replace(self._process(decode(image)), content=content)
                pixels = self._found[content] = made
        return pixels


def ahead(
    raws: Iterable[RawItem], prepare: Callable[[Item, int], Prepared]
) -> Iterator[Future[Prepared]]:
    """Yield finished futures in the order of the items, preparing a bounded number ahead.

    At most `AHEAD` items beyond those yielded are read from a generator. Each item is normalised in
    the caller's thread. Unless `raws` is a list or a tuple, its files are also read and its PIL
    images copied there, since the generator may change them (`e5v.model.snapshots`).
    """
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="e5v-prepare")
    waiting: deque[tuple[int, Future[Prepared]]] = deque()
    load = 0
    lasting = type(raws) in {list, tuple}
    try:
        for position, raw in enumerate(raws):
            item = _take_item(raw, position, lasting=lasting)
            weight = max(_weight(raw), megabytes(item) if isinstance(item, Item) else 0)
            while waiting and load + weight > AHEAD:
                done, future = waiting.popleft()
                load -= done
                future.exception()  # waits
                yield future
            waiting.append((weight, _submit(pool, prepare, item, position)))
            load += weight
        while waiting:
            future = waiting.popleft()[1]
            future.exception()
            yield future
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _take_item(raw: RawItem, position: int, *, lasting: bool) -> Item | ItemError:
    """Normalise an item (and copy its content unless `lasting`), or return its error."""
    try:
        item = normalise(raw, position)
        return item if lasting else take(item, position)
    except ItemError as error:
        return error


def _submit(
    pool: ThreadPoolExecutor,
    prepare: Callable[[Item, int], Prepared],
    item: Item | ItemError,
    position: int,
) -> Future[Prepared]:
    if isinstance(item, Item):
        return pool.submit(prepare, item, position)
    failed: Future[Prepared] = Future()
    failed.set_exception(item)
    return failed


def _weight(raw: RawItem) -> int:
    """Estimate the memory of a prepared item: anything but plain text may contain images."""
    if not isinstance(raw, str) or len(raw) >= 4096:  # noqa: PLR2004
        return 16
    return 16 if is_image_name(raw.rstrip()) or raw.lstrip().startswith("data:") else 1
