"""What the page tells its visitors of the model: its limits, and for photographs a better model.

bundled model + newest images -> is one a photograph, and the model for drawings only? -> a line

Computed once for each version of the index: every open page asks for it now and then.
"""

from __future__ import annotations

from functools import cached_property

from e5v.model.bundled import find_bundled, visitors_notice
from e5v.web.searched import Searched

SEEN = 100  # images that are looked at, the newest first


class ModelNotice:
    """The notice on a collection's model; there is none on a model that is not bundled."""

    def __init__(self, collection: Searched) -> None:
        self._collection = collection
        self._bundled = find_bundled(collection.model.loaded.name)
        self._version = -1
        self._has_photographs = False

    @property
    def limits(self) -> str | None:
        """What the model is not good at."""
        return visitors_notice(self._collection.model.loaded.name)

    def read(self) -> str | None:
        """Return what visitors should know; it may block.

        If the index has photographs and the model knows drawings only, that is the model to take on
        this machine, too.

        Raises:
            Refused, DataError: there is no index, or it cannot be read.
        """
        largest = self._bundled.largest if self._bundled else None
        if largest is None:
            return self.limits
        index, version = self._collection.version()
        if version != self._version:
            images = index.newest("image", SEEN)
            self._has_photographs = any(max(one.width, one.height) > largest for one in images)
            self._version = version
        if not self._has_photographs:
            return self.limits
        return (
            f"{self.limits} For photographs, take {self._better} on this machine (see e5v models)."
        )

    @cached_property
    def _better(self) -> str:
        from e5v.model.prices import name_best

        model = self._collection.model
        return name_best(str(model.device), str(model.dtype).removeprefix("torch."))
