"""Find a model by its name, before slow imports.

name -> bundled | folder | hub id -> check the file names -> folder or hub id for transformers

Anything that is not a model is refused in one line that says what it is.
"""

import json
import re
import shlex
from collections.abc import Collection, Iterator
from difflib import SequenceMatcher
from pathlib import Path

from e5v.errors import ModelError
from e5v.model.bundled import NAMES, PAPER, whereabouts

CONFIG, ADAPTER_CONFIG, RECIPE = "config.json", "adapter_config.json", "recipe.json"
CHECKPOINTS = "checkpoint-*"  # of a training run, by e5v or by transformers
WEIGHTS = (".safetensors", ".bin")  # formats that transformers opens
MODELS = ("model", "pytorch_model")  # starts of their names
FOREIGN = {  # formats that it does not open, by suffix
    ".gguf": "GGUF weights, as for llama.cpp",
    ".onnx": "an ONNX graph",
    ".h5": "TensorFlow weights",
    ".msgpack": "Flax weights",
}
FILES = (*WEIGHTS, *FOREIGN, ".pt", ".pth", ".ckpt", ".json", ".zip")  # suffixes of files
INNER = ("*/config.json", "snapshots/*/config.json", "*/*.onnx")
HUB_ID = re.compile(r"(\w[\w.-]*/)?\w[\w.-]{0,95}", re.ASCII)
CLOSE = 0.8  # minimum similarity of a suggested name, from 0 to 1
HUB_URL = "https://huggingface.co/"


class FoundAdapterError(ModelError):
    """The name stands for an adapter, or for a training run, and not for a model.

    `place` is its folder or hub id; `beside_model` tells that a whole model lies beside it.
    """

    def __init__(self, message: str, place: str, *, beside_model: bool = False) -> None:
        super().__init__(message)
        self.place, self.beside_model = place, beside_model


def find_model(name: str | Path) -> str:
    """Return the folder of a model, or its id on the hub, for transformers to open.

    Bundled names are tried first, then folders, then the hub. If the hub cannot be reached, a hub
    id gives its folder in the cache. A name that can only be a path is not looked up on the hub.

    Raises:
        FoundAdapterError: it is an adapter or a training run; `e5v.model.adapters` opens those.
        ModelError: there is no such model, or it is something else: a single file, weights of
            another library.
    """
    if not isinstance(name, str | Path):
        raise ModelError(f"the model is of type {type(name).__name__}; expected a name or folder")
    name = str(name)
    if name in NAMES:
        return whereabouts(name)
    path = Path(name)
    if name and path.is_dir():
        _check_names(name, list(_list_files(path)), path)
        return name
    if name and path.is_file():
        raise ModelError(_describe_file(name, path))
    if _is_path(name):
        raise ModelError(f"there is no folder {name or '(empty name)'}{_suggestion(name)}")
    return _find_on_hub(name)


def absolute_name(name: str | Path) -> str:
    """Return a name that does not depend on the current folder."""
    name = str(name)
    is_folder = name not in NAMES and Path(name).is_dir()
    return str(Path(name).resolve()) if is_folder else name


def shown_name(name: str | Path) -> str:
    """Return a name as readers see it: a hub id, or the name of a folder, without its path."""
    return Path(name).resolve().name if Path(name).is_dir() else str(name)


def _find_on_hub(name: str) -> str:
    from e5v.model import hub

    try:
        names = hub.file_names(name)
    except hub.NotFoundError as error:
        folder = hub.cached_folder(name) or hub.cached_adapter(name)
        if folder is None:
            bundled = ", ".join(NAMES)
            raise ModelError(
                f"{name} is neither bundled ({bundled}), nor a folder, nor {error}"
                f"{_suggestion(name)}"
            ) from None
        names, found = list(_list_files(folder)), str(folder)
    else:
        found = name
    _check_names(name, names, place=found)
    return found


def _list_files(folder: Path) -> Iterator[str]:
    """List the files of a folder, and those one level below that show what it is."""
    yield from (path.name for path in folder.iterdir() if path.is_file())
    for pattern in INNER:
        yield from (path.relative_to(folder).as_posix() for path in sorted(folder.glob(pattern)))


