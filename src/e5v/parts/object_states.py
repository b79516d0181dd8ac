"""Ask stores for size and tag of the objects that rows name, where no listing has said them.

rows -> URLs without a state -> one request each, many at a time -> rows whose URLs have one

What is read later is then of that state, or an error is raised.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from e5v.inputs import Image, Item
from e5v.parts.sources import Row
from e5v.places import NO_OBJECT, ObjectState, StoreUrl
from e5v.stores.objects import find_state

AT_A_TIME = 32  # requests


def add_states(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Return rows with the states of all objects that they name.

    Raises:
        DataError: a store does not say.
    """
    images = (image for row in rows if row.item is not None for image in row.item.images)
    unknown = dict.fromkeys(
        image.source
        for image in images
        if isinstance(image.source, StoreUrl) and image.source.state is None
    )
    if not unknown:
        return rows
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        found = (state or NO_OBJECT for state in pool.map(find_state, unknown))
        states = dict(zip(unknown, found, strict=True))
    return tuple(
        row if row.item is None else replace(row, item=_with_states(row.item, states))
        for row in rows
    )


def _with_states(item: Item, states: Mapping[StoreUrl, ObjectState]) -> Item:
    parts = (
        Image(replace(part.source, state=states[part.source]))
        if isinstance(part, Image) and isinstance(part.source, StoreUrl) and part.source in states
        else part
        for part in item.parts
    )
    return replace(item, parts=tuple(parts))
