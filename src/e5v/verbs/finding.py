"""Find what a query asks for: a running server of the index does, or this process.

Asked -> e5v serve of the same index and model, if one runs: nothing slow is imported
      -> else an index or a database, and its model -> embedded and compared here
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e5v.errors import UsageError
from e5v.extras import EXTRAS, need
from e5v.model.bundled import limits_notice
from e5v.model.locating import absolute_name
from e5v.places import is_url
from e5v.search.server_messages import SearchMessage
from e5v.search.server_record import ServerRecord, find_server
from e5v.verbs.console import announce, say
from e5v.verbs.model_options import Opening, check_model, choose_model, choose_opening
from e5v.verbs.paths import index_folder, missing_index
from e5v.verbs.store import open_store

if TYPE_CHECKING:
    from e5v.databases.store_index import StoreIndex
    from e5v.model.embedder import E5V
    from e5v.model.engine_address import EngineAddress
    from e5v.search.entries import Hit
    from e5v.search.index import Index
    from e5v.search.index_folder import IndexFolder
    from e5v.search.manifest import Manifest

    Reader = Index | StoreIndex

LARGEST_IMAGE = 40_000_000  # bytes of a file that is sent to a server


@dataclass(frozen=True)
class SearchedPlace:
    """What is searched, and the model, as the options of `e5v search` name them."""

    index: Path | None
    store: str | None
    model: str | None
    opening: Opening
    engine: "EngineAddress | None"


@dataclass(frozen=True)
class Asked:
    """A query with its options; the fields are those of `Query` and of `Index.search`.

    `thumbnails` says whether the hits need them.
    """

    text: str | None = None
    image: Path | None = None
    without: str | None = None
    like: str | None = None
    k: int = 10
    where: str | None = None
    min_score: float | None = None
    thumbnails: bool = True

    @property
    def title(self) -> str:
        """What it asks for, in a few words."""
        like = f"like {self.image.name}" if self.image else ""
        without = f"without {self.without}" if self.without else ""
        return " ".join(filter(None, [self.text, like, without]))


def check_words(words: str | None) -> None:
    """Check that words are not a URL alone.

    Raises:
        UsageError: they are.
    """
    if words and is_url(words):
        raise UsageError(
            f"{words} is a URL, which is not supported; for an image, save it and give "
            "--image FILE, and for a text, add a word"
        )


def describe_opening(opening: Opening, engine: "EngineAddress | None") -> dict[str, Any]:
    """Return how a model is opened, to be compared with how another process opened it."""
    adapter = absolute_name(opening.adapter) if opening.adapter else None
    return asdict(opening) | {"adapter": adapter, "engine": engine and engine.url}


class Finder:
    """Finds hits in one index or database; what is opened for the first query is kept.

    `folder` is the index, if it is one; `stored` the database, if that is searched.
    """

    def __init__(
        self,
        place: SearchedPlace,
        manifest: "Manifest",
        *,
        folder: "IndexFolder | None" = None,
        stored: "StoreIndex | None" = None,
    ) -> None:
        self._place, self._manifest, self._folder, self._stored = place, manifest, folder, stored
        self._name = choose_model(place.model, manifest)
        self._model: E5V | None = None
        self._noticed = False
        self.is_opening = False  # a model, for the first time

    def find(self, asked: Asked) -> "list[Hit]":
        """Return the hits of a query, nearest first.

        Raises:
            E5VError: the model cannot be opened, or the query is at fault.
        """
        hits = self._ask_server(asked) if self._model is None else None
        if hits is None:
            hits = self._find(asked)
        elif not self._noticed:
            self._notice()
        return hits

    def prepare(self) -> None:
        """Open the model now, unless a server answers.

        Raises:
            E5VError: it cannot be opened.
        """
        record = self._find_server()
        if record is not None:
            from e5v.search.server_client import is_answering

            if is_answering(record):
                return
        self._open_model()

    @cached_property
    def reader(self) -> "Reader":
        """The index or database, opened."""
        if self._stored is not None:
            return self._stored
        assert self._folder is not None
        announce(f"opening the index in {self._folder}")
        from e5v.search.index import Index

        return Index.open(self._folder)

    def _find_server(self) -> ServerRecord | None:
        """Return a server of the index that has the same model open, if one is noted there."""
        if self._folder is None or self._folder.url is not None:
            return None
        record = find_server(self._folder.path)
        if record is None or record.version != version("e5v") or record.model != self._name:
            return None
        opening = choose_opening(self._place.opening, self._manifest, self._name)
        return record if record.opening == describe_opening(opening, self._place.engine) else None

    def _ask_server(self, asked: Asked) -> "list[Hit] | None":
        """Ask a running server; None if there is none that answers this."""
        record = self._find_server()
        if record is None:
            return None
        from e5v.search.server_client import Declined, ask_server

        try:
            return ask_server(record, self._write_message(asked, record.folder))
        except (Declined, OSError):  # OSError: of the image's file
            return None

    def _write_message(self, asked: Asked, folder: str) -> SearchMessage:
        """Return a query as a server gets it.

        Raises:
            OSError: the image is too large for that, or cannot be read.
        """
        image = None
        if asked.image is not None:
            if asked.image.stat().st_size > LARGEST_IMAGE:
                raise OSError("too large to be sent")
            image = asked.image.read_bytes()
        fields = asdict(asked) | {"image": image, "folder": folder, "version": version("e5v")}
        return SearchMessage(fingerprint=self._manifest.fingerprint, **fields)

    def _find(self, asked: Asked) -> "list[Hit]":
        """Embed a query with the model of the index, and find what is nearest to it."""
        model = self._open_model(asked.where)
        from e5v.search.query import Query, embed_query, find, load_stored_example

        query, reader = Query(asked.text, asked.image, asked.without, asked.like), self.reader
        vectors = embed_query(model, query, load_stored_example(reader, query))
        return find(reader, vectors, k=asked.k, where=asked.where, min_score=asked.min_score)

    def _open_model(self, where: str | None = None) -> "E5V":
        """Return the model; a filter is tried before it is opened, and torch imported."""
        if self._model is not None:
            self._refresh()
            return self._model
        check_model(self._name, self._place.opening.adapter)
        reader = self.reader
        if where is not None:
            reader.check_filter(where)
        opening = choose_opening(self._place.opening, reader.manifest, self._name)
        self.is_opening = True
        model = opening.open(self._name, engine=self._place.engine, there=reader.manifest)
        from e5v.search.index_model import manifest_of

        reader.manifest.check(manifest_of(model, self._name))
        self.is_opening = False
        self._model = model
        self._notice()
        return model

    def _refresh(self) -> None:
        """See what was indexed since the last query; a copy of an object store stays as it is."""
        from e5v.search.index import Index

        if isinstance(self.reader, Index) and self._folder and self._folder.url is None:
            self.reader.refresh()

    def _notice(self) -> None:
        """Say once what a bundled model cannot do."""
        self._noticed = True
        if warning := limits_notice(self._name):
            say(warning)


@contextmanager
def open_finder(place: SearchedPlace) -> Iterator[Finder]:
    """Open what is searched as far as it takes no time.

    Raises:
        E5VError: there is no index, or the database cannot be asked.
    """
    if place.store is not None:
        with open_store(place.store) as stored:
            yield Finder(place, stored.manifest, stored=stored)
        return
    need("e5v search", *EXTRAS["search"])
    folder = index_folder(place.index)
    manifest = folder.read_manifest()
    if manifest is None:
        raise missing_index(folder, place.index)
    yield Finder(place, manifest, folder=folder)
