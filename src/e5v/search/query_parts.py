"""Check the parts of a query, before anything of it is read.

value of a field of `Query` -> UsageError if it is of another type
"""

from collections.abc import Mapping
from os import PathLike

from e5v.errors import ItemError, UsageError, plural
from e5v.inputs import normalise


def need_text(name: str, value: object) -> None:
    """Raise `UsageError` unless the value of an argument is a string or None."""
    if value is not None and not isinstance(value, str):
        raise UsageError(f"{name} is of type {type(value).__name__}; expected a string")


def need_one_image(image: object) -> None:
    """Raise `UsageError` unless the example of a query is one image.

    A string, a path or bytes are not read here: they count as one image.
    """
    if isinstance(image, (str, PathLike)):
        return
    expected = "expected one image: a path, encoded bytes, a PIL image or a data URI"
    if isinstance(image, (list, tuple)):
        raise UsageError(f"image is a {type(image).__name__} of {len(image)}; {expected}")
    try:
        item = normalise({"image": image})
    except ItemError as error:
        cause = f"is of type {type(image).__name__}"
        if isinstance(image, Mapping):
            cause = f"is a mapping that {error.cause}"
        raise UsageError(f"image {cause.partition(';')[0]}; {expected}") from None
    if item.texts or len(item.images) != 1:
        counts = f"{plural(len(item.images), 'image')} and {plural(len(item.texts), 'text')}"
        raise UsageError(f"image is a mapping with {counts}; {expected}")
