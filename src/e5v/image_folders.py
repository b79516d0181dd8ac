"""List the images of a folder, as `e5v encode` reads it.

folder -> names in order, hidden ones skipped, links to folders not followed -> images
"""

import os
from collections.abc import Iterator
from pathlib import Path

from e5v.image_formats import is_image_name
from e5v.left_out import LeftOut


def list_images(folder: Path, left_out: LeftOut) -> Iterator[Path]:
    """Yield the images of a folder, in order of path; other files are counted in `left_out`."""
    with os.scandir(folder) as entries:
        named = sorted(entries, key=lambda entry: entry.name)
    for entry in named:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):  # a link may lead back up
            yield from list_images(folder / entry.name, left_out)
        elif entry.is_file():
            if is_image_name(entry.name):
                yield folder / entry.name
            else:
                left_out.add(entry.name)
