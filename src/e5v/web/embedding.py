"""Embed the items of a request: fetch, check, prepare on threads, and batch them.

RequestItem -> queue limit -> URLs fetched -> header checked -> decoded, tokenised -> batcher

Images are decoded on threads, with a time limit. A thread that takes longer stays counted as busy
until it is done, so that slow images cannot pile up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from e5v.errors import ItemError, PromptError
from e5v.inputs import Image, Item, Text
from e5v.model.image_files import UnreadableError
from e5v.model.literal import LiteralReader
from e5v.model.preparing import WORKERS, Prepared
from e5v.model.tokens import LONGEST, Fit
from e5v.web.admission import AdmissionQueue, Limits, check_image
from e5v.web.batching import Batcher
from e5v.web.errors import refuse_item
from e5v.web.fetching import Fetcher
from e5v.web.inputs import ImageSource, ItemPart, RequestItem, TokenIds

if TYPE_CHECKING:
    from e5v.model.embedder import E5V

IMAGE_TOKENS = 2_500  # the estimate for an image: a photo in the paper's model
BYTES_PER_TOKEN = 3  # of text, for the estimate
FETCHERS = 8
Fetch = Callable[[str], Awaitable[bytes]]


@dataclass(frozen=True)
class EmbeddedItems:
    """The result for a request's items: states (n, d), tokens of all, and whose text was cut."""

    states: NDArray[np.float32]
    tokens: int
    cut: tuple[bool, ...]


class ItemEmbedder:
    """Embeds the items of requests with one model."""

    def __init__(
        self, model: E5V, batcher: Batcher, limits: Limits, domains: frozenset[str] = frozenset()
    ) -> None:
        self.queue = AdmissionQueue(limits.queued_tokens)
        self._model = model
        self._batcher = batcher
        self._limits = limits
        self._reader = LiteralReader.of(model.loaded, model.max_tokens)
        self._fetcher = Fetcher(domains, limits.body_bytes)
        self._free = asyncio.Semaphore(WORKERS)
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="e5v-embedder")
        self._fetchers = ThreadPoolExecutor(FETCHERS, thread_name_prefix="e5v-fetch")

    async def embed(
        self, items: Sequence[RequestItem], prompt: str = "retrieval", *, fit: Fit = LONGEST
    ) -> EmbeddedItems:
        """Embed the items of one request; `fit` says how to cut a text that is too long.

        Raises:
            Refused: the queue is full, or an item cannot be read; the message names it.
            PromptError: there is no such prompt, or it has no slot for an item.
        """
        with self.queue.reserve() as reserved:
            most = self._model.max_tokens
            reserved.set(sum(min(_estimate_tokens(item), most) for item in items))
            fetch = cache(lambda url: asyncio.create_task(self._fetch(url)))  # each URL once
            prepared = await _gather_prepared(
                self._prepare(item, prompt, fit, fetch) for item in items
            )
            tokens = sum(len(one.prompted.ids) for one in prepared)
            reserved.set(tokens)
            states = await self._batcher.states(prepared)
        return EmbeddedItems(states, tokens, tuple(one.cut for one in prepared))

    def close(self) -> None:
        """Shut down the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._fetchers.shutdown(wait=False, cancel_futures=True)

    async def _prepare(self, item: RequestItem, prompt: str, fit: Fit, fetch: Fetch) -> Prepared:
        try:
            fetched = [
                await fetch(part.url) if isinstance(part, ImageSource) and part.url else part
                for part in item.parts
            ]
            return await self._prepare_on_thread(item, fetched, prompt, fit)
        except UnreadableError as error:
            raise refuse_item(item.position, str(error)) from None
        except ItemError as error:
            raise refuse_item(item.position, error.cause) from None
        except PromptError as error:
            raise refuse_item(item.position, str(error).removeprefix("item 0: ")) from None

    async def _fetch(self, url: str) -> bytes:
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._fetchers, self._fetcher.fetch, url)
        try:
            return await asyncio.wait_for(work, 2 * self._fetcher.seconds)
        except TimeoutError:
            raise UnreadableError("fetching its image took too long") from None

    async def _prepare_on_thread(
        self, item: RequestItem, parts: list[ItemPart | bytes], prompt: str, fit: Fit
    ) -> Prepared:
        """Prepare an item on a thread, within the time limit."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._threads, self._prepare_all, item, parts, prompt, fit)
        work.add_done_callback(self._release)
        seconds = self._limits.prepare_seconds
        done, _ = await asyncio.wait({work}, timeout=seconds)
        if not done:
            raise refuse_item(item.position, f"took over {seconds:g} s to decode; shrink it")
        return work.result()

    def _release(self, work: asyncio.Future[Prepared]) -> None:
        self._free.release()
        if not work.cancelled():
            work.exception()  # reported already, or no longer waited for

    def _prepare_all(
        self, item: RequestItem, parts: list[ItemPart | bytes], prompt: str, fit: Fit
    ) -> Prepared:
        if isinstance(parts[0], TokenIds):
            return self._prepare_literal(item, parts[0].ids)
        checked = tuple(self._check_part(part) for part in parts if not isinstance(part, TokenIds))
        if item.literal:
            strings = [part.text if isinstance(part, Text) else part for part in checked]
            return self._prepare_literal(item, strings)
        whole = Item(checked, item.system, item.instruction, item.side)
        return self._model.prepare(whole, prompt=prompt, fit=fit)

    def _prepare_literal(
        self, item: RequestItem, parts: Sequence[int] | Sequence[str | Image]
    ) -> Prepared:
        prompted = self._reader.read(parts, item.position)
        return Prepared(item.position, b"", prompted, cut=False)

    def _check_part(self, part: Text | ImageSource | Image | bytes) -> Text | Image:
        if isinstance(part, (Text, Image)):
            return part
        try:
            content = part if isinstance(part, bytes) else part.content()
        except ValueError as error:
            raise UnreadableError(str(error)) from None
        check_image(content, self._limits)
        return Image(content)


async def _gather_prepared(works: Iterable[Coroutine[Any, Any, Prepared]]) -> list[Prepared]:
    """Wait for all; the first failure cancels the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _estimate_tokens(item: RequestItem) -> int:
    """Estimate the tokens of an item from its size, before any work on it."""
    if isinstance(item.parts[0], TokenIds):
        return len(item.parts[0].ids)
    texts = (part.text for part in item.parts if isinstance(part, Text))
    length = sum(len(text.encode()) for text in texts)
    length += len((item.system or "").encode()) + len(item.instruction.encode())
    return length // BYTES_PER_TOKEN + 1 + IMAGE_TOKENS * item.image_count
