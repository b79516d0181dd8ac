"""The model of an index: what identifies it, and the one that new vectors and queries need.

E5V -> fingerprint -> Manifest of a new index
Manifest, or a name -> E5V, opened at first use and checked against the index
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from e5v.errors import UsageError
from e5v.inputs import RawItem, Side
from e5v.model.encoded import Encoded, OnError, Skipped
from e5v.model.locating import absolute_name
from e5v.model.opening import Opening, follow
from e5v.model.prompts import Prompt
from e5v.search.manifest import PROMPT, Manifest

if TYPE_CHECKING:
    from e5v.model.embedder import E5V


def fingerprint_of(model: "E5V") -> str:
    """Return the fingerprint of a model: its weights, preprocessing, dtype and prompt."""
    from e5v.model.fingerprint import fingerprint

    return f"{fingerprint(model.loaded, model.encoder.readout)}-{PROMPT}"


def manifest_of(model: "E5V", name: str) -> Manifest:
    """Return the manifest of a new index for a model of that name."""
    from e5v.model.fingerprint import how_opened

    return Manifest(fingerprint_of(model), name, dim=model.width, **how_opened(model.loaded))


class Embedder(Protocol):
    """What makes the vectors of an index: a model, or parts that have them."""

    def encode_iter(
        self, items: Iterable[RawItem], *, prompt: str | Prompt, side: Side, on_error: OnError
    ) -> Iterator[Encoded | Skipped]:
        """Yield a result for each item, in order."""


@dataclass(frozen=True)
class IndexModel:
    """The model of an index, opened by `open_as` at first use.

    An index that is `there` accepts its own model only.
    """

    name: str
    open_as: Callable[[str], "E5V"]
    there: Manifest | None

    @cached_property
    def _opened(self) -> "E5V":
        model = self.open_as(self.name)
        if self.there:
            self.there.check(manifest_of(model, self.name))
        return model

    def open(self) -> "E5V":
        """Open it, the first time.

        Raises:
            ModelError: it cannot be opened.
            DataError: it is not the one that the index was made with.
        """
        return self._opened

    def manifest(self) -> Manifest:
        """Return the manifest of a new index for it."""
        return manifest_of(self._opened, self.name)


def find_model(model: "str | Path | E5V | None", there: Manifest | None) -> IndexModel:
    """Return the model of an index; an open one is checked now.

    Raises:
        DataError: it is not the one that the index was made with.
        UsageError: there is neither a model nor an index that names one.
    """
    from e5v.model.embedder import E5V

    if isinstance(model, E5V):
        found = IndexModel(absolute_name(model.loaded.name), lambda _: model, there)
        found.open()
        return found
    if model is None and there is None:
        raise UsageError("a new index needs a model", argument="model")
    name = None if model is None else absolute_name(model)
    own = name is None or (there is not None and name == there.model)
    how = follow(Opening, there) if there else {}
    if not own:
        how.pop("adapter", None)  # of another model

    def open_as(name: str) -> E5V:
        with there.followed(name, how) if there else nullcontext():
            return E5V(name, **how)

    found = IndexModel(str(there.model if there and own else name), open_as, there)
    if not own and there:
        found.open()
    return found
