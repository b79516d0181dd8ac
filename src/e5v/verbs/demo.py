"""`e5v demo`: index a folder and search it, offline, on the model that comes with the package.

700 emoji scenes -> index -> queries in words, by example, and "like this, but ..." -> hits
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, arg

from e5v.errors import UsageError
from e5v.extras import EXTRAS, is_installed, need
from e5v.model.bundled import NANO, PAPER, PHOTOS
from e5v.verbs.console import announce, bar, find_command
from e5v.verbs.model_options import Opening, check_model
from e5v.verbs.paths import index_folder, need_possible_folder

if TYPE_CHECKING:
    from e5v.model.embedder import E5V
    from e5v.search.query import Query

SHOWN = 3  # of what is found
CAPTIONS = ("captions.jsonl", "targets/captions.jsonl")


@dataclass(frozen=True)
class Demo:
    """Index and search 700 emoji scenes; downloads nothing.

    Uses the bundled model, and the scenes of the repository: run it where e5v was cloned.

    Examples:
        e5v demo
    """

    scenes: Annotated[Path, arg(metavar="FOLDER")] = Path("examples/scenes")
    """Folder of the scenes."""
    index: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Where the index is written; by default demo/ beside your own index."""
    model: Annotated[str, arg(metavar="MODEL")] = NANO
    """Hub id or folder of the model; nano is the bundled one."""
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)


@dataclass(frozen=True)
class DemoQuery:
    """A query, and how a person would put it."""

    title: str
    query: "Query"


def demo(verb: Demo) -> None:
    """Index, search three times, and show how to go on.

    Raises:
        E5VError: the scenes are missing, or the model cannot be opened.
    """
    need("e5v demo", *EXTRAS["search"])
    captions = _find_captions(verb.scenes)
    need_possible_folder(verb.index, "--index")
    check_model(verb.model)
    announce("indexing the scenes")
    from rich.console import Console

    from e5v.search.index import Index as Reader
    from e5v.search.query import embed_query, find
    from e5v.verbs.search import show

    folder = verb.index or index_folder(None).with_name("demo")
    model = verb.opening.open(verb.model)
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    console.print(_update_index(captions, folder, model, verb.model))
    reader = Reader.open(folder)
    for one in _make_queries(verb.scenes):
        console.print(f"\n{one.title}", style="bold")
        show([find(reader, embed_query(model, one.query), k=SHOWN)])
    command = find_command()
    console.print(
        f"\nSearch it yourself:  {command} search 'a cat above a guitar' --index {folder}\n"
        f"Open the page:       {command} serve --index {folder}, then http://127.0.0.1:8000/"
        f"{_how_to_serve()}\n"
        "The bundled model is small and knows emoji scenes only. For your own photos and texts:\n"
        f"  a first look:      {command} assemble {PHOTOS}\n"
        f"                     {command} index ~/Photos --model {PHOTOS}\n"
        f"  the real thing:    {command} index ~/Photos --model {PAPER}"
    )


def _how_to_serve() -> str:
    """Return what the page needs first, if that is not installed."""
    if all(map(is_installed, EXTRAS["serve"])):
        return ""
    return "\n                     (first: pip install 'e5v[serve]')"


def _find_captions(scenes: Path) -> tuple[Path, ...]:
    """Return the files that list the scenes."""
    captions = tuple(scenes / name for name in CAPTIONS)
    missing = [file for file in captions if not file.is_file()]
    if missing:
        raise UsageError(
            f"{missing[0]} does not exist; run this where e5v was cloned, or give --scenes FOLDER"
        )
    return captions


def _update_index(captions: tuple[Path, ...], folder: Path, model: "E5V", name: str) -> str:
    """Bring the index up to date with the scenes; return a line that says what was done."""
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
            f"{len(writer):,} scenes in {folder}: {progress.embedded:,} embedded by {name} in "
            f"{seconds:.1f} s."
        )


def _make_queries(scenes: Path) -> list[DemoQuery]:
    from e5v.search.query import Query

    example, source = scenes / "images" / "0042.png", scenes / "images" / "0181.png"
    words, edit = "a panda and a pumpkin", "a newspaper instead of the avocado"
    return [
        DemoQuery(f'In words: "{words}"', Query(text=words)),
        DemoQuery(f"By example, {example} (three gowns)", Query(image=example)),
        DemoQuery(f'Like {source}, but "{edit}"', Query(image=source, text=edit)),
    ]
