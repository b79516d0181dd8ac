"""What the items of a request are for: queries or documents, and an instruction.

input_type, instruction of a request -> its RequestItem items, each with its side and instruction

For models that word queries and documents differently (`e5v.model.recipes`); others ignore sides.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from e5v.web.errors import Refused
from e5v.web.inputs import RequestItem

InputType = Literal[
    "search_query",
    "search_document",
    "query",
    "document",
    "passage",
    "classification",
    "clustering",
    "image",
]
INPUT_TYPE = (
    "search_query, or query: for models that word queries and documents differently, the items are "
    "queries; with any other type they are documents."
)


def mark_items(
    items: Iterable[RequestItem], input_type: InputType | None, instruction: str | None = None
) -> list[RequestItem]:
    """Return items with their side, and the instruction of those that have none of their own.

    Without a type, the side is left to the model's recipe.

    Raises:
        Refused: the instruction is blank.
    """
    side: Literal["query", "document"] | None = None
    if input_type is not None:
        side = "query" if input_type.endswith("query") else "document"
    told = instruction or ""
    if told and not told.strip():
        raise Refused(422, "fields", "instruction is blank; leave it out")
    return [replace(one, instruction=one.instruction or told, side=side) for one in items]
