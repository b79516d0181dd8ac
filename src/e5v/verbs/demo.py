"""`e5v demo`: index a collection of the repository and search it, on a model that needs no hub.

"scenes"  700 emoji scenes -> the bundled model                -> three queries -> hits
"photos"  52 photographs   -> the model that e5v assembles     -> five queries  -> hits, words
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from e5v.errors import UsageError
from e5v.extras import EXTRAS, is_installed, need
from e5v.model.bundled import limits_notice
from e5v.verbs.console import announce, bar, find_command
from e5v.verbs.demo_collections import COLLECTIONS, Collection
from e5v.verbs.model_options import Opening, check_model
from e5v.verbs.paths import local_index_folder, need_possible_folder

if TYPE_CHECKING:
    from rich.console import Console

    from e5v.model.embedder import E5V

SHOWN = 3  # hits of a query
WORDS = 3  # words of a photo


@dataclass(frozen=True)
class Demo:
    """Index and search emoji scenes or photographs; downloads nothing.

    Uses the images of the repository: run it where e5v was cloned. The scenes
    are searched by the bundled model, nano; the photos by the model photos,
    which has to be assembled first.

    Examples:
        e5v demo
        e5v demo photos
    """

    collection: Annotated[
        Positional[Literal["scenes", "photos"]], arg(metavar="{scenes,photos}")
    ] = "scenes"
    """What to index: 700 emoji scenes or 52 photographs."""
    folder: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Folder of the images; by default that of the repository."""
    index: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Where the index is written; by default beside your own index."""
    model: Annotated[str | None, arg(metavar="MODEL")] = None
    """Hub id or folder of the model; by default the one of the collection."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)


def demo(verb: Demo) -> None:
    """Index, search, and show how to go on.

    Raises:
        E5VError: the images are missing, or the model cannot be opened.
    """
    need("e5v demo", *EXTRAS["search"])
    collection = COLLECTIONS[verb.collection]
    images = verb.folder or collection.folder
    captions = _find_captions(images, collection)
    need_possible_folder(verb.index, "--index")
    name = verb.model or collection.model
    check_model(name, verb.opening.adapter)
    announce(f"indexing the {collection.name}")
    from rich.console import Console

    from e5v.search.index import Index as Reader
    from e5v.search.query import embed_query, find
    from e5v.verbs.search_results import show

    folder = verb.index or local_index_folder().with_name(collection.index)
    model = verb.opening.open(name)
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    console.print(_update_index(captions, folder, model, name))
    reader = Reader.open(folder)
    for one in collection.queries(images):
        console.print(f"\n{one.title}", style="bold")
        show([find(reader, embed_query(model, one.query), k=SHOWN)])
    _show_words(console, model, [images / file for file in collection.worded])
    _show_next(console, collection, folder, name)


def _show_words(console: "Console", model: "E5V", images: list[Path]) -> None:
    """Show what images say in one word."""
    if not images:
        return
    console.print("\nIn one word:", style="bold")
    for image in images:
        said = (f"{one.word} {one.probability:.2f}" for one in model.words(image, WORDS))
        console.print(f"  {image}  {', '.join(said)}")


def _show_next(console: "Console", collection: Collection, folder: Path, name: str) -> None:
    """Show how to search the index, open the page, and index images of one's own."""
    command = find_command()
    console.print(
        f"\nSearch it yourself:  {command} search '{collection.example}' --index {folder}\n"
        f"Open the page:       {command} serve --index {folder}, then http://127.0.0.1:8000/"
        f"{_how_to_serve()}\n"
        f"{collection.next_step.format(command=command)}"
    )
    if notice := limits_notice(name):
        console.print(f"Note: {notice}.")


def _how_to_serve() -> str:
    """Return what the page needs first, if that is not installed."""
    if all(map(is_installed, EXTRAS["serve"])):
        return ""
    return "\n                     (first: pip install 'e5v[serve]')"


def _find_captions(images: Path, collection: Collection) -> tuple[Path, ...]:
    """Return the files that list the images."""
    captions = tuple(images / name for name in collection.captions)
    missing = [file for file in captions if not file.is_file()]
    if missing:
        raise UsageError(
            f"{missing[0]} does not exist; run this where e5v was cloned, or give --folder FOLDER"
        )
    return captions


def _update_index(captions: tuple[Path, ...], folder: Path, model: "E5V", name: str) -> str:
    """Bring the index up to date with the images; return a line that says what was done."""
    from e5v.search.index_model import manifest_of
    from e5v.search.scan import absolute
    from e5v.search.sync import FolderSync
    from e5v.search.writer import writing

    manifest = manifest_of(model, name)
    began = time.perf_counter()
    total = sum(len(file.read_bytes().splitlines()) for file in captions)
    with writing(folder, lambda: manifest) as writer, bar(total, shown=True) as drawn:
        writer.manifest.check(manifest)
        for progress in FolderSync(writer, lambda: model).follow(absolute(captions)):
            drawn.reach(progress.done)
        seconds = time.perf_counter() - began
        return (
            f"{len(writer):,} images in {folder}: {progress.embedded:,} embedded by {name} in "
            f"{seconds:.1f} s."
        )
