"""What tests of databases share: the engines that a package carries, and an index to export."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.search import made

ROWS = 40
ENGINES = ("qdrant", "milvus", "postgresql")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a PostgreSQL server, and give its URL."""
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(tmp_path_factory.mktemp("runtime"))
    from pgserver.postgres_server import get_server

    server = get_server(tmp_path_factory.mktemp("postgres"))
    if before is None:
        del os.environ["XDG_RUNTIME_DIR"]
    else:
        os.environ["XDG_RUNTIME_DIR"] = before
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=ENGINES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a collection that does not exist, in each database."""
    name = f"t{abs(hash(str(tmp_path)))}"
    if request.param == "postgresql":
        server: str = request.getfixturevalue("postgres")
        return server.replace("?", f"/{name}?")
    local = {"qdrant": "folder", "milvus": "file.db"}[request.param]
    return f"{request.param}://{tmp_path}/{local}/{name}"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Give an index of made-up photos and notes."""
    return made.fill(tmp_path / "index", made.vectors(ROWS))
