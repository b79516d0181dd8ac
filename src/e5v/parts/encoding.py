"""Encode one part: each of its rows becomes a vector, or the error why there is none.

Part -> items -> E5V -> PartRow -> temporary file, fsync, rename -> PartTally

A part that is there is never encoded again. Two workers that encode the same part at the same time
write the same rows, and the name has one of the two files.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from e5v.errors import DataError, E5VError, ItemError, PromptError
from e5v.inputs import Item
from e5v.parts.part_file import PartFacts, PartFile, PartRow
from e5v.parts.part_folder import PartFolder
from e5v.parts.plan import Part, name_part
from e5v.parts.settings import Settings
from e5v.vectors import quantise

if TYPE_CHECKING:
    from e5v.model.embedder import E5V

NO_CONTENT = bytes(16)


@dataclass(frozen=True)
class PartTally:
    """What became of a part: all that goes back to whoever hands out the parts.

    `rows` in all, `errors` of them without a vector; `cut` texts were truncated; `tokens` in all.
    """

    name: str
    rows: int
    errors: int
    cut: int
    tokens: int

    @classmethod
    def of(cls, facts: PartFacts) -> "PartTally":
        """Return the tally of a part that is there."""
        return cls(facts.name, facts.rows, facts.errors, facts.cut, facts.tokens)


def encode_part(
    part: Part,
    settings: Settings,
    folder: PartFolder,
    model: "E5V",
    *,
    batch_tokens: int | None = None,
    step: Callable[[], object] = lambda: None,
) -> PartTally:
    """Encode a part and write its file; `step` is called after each row.

    Raises:
        DataError: a file that it names changed meanwhile, so that the part has another name now.
        ModelError: the model returned values that are not finite.
    """
    try:
        with folder.writing(part.planned.file) as file:
            target = PartFile(file, part.planned, settings)
            for row in _encode_rows(part, settings, model, batch_tokens):
                target.add(row)
                step()
            facts = target.close()
            _check_name(part, settings)
    except FileNotFoundError:
        if folder.size_of(part.planned.file) < 0:
            raise
        # Another worker had the same part, was first, and committed, which removed this file.
    return PartTally.of(facts)


def _check_name(part: Part, settings: Settings) -> None:
    planned = part.planned
    if name_part(settings, planned.source, planned.start, part.rows) != planned.name:
        raise DataError(
            f"a file of rows {planned.start:,} to {planned.start + planned.count - 1:,} of "
            f"{planned.source} changed while it was encoded; run this again"
        )


def _encode_rows(
    part: Part, settings: Settings, model: "E5V", batch_tokens: int | None
) -> Iterator[PartRow]:
    from e5v.model.encoded import Encoded

    items = [one.item for one in part.rows if one.item is not None]  # a list: read on threads
    results = model.encode_iter(
        items,
        prompt=settings.prompt,
        batch_tokens=batch_tokens,
        dim=settings.dim,
        on_error="skip",
    )
    for row in part.rows:
        if row.item is None:
            yield PartRow(row.id, NO_CONTENT, None, error=row.fault)
            continue
        result = next(results)
        if isinstance(result, Encoded):
            vector = quantise(result.vector[None], settings.precision)[0]
            yield PartRow(row.id, result.digest, vector, result.tokens, result.cut)
        else:
            yield _make_error_row(row.id, row.item, result.error)
    with suppress(StopIteration):  # so that texts that look like images are warned of
        next(results)


def _make_error_row(id: str, item: Item, error: ItemError | PromptError) -> PartRow:
    """Return the row of a bad item; an image that is the whole item is named by the id alone."""
    cause = error.cause if isinstance(error, ItemError) else str(error)
    if len(item.parts) == 1:
        cause = cause.removeprefix(f"{item.parts[0]} ")
    return PartRow(id, digest_content(item), None, error=cause)


def digest_content(item: Item) -> bytes:
    """Return the digest of an item's content, also of one that cannot be decoded."""
    from e5v.model.image_files import read_images
    from e5v.model.images import digest

    try:
        return digest(read_images(item))
    except E5VError:  # it cannot even be read
        return NO_CONTENT
