"""A small "photos" in the place of the package's own: other wheels, digest and cache.

small wheels + settings with the digest of what they make -> Small -> `use`, in this process
or as a program that kills itself on the way:

    python -m tests.checkpoints.small_photos FOLDER PLACE

PLACE is a function of e5v, named module.function; the process kills itself before its first call
(PLACE) or after it (PLACE+).
"""

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from e5v.checkpoints import assemble as assembling
from e5v.checkpoints.photos_parts import write_checkpoint
from e5v.checkpoints.photos_settings import read_settings
from e5v.checkpoints.weights_digest import digest_of
from e5v.checkpoints.wheels import Wheel
from e5v.model import bundled
from tests.adapters import write_adapter
from tests.checkpoints.photos_files import write_assets, write_parts, write_wheels

WHEELS = "wheels.json"


@dataclass(frozen=True)
class Small:
    """Where all of it lies."""

    folder: Path

    @property
    def assets(self) -> Path:
        """What the package has."""
        return self.folder / "assets"

    @property
    def shelf(self) -> Path:
        """The folder of the wheels."""
        return self.folder / "wheels"

    @property
    def made(self) -> Path:
        """The checkpoint, as it is made without a cache."""
        return self.folder / "made"

    def wheels(self) -> list[Wheel]:
        """Return the records of the wheels."""
        return [Wheel(**one) for one in json.loads((self.folder / WHEELS).read_text())]

    def use(self, cache: Path, patch: Callable[[object, str, object], None] = setattr) -> None:
        """Let the names mean this model, with its base in another cache."""
        os.environ[bundled.CACHE] = str(cache)
        patch(assembling, "WHEELS", tuple(self.wheels()))
        folders = bundled.FOLDERS | {"photos": self.assets}
        patch(bundled, "FOLDERS", folders)
        patch(assembling, "FOLDERS", folders)


def make_small(folder: Path) -> Small:
    """Write a small model's parts, wheels and assets; its adapter is random."""
    small = Small(folder)
    for made in (small.shelf, small.made):
        made.mkdir(parents=True)
    parts = write_parts(folder)
    write_checkpoint(parts, write_assets(small.assets), read_settings(small.assets), small.made)
    write_assets(small.assets, digest=digest_of(small.made))
    write_adapter(small.assets / "adapter", small.made)
    wheels = [asdict(one) for one in write_wheels(small.shelf, parts)]
    (folder / WHEELS).write_text(json.dumps(wheels))
    return small


def arm(place: str) -> None:
    """Set the trap."""
    module, name = place.rstrip("+").rsplit(".", 1)
    owner: Any = importlib.import_module(f"e5v.{module}")
    act = getattr(owner, name)

    def trapped(*arguments: Any, **options: Any) -> Any:
        if place.endswith("+"):
            act(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, trapped)


def main(folder: str, cache: str, place: str) -> None:
    """Assemble until the trap shuts."""
    small = Small(Path(folder))
    small.use(Path(cache))
    arm(place)
    assembling.assemble(small.shelf)


if __name__ == "__main__":
    main(*sys.argv[1:])
