"""Find where the pixels are of an image that a string names.

a string that may be a text -> bytes of a data URI | file | place in an object store, or nothing
a string under an image key -> the same, existing or not; never nothing
"""

from pathlib import Path

from e5v.data_uris import decode_data_uri, is_data_uri
from e5v.image_names import file_of_url, find_image_file, looks_like_image, strip
from e5v.places import SHOWN, StoreUrl, begins_with_url, find_store, is_store

HEAD = 300  # characters that tell a data URI


def find_source(string: str) -> Path | StoreUrl | bytes | None:
    """Return where the image is that a string names; None if it is a text.

    Raises:
        ValueError: it is a broken data URI, a file of another machine, or a place in an object
            store that is no image: as a text, its name would be embedded.
    """
    if is_data_uri(string):
        return decode_data_uri(string)
    if is_store(string):
        return _need_image(string, find_store(string))
    path = file_of_url(string)
    if path is None or not looks_like_image(path):
        path = find_image_file(string)
    return path


def _need_image(string: str, store: StoreUrl | None) -> StoreUrl:
    if store is None or not looks_like_image(store.name):
        raise ValueError(
            f"is the URL {strip(string)[:SHOWN]}, which does not end in the suffix of an image; "
            'give {"image": ...} for an image, or {"text": ...} for a text'
        )
    return store


def find_image_source(value: str) -> Path | StoreUrl | bytes:
    """Return where an image is: a string is a path, a data URI or a place in a store here.

    Raises:
        ValueError: it is empty, a broken data URI, or a URL of the web.
    """
    if not value:
        raise ValueError("has an empty image; expected a path: give one or remove the key")
    if value[:HEAD].lstrip().lower().startswith("data:"):
        return decode_data_uri(value)
    if store := find_store(value):
        return store
    if begins_with_url(value):
        raise ValueError(
            f"is the URL {strip(value)}; URLs are not downloaded: download the image first"
        )
    return file_of_url(value) or find_image_file(value) or Path(value)
