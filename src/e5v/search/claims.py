"""Find the images that JSON lines describe: these are not entries of their own.

records and faults of lines, and lines that changed -> images -> their own records are gone
                                                             -> they are not read
"""

from collections.abc import Iterable, Sequence

import numpy as np

from e5v.files import NO_FILE, read_state
from e5v.media.locations import file_of
from e5v.search.catalog import Catalog
from e5v.search.listing import Listing
from e5v.search.named_images import NamedImage, name_pairs
from e5v.search.readers import Line, read_lines
from e5v.search.rereading import is_unfinished
from e5v.search.scan import FoundFile, within
from e5v.search.scope import Scope


class Claims:
    """The images that lines describe.

    Attributes:
        listing: what is in the roots; an image set aside that no line describes is put back.
        changed: paths of files to read that lines describe.
        gone: numbers of the records of images that lines describe.
    """

    def __init__(self, scope: Scope, catalog: Catalog, listing: Listing) -> None:
        self._scope, self._catalog, self.listing = scope, catalog, listing
        self._hidden = [one.path for one in listing.unlisted]
        self._loose: set[str] = set()  # images that were set aside, and lines no longer describe
        self._is_there: dict[str, bool] = {}  # files of lines
        self._suspects: set[str] = set()  # images that may have records of their own
        self.changed: set[str] = set()
        self.gone: list[int] = []

    def could_be_seen(self, path: str) -> bool:
        """Return whether a file that was not found would have been, if it existed."""
        hidden = any(within(path, folder) for folder in self._hidden)
        return self._scope.includes(path) and not hidden

    def settle(self) -> None:
        """Find all images that lines describe, and what follows for the listing."""
        again = [one for one in self.listing.changed.values() if one.form == "lines"]
        self._is_there |= dict.fromkeys((one.path for one in again), False)
        for pairs in name_pairs(self._catalog.records):
            self._add(pairs)
        faults = [fault for some in self._catalog.faults.values() for fault in some]
        pairs = [NamedImage(one.path, one.source.path) for one in faults]
        self._add([one for one in pairs if file_of(one.image) != one.source])
        for found in again:
            self._claim(sorted(self._images_of_file(found)))
        self._drop_records()
        self._put_back()

    def _add(self, pairs: Sequence[NamedImage]) -> None:
        """Claim the images of lines that are there and unchanged, and let go of the others."""
        there = [self._counts(one.source) for one in pairs]
        self._claim([one.image for one, counts in zip(pairs, there, strict=True) if counts])
        left = [one.image for one, counts in zip(pairs, there, strict=True) if not counts]
        named = self.listing.named
        places = named.find(left)
        aside = (
            (places >= 0) & named.found[places] if len(named.found) else np.zeros(len(left), bool)
        )
        self._loose.update(left[place] for place in np.flatnonzero(aside))

    def _counts(self, source: str) -> bool:
        """Return whether a file of lines is unchanged, or may be although it was not found."""
        if source not in self._is_there:
            found = source in self.listing.lines
            self._is_there[source] = found or not self.could_be_seen(source)
        return self._is_there[source]

    def _claim(self, images: Sequence[str]) -> None:
        listing = self.listing
        places = listing.named.find(images)
        listing.named.claimed[places[places >= 0]] = True
        self.changed.update(image for image in images if image in listing.changed)
        if listing.settled:
            settled = listing.settled.intersection(images)
            listing.settled -= settled
            listing.unchanged -= len(settled)
        if listing.faulty:
            listing.faulty.difference_update(images)
        counts = self._catalog.records.keys.sources.find_all(images).counts
        self._suspects.update(images[place] for place in np.flatnonzero(counts).tolist())

    def _images_of_file(self, found: FoundFile) -> set[str]:
        """Return the images that the lines of a file describe, or have described if unfinished."""
        images: set[str] = set()
        line = None
        try:
            for line in read_lines(found.path):
                if isinstance(line, Line) and line.image is not None:
                    images.add(line.image)
            if is_unfinished(found, line, self._catalog.faults.get(found.path, ())):
                known = self._catalog.records.of_source(found.path)
                images |= {one.path for one in known} - {found.path}
        except OSError:  # reported when it is read
            return set()
        return images

    def _drop_records(self) -> None:
        """Find the records that images have of their own: lines describe them now."""
        listing, records = self.listing, self._catalog.records
        suspects: Iterable[str] = sorted(self._suspects)
        slots = records.keys.sources.find_all(list(suspects)).slots()
        slots = slots[listing.seen[slots]]
        paths = set()
        for one in records.at_slots(slots):
            if one.source.path in self._suspects:
                self.gone.append(one.number)
                paths.add(one.source.path)
        listing.unchanged -= len(paths - listing.changed.keys())

    def _put_back(self) -> None:
        """Compare the images that were set aside, and that no line describes now."""
        named = self.listing.named
        loose = sorted(self._loose)
        claimed: list[bool] = named.claimed[named.find(loose)].tolist() if loose else []
        for path, is_claimed in zip(loose, claimed, strict=True):
            state = read_state(path)
            if not is_claimed and state != NO_FILE:
                self.listing.compare(FoundFile(path, "image", *state))
