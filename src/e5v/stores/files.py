"""A file, wherever it is: on this machine, at a store, or in a tar at either.

Path | StoreUrl | TarMember -> its bytes, its state, or an open binary file
"""

from pathlib import Path
from typing import BinaryIO

from e5v.errors import DataError
from e5v.places import StoreUrl, TarMember
from e5v.stores.objects import read_object
from e5v.stores.reading import READ_AHEAD, open_object


def read_file(place: Path | StoreUrl | TarMember) -> bytes:
    """Return the bytes of a file; of a member of a tar no others are read.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: a file of this machine cannot be read.
        DataError: a store cannot be reached or refuses, or a file has changed since it was listed.
    """
    if isinstance(place, Path):
        return place.read_bytes()
    if isinstance(place, StoreUrl):
        return read_object(place)
    end = place.offset + place.size
    if isinstance(place.archive, StoreUrl):
        content = read_object(place.archive, place.offset, end) if place.size else b""
    else:
        with place.archive.open("rb") as file:
            file.seek(place.offset)
            content = file.read(place.size)
    if len(content) != place.size:
        raise DataError(f"{place} changed while it was read; run this again")
    return content


def open_file(place: Path | StoreUrl, *, read_ahead: int = READ_AHEAD) -> BinaryIO:
    """Open a file for reading; of one at a store, pieces are read as they are asked for.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: a file of this machine cannot be read.
        DataError: the store does not say.
    """
    if isinstance(place, StoreUrl):
        return open_object(place, read_ahead=read_ahead)
    return place.open("rb")
