"""From a raw item to what the encoder takes, on threads ahead of the model.

raw -> Item -> file read, digest -> picture -> arrays -> wording, chat turn -> ids -> Prepared
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from e5v.errors import ItemError, PromptError
from e5v.image_formats import IMAGE_SUFFIXES
from e5v.items import Image, Item, Part, RawItem, normalise
from e5v.model.encoder import Prompted
from e5v.model.images import ImageProcessor, Pixels, UnreadableError, decode, digest, read_bytes
from e5v.model.loading import Loaded
from e5v.model.prompts import Prompt, ask
from e5v.model.rendering import Renderer
from e5v.model.tokens import PromptTokenizer, TooLongError

AHEAD = 512  # how much is prepared ahead of the model: texts count 1, images 16
WORKERS = min(16, os.cpu_count() or 1)


@dataclass(frozen=True)
class Prepared:
    """An item ready for the encoder; `digest` is equal for equal content, `cut` if text was cut."""

    position: int
    digest: bytes
    prompted: Prompted
    cut: bool


class Preparer:
    """Prepares items for one model; every method may be called from any thread."""

    def __init__(self, loaded: Loaded, max_tokens: int) -> None:
        tokenizer = loaded.processor.tokenizer
        self._tokenizer = PromptTokenizer(tokenizer, max_tokens)
        self.renderer = Renderer(loaded.processor, loaded.turn)
        self._image_processor = ImageProcessor(loaded.processor)
        self._image_token: str = tokenizer.convert_ids_to_tokens(loaded.image_token_id)
        self._image_token_id = loaded.image_token_id

    def prepare(self, raw: RawItem, position: int, prompt: Prompt) -> Prepared:
        """Prepare one item.

        Raises:
            ItemError: it cannot be read or does not fit; names `position`.
            PromptError: the prompt has no slot for a part of it; names the position, too.
        """
        try:
            named = normalise(raw, position)
            item = Item(tuple(_read(part) for part in named.parts))
            pixels = tuple(
                self._image_processor(decode(image, str(name)))
                for image, name in zip(item.images, named.images, strict=True)
            )
            prompted, cut = self._prompted(item, prompt, pixels)
        except (UnreadableError, TooLongError) as error:
            raise ItemError(position, str(error)) from error
        except PromptError as error:
            raise PromptError(f"item {position}: {error}") from error
        return Prepared(position, digest(item), prompted, cut)

    def _prompted(
        self, item: Item, prompt: Prompt, pixels: tuple[Pixels, ...]
    ) -> tuple[Prompted, bool]:
        pieces = self.renderer.render(ask(item, prompt))
        expansions = [one.expansion for one in pixels]
        tokens = self._tokenizer.encode(pieces, expansions)
        counts = tuple(expansion.count(self._image_token) for expansion in expansions)
        places = tokens.ids.count(self._image_token_id) if pixels else 0
        if places != sum(counts):
            raise UnreadableError(f"its images take {sum(counts)} tokens, its prompt has {places}")
        return Prompted(tokens.ids, pixels, counts), tokens.cut


def _read(part: Part) -> Part:
    return read_bytes(part) if isinstance(part, Image) else part


def ahead(
    raws: Iterable[RawItem], prepare: Callable[[RawItem, int], Prepared]
) -> Iterator[Future[Prepared]]:
    """Yield finished futures in the order of the items, working on a bounded number ahead.

    A generator of a million items is read no further than `AHEAD` beyond what was yielded.
    """
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="e5v-prepare")
    waiting: deque[tuple[int, Future[Prepared]]] = deque()
    load = 0
    try:
        for position, raw in enumerate(raws):
            weight = _weight(raw)
            while waiting and load + weight > AHEAD:
                done, future = waiting.popleft()
                load -= done
                future.exception()  # waits
                yield future
            waiting.append((weight, pool.submit(prepare, raw, position)))
            load += weight
        while waiting:
            future = waiting.popleft()[1]
            future.exception()
            yield future
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _weight(raw: RawItem) -> int:
    """Guess the memory of a prepared item: anything but plain text may hold images."""
    plain = isinstance(raw, str) and len(raw) < 4096  # noqa: PLR2004
    named = plain and raw.lower().endswith(tuple(IMAGE_SUFFIXES))
    return 1 if plain and not named and not raw.startswith("data:") else 16
