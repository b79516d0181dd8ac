"""How a verb opens a model: which one by default, and the options that every verb has."""

import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

from e5v.errors import ModelError, UsageError
from e5v.model.bundled import NAMES, PAPER
from e5v.model.locating import HUB_URL, find_model
from e5v.places import refuse_url
from e5v.verbs.console import announce, say

if TYPE_CHECKING:
    from e5v.model.embedder import E5V
    from e5v.model.engine_address import EngineAddress
    from e5v.search.manifest import Manifest

VARIABLE = "E5V_MODEL"
HUB_ID = re.compile(r"\w[\w.-]*(/[\w.-]+)?")


def default_model() -> str:
    """Return the model of a verb that names none: $E5V_MODEL, or the paper's own."""
    return os.environ.get(VARIABLE) or PAPER


def named_model(model: str | None) -> str:
    """Return the model that a verb needs by name, or $E5V_MODEL.

    Raises:
        UsageError: neither is given.
    """
    name = model or os.environ.get(VARIABLE)
    if not name:
        raise UsageError(f"MODEL is missing; name a hub id or a folder, or set {VARIABLE}")
    return name


def check_model(model: str) -> None:
    """Check what can be known of a model's name without opening it.

    Raises:
        UsageError: it is empty, a URL, a path that does not exist, or a folder without a model.
    """
    if not model.strip():
        raise UsageError("the model's name is empty; name a hub id or a folder")
    if not model.startswith(HUB_URL):  # the nearest hub id is suggested
        refuse_url(model, "the model")
    try:
        find_model(model)
    except ModelError as error:
        if model in NAMES or (HUB_ID.fullmatch(model) and not Path(model).exists()):
            raise  # it is not assembled yet, or the answer of the hub
        raise UsageError(str(error)) from None


@dataclass(frozen=True)
class Opening:
    """How the model is loaded."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the computation; auto is bfloat16 where the hardware is fast at it."""
    device: Annotated[str | None, arg(metavar="NAME")] = None
    """cpu, cuda, cuda:1, mps, ...; by default the fastest available."""
    trust_remote_code: bool = False
    """Run Python code that comes with the checkpoint."""
    tiling: Literal["correct", "transformers-4.41"] = "correct"
    """How LLaVA-NeXT cuts images into tiles; transformers-4.41 repeats the errors of the library
    that the paper's code pins, to compare with its figures."""
    recipe: Annotated[str | None, arg(metavar="NAME")] = None
    """How the model is asked, such as e5-v or qwen3-vl-embedding; by default as its authors do, if
    it is a published embedder that is known, else as E5-V."""

    def open(
        self, model: str, *, max_tokens: int | None = None, engine: "EngineAddress | None" = None
    ) -> "E5V":
        """Open a model, here or on an engine, which takes a moment: torch is imported here.

        Raises:
            UsageError: its name is a path or URL without a model, or there is no such recipe.
            ModelError: it cannot be opened.
        """
        check_model(model)
        self.check_recipe()
        announce(f"opening {model}")
        if engine is None:
            self._announce_download(model)
        elif self.device:
            raise UsageError("--device is of a model that runs here; leave it out with --engine")
        from e5v.model.embedder import E5V

        how = asdict(self) | {"device": engine or self.device}
        return E5V(model, max_tokens=max_tokens, **how)

    def check_recipe(self) -> None:
        """Check the name of the recipe, before anything slow is imported.

        Raises:
            UsageError: there is no such recipe; the nearest is named.
        """
        if self.recipe is not None:
            from e5v.model.recipes import find_recipe

            find_recipe(self.recipe)

    def _announce_download(self, model: str) -> None:
        """Say how much has to be downloaded, and what memory the model then needs."""
        from e5v.model.downloads import download_size

        if found := download_size(model, dtype=self.dtype, device=self.device):
            say(
                f"downloading {found.size / 1e9:.1f} GB; the model's weights need "
                f"{found.memory / 1e9:.1f} GB of memory"
            )


def index_model(given: str | None, there: "Manifest | None") -> str | None:
    """Return the model that an index is to be opened with; None if a new one names none."""
    return given or (there.model if there else os.environ.get(VARIABLE) or None)


def choose_model(given: str | None, there: "Manifest | None") -> str:
    """Return the name of the model to open an index with: the given one, or the index's own."""
    name = given or (there.model if there else default_model())
    is_folder = name not in NAMES and (Path(name) / "config.json").is_file()
    return str(Path(name).resolve()) if is_folder else name


def choose_opening(given: Opening, there: "Manifest | None") -> Opening:
    """Return how to open the model of an index: as it was made, unless given otherwise."""
    if there is None:
        return given
    dtype = there.dtype if given.dtype == "auto" else given.dtype
    tiling = there.tiling if given.tiling == "correct" else given.tiling
    recipe = given.recipe or there.recipe
    return replace(given, dtype=dtype, tiling=tiling, recipe=recipe)  # type: ignore[arg-type]
