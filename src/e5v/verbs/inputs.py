"""The arguments of a verb, as a stream of items.

texts | image files | folders | JSON lines, tables, tars -> InputItem, one by one, in order

Files and folders are on this machine or at a store.
"""

import itertools
import os
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from e5v.errors import E5VError, UsageError
from e5v.image_formats import suffix_of
from e5v.image_names import ROOTS, file_of_url, find_image_file, looks_like_image, strip
from e5v.lance_datasets import refuse_stored_dataset
from e5v.left_out import LeftOut
from e5v.places import StoreUrl, find_store, is_url
from e5v.stores.objects import find_state
from e5v.tar_items import OTHER_TARS
from e5v.verbs.input_files import (
    InputFile,
    list_folder,
    open_dataset_folder,
    open_input_file,
    read_lines,
)
from e5v.verbs.input_items import InputItem, explain_refusal, make_faulty, make_image, make_item

OTHER_SUFFIXES = frozenset({".txt", ".md", ".json", ".csv", ".tsv", ".parquet", ".lance", ".tar"})


@dataclass(frozen=True)
class Inputs:
    """The items of one command, to be read once; a folder or JSON lines are read on the way."""

    sources: tuple[InputItem | Iterable[InputItem], ...]
    left_out: LeftOut = field(default_factory=LeftOut)
    """Files of folders that are not images, counted as they are read."""

    @property
    def count(self) -> int | None:
        """How many items there are, where that is known before they are read."""
        known = all(isinstance(source, InputItem) for source in self.sources)
        return len(self.sources) if known else None

    def check(self) -> None:
        """Find what is missing or broken before a model is opened; stdin cannot be read twice.

        No image is opened.

        Raises:
            UsageError: an argument is a file that does not exist or cannot be embedded.
            DataError: an item of a file is broken, or names a missing image.
        """
        for source in self.sources:
            if isinstance(source, InputItem) and (
                fault := source.fault or explain_refusal(source.raw)
            ):
                raise UsageError(fault)
        for source in self.sources:
            if isinstance(source, InputFile):
                source.check()

    @contextmanager
    def reading(self) -> Iterator[Iterator[InputItem]]:
        """Read the first item, give all of them in order, and close what was read.

        Raises:
            E5VError: there is no item.
        """
        with closing(iter(self)) as asked:
            first = next(asked, None)
            if first is None:
                raise E5VError("nothing to encode: no item was given")
            yield itertools.chain([first], asked)

    def __iter__(self) -> Generator[InputItem, None, None]:
        """Read every item in order."""
        for source in self.sources:
            yield from [source] if isinstance(source, InputItem) else source


def gather(arguments: Iterable[str], texts: Iterable[str] = ()) -> Inputs:
    """Understand arguments, then texts that are nothing but texts.

    Raises:
        UsageError: an argument is a folder without images, or stdin is named twice.
        DataError: a store cannot be listed.
    """
    arguments = tuple(arguments)
    if arguments.count("-") > 1:
        raise UsageError("- is given twice, but stdin can be read only once; remove one")
    left_out = LeftOut()
    plain = (InputItem({"text": text}, {"text": text}, "text") for text in texts)
    asked = [understand(argument, left_out) for argument in arguments]
    return Inputs((*asked, *plain), left_out)


def understand(argument: str, left_out: LeftOut | None = None) -> InputItem | Iterable[InputItem]:
    """Return what one argument stands for.

    `-` is JSON lines on stdin, and a name ending in .jsonl, .parquet, .lance or .tar is of many
    items; another folder is walked for images in order of path, hidden ones left out; a name ending
    in an image suffix is an image; all else is text. What is no image in a folder or a tar is
    counted in `left_out`. A place in an object store is taken as a path is, and never as a text.

    Raises:
        UsageError: it is a folder without images, or stdin is closed.
        DataError: a store cannot be listed, or a Lance dataset is at one.
    """
    left_out = LeftOut() if left_out is None else left_out
    if argument == "-":
        if sys.stdin is None:
            raise UsageError("stdin is closed; give INPUT, or JSON lines on stdin")
        return read_lines(sys.stdin.buffer)
    if (store := find_store(argument)) and (is_url(argument) or looks_like_image(store.name)):
        return _understand_store(store, left_out, is_folder=argument.rstrip().endswith("/"))
    if os.path.isdir(argument):  # noqa: PTH112  Path.is_dir raises where a text is very long
        folder = Path(argument)
        return open_dataset_folder(folder) or list_folder(folder, left_out)
    if os.path.isfile(argument) and (  # noqa: PTH113
        file := open_input_file(Path(argument), left_out)
    ):
        return file
    return _read_argument(argument)


def _understand_store(
    store: StoreUrl, left_out: LeftOut, *, is_folder: bool
) -> InputItem | Iterable[InputItem]:
    """Tell an object from a folder: the name of a folder ends in a slash, or in no known suffix."""
    refuse_stored_dataset(store)
    if is_folder or not (looks_like_image(store.name) or open_input_file(store, left_out)):
        return _list_store(store, left_out)
    state = find_state(store)
    if state is None:
        return make_faulty(f"{store} does not exist; check the URL")
    store = replace(store, state=state)
    return open_input_file(store, left_out) or make_image(store)


def _list_store(store: StoreUrl, left_out: LeftOut) -> InputItem | Iterable[InputItem]:
    try:
        return list_folder(store, left_out)
    except UsageError:
        if not left_out and store.key and find_state(store) is not None:
            return _refuse_file(str(store))
        raise


def _read_argument(argument: str) -> InputItem:
    """Tell an image file from a text, and from a name that is neither."""
    try:
        path = file_of_url(argument) or find_image_file(argument)
    except ValueError as error:
        return make_faulty(f"{argument} {error}")
    if path is not None and os.path.isfile(path):  # noqa: PTH113
        return make_image(path)
    if is_url(argument) and path is None:
        return make_faulty(
            f"{argument} is a URL, which is not supported; "
            "name a file on this machine or at a store, or mark a text with --text"
        )
    if os.path.isfile(argument):  # noqa: PTH113
        return _refuse_file(argument)
    if path is None and not looks_like_image(argument) and not _looks_like_other_file(argument):
        return make_item(argument)
    return make_faulty(f"{argument} does not exist; check the path, or mark a text with --text")


def _refuse_file(name: str) -> InputItem:
    if name.lower().endswith(OTHER_TARS):
        return make_faulty(f"{name} is a compressed tar; decompress it, and give the .tar")
    return make_faulty(
        f"{name} is a file, but no image and no .jsonl, .parquet or .tar; "
        "put its text in a .jsonl, or mark a text with --text"
    )


def _looks_like_other_file(argument: str) -> bool:
    """Tell a mistyped folder, or file of texts, from a text: it is one word, as in "phtos/"."""
    name = strip(argument)
    if suffix_of(name) == ".jsonl":
        return True
    if len(name.split()) != 1 or name.strip("/.~") == "":
        return False
    return name.startswith(ROOTS) or name.endswith("/") or suffix_of(name) in OTHER_SUFFIXES
