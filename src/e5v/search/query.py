"""Turn a query into a vector: words, an image or both, and words to avoid.

text | image | image and text -> E5V -> remove the part along `without` -> unit vector (d,)
"""

from dataclasses import dataclass
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from e5v.errors import UsageError
from e5v.inputs import RawItem
from e5v.model.embedder import E5V
from e5v.model.fingerprint import fingerprint
from e5v.search.entries import Hit
from e5v.search.index import Index
from e5v.search.manifest import Manifest
from e5v.vectors import unit

COPIES = 10  # of an example, at most, that are removed from the hits
SAME = 0.999  # cosine; passes differ by rounding
PROMPT = "retrieval"  # for texts and images, in the index and in queries


@dataclass(frozen=True)
class Ask:
    """A query.

    Attributes:
        text: words; with an image, how the result should differ from it.
        image: a Path, encoded bytes, or a PIL image: an example.
        without: words for what to avoid.
    """

    text: str | None = None
    image: RawItem | None = None
    without: str | None = None

    def __post_init__(self) -> None:
        """Raise UsageError if there is nothing to search for."""
        if self.image is None and not (self.text and self.text.strip()):
            raise UsageError("nothing to search for; give words, an image, or both")


def normal(text: str) -> str:
    """Return a text in Unicode's composed form (NFC), like the texts of the index.

    Systems differ in how they encode "é": as one character, or as two.
    """
    return normalize("NFC", text)


def asked(model: E5V, ask: Ask) -> NDArray[np.float32]:
    """Return the unit vector (d,) of a query.

    An image and a text together are the paper's composed query ("like this, but ..."). What to
    avoid is removed by orthogonal negation (Widdows 2003): only the part of the query that is
    orthogonal to the unwanted vector is kept. That is the smallest change that removes it, and has
    no weight to tune; subtracting a fixed share would be too little for one query, and turn another
    into a search for the opposite.

    Raises:
        ItemError: the image cannot be read.
        UsageError: what is wanted and what to avoid are the same.
    """
    text = normal(ask.text) if ask.text and ask.text.strip() else None
    wanted = {"image": ask.image, "text": text}
    items = [{key: part for key, part in wanted.items() if part is not None}]
    if ask.without and ask.without.strip():
        items.append({"text": normal(ask.without)})
    return apart(model.encode(items, prompt=PROMPT))


def example_of(model: E5V, ask: Ask) -> NDArray[np.float32] | None:
    """Return the unit vector (d,) of the image of "like this, but ...", to remove it from hits.

    None for words alone or an image alone: then the image itself is a valid hit.

    Raises:
        ItemError: the image cannot be read.
    """
    if ask.image is None or not (ask.text and ask.text.strip()):
        return None
    vector: NDArray[np.float32] = model.encode([{"image": ask.image}], prompt=PROMPT)[0]
    return vector


def find(
    index: Index,
    vector: NDArray[np.float32],
    example: NDArray[np.float32] | None = None,
    *,
    k: int,
    where: str | None = None,
    min_score: float | None = None,
) -> list[Hit]:
    """Search as `Index.search` does, but remove the example and up to `COPIES` copies of it.

    Raises:
        UsageError: as `Index.search`.
    """
    if example is None:
        return index.search(vector, k=k, where=where, min_score=min_score)
    hits = index.search(vector, k=k + COPIES, where=where, min_score=min_score)
    own = [index.vector(hit.entry.id) for hit in hits]
    pairs = zip(hits, own, strict=True)
    return [hit for hit, one in pairs if one is None or float(one @ example) < SAME][:k]


def apart(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove from the first of unit vectors (n, d) its component along each other one, in turn.

    Raises:
        UsageError: nothing is left of it.
    """
    wanted = vectors[0]
    for unwanted in vectors[1:]:
        wanted = wanted - (wanted @ unwanted) * unwanted
    if np.linalg.norm(wanted) < LEAST_LEFT:
        raise UsageError("what to search for and what to avoid are the same; change one of them")
    return unit(wanted)


LEAST_LEFT = 1e-3  # of the remaining query's length; less is rounding error


def fingerprint_of(model: E5V) -> str:
    """Return the fingerprint of a model: its weights, preprocessing, dtype and prompt."""
    return f"{fingerprint(model.loaded, model.encoder.readout)}-{PROMPT}"


def manifest_of(model: E5V, name: str) -> Manifest:
    """Return the manifest of a new index for a model of that name."""
    dtype = str(model.dtype).removeprefix("torch.")
    return Manifest(fingerprint_of(model), name, dtype, model.width)
