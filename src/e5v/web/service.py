"""The components that answer requests, for one model.

collection + settings -> Batcher, ItemEmbedder, Searcher -> Service
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from e5v.model.device_pool import DevicePool
from e5v.model.locating import shown_name
from e5v.web.access import AccessRules
from e5v.web.admission import Limits
from e5v.web.batching import Batcher, ForwardPass
from e5v.web.embedding import ItemEmbedder
from e5v.web.example_queries import find_queries
from e5v.web.map_labels import MapLabel, find_labels
from e5v.web.metrics import Meters
from e5v.web.notice import ModelNotice
from e5v.web.per_version import PerVersion
from e5v.web.searched import Searched
from e5v.web.searching import Searcher

if TYPE_CHECKING:
    from e5v.model.embedder import E5V


@dataclass(frozen=True)
class Settings:
    """How a model is served; `domains` are those that images may be fetched from."""

    limits: Limits = field(default_factory=Limits)
    access: AccessRules = field(default_factory=AccessRules)
    domains: frozenset[str] = frozenset()
    batch_tokens: int | None = None


@dataclass(frozen=True)
class Service:
    """What the routes use."""

    model: E5V
    settings: Settings
    meters: Meters
    embedder: ItemEmbedder
    searcher: Searcher
    notice: ModelNotice
    examples: PerVersion[str] = field(default_factory=partial(PerVersion, find_queries))
    labels: PerVersion[MapLabel] = field(default_factory=partial(PerVersion, find_labels))

    @property
    def name(self) -> str:
        """The model's name; of a folder only the last part of its path."""
        return shown_name(self.model.loaded.name)

    def check(self) -> None:
        """Raise `DeviceError` if the model has lost a process that it needs."""
        encoder = self.model.encoder
        if isinstance(encoder, DevicePool):
            encoder.check()

    @property
    def collection(self) -> Searched:
        """The collection that is searched."""
        return self.searcher.collection


@asynccontextmanager
async def open_service(
    collection: Searched, settings: Settings, meters: Meters
) -> AsyncIterator[Service]:
    """Open a service in the running event loop; ready when the model has answered once.

    Raises:
        ModelError: it returns non-finite values.
    """

    def count_pass(done: ForwardPass) -> None:
        meters.count_pass(done)
        embedder.queue.measure_speed(done.tokens, done.seconds)

    model = collection.model
    batcher = Batcher(model, budget=settings.batch_tokens, seen=count_pass)
    embedder = ItemEmbedder(model, batcher, settings.limits, settings.domains)
    meters.watch_queue(embedder.queue)
    work = asyncio.create_task(batcher.run())
    try:
        state = await batcher.states([model.prepare("a photo")])  # without the limits
        length = float(np.linalg.norm(state))
        searcher = Searcher(model, embedder, batcher, collection, length)
        yield Service(model, settings, meters, embedder, searcher, ModelNotice(collection))
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        embedder.close()
        batcher.close()
