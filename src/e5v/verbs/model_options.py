"""How a verb opens a model: which one by default, and the options that every verb has."""

import os
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

from e5v.errors import ModelError, UsageError
from e5v.model.adapters import find_source
from e5v.model.bundled import NAMES, PAPER
from e5v.model.locating import HUB_URL, absolute_name, find_model
from e5v.model.opening import follow
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


def check_model(model: str, adapter: str | None = None) -> None:
    """Check what can be known of a model's name, and its adapter's, without opening it.

    Raises:
        UsageError: it is empty, a URL, a path that does not exist, or a folder without a model.
        ModelError: the adapter is none, or names a model that cannot be found.
    """
    _check(model, lambda: find_source(model, adapter))


def check_whole_model(model: str) -> None:
    """Check a model's name as `check_model` does, and that it is no adapter."""
    _check(model, lambda: find_model(model))


def _check(model: str, find: Callable[[], object]) -> None:
    if not model.strip():
        raise UsageError("the model's name is empty; name a hub id or a folder")
    if not model.startswith(HUB_URL):  # the nearest hub id is suggested
        refuse_url(model, "the model")
    try:
        find()
    except ModelError as error:
        if model in NAMES or (HUB_ID.fullmatch(model) and not Path(model).exists()):
            raise  # it is not assembled yet, or the answer of the hub
        raise UsageError(str(error)) from None


def check_recipe(recipe: str | None) -> None:
    """Check the name of a recipe, before anything slow is imported.

    Raises:
        UsageError: there is no such recipe; the nearest is named.
    """
    if recipe is not None:
        from e5v.model.recipes import find_recipe

        find_recipe(recipe)


@dataclass(frozen=True)
class WholeOpening:
    """How a model is loaded that is trained or merged."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the computation; auto is bfloat16 where the hardware is fast at it."""
    device: Annotated[str | None, arg(metavar="NAME")] = None
    """cpu, cuda, cuda:1, mps, ...; by default the fastest available."""
    trust_remote_code: bool = False
    """Run Python code that comes with the checkpoint."""
    tiling: Literal["correct", "transformers-4.41"] = "correct"
    """How LLaVA-NeXT cuts images into tiles; transformers-4.41 repeats the errors of the library
    that the paper's code pins, to compare with its figures."""


@dataclass(frozen=True)
class TrainOpening(WholeOpening):
    """How the model that is trained is loaded."""

    recipe: Annotated[str | None, arg(metavar="NAME")] = None
    """How the model is asked, such as e5-v or qwen3-vl-embedding; by default as its authors do, if
    it is a published embedder that is known, else as E5-V. The trained model is asked so, too."""


@dataclass(frozen=True)
class Opening(WholeOpening):
    """How the model is loaded."""

    device: Annotated[str | None, arg(metavar="NAME")] = None
    """cpu, cuda, cuda:1, mps, ...; by default the fastest available. Several, such as
    cuda:0,cuda:1, or auto for every GPU, run a copy of the model each; for a model that is larger
    than a GPU, see --device-map."""
    recipe: Annotated[str | None, arg(metavar="NAME")] = None
    """How the model is asked, such as e5-v or qwen3-vl-embedding; by default as its authors do, if
    it is a published embedder that is known, else as E5-V."""
    adapter: Annotated[str | None, arg(metavar="ADAPTER")] = None
    """Hub id or folder of a LoRA or DoRA adapter of MODEL, or the folder of a training run. MODEL
    itself may be an adapter or a run, too, which then names its model."""
    image_tokens: Annotated[int | None, arg(metavar="N")] = None
    """The most tokens that an image may take, by default as many as the model gives it: fewer are
    faster and show less detail."""
    weights: Literal["full", "8bit", "4bit"] = "full"
    """How the matrices of the model are stored: fewer bits take less memory."""
    device_map: Literal["auto"] | None = None
    """auto divides one model over all GPUs of the machine, then its memory, then its disk: for a
    model that is larger than a GPU."""

    def __post_init__(self) -> None:
        """Refuse options that do not go together.

        Raises:
            UsageError: names the option.
        """
        if self.device and self.device_map:
            raise UsageError(
                "--device-map divides one model over all GPUs, --device runs the whole model on "
                "each; give one of the two"
            )

    def open(
        self,
        model: str,
        *,
        max_tokens: int | None = None,
        engine: "EngineAddress | None" = None,
        there: "Manifest | None" = None,
    ) -> "E5V":
        """Open a model, here or on an engine, which takes a moment: torch is imported here.

        It is for an index that is `there`, some of whose options these may be.

        Raises:
            DataError: it cannot be opened as the model of the index.
            UsageError: its name is a path or URL without a model, or there is no such recipe.
            ModelError: it cannot be opened.
        """
        check_model(model, self.adapter)
        check_recipe(self.recipe)
        announce(f"opening {model}")
        if engine is None:
            self._announce_download(model)
        elif self.device or self.device_map:
            given = "--device" if self.device else "--device-map"
            raise UsageError(f"{given} is of a model that runs here; leave it out with --engine")
        from e5v.model.embedder import E5V

        how = asdict(self) | {"device": engine or self.device}
        with there.followed(model, how) if there else nullcontext():
            return E5V(model, max_tokens=max_tokens, **how)

    def _announce_download(self, model: str) -> None:
        """Say how much has to be downloaded, and what memory the model then needs."""
        from e5v.model.downloads import download_size

        found = download_size(
            model, self.adapter, dtype=self.dtype, device=self.device, weights=self.weights
        )
        if found:
            say(
                f"downloading {found.size / 1e9:.1f} GB; the model's weights need "
                f"{found.memory / 1e9:.1f} GB of memory"
            )


def index_model(given: str | None, there: "Manifest | None") -> str | None:
    """Return the model that an index is to be opened with; None if a new one names none."""
    return given or (there.model if there else os.environ.get(VARIABLE) or None)


def choose_model(given: str | None, there: "Manifest | None") -> str:
    """Return the name of the model to open an index with: the given one, or the index's own."""
    return absolute_name(given or (there.model if there else default_model()))


def choose_opening(given: Opening, there: "Manifest | None", model: str | None = None) -> Opening:
    """Return how to open the model of an index: as it was made, but for what is given.

    Its adapter is of its own model: another `model`, by its absolute name, is opened without.
    """
    if there is None:
        return given
    followed = replace(given, **follow(given, there))
    return followed if model in (None, there.model) else replace(followed, adapter=given.adapter)
