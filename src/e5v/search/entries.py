"""Results of a search: an entry of the index, and a hit, which is an entry with its score."""

from dataclasses import dataclass, field
from typing import Literal

KINDS = ("image", "text")
Match = Literal["strong", "weak", "none"]
CAPTURED = ("taken", "camera", "latitude", "longitude")  # fields from EXIF; None if not known
# Fields that a filter may use.
FILTERED = (
    *("id", "path", "kind", "part", "size", "mtime", "digest", "text", "width", "height"),
    *CAPTURED,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One image or text in the index.

    Attributes:
        id: derived from path and part, so the same in every run.
        path: absolute path of its file; of what is inside of one, with its place: "#page=3" of a
            document, "#t=12.5" of a video, in seconds, "#frame=2" of an animated image.
        kind: "image" or "text".
        part: number of the passage of a text, of the line of JSON lines, of the page or frame; from
            1, and 0 for an image file.
        size, mtime: bytes of the file, and when it was changed, in nanoseconds since 1970, as they
            were when the index was last brought up to date.
        digest: hash of the content: the image's bytes, or the passage's text.
        text: an image's caption, if it has one, a page's text, or the passage.
        thumbnail: WebP of at most 20 KB; empty for a text.
        width, height: pixels of the upright image; 0 for a text.
        offline: whether its file is missing, as when a disk is not mounted.
        taken, camera, latitude, longitude: of a photograph (`e5v.media.captured.Captured`); None if
            they are not known.
    """

    id: str
    path: str
    kind: str
    part: int
    size: int
    mtime: int
    digest: str
    text: str
    thumbnail: bytes = field(repr=False)
    width: int
    height: int
    offline: bool = False
    taken: str | None = None
    camera: str | None = None
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry that was found.

    Attributes:
        entry: the entry.
        score: the cosine of its vector with the query.
        match: how well it matches, beside random pairs of the same kinds (`calibration.py`); None
            if that is not known.
    """

    entry: Entry
    score: float
    match: Match | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which entries may be hits.

    Attributes:
        where: an SQL condition; None for all.
        min_score: the least cosine.
        offline: whether entries whose files are missing are included.
    """

    where: str | None = None
    min_score: float | None = None
    offline: bool = False
