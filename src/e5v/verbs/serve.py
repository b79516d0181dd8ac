"""`e5v serve`: embeddings and search over HTTP, and the page.

arguments -> socket -> model -> app -> it has answered once -> requests, until SIGTERM
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, UseAppendAction, arg

from e5v.errors import DataError
from e5v.extras import EXTRAS, need
from e5v.verbs.index import name_of_model, opening_of
from e5v.verbs.opening import Opening
from e5v.verbs.talk import say

if TYPE_CHECKING:
    from e5v.search.facts import Facts
    from e5v.web.service import Settings

KEY = "E5V_API_KEY"
MEGA = 1_000_000


@dataclass(frozen=True)
class Serve:
    """Serve embeddings, the search of an index, and a page to search with.

    With E5V_API_KEY in the environment, every request must bring that key: as a bearer, or, from a
    browser, as the password of any user.

    e5v serve --index photos.index --port 8000
    """

    index: Annotated[Path | None, arg(metavar="DIR")] = None
    """What `e5v index` wrote; by default where it writes by default."""
    model: Annotated[str | None, arg(metavar="M")] = None
    """A hub id or a folder; by default the model that made the index."""
    host: Annotated[str, arg(metavar="HOST")] = "127.0.0.1"
    """Where to listen; 0.0.0.0 for the whole network."""
    port: Annotated[int, arg(metavar="N")] = 8000
    """0 is any that is free."""
    allow_domain: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="DOMAIN")] = ()
    """A domain that images may be fetched from; by default nothing is fetched."""
    allow_host: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME")] = ()
    """Another name that this server goes by, behind a proxy."""
    queue_tokens: Annotated[int, arg(metavar="N")] = 500_000
    """Tokens that may wait for the model; more are told to come again."""
    megapixels: Annotated[int, arg(metavar="N")] = 50
    """The largest image that is decoded."""
    batch_tokens: Annotated[int | None, arg(metavar="N")] = None
    """Tokens in one forward pass; by default what suits the device."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)

    def __post_init__(self) -> None:
        """Find what nobody could serve."""
        if not 0 <= self.port < 2**16:
            raise ValueError(f"--port is {self.port}; expected 0 to 65535")
        for name in ("queue_tokens", "megapixels", "batch_tokens"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"--{name.replace('_', '-')} is {value}; expected at least 1")


def serve(verb: Serve) -> None:
    """Serve until asked to end.

    Raises:
        E5VError: the port is taken, the model cannot be opened or gives nothing that can be used,
            or the index is another model's or damaged.
    """
    need("e5v serve", *EXTRAS["serve"], *EXTRAS["search"], extra="serve")
    from e5v.search.notice import notice
    from e5v.search.places import default_folder
    from e5v.web import serving

    folder = verb.index or default_folder()
    facts = _facts(verb, folder)
    name = name_of_model(verb.model, facts)
    with serving.listen(verb.host, verb.port) as listening:
        say(f"opening {name}")
        model = opening_of(verb.opening, facts).open(name)

        from e5v.web.app import create_app
        from e5v.web.collection import Collection

        collection = Collection(folder, model)
        collection.check()
        app = create_app(collection, _settings(verb))
        if told := notice(name):
            say(told)
        port = listening.getsockname()[1]
        host = f"[{verb.host}]" if ":" in verb.host else verb.host
        serving.serve(app, listening, lambda: say(f"serving {name} at http://{host}:{port}"))


def _facts(verb: Serve, folder: Path) -> "Facts | None":
    """Read what the index says of itself; one that is named must be there."""
    from e5v.search.facts import read_facts

    facts = read_facts(folder)
    if facts is None and verb.index:
        raise DataError(f"{folder} holds no index; make one: e5v index FOLDER --index {folder}")
    return facts


def _settings(verb: Serve) -> "Settings":
    from e5v.web.doors import LOOPBACK, Door, is_local
    from e5v.web.limits import Limits
    from e5v.web.service import Settings

    key = os.environ.get(KEY) or None
    names = frozenset(name.lower() for name in verb.allow_host)
    local = is_local(verb.host)
    if not (local or key):
        say(f"warning: {verb.host} is open to others and {KEY} is not set: anybody may ask")
    return Settings(
        limits=Limits(queued_tokens=verb.queue_tokens, pixels=verb.megapixels * MEGA),
        door=Door(key, LOOPBACK | names | {verb.host.lower()} if local else None, names),
        domains=frozenset(domain.lower() for domain in verb.allow_domain),
        batch_tokens=verb.batch_tokens,
    )
