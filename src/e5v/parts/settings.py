"""What the vectors of a folder of parts depend on, apart from the items: fixed by its first worker.

options + open model -> Settings -> settings.json, written once -> every other worker is checked
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

from e5v.errors import DataError, UsageError
from e5v.model.prompts import find_prompt
from e5v.parts.part_folder import SETTINGS, PartFolder
from e5v.vectors import Precision, check_dim, check_precision

if TYPE_CHECKING:
    from e5v.model.embedder import E5V

FORMAT = 1
SHOWN = 60  # characters of a setting in a message


@dataclass(frozen=True)
class PartOptions:
    """How items are encoded, as asked for.

    `part_rows` is the most rows of a part; `dim` and `max_tokens` are the model's own if None.
    """

    part_rows: int
    prompt: str = "retrieval"
    dim: int | None = None
    precision: Precision = "float32"
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            UsageError: one is out of range.
            PromptError: the prompt is not known.
        """
        if self.part_rows < 1:
            raise UsageError(
                f"part_rows is {self.part_rows}; expected at least 1", argument="part_rows"
            )
        check_precision(self.precision)
        find_prompt(self.prompt)


@dataclass(frozen=True)
class Settings:
    """What makes the vectors of a folder: equal settings and equal items give equal vectors.

    `model` is only a name; what counts is its `fingerprint` (`e5v.model.fingerprint`). `dtype`,
    `tiling`, `recipe`, `adapter`, `image_tokens` and `weights` are how it was opened, `width` and
    `context` are its own; `wording` are the templates of the prompt.
    """

    fingerprint: str
    model: str = field(compare=False)
    dtype: str
    tiling: str
    width: int
    context: int
    prompt: str = field(compare=False)
    wording: str
    dim: int
    precision: Precision
    max_tokens: int
    part_rows: int
    format: int = FORMAT
    # These are in the fingerprint.
    recipe: str | None = field(default=None, compare=False)
    adapter: str | None = field(default=None, compare=False)
    image_tokens: int | None = field(default=None, compare=False)
    weights: str = field(default="full", compare=False)

    @property
    def digest(self) -> str:
        """A digest of what vectors depend on, as 32 hexadecimal digits."""
        counted = {one.name: getattr(self, one.name) for one in fields(self) if one.compare}
        del counted["part_rows"]
        content = json.dumps(counted, sort_keys=True).encode()
        return hashlib.blake2b(content, digest_size=16).hexdigest()

    def find_difference(self, own: "Settings") -> "Difference | None":
        """Return what is different in other settings, if anything is."""
        for name, noun in NOUNS.items():
            there, here = (str(getattr(one, name)) for one in (self, own))
            if there != here:
                return Difference(name, noun, _shorten(there), _shorten(here))
        return None

    def check(self, own: "Settings", folder: PartFolder) -> None:
        """Raise `DataError` unless a worker's own settings are these."""
        if other := self.find_difference(own):
            raise DataError(
                f"{folder} was begun with {other.noun} {other.there}, but here it is {other.here}: "
                "its parts would not go together; use the same, or another folder",
                argument="model" if other.name == "fingerprint" else other.name,
            )


NOUNS = {  # in the order in which they are compared
    "format": "the format",
    "prompt": "the prompt",
    "dim": "the width",
    "precision": "the precision",
    "max_tokens": "the longest item in tokens",
    "part_rows": "the number of rows in a part",
    "tiling": "the tiling",
    "dtype": "the dtype",
    "recipe": "the recipe",
    "adapter": "the adapter",
    "image_tokens": "image_tokens",
    "weights": "weights",
    "fingerprint": "a model of fingerprint",
    "wording": "a prompt of other words:",
}


@dataclass(frozen=True)
class Difference:
    """One setting that two workers have differently, shortened for a message."""

    name: str
    noun: str
    there: str
    here: str


def _shorten(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def make_settings(model: "E5V", options: PartOptions) -> Settings:
    """Return the settings of a model that is open.

    Raises:
        UsageError: `dim` or `max_tokens` is more than the model has.
    """
    from e5v.model.fingerprint import fingerprint, how_opened
    from e5v.model.locating import absolute_name

    check_dim(options.dim, model.width)
    return Settings(
        fingerprint=fingerprint(model.loaded, model.encoder.readout),
        model=absolute_name(model.loaded.name),
        width=model.width,
        context=model.loaded.context,
        prompt=options.prompt,
        wording=_word(options.prompt),
        dim=options.dim or model.width,
        precision=options.precision,
        max_tokens=model.max_tokens,
        part_rows=options.part_rows,
        **how_opened(model.loaded),
    )


def adapt(there: Settings, options: PartOptions) -> Settings:
    """Return the settings that these options give with the model of a folder, before it is open."""
    stored = asdict(there) | {
        "prompt": options.prompt,
        "wording": _word(options.prompt),
        "dim": options.dim or there.width,
        "precision": options.precision,
        "max_tokens": options.max_tokens or there.context,
        "part_rows": options.part_rows,
    }
    return Settings(**stored)


def _word(prompt: str) -> str:
    return json.dumps(asdict(find_prompt(prompt)), sort_keys=True)


def fix_settings(folder: PartFolder, own: Settings) -> Settings:
    """Write the settings of a folder, or compare them with those that are there.

    Raises:
        DataError: another worker has begun the folder with others.
    """
    folder.make()
    if not folder.create(SETTINGS, json.dumps(asdict(own), indent=1) + "\n"):
        there = read_settings(folder)
        if there is not None:
            there.check(own, folder)
            return there
    return own


def read_settings(folder: PartFolder) -> Settings | None:
    """Read the settings of a folder; None if no worker has begun it.

    Raises:
        DataError: they cannot be read.
    """
    content = folder.read(SETTINGS)
    if content is None:
        return None
    try:
        return Settings(**json.loads(content))
    except (ValueError, TypeError) as error:
        raise DataError(f"{folder / SETTINGS} cannot be read: {error!r}") from None
