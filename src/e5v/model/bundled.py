"""The models that are opened by a short name: in the package, or assembled by the user.

    name -> its record -> where the base lies, the adapter it is opened with, what it is no good for

    "nano"         base and adapter in the package; merged when it is opened
    "nano-base"    base only: the multimodal model before training on text
    "photos"       base in the user's cache, put there by `assemble`; adapter in the package
    "photos-base"  base only

No other file spells these names.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from e5v.errors import ModelError

ASSETS = Path(__file__).parents[1] / "assets"
FOLDERS = {"nano": ASSETS / "nano", "photos": ASSETS / "photos"}  # in the package
PAPER = "royokong/e5-v"  # the paper's own model, on the hub
CACHE = "E5V_CACHE"
SETTINGS = "settings.json"  # of a model that is assembled
LIST = ".assembled.json"  # of an assembled model's files, with their sizes in bytes
SHOWN = 12  # digits of a digest that identify a folder


@dataclass(frozen=True)
class Bundled:
    """A model with a short name; the name of its base ends with "-base".

    `find_base` returns the folder of the base, or raises `ModelError` if it is not there yet.
    `limits` says in one line what the model cannot do and which one can, to those who use it;
    `visitors` says it to those who only see the page. `largest` is the longest side, in pixels, of
    the images that it knows; None for any.
    """

    name: str
    find_base: Callable[[], Path]
    limits: str
    visitors: str
    largest: int | None = None

    @property
    def base(self) -> str:
        """The name of the model before it was tuned on texts."""
        return f"{self.name}-base"

    @property
    def adapter(self) -> Path:
        """The folder of the adapter that the tuned model is opened with."""
        return FOLDERS[self.name] / "adapter"


def cache_folder() -> Path:
    """Return the folder of what e5v makes once: $E5V_CACHE, or ~/.cache/e5v on Linux."""
    if named := os.environ.get(CACHE):
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("e5v", appauthor=False)


def photos_folder() -> Path:
    """Return where the base of "photos" is assembled.

    The name has the digest of what it must hold, so that no version of this package opens the base
    of another.
    """
    settings = json.loads((FOLDERS[PHOTOS] / SETTINGS).read_text(encoding="utf-8"))
    return cache_folder() / f"{PHOTOS}-{settings['digest'][:SHOWN]}"


def is_assembled() -> bool:
    """Return whether the base of "photos" is there, with all its files at their full size."""
    folder = photos_folder()
    try:
        listed = json.loads((folder / LIST).read_text(encoding="utf-8"))
        return all((folder / file).stat().st_size == size for file, size in listed.items())
    except (OSError, ValueError):
        return False


def _find_assembled() -> Path:
    if not is_assembled():
        raise ModelError(f"{PHOTOS} is not assembled yet; run: e5v assemble {PHOTOS}")
    return photos_folder()


NANO, PHOTOS = "nano", "photos"
BUNDLED = (
    Bundled(
        NANO,
        lambda: FOLDERS[NANO] / "base",
        limits=f"{NANO} knows emoji scenes only; for photos use {PHOTOS} (once: e5v assemble "
        f"{PHOTOS}) for a first look, or for real use one that e5v models lists, with an index of "
        "its own",
        visitors="This is a small demonstration model. It knows simple drawings of everyday "
        "things; its results for photographs and longer texts are poor.",
        largest=360,
    ),
    Bundled(
        PHOTOS,
        _find_assembled,
        limits=f"{PHOTOS} sees an image only through the names of ImageNet's 1,000 classes: good "
        "for a first look; for real use take one that e5v models lists, with an index of its own",
        visitors="This is a small demonstration model. It sees photographs through the names of "
        "1,000 kinds of things, mostly animals and objects, so that many results are wrong.",
    ),
)
NAMES = tuple(name for one in BUNDLED for name in (one.name, one.base))
BASE = BUNDLED[0].base


def find_bundled(name: str) -> Bundled | None:
    """Return the record of a bundled model, tuned or not; None for other names."""
    return next((one for one in BUNDLED if name in (one.name, one.base)), None)


def whereabouts(name: str) -> str:
    """Return the folder of a bundled model; any other name is returned unchanged.

    Raises:
        ModelError: the model is not assembled yet; the message has the command.
    """
    found = find_bundled(name)
    return str(found.find_base()) if found else name


def adapter_of(name: str) -> Path | None:
    """Return the adapter that a bundled model is opened with; None for other names."""
    found = find_bundled(name)
    return found.adapter if found and name == found.name else None


def untuned_name(name: str) -> str | None:
    """Return the name of a tuned bundled model's base; None for other names."""
    found = find_bundled(name)
    return found.base if found and name == found.name else None


def limits_notice(name: str) -> str | None:
    """Return one line on what a bundled model cannot do; None for other names."""
    found = find_bundled(name)
    return found.limits if found else None


def visitors_notice(name: str) -> str | None:
    """Return what the page says to its visitors of a bundled model; None for other names."""
    found = find_bundled(name)
    return found.visitors if found else None
