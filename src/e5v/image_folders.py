"""List the images of a folder, here or at a store, as `e5v encode` reads it.

folder -> names in order, hidden and system ones skipped, links to folders not followed -> images
"""

import os
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

from e5v.image_formats import is_image_name
from e5v.left_out import LeftOut
from e5v.places import StoreUrl
from e5v.stores.objects import list_level
from e5v.system_folders import is_system_folder


def list_images(folder: Path, left_out: LeftOut) -> Iterator[Path]:
    """Yield the images of a folder, in order of path; other files are counted in `left_out`."""
    with os.scandir(folder) as entries:
        named = sorted(entries, key=lambda entry: entry.name)
    for entry in named:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):  # a link may lead back up
            if not is_system_folder(entry.name):
                yield from list_images(folder / entry.name, left_out)
        elif entry.is_file():
            if is_image_name(entry.name):
                yield folder / entry.name
            else:
                left_out.add(entry.name)


def list_stored_images(folder: StoreUrl, left_out: LeftOut) -> Iterator[StoreUrl]:
    """Yield the images below a place in a store, in the same order, with their states.

    Raises:
        DataError: it cannot be listed.
    """
    level = list_level(folder)
    for entry in sorted((*level.folders, *level.objects), key=attrgetter("name")):
        if entry.name.startswith("."):
            continue
        if entry.state is None:  # a folder
            if not is_system_folder(entry.name):
                yield from list_stored_images(entry, left_out)
        elif is_image_name(entry.name):
            yield entry
        else:
            left_out.add(entry.name)
