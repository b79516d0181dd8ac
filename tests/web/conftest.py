"""What tests of the server share: a small model, and an app around it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from e5v import E5V
from e5v.search.index import Index
from e5v.web.index_view import Collection
from e5v.web.service import Settings
from tests.web.asking import Ask, Asker, asking
from tests.web.engines import Proxy, engine_of, proxy_to
from tests.web.shelf import Shelf, photos_and_texts
from tests.web.small import write_small


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests in asyncio, as the server is."""
    return "asyncio"


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> E5V:
    """Open a small random model."""
    return E5V(write_small(tmp_path_factory.mktemp("small")), dtype="float32")


@pytest.fixture
def ask(model: E5V, tmp_path: Path) -> Ask:
    """Open an app over that model and no index."""

    @asynccontextmanager
    async def opened(
        settings: Settings | None = None, collection: Collection | None = None, **options: Any
    ) -> AsyncIterator[Asker]:
        given = collection or Collection(tmp_path / "none", model)
        async with asking(given, settings or Settings(), **options) as asker:
            yield asker

    return opened


@pytest.fixture
def shelf(model: E5V, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """Put photos and texts on a shelf, which every folder then is."""
    shelf = photos_and_texts(model)
    monkeypatch.setattr(Index, "open", lambda _: shelf)
    return shelf


@pytest.fixture(scope="module")
def engine(model: E5V, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run an engine of the small model."""
    with engine_of(model, tmp_path_factory.mktemp("engine") / "none") as url:
        yield url


@pytest.fixture
def proxy(engine: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Run a proxy before the engine, which is tried again soon."""
    monkeypatch.setattr("e5v.model.engine.WAITS", (0.01, 0.01))
    with proxy_to(engine) as proxy:
        yield proxy
