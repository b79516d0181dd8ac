"""Watch a verb embed: how fast its model is, and whether it is shown photographs.

items -> is one a photograph, and the model for drawings only?  -> a line that names a model for it
results -> how many tokens a second                             -> kept for `e5v models`
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from e5v.image_formats import is_image_name
from e5v.inputs import Image, RawItem
from e5v.model.bundled import find_bundled
from e5v.verbs.console import say

if TYPE_CHECKING:
    from e5v.model.embedder import E5V
    from e5v.model.encoded import Encoded, Skipped
    from e5v.model.streaming import StreamOptions
    from e5v.verbs.model_options import Opening


class WatchedModel:
    """A model that embeds, by the name that the user gave it, and what is seen of its work."""

    def __init__(self, model: "E5V", name: str) -> None:
        from e5v.model.speeds import Meter

        bundled = find_bundled(name)
        self._model, self._name = model, name
        self._largest = bundled.largest if bundled else None
        self._photographs = False
        self._meter = Meter()

    def encode_iter(
        self, items: Iterable[RawItem], **options: "Unpack[StreamOptions]"
    ) -> "Iterator[Encoded | Skipped]":
        """Yield a result for each item, in order, as the model does."""
        seen = items if self._largest is None else self._look(items, self._largest)
        return self._meter.watch(self._model.encode_iter(seen, **options))

    def _look(self, items: Iterable[RawItem], largest: int) -> Iterator[RawItem]:
        for item in items:
            self._photographs = self._photographs or find_longest_side(item) > largest
            yield item

    def end(self, opening: "Opening") -> None:
        """Keep how fast the model was; name a better one if it was shown photographs."""
        from e5v.model.speeds import keep_speed

        keep_speed(self._meter, self._model, self._name)
        if self._photographs:
            from e5v.model.prices import name_best

            say(
                f"{self._name} knows small drawings only, and these are photographs; on this "
                f"machine take {name_best(opening.device, opening.dtype)} for them (see e5v models)"
            )


def watch(open_model: "Callable[[], E5V]", name: str) -> "Callable[[], WatchedModel]":
    """Return a function that opens a model at its first call, and then watches its work."""
    return cache(lambda: WatchedModel(open_model(), name))


def find_longest_side(item: RawItem) -> int:
    """Return the longest side of an image in pixels; 0 for what is none, or cannot be read."""
    from e5v.model.image_files import open_image

    source = item.source if isinstance(item, Image) else item
    if isinstance(source, str) and is_image_name(source):
        source = Path(source)
    try:
        content = source.read_bytes() if isinstance(source, Path) else source
        return max(open_image(content).size) if isinstance(content, bytes) else 0
    except Exception:  # a format's reader raises what it likes on broken bytes
        return 0
