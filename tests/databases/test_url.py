"""URLs of collections: read in one form per database, and never shown with credentials."""

import socket
from pathlib import Path

import pytest

from e5v.databases.opening import open_database
from e5v.databases.store_index import StoreIndex
from e5v.databases.url import is_database, read_url
from e5v.errors import DataError, UsageError

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("text", "shown", "where"),
    [
        ("qdrant://h/photos", "qdrant://h:6333/photos", ("h", 6333, None, "")),
        ("qdrant+https://h:443/p-1", "qdrant+https://h:443/p-1", ("h", 443, None, "")),
        (f"qdrant://:{SECRET}@[::1]:7/p", "qdrant://[::1]:7/p", ("::1", 7, None, "")),
        ("qdrant:///a/b%20c/p", "qdrant:///a/b c/p", ("", 0, Path("/a/b c"), "")),
        ("milvus:///a/b.db/p", "milvus:///a/b.db/p", ("", 0, Path("/a/b.db"), "")),
        (f"milvus://u:{SECRET}@h/d/p", "milvus://h:19530/d/p", ("h", 19530, None, "d")),
        (
            f"postgres://u:{SECRET}@h:1/d/t?sslmode=require",
            "postgresql://h:1/d/t?sslmode=require",
            ("h", 1, None, "d"),
        ),
        (
            f"postgresql:///d/t?host=/run&password={SECRET}",
            "postgresql:///d/t?host=/run",
            ("", 0, None, "d"),
        ),
    ],
)
def test_urls(text: str, shown: str, where: tuple[object, ...]) -> None:
    """Catches another place than the one that is named, and a password in a message."""
    url = read_url(text)
    assert is_database(text)
    assert str(url) == shown
    assert (url.host, url.port, url.local, url.database) == where
    if url.password:
        assert SECRET not in f"{url} {url!r} {url.hide(f'refused {SECRET}')}"
    assert (url.password == SECRET) == (SECRET in text)


def test_the_connection_of_postgresql() -> None:
    """Catches options that are lost, or a table that is taken for a database."""
    url = read_url("postgres://u:p%40w@h:1/d/t?sslmode=require")
    assert url.connection == "postgres://u:p%40w@h:1/d?sslmode=require"
    assert url.password == "p@w"


@pytest.mark.parametrize(
    "text",
    [
        *("qdrant", "photos", "s3://b/c", f"qdrannt://:{SECRET}@h/c", "qdrant://h", "qdrant:///c"),
        *("qdrant://h/a/b", "milvus:///a/b/c", "milvus://h/1a", "postgresql://h/t", "milvus://"),
        *("qdrant://h:x/c", "postgresql://h/d/t;drop", "qdrant://h/", f"pg://u:{SECRET}@h/d/t"),
    ],
)
def test_what_is_no_url(text: str) -> None:
    """Catches a collection in a place that was not meant, and a password that is repeated."""
    with pytest.raises(UsageError, match="; expected ") as raised:
        read_url(text)
    assert SECRET not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_keys_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a key that has to be in the URL, or one of the URL that does not count."""
    monkeypatch.setenv("QDRANT_API_KEY", "of the environment")
    assert read_url("qdrant://h/c").key == "of the environment"
    assert read_url("qdrant://:mine@h/c").key == "mine"
    assert read_url("qdrant://h/c").hide("no of the environment") == "no ***"


@pytest.mark.parametrize("scheme", ["qdrant", "milvus", "postgresql"])
def test_a_server_that_does_not_answer(scheme: str) -> None:
    """Catches minutes of retries, and a traceback of the client."""
    within = "" if scheme == "qdrant" else "d/"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(DataError, match=f"127.0.0.1:{port} cannot be reached: ") as raised:
        StoreIndex.open(f"{scheme}://u:{SECRET}@127.0.0.1:{port}/{within}t")
    assert SECRET not in str(raised.value)


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    """Catches a client that makes a folder where one was to be searched."""
    for text in (f"qdrant://{tmp_path}/none/c", f"milvus://{tmp_path}/none.db/c"):
        with pytest.raises(UsageError, match=r"none.* does not exist; check the path"):
            StoreIndex.open(text)
        with pytest.raises(UsageError, match="does not exist; check the path"):
            open_database(read_url(text.replace("none", "no/ne")), create=True)
    assert not list(tmp_path.iterdir())
