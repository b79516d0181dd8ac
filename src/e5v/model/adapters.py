"""Find an adapter, and the model that it is put onto, before slow imports.

name -> a model | an adapter or a training run -> the model that it names   -> Source
                                               -> its folder, or its hub id -> its two files
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e5v.errors import ModelError, UsageError, first_line
from e5v.model.bundled import adapter_of, untuned_name
from e5v.model.locating import ADAPTER_CONFIG, RECIPE, FoundAdapterError, find_model

# In the record of a training run: how the model is asked, if that is named.
ASKED_BY = "model_recipe"


@dataclass(frozen=True)
class Source:
    """Where the files of a model are: its checkpoint, and the adapter that is put onto it, if any.

    Each is a folder or a hub id. `base` is the name under which the checkpoint was found.
    """

    checkpoint: str
    base: str
    adapter: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What the model is called: by the name of its base, and that of its adapter."""
        return (self.base, self.adapter) if self.adapter else (self.base,)

    @property
    def run_record(self) -> Mapping[str, Any] | None:
        """What e5v recorded of the training run that the adapter is of, if it is of one."""
        return _read_record(Path(self.adapter)) if self.adapter else None


@dataclass(frozen=True)
class TrainedAdapter:
    """The adapter of a training run, with its recipe and base model, if known."""

    adapter: Path
    recipe: Mapping[str, Any]
    source: str | None


def find_source(name: str | Path, adapter: str | Path | None = None) -> Source:
    """Find the files of a model by its name, and those of its adapter.

    A name may stand for an adapter or a training run, which names the model that it was trained on.

    Raises:
        ModelError: there is no such model or adapter, or one is something else.
    """
    if adapter is not None:
        base = _refuse_tuned(str(name))
        return Source(find_model(name), base, _find_adapter(adapter))
    try:
        bundled = adapter_of(str(name))
        return Source(find_model(name), str(name), str(bundled) if bundled else None)
    except FoundAdapterError as error:
        if error.beside_model:
            raise
        return _find_base(str(name), error.place)


def find_run(folder: Path) -> TrainedAdapter:
    """Find the adapter in a training run's folder, or in its own folder.

    Raises:
        UsageError: there is none, or one of the run's files is broken.
    """
    within = folder / "adapter"
    adapter = within if (within / ADAPTER_CONFIG).is_file() else folder
    if not (adapter / ADAPTER_CONFIG).is_file():
        raise UsageError(
            f"{folder} has no adapter; expected {ADAPTER_CONFIG} or adapter/{ADAPTER_CONFIG} in it"
        )
    recipe = read_config(folder / RECIPE) if (folder / RECIPE).is_file() else {}
    if adapter == folder and not recipe:
        recipe = dict(_read_record(folder) or {})
    named = read_config(adapter / ADAPTER_CONFIG).get("base_model_name_or_path")
    return TrainedAdapter(adapter, recipe, recipe.get("model") or named)


def read_config(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UsageError: it is something else.
    """
    try:
        content: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path} is not a JSON object: {first_line(error)}") from None
    return content


def _read_record(folder: Path) -> Mapping[str, Any] | None:
    """Read what e5v recorded of a training run, by the folder of the run or of its adapter."""
    for place in (folder, folder.parent):
        if (place / RECIPE).is_file():
            try:
                return read_config(place / RECIPE)
            except UsageError:  # of another program
                return {}
    return None


def fetch_adapter(adapter: str) -> Path:
    """Return the folder of an adapter's files, downloaded if it is a hub id.

    Raises:
        ModelError: it cannot be downloaded.
    """
    if Path(adapter).is_dir():
        return find_run(Path(adapter)).adapter
    from e5v.model.hub import download_adapter

    return download_adapter(adapter)


def _find_adapter(adapter: str | Path) -> str:
    """Return the folder or the hub id of an adapter.

    Raises:
        ModelError: there is no such adapter, or it is a model.
    """
    if not isinstance(adapter, str | Path):
        kind = type(adapter).__name__
        raise ModelError(f"the adapter is of type {kind}; expected a folder or a hub id")
    try:
        find_model(adapter)
    except FoundAdapterError as error:
        return error.place
    except ModelError:
        if str(adapter) and Path(adapter).is_dir():
            find_run(Path(adapter))  # says what a folder lacks to be an adapter
        raise
    raise ModelError(
        f"{adapter} is a whole model, not an adapter: it has no {ADAPTER_CONFIG}; open it by its "
        "own name",
        argument="adapter",
    )


def _find_base(name: str, place: str) -> Source:
    """Find the model that an adapter was trained on."""
    if Path(place).is_dir():
        base = find_run(Path(place)).source
    else:
        from e5v.model.hub import download_adapter

        folder = download_adapter(place, ADAPTER_CONFIG)
        base = read_config(folder / ADAPTER_CONFIG).get("base_model_name_or_path")
    if not base:
        raise ModelError(
            f"{name} does not name the model that it was trained on; name that model, and {name} "
            "as its adapter"
        )
    try:
        return Source(find_model(_refuse_tuned(base)), base, place)
    except ModelError as error:
        raise ModelError(
            f"{name} was trained on another model, and {error}; name that model where you have it, "
            f"and {name} as its adapter"
        ) from None


def _refuse_tuned(name: str) -> str:
    if base := untuned_name(name):
        raise ModelError(f"{name} is {base} with an adapter; give {base}")
    return name
