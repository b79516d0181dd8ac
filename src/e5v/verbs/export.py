"""`e5v export`: an index, copied to a database of vectors or to a Parquet file.

index -> e5v.databases.exporting -> a bar on stderr -> how many rows were sent and removed
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from e5v.databases.url import DatabaseUrl, is_database, read_url
from e5v.errors import plural
from e5v.extras import EXTRAS, need
from e5v.places import is_url
from e5v.verbs.console import bar, say, show_line, wants_lines
from e5v.verbs.options import AtStores
from e5v.verbs.paths import index_folder, missing_index, need_new_file

if TYPE_CHECKING:
    from e5v.databases.exporting import ExportProgress
    from e5v.search.index_folder import IndexFolder

PARQUET = ".parquet"


@dataclass(frozen=True)
class Export:
    """Copy an index to a database of vectors, or to a Parquet file.

    The database is Qdrant, Milvus or PostgreSQL with pgvector. A collection that is there is
    brought up to date: only rows that changed are sent, and rows that the index no longer has are
    removed. An export that was stopped is continued. The files themselves stay where they are.

    Examples:
        e5v export --to qdrant://localhost:6333/photos
        e5v export --to milvus://localhost:19530/photos --index photos.index
        e5v export --to postgresql://localhost:5432/database/photos
        e5v export --to photos.parquet --no-thumbnails
    """

    to: Annotated[str, arg(metavar="URL")]
    """URL of a collection, which is made if it is missing, or a file that ends with .parquet.
    Passwords may be in the URL, or in QDRANT_API_KEY, MILVUS_TOKEN and PGPASSWORD."""
    index: Annotated[Path | None, arg(metavar="FOLDER"), AtStores] = None
    """Folder of the index, or s3://bucket/name, gs:// or az://; by default $E5V_INDEX, or the
    user's application data."""
    no_thumbnails: bool = False
    """Leave out the small pictures that pages and terminals show."""
    json: bool = False
    """Write one JSON line, the default when stdout is not a terminal."""

    def __post_init__(self) -> None:
        """Refuse a target that is no database and no Parquet file.

        Raises:
            UsageError: names the option.
        """
        if is_database(self.to) or is_url(self.to) or not self.to.endswith(PARQUET):
            read_url(self.to, argument="to")


def export(verb: Export) -> None:
    """Export the index.

    Raises:
        E5VError: there is no index, the database cannot be used, or it has another model's vectors.
    """
    need("e5v export", *EXTRAS["search"])
    url = read_url(verb.to, argument="to") if is_database(verb.to) else None
    if url is None:
        need_new_file(Path(verb.to), "--to")
    folder = index_folder(verb.index)
    if folder.read_manifest() is None:
        raise missing_index(folder, verb.index)
    shown = str(url or verb.to)
    with bar(None, shown=True, paced=True) as drawn:
        drawn.name("Exporting")
        steps = _start(verb, folder, url)
        with closing(steps):
            for done in steps:
                drawn.reach(done.rows, done.total)
    _report(verb, shown, done)


def _start(
    verb: Export, folder: "IndexFolder", url: DatabaseUrl | None
) -> "Generator[ExportProgress]":
    """Begin the export, of which nothing is done yet."""
    thumbnails = not verb.no_thumbnails
    if url is not None:
        from e5v.databases.exporting import export as export_index

        return export_index(folder, verb.to, thumbnails=thumbnails)
    from e5v.databases.parquet_export import export_parquet

    return export_parquet(folder, Path(verb.to).expanduser(), thumbnails=thumbnails)


def _report(verb: Export, shown: str, done: "ExportProgress") -> None:
    """Say what was exported."""
    if wants_lines(json=verb.json):
        values = {"rows": done.rows, "sent": done.sent, "removed": done.removed}
        show_line({"to": shown, **values})
        return
    say(
        f"{plural(done.rows, 'row')} in {shown}: {done.sent:,} sent, "
        f"{done.rows - done.sent:,} there before, {done.removed:,} removed"
    )
