"""`e5v serve`: embeddings and search over HTTP, and the page.

arguments -> socket -> model -> app -> it has answered once -> requests, until SIGTERM
"""

import os
import socket
import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, UseAppendAction, arg

from e5v.errors import UsageError
from e5v.extras import EXTRAS, need
from e5v.verbs.background import PORT, start_background, stop_background
from e5v.verbs.console import say
from e5v.verbs.engine_options import EngineOptions
from e5v.verbs.finding import describe_opening
from e5v.verbs.model_options import Opening, check_model, choose_model, choose_opening
from e5v.verbs.options import AtStores, need_at_least_1
from e5v.verbs.paths import index_folder, missing_index
from e5v.verbs.store import check_store, open_store
from e5v.web.origins import read_origin

if TYPE_CHECKING:
    from e5v.databases.store_index import StoreIndex
    from e5v.model.embedder import E5V
    from e5v.model.engine_address import EngineAddress
    from e5v.search.index_folder import IndexFolder
    from e5v.search.manifest import Manifest
    from e5v.search.server_record import ServerRecord
    from e5v.web.searched import Searched
    from e5v.web.service import Settings

KEY = "E5V_API_KEY"
MEGA = 1_000_000


@dataclass(frozen=True)
class Serve:
    """Serve embeddings and search over HTTP, with a web page.

    Set E5V_API_KEY to require that key with every request: as a bearer token, or, in a browser, as
    the password of any user name.

    Examples:
        e5v serve --model nano
        e5v serve --index photos.index --port 8000
        e5v serve --background
        e5v serve --stop
    """

    index: Annotated[Path | None, arg(metavar="FOLDER"), AtStores] = None
    """Folder of the index to search, or s3://bucket/name, gs:// or az://; by default $E5V_INDEX, or
    the user's application data."""
    store: Annotated[str | None, arg(metavar="URL")] = None
    """Search a collection that e5v export made in a database instead: qdrant://HOST:PORT/NAME,
    milvus://HOST:PORT/NAME or postgresql://HOST:PORT/DATABASE/NAME."""
    model: Annotated[str | None, arg(metavar="MODEL")] = None
    """Hub id or folder of the model; by default the index's own, or $E5V_MODEL without an
    index."""
    host: Annotated[str, arg(metavar="HOST")] = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for the whole network."""
    port: Annotated[int | None, arg(metavar="N")] = None
    """Port to listen on, by default 8000, or with --background another one if that is taken; 0
    chooses a free one."""
    background: bool = False
    """Return once it serves, and leave it running; it writes to a log file, which is named. Then
    e5v search asks it, and is quick."""
    idle_minutes: Annotated[float | None, arg(metavar="N")] = None
    """End after so many minutes without a request, by default 30 with --background, else never."""
    stop: bool = False
    """End the server of the index, if one is running."""
    allow_domain: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="DOMAIN")] = ()
    """Fetch images from this domain; by default nothing is fetched."""
    allow_host: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Also accept requests addressed to this host name, such as that of a proxy."""
    allow_origin: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="URL")] = ()
    """Let pages of this origin ask from a browser (CORS), such as https://app.example."""
    queue_tokens: Annotated[int, arg(metavar="N")] = 500_000
    """Queue limit in tokens; further requests get status 429."""
    megapixels: Annotated[int, arg(metavar="N")] = 50
    """Maximum size of an image, in millions of pixels."""
    batch_tokens: Annotated[int | None, arg(metavar="N")] = None
    """Maximum tokens in one forward pass; by default chosen for the device."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)
    remote: OmitArgPrefixes[EngineOptions] = field(default_factory=EngineOptions)

    def __post_init__(self) -> None:
        """Refuse options that are out of range.

        Raises:
            UsageError: names the option.
        """
        if self.port is not None and not 0 <= self.port < 2**16:
            raise UsageError(f"--port is {self.port}; expected 0 to 65535")
        need_at_least_1(self, "queue_tokens", "megapixels", "batch_tokens")
        if self.idle_minutes is not None and self.idle_minutes <= 0:
            raise UsageError(f"--idle-minutes is {self.idle_minutes:g}; expected more than 0")
        if self.stop and (self.background or self.store):
            other = "--background" if self.background else "--store"
            raise UsageError(f"--stop ends the server of an index; leave out {other}")
        for origin in self.allow_origin:
            read_origin(origin)
        check_store(self.store, index=self.index)


def serve(verb: Serve) -> None:
    """Serve until interrupted or terminated, start a server in the background, or end it.

    Raises:
        E5VError: the port is taken, the model cannot be opened or gives unusable vectors, or the
            index is damaged or was made with another model.
    """
    if verb.stop:
        stop_background(verb)
        return
    need("e5v serve", *EXTRAS["serve"], *EXTRAS["search"], extra="serve")
    if verb.background:
        start_background(verb)
        return
    with open_store(verb.store) if verb.store else nullcontext() as stored:
        _serve(verb, stored)


def _serve(verb: Serve, stored: "StoreIndex | None") -> None:
    """Serve what is in a database or, without one, an index."""
    from e5v.model.bundled import limits_notice
    from e5v.web import serving

    folder = index_folder(verb.index)
    manifest = _read_manifest(verb, folder) if stored is None else stored.manifest
    name = choose_model(verb.model, manifest)
    check_model(name, verb.opening.adapter)
    with serving.listen(verb.host, PORT if verb.port is None else verb.port) as listening:
        if not sys.stderr.isatty():  # where it is a terminal, opening says so itself
            say(f"opening {name}")
        opening = choose_opening(verb.opening, manifest, name)
        engine = verb.remote.address()
        model = opening.open(name, engine=engine, there=manifest)

        from e5v.web.app import create_app
        from e5v.web.staying import Stay

        collection = _open_collection(folder, stored, model)
        settings = _read_settings(verb)
        app = create_app(collection, settings)
        if warning := limits_notice(name):
            say(warning)
        host = f"[{verb.host}]" if ":" in verb.host else verb.host
        address = f"http://{host}:{listening.getsockname()[1]}"
        record = None
        if stored is None and manifest is not None and folder.url is None:  # not of a store
            record = describe_server(folder.path, name, opening, engine, address)
        how = Stay(None if verb.idle_minutes is None else 60 * verb.idle_minutes, record)
        started = f"serving {name} at {address}"
        serving.serve(app, listening, lambda: say(started), settings.limits, how)


def describe_server(
    folder: Path, model: str, opening: Opening, engine: "EngineAddress | None", address: str
) -> "ServerRecord":
    """Return what this process says of itself in an index that it serves."""
    from e5v.search.server_record import ServerRecord, boot_id

    return ServerRecord(
        folder=str(folder.resolve()),
        socket="",
        pid=os.getpid(),
        host=socket.gethostname(),
        boot=boot_id(),
        version=version("e5v"),
        address=address,
        model=model,
        opening=describe_opening(opening, engine),
    )


def _open_collection(
    folder: "IndexFolder", stored: "StoreIndex | None", model: "E5V"
) -> "Searched":
    """Return what is searched, checked for the model."""
    from e5v.web.index_view import Collection
    from e5v.web.store_view import StoreCollection

    collection: Collection | StoreCollection
    collection = Collection(folder, model) if stored is None else StoreCollection(stored, model)
    collection.check()
    return collection


def _read_manifest(verb: Serve, folder: "IndexFolder") -> "Manifest | None":
    """Read what the index says of itself; an index that is named must exist."""
    manifest = folder.read_manifest()
    if manifest is None and verb.index:
        raise missing_index(folder, verb.index)
    return manifest


def _read_settings(verb: Serve) -> "Settings":
    from e5v.web.access import LOOPBACK, AccessRules, is_local
    from e5v.web.admission import Limits
    from e5v.web.service import Settings

    key = os.environ.get(KEY) or None
    names = frozenset(name.lower() for name in verb.allow_host)
    local = is_local(verb.host)
    hosts = LOOPBACK | names | {verb.host.lower()} if local else None
    if not (local or key):
        say(f"warning: {verb.host} is open to others and {KEY} is not set: anybody can use it")
    return Settings(
        limits=Limits(queued_tokens=verb.queue_tokens, pixels=verb.megapixels * MEGA),
        access=AccessRules(key, hosts, names, frozenset(map(read_origin, verb.allow_origin))),
        domains=frozenset(domain.lower() for domain in verb.allow_domain),
        batch_tokens=verb.batch_tokens,
    )
