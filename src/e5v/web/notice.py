"""What the page tells its visitors of the model: its limits, and for photographs a better model.

bundled model + newest images -> is one a photograph, and the model for drawings only? -> a line
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from e5v.model.bundled import find_bundled, visitors_notice

if TYPE_CHECKING:
    from e5v.model.embedder import E5V
    from e5v.web.searched import SearchedIndex

SEEN = 100  # images that are looked at, the newest first


def write_notice(model: E5V, index: SearchedIndex | None) -> str | None:
    """Return what visitors should know of a model; None for one that is not bundled.

    If the index has photographs and the model knows drawings only, the line names the model to take
    on this machine, as `e5v models` does.
    """
    name = model.loaded.name
    notice, bundled = visitors_notice(name), find_bundled(name)
    if index is None or bundled is None or bundled.largest is None:
        return notice
    images = index.newest("image", SEEN)
    if all(max(one.width, one.height) <= bundled.largest for one in images):
        return notice
    better = _find_better(str(model.device), str(model.dtype).removeprefix("torch."))
    return f"{notice} For photographs, take {better} on this machine (see e5v models)."


@cache
def _find_better(device: str, dtype: str) -> str:
    from e5v.model.machine import find_machine
    from e5v.model.prices import recommend

    return recommend(find_machine(device, dtype)).price.model.id