def _check_names(
    name: str, names: Collection[str], folder: Path | None = None, place: str = ""
) -> None:
    """Check that files of these names are a model; `folder` is theirs, None on the hub.

    Raises:
        FoundAdapterError: they are an adapter's; `place` is where, if that is not `folder`.
        ModelError: they are something else.
    """
    if ADAPTER_CONFIG in names:
        _refuse_adapter(name, names, folder, place)
    if CONFIG in names:
        if not any(one.endswith(WEIGHTS) for one in names):
            _check_foreign(name, names)
        return
    if folder is not None:
        _check_run(name, folder)
    inner = [one for one in names if one.endswith(f"/{CONFIG}") and _is_model(folder, one)]
    if inner:
        home = f"{name.rstrip('/')}/{inner[0].removesuffix(f'/{CONFIG}')}"
        advice = f"give {home}" if folder else f"download it and give the folder of {inner[0]}"
        raise ModelError(f"{name} has no {CONFIG}, but has {inner[0]}; {advice}")
    _check_foreign(name, names)
    what = "is a folder" if folder else "is on the hub"
    raise ModelError(f"{name} {what} without {CONFIG}; expected a model checkpoint")


def _refuse_adapter(name: str, names: Collection[str], folder: Path | None, place: str) -> None:
    """Raise for an adapter: transformers would open its base, or a model that lies beside it."""
    weights = any(one.startswith(MODELS) and one.endswith(WEIGHTS) for one in names)
    if CONFIG in names and weights:
        raise FoundAdapterError(
            f"{name} has an adapter and a whole model; to choose the adapter, name the model that "
            f"it was trained on, and {name} as its adapter",
            place or str(folder),
            beside_model=True,
        )
    raise FoundAdapterError(
        f"{name} is an adapter, not a model; {_advise_merge(name, folder)}"
        + ("" if folder else ", after downloading it"),
        place or str(folder),
    )


def _check_foreign(name: str, names: Collection[str]) -> None:
    for suffix, what in FOREIGN.items():
        if any(one.endswith(suffix) for one in names):
            raise ModelError(
                f"{name} contains {what}; expected the original checkpoint, "
                "with its weights as safetensors"
            )


def _check_run(name: str, folder: Path) -> None:
    """Raise if a folder is a training run: it has an adapter in a subfolder."""
    if (folder / "adapter" / ADAPTER_CONFIG).is_file():
        raise FoundAdapterError(
            f"{name} is a training run, not a model; {_advise_merge(name, folder)}", str(folder)
        )
    checkpoints = sorted(
        path for path in folder.glob(CHECKPOINTS) if (path / ADAPTER_CONFIG).is_file()
    )
    if checkpoints:
        raise ModelError(
            f"{name} is an unfinished training run, not a model; finish it, or use its "
            f"last checkpoint: {_advise_merge(str(checkpoints[-1]), folder)}"
        )
    if (folder / RECIPE).is_file():
        raise ModelError(f"{name} is a training run without an adapter, not a model; finish it")


def _advise_merge(name: str, folder: Path | None) -> str:
    run = shlex.quote(name) if folder else "FOLDER"
    return f"merge it into its model with e5v merge {run}"


def _is_model(folder: Path | None, name: str) -> bool:
    """Check whether an inner config.json is of a model; sentence-transformers adds others."""
    if folder is None:
        return name.startswith("0_")
    try:
        return "model_type" in json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def _describe_file(name: str, path: Path) -> str:
    what = FOREIGN.get(path.suffix)
    if what:
        return f"{name} is {what}; expected the folder of a checkpoint in safetensors"
    return f"{name} is a file; expected the folder of a model, with {CONFIG} and its weights"


def _is_path(name: str) -> bool:
    """Check whether a name can only be a path: a hub id is `name` or `owner/name`."""
    if name.startswith((".", "/", "~")) or name.endswith(("/", *FILES)):
        return True
    return not HUB_ID.fullmatch(name) or "--" in name or ".." in name


def _suggestion(name: str) -> str:
    """Suggest a similar name: a bundled model, a folder nearby, a model in the hub's cache."""
    if name.startswith(HUB_URL):
        return f"; did you mean {'/'.join(name.removeprefix(HUB_URL).split('/')[:2])}?"
    path = Path(name).expanduser()
    if name and path.is_dir():  # an unexpanded ~
        return f"; did you mean {path}?"
    known = [*_list_neighbours(path), *NAMES]
    if not _is_path(name):
        from e5v.model.hub import cached_names

        known += [PAPER, *cached_names()]
    near = [one for one in known if one != name and _alike(path.name, Path(one).name)]
    best = max(near, key=lambda one: _likeness(name, one), default=None)
    return f"; did you mean {best}?" if best else ""


def _alike(left: str, right: str) -> bool:
    return _likeness(left, right) >= CLOSE


def _likeness(left: str, right: str) -> float:
    """Return the similarity of two names, from 0 to 1, ignoring case."""
    return SequenceMatcher(None, left.lower(), right.lower()).ratio()


def _list_neighbours(path: Path) -> Iterator[str]:
    """List the models in the parent folder of a path."""
    try:
        yield from (str(one.parent) for one in path.parent.glob(f"*/{CONFIG}"))
    except OSError:
        return
