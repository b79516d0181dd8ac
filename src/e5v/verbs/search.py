"""`e5v search`: a text, an image, or both in; the nearest items of the index out.

text, image, without -> E5V -> an index or a database -> a table, pictures, JSON lines, or a page
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from e5v.errors import UsageError
from e5v.image_names import named_file
from e5v.verbs.console import say, wants_lines
from e5v.verbs.engine_options import EngineOptions
from e5v.verbs.finding import Asked, Finder, SearchedPlace, check_words, open_finder
from e5v.verbs.model_options import Opening
from e5v.verbs.options import AtStores, need_at_least_1
from e5v.verbs.paths import need_image
from e5v.verbs.search_results import Display, Found, open_page, show, show_lines
from e5v.verbs.store import check_store
from e5v.verbs.where import check_filter

if TYPE_CHECKING:
    from e5v.search.entries import Hit

ALIKE = 0.95  # cosine of near-identical items


@dataclass(frozen=True)
class Search:
    """Search an index by text, by image, or by both.

    With an image and a text, the text says how the result should differ from the image.

    Examples:
        e5v search a dog in the grass
        e5v search --image dog.jpg --where "kind = 'image'"
        e5v search --duplicates
        e5v search in the snow --image dog.jpg --without people
        e5v search -i
    """

    text: Annotated[Positional[tuple[str, ...]], arg(metavar="[TEXT ...]")] = ()
    """What to look for (several words are joined). With --image: how the result should differ
    from the image."""
    image: Annotated[Path | None, arg(metavar="FILE")] = None
    """Find images and texts like this image. With TEXT, the image itself is left out."""
    without: Annotated[str | None, arg(metavar="TEXT")] = None
    """What the results should not show."""
    k: Annotated[int, arg(aliases=("-k",), metavar="N")] = 10
    """Maximum number of results."""
    min_score: Annotated[float | None, arg(metavar="COSINE")] = None
    """Minimum cosine similarity of a result; with --duplicates, of a group (0.95 by default)."""
    where: Annotated[str | None, arg(metavar="FILTER")] = None
    """SQL condition on path, kind, part, size, mtime, text, width or height, or on what the EXIF
    of a photograph says: taken, camera, latitude or longitude; such as "kind = 'image' AND taken
    >= '2024-06'"."""
    duplicates: bool = False
    """Group near-duplicates instead of searching."""
    json: bool = False
    """Write JSON lines, the default when stdout is not a terminal."""
    open: bool = False
    """Also show the results in a browser."""
    interactive: Annotated[bool, arg(aliases=("-i",))] = False
    """Keep a prompt open: type what to look for, or :help."""
    index: Annotated[Path | None, arg(metavar="FOLDER"), AtStores] = None
    """Folder of the index, or s3://bucket/name, gs:// or az://; by default $E5V_INDEX, or the
    user's application data."""
    store: Annotated[str | None, arg(metavar="URL")] = None
    """Search a collection that e5v export made in a database instead: qdrant://HOST:PORT/NAME,
    milvus://HOST:PORT/NAME or postgresql://HOST:PORT/DATABASE/NAME."""
    model: Annotated[str | None, arg(metavar="MODEL")] = None
    """Hub id or folder of the model; by default the index's own."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)
    remote: OmitArgPrefixes[EngineOptions] = field(default_factory=EngineOptions)

    def __post_init__(self) -> None:
        """Refuse options that are out of range or do not go together.

        Raises:
            UsageError: names the option.
        """
        has_query = bool(self.query) or self.image is not None
        need_at_least_1(self, "k")
        if self.duplicates and (has_query or self.without or self.where):
            raise UsageError("--duplicates compares everything; leave out what to look for")
        if not (self.duplicates or self.interactive or has_query):
            raise UsageError("nothing to look for; give TEXT, --image FILE, or --duplicates")
        if self.interactive and (self.duplicates or self.open):
            other = "--duplicates" if self.duplicates else "--open"
            raise UsageError(f"--interactive shows results at a prompt; leave out {other}")
        if self.without and not has_query and not self.duplicates:
            raise UsageError("nothing to look for; with --without, give TEXT or --image FILE")
        for words in (self.query, self.without):
            check_words(words)
        if self.min_score is not None and not -1 <= self.min_score <= 1:
            raise UsageError(f"--min-score is {self.min_score}; expected a cosine, -1 to 1")
        if self.where is not None:
            check_filter(self.where)
        check_store(self.store, index=self.index, where=self.where)
        if self.store and self.duplicates:
            raise UsageError("--duplicates compares the vectors of an index; leave out --store")

    @property
    def query(self) -> str | None:
        """The words to look for, in one text; None if there are none."""
        return " ".join(self.text).strip() or None

    @property
    def asked(self) -> Asked:
        """What the arguments ask for."""
        return Asked(
            text=self.query,
            image=self.image,
            without=self.without,
            k=self.k,
            where=self.where,
            min_score=self.min_score,
            thumbnails=self.open or not wants_lines(json=self.json),
        )

    @property
    def place(self) -> SearchedPlace:
        """What is searched, and with which model."""
        engine = self.remote.address()
        return SearchedPlace(self.index, self.store, self.model, self.opening, engine)


def search(verb: Search) -> None:
    """Show what is nearest to the query, nearest first.

    Raises:
        E5VError: there is no index, it was made with another model, or the query is at fault.
    """
    need_image(verb.image, "--image")
    with open_finder(verb.place) as finder:
        if verb.query and (path := named_file(verb.query)):
            say(f"warning: searching for the text {verb.query}; for the image, use --image {path}")
        if verb.interactive:
            _open_prompt(verb, finder)
            return
        found = _duplicates(verb, finder) if verb.duplicates else _find(verb, finder)
    if wants_lines(json=verb.json):
        show_lines(found)
    else:
        show(found.groups)
    if verb.open:
        open_page(found)


def _find(verb: Search, finder: Finder) -> Found:
    asked = verb.asked
    return Found(asked.title, [finder.find(asked)])


def _open_prompt(verb: Search, finder: Finder) -> None:
    """Answer what the arguments ask, if anything, then what is typed."""
    from e5v.verbs.explaining import explain
    from e5v.verbs.search_prompt import SearchPrompt

    display = Display(numbered=True)

    def show_hits(asked: Asked, hits: "list[Hit]") -> None:
        if wants_lines(json=verb.json):
            show_lines(Found(asked.title, [hits]))
        else:
            display.show([hits])

    first = verb.asked
    usual = replace(first, text=None, image=None, without=None)
    prompt = SearchPrompt(
        finder, usual, show=show_hits, explain=lambda error: explain(error, Search)
    )
    if first != usual:
        prompt.ask(first)
    prompt.run()


def _duplicates(verb: Search, finder: Finder) -> Found:
    """Group near-duplicates; each has its cosine with the first of its group."""
    from e5v.search.entries import Hit
    from e5v.search.index import Index

    reader = finder.reader
    assert isinstance(reader, Index)  # checked by the verb's record
    groups: list[Sequence[Hit]] = []
    for group in reader.duplicates(ALIKE if verb.min_score is None else verb.min_score):
        vectors = [reader.vector(entry.id) for entry in group]
        first = vectors[0]
        scores = [float(first @ one) for one in vectors if first is not None and one is not None]
        pairs = zip(group, scores, strict=True)
        groups.append([Hit(entry, min(score, 1.0)) for entry, score in pairs])
    return Found(f"Near-duplicates: {len(groups)} groups", groups, grouped=True)
