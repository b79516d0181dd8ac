"""From what a user asks to the vector to search with: words, a picture, both, and what not.

text | image | image and text -> E5V -> less what is said by `without` -> unit vector (d,)
"""

from dataclasses import dataclass
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from e5v.errors import UsageError
from e5v.items import RawItem
from e5v.model.embedder import E5V
from e5v.model.fingerprint import fingerprint
from e5v.search.entries import Hit
from e5v.search.facts import Facts
from e5v.search.index import Index
from e5v.vectors import unit

COPIES = 10  # of an example, that are left out at most
SAME = 0.999  # cosine; an image in another pass differs from itself by rounding
PROMPT = "retrieval"  # how texts and images are asked for, in the index and in a query


@dataclass(frozen=True)
class Ask:
    """A query.

    Attributes:
        text: words; beside an image they say how what is wanted differs from it.
        image: a Path, encoded bytes, or a PIL image: an example of what is wanted.
        without: words for what is not wanted.
    """

    text: str | None = None
    image: RawItem | None = None
    without: str | None = None

    def __post_init__(self) -> None:
        """Find what no index could answer."""
        if self.image is None and not (self.text and self.text.strip()):
            raise UsageError("nothing to search for; give words, an image, or both")


def normal(text: str) -> str:
    """Return a text in Unicode's composed form (NFC), as the index has its texts.

    "café" typed on one system may be two characters longer than on another, and mean the same.
    """
    return normalize("NFC", text)


def asked(model: E5V, ask: Ask) -> NDArray[np.float32]:
    """Return the unit vector (d,) of a query.

    An image and a text together are the composed query of the paper ("like this, but ..."). What
    is not wanted is removed as Widdows (2003, "Orthogonal negation in vector spaces") does: of the
    vector only the part at a right angle to the unwanted one is kept. That is the smallest change
    that leaves nothing of it in the query, and needs no weight to be chosen; subtracting a fixed
    share would not do enough for one query, and turn another into a search for the opposite.

    Raises:
        ItemError: the image cannot be read.
        UsageError: what is wanted and what is not are one and the same.
    """
    text = normal(ask.text) if ask.text and ask.text.strip() else None
    wanted = {"image": ask.image, "text": text}
    items = [{key: part for key, part in wanted.items() if part is not None}]
    if ask.without and ask.without.strip():
        items.append({"text": normal(ask.without)})
    return apart(model.encode(items, prompt=PROMPT))


def example_of(model: E5V, ask: Ask) -> NDArray[np.float32] | None:
    """Return the unit vector (d,) of the image of "like this, but ...", which is not the answer.

    None if a query is words alone, or an image alone: what is like an image may be that image.

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
    """Search as `Index.search` does, without the example itself, and up to `COPIES` of it.

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
    """Remove from the first of unit vectors (n, d) what the others say, one by one.

    Raises:
        UsageError: nothing is left of it.
    """
    wanted = vectors[0]
    for unwanted in vectors[1:]:
        wanted = wanted - (wanted @ unwanted) * unwanted
    if np.linalg.norm(wanted) < LEAST_LEFT:
        raise UsageError("what is wanted and what is not are the same; change one of them")
    return unit(wanted)


LEAST_LEFT = 1e-3  # length of what remains of a query; below it there is only rounding


def fingerprint_of(model: E5V) -> str:
    """Return what an index and a model must share: weights, preprocessing, dtype and prompt."""
    return f"{fingerprint(model.loaded, model.encoder.readout)}-{PROMPT}"


def facts_of(model: E5V, name: str) -> Facts:
    """Return what an index says of a model of that name."""
    dtype = str(model.dtype).removeprefix("torch.")
    return Facts(fingerprint_of(model), name, dtype, model.width)
