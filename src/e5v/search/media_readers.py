"""Read what is inside of documents, videos, animations and camera RAW files.

FoundFile -> Decoder, another process -> pages, frames or passages -> Piece, or Fault

An image is decoded when the model asks for it, one at a time; its digest is of the whole file and
its place in it, so that a file that was only moved or touched is not decoded.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from unicodedata import normalize

from e5v.image_formats import suffix_of
from e5v.media.animation import choose_frames, count_frames
from e5v.media.decoder import Decoder
from e5v.media.documents import MOST_CHARACTERS
from e5v.media.kinds import ANIMATED_SUFFIXES
from e5v.media.locations import join_place
from e5v.model.image_files import UnreadableError
from e5v.search.catalog import Fault
from e5v.search.passages import split_passages
from e5v.search.pieces import EXCERPT, Piece, Place, digest_of_file, digest_of_part
from e5v.search.scan import FoundFile

ANIMATION_FRAMES = 4  # at most; a video has as many as `frames` says
CAPTIONS = 16  # pages whose text is asked for at once


@dataclass(frozen=True)
class MediaReader:
    """Reads files by another process: at most so many pages of a document, and frames of a video.

    An animation has at most four of those frames.
    """

    decoder: Decoder
    pages: int
    frames: int

    def takes(self, found: FoundFile) -> bool:
        """Return whether a file is read here: it is not an image of one frame, a text or lines."""
        if found.form in {"text", "lines"}:
            return False
        return found.form != "image" or self._count_frames(found) > 1

    def read(self, found: FoundFile) -> Iterator[Piece | Fault]:
        """Read a file that is taken; yield a fault for what cannot be read.

        Raises:
            OSError: the file cannot be read.
        """
        if not found.size:
            yield Place.within(found, 0, 0).fault("is empty (0 bytes)")
            return
        try:
            yield from self._read(found)
        except UnreadableError as error:
            yield Place.within(found, 0, 0).fault(str(error))

    def _read(self, found: FoundFile) -> Iterator[Piece | Fault]:
        if found.form == "document":
            yield from self._read_text(found)
        elif found.form == "pages":
            yield from self._read_pages(found)
        else:
            content, places = digest_of_file(found.path), self._list_places(found)
            for number, place in enumerate(places, 1):
                at = Place.within(found, len(places), number if place else 0)
                yield self._make_piece(at, place, content, "")

    def _list_places(self, found: FoundFile) -> list[str]:
        """Return the places of the images in a file; that of the only one of a RAW file is ""."""
        if found.form == "raw":
            return [""]
        if found.form == "video":
            times = self.decoder.find_times(found.path, self.frames)
            return [f"t={time:.3f}".rstrip("0").rstrip(".") for time in times]
        most = min(self.frames, ANIMATION_FRAMES)
        return [f"frame={one}" for one in choose_frames(self._count_frames(found), most)]

    def _count_frames(self, found: FoundFile) -> int:
        if suffix_of(found.path) not in ANIMATED_SUFFIXES or self.frames == 1:
            return 1
        return count_frames(found.path)

    def _read_pages(self, found: FoundFile) -> Iterator[Piece | Fault]:
        content = digest_of_file(found.path)
        count = self.decoder.count_pages(found.path)
        parts = min(count, self.pages)
        if not parts:
            yield Place.within(found, 0, 0).fault("has no pages")
        for first in range(1, parts + 1, CAPTIONS):
            last = min(parts, first + CAPTIONS - 1)
            for number, caption in enumerate(self._read_captions(found, first, last), first):
                at = Place.within(found, parts, number)
                yield self._make_piece(at, f"page={number}", content, caption)
        if count > parts:
            reason = f"has {count:,} pages; the first {parts:,} are indexed"
            yield Place.within(found, parts, 0).fault(reason)

    def _read_captions(self, found: FoundFile, first: int, last: int) -> list[str]:
        """Return the texts of pages; without them, the pages may be rendered all the same."""
        try:
            return self.decoder.read_captions(found.path, first, last)
        except UnreadableError:
            return [""] * (last - first + 1)

    def _make_piece(self, at: Place, place: str, content: str, caption: str) -> Piece:
        """Return the piece at a place of a file; `content` is the digest of the file."""
        file = at.source.path
        digest = digest_of_part(content, place)
        text = normalize("NFC", caption)[:EXCERPT]
        piece = replace(at, path=join_place(file, place)).piece(None, text, digest)
        return replace(piece, read=partial(self.decoder.read_image, file, place))

    def _read_text(self, found: FoundFile) -> Iterator[Piece | Fault]:
        Path(found.path).open("rb").close()  # so that missing rights are not a fault of the text
        text = self.decoder.read_text(found.path)
        passages = split_passages(normalize("NFC", text))
        if not passages:
            yield Place.within(found, 0, 0).fault("contains no text")
        for number, passage in enumerate(passages, 1):
            place = Place.within(found, len(passages), number)
            yield place.piece(passage, passage[:EXCERPT])
        if len(text) == MOST_CHARACTERS:
            reason = f"has a long text; the first {MOST_CHARACTERS:,} characters are indexed"
            yield Place.within(found, len(passages), 0).fault(reason)
