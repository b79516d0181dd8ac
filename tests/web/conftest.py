"""What tests of the server share: a small model, and an app around it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from e5v import E5V
from e5v.model.toy import write_toy
from e5v.web.collection import Collection
from e5v.web.service import Settings
from tests.web.asking import Ask, Asker, asking


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests in asyncio, as the server is."""
    return "asyncio"


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a small model."""
    return write_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def model(toy: Path) -> E5V:
    """Open it."""
    return E5V(toy, dtype="float32")


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
