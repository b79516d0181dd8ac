"""Where a collection lies in a database of vectors: the URL that names it.

"qdrant://host:6333/photos" -> DatabaseUrl; its credentials are in no message
"""

import os
import re
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from e5v.errors import UsageError
from e5v.extras import EXTRAS

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
CREDENTIALS = {"user", "password", "passfile", "sslkey", "sslpassword"}  # of a query
SECURE = "+https"  # after a scheme: the connection is encrypted


@dataclass(frozen=True)
class Engine:
    """A database that can hold an index.

    `extra` and `libraries` are what its client needs, `module` is the file that uses it, `forms`
    are the URLs that are understood; `port` is the usual one.
    """

    title: str
    extra: str
    libraries: tuple[str, ...]
    module: str
    port: int
    forms: tuple[str, ...]
    key: str = ""
    name: re.Pattern[str] = NAME
    file: re.Pattern[str] | None = None

    @property
    def expected(self) -> str:
        """The URLs that are understood, for a message."""
        return " or ".join(self.forms)


POSTGRESQL = Engine(
    title="PostgreSQL",
    extra="pgvector",
    libraries=EXTRAS["pgvector"],
    module="e5v.databases.pgvector",
    port=5432,
    forms=("postgresql://HOST:PORT/DATABASE/TABLE",),
    key="PGPASSWORD",
)
ENGINES = {
    "qdrant": Engine(
        title="Qdrant",
        extra="qdrant",
        libraries=EXTRAS["qdrant"],
        module="e5v.databases.qdrant",
        port=6333,
        forms=("qdrant://HOST:PORT/COLLECTION", "qdrant:///FOLDER/COLLECTION"),
        key="QDRANT_API_KEY",
        name=re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}"),
        file=re.compile(r".+"),
    ),
    "milvus": Engine(
        title="Milvus",
        extra="milvus",
        libraries=EXTRAS["milvus"],
        module="e5v.databases.milvus",
        port=19530,
        forms=("milvus://HOST:PORT/COLLECTION", "milvus:///FILE.db/COLLECTION"),
        key="MILVUS_TOKEN",
        file=re.compile(r".+\.db"),
    ),
    "postgresql": POSTGRESQL,
    "postgres": POSTGRESQL,
}


@dataclass(frozen=True)
class DatabaseUrl:
    """A collection of a database.

    Attributes:
        engine: which database.
        host, port: of its server; empty and 0 if it is a folder or file of this machine, or, with
            PostgreSQL, if `connection` says where.
        local: that folder or file, or None.
        database: the database of the server, if it has several; may be empty.
        collection: the collection or table.
        secure: whether the connection is encrypted.
        user, password: from the URL; empty if there are none.
        connection: the URL without the collection, for clients that take one.
        options: the query of the URL, without credentials.
    """

    engine: Engine
    host: str
    port: int
    local: Path | None
    database: str
    collection: str
    secure: bool
    user: str = field(repr=False)
    password: str = field(repr=False)
    connection: str = field(repr=False)
    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """Return the URL without credentials."""
        scheme = next(name for name, one in ENGINES.items() if one is self.engine)
        secure = SECURE if self.secure else ""
        if self.local is not None:
            return f"{scheme}://{self.local}/{self.collection}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = f"{host}:{self.port}" if host else ""
        within = f"/{self.database}" if self.database else ""
        options = f"?{urlencode(self.options, safe='/')}" if self.options else ""
        return f"{scheme}{secure}://{place}{within}/{self.collection}{options}"

    @property
    def key(self) -> str:
        """The password of the URL, or that of the environment; empty if there is none."""
        return self.password or os.environ.get(self.engine.key, "")

    def hide(self, message: str) -> str:
        """Return a message of a client without the credentials of this URL."""
        for secret in filter(None, (self.password, self.key)):
            message = message.replace(secret, "***")
        return message


def is_database(text: str) -> bool:
    """Return whether a text begins like the URL of a known database."""
    return _find_engine(text) is not None


def read_url(text: str, *, argument: str = "store") -> DatabaseUrl:
    """Read the URL of a collection; `argument` is the Python argument that it was given as.

    Raises:
        UsageError: it is no URL, or of no known database, or something of it is missing.
    """
    engine = _find_engine(text)
    if engine is None:
        raise _unknown(text, argument)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _incomplete(engine, "its host or port cannot be understood", argument) from None
    *before, collection = [unquote(one) for one in parts.path.split("/")[1:]] or [""]
    if not collection:
        raise _incomplete(engine, "names no collection", argument)
    if not engine.name.fullmatch(collection):
        raise _incomplete(engine, f"{collection!r} cannot name a collection", argument)
    found = _Parts(engine, parts, port or 0, before, collection)
    return _locate(found, argument)


@dataclass(frozen=True)
class _Parts:
    engine: Engine
    split: SplitResult
    port: int
    before: list[str]
    collection: str


def _locate(found: _Parts, argument: str) -> DatabaseUrl:
    """Tell a folder or file of this machine from a server."""
    engine, split, before = found.engine, found.split, [one for one in found.before if one]
    host, local = split.hostname or "", None
    options = dict(parse_qsl(split.query))
    user, password = (unquote(one or "") for one in (split.username, split.password))
    if engine is POSTGRESQL and len(before) != 1:
        raise _incomplete(engine, "names no database and table", argument)
    if engine is not POSTGRESQL and not host:
        folder = "/" + "/".join(before)
        if not before or engine.file is None or not engine.file.fullmatch(folder):
            raise _incomplete(engine, "names no server, and no folder or file", argument)
        local = Path(folder)
    elif len(before) > 1 or (before and engine.extra == "qdrant"):
        raise _incomplete(engine, "has a path of too many parts", argument)
    path = "/" + "/".join(found.before)
    return DatabaseUrl(
        engine=engine,
        host=host,
        port=(found.port or engine.port) if host else 0,
        local=local,
        database=before[0] if before and local is None else "",
        collection=found.collection,
        secure=split.scheme.endswith(SECURE),
        user=user,
        password=password or options.get("password", ""),
        connection=urlunsplit((split.scheme, split.netloc, path, split.query, split.fragment)),
        options=tuple(one for one in options.items() if one[0] not in CREDENTIALS),
    )


def _find_engine(text: str) -> Engine | None:
    scheme, colon, _ = text.strip().lower().partition("://")
    return ENGINES.get(scheme.removesuffix(SECURE)) if colon else None


def _unknown(text: str, argument: str) -> UsageError:
    """Return the error for what is no URL of a database; credentials are not repeated."""
    scheme, colon, _ = text.partition("://")
    if text.lower() in ENGINES:
        engine = ENGINES[text.lower()]
        return _incomplete(engine, f"{text} names a database and no collection", argument)
    what = f"{scheme}:// is no known database" if colon else f"{text!r} is no URL of a database"
    near = get_close_matches(scheme.lower(), ENGINES, 1, 0.6) if colon else []
    meant = f" (did you mean {near[0]}://?)" if near else ""
    expected = "; ".join(one.expected for one in dict.fromkeys(ENGINES.values()))
    return UsageError(f"{what}{meant}; expected {expected}", argument=argument)


def _incomplete(engine: Engine, what: str, argument: str) -> UsageError:
    subject = (
        "" if what.split()[0] in {"qdrant", "milvus", "postgresql", "postgres"} else "the URL "
    )
    return UsageError(f"{subject}{what}; expected {engine.expected}", argument=argument)
