"""From a model's name to its files, before anything heavy is imported.

name -> bundled | folder, its files looked at | hub id, asked for -> what transformers can open

Whatever is no model is refused here in one line that says what it is.
"""

import json
import re
import shlex
from collections.abc import Collection, Iterator
from difflib import SequenceMatcher
from pathlib import Path

from e5v.errors import ModelError
from e5v.model.bundled import NAMES, whereabouts

PAPER = "royokong/e5-v"  # the paper's own model
CONFIG, ADAPTER_CONFIG, RECIPE = "config.json", "adapter_config.json", "recipe.json"
CHECKPOINTS = "checkpoint-*"  # of a training run, ours or the one of transformers
WEIGHTS = (".safetensors", ".bin")  # what transformers opens
FOREIGN = {  # what it does not, by suffix
    ".gguf": "GGUF weights, as llama.cpp takes them",
    ".onnx": "an ONNX graph",
    ".h5": "TensorFlow weights",
    ".msgpack": "Flax weights",
}
FILES = (*WEIGHTS, *FOREIGN, ".pt", ".pth", ".ckpt", ".json", ".zip")  # a name that ends so is one
INNER = ("*/config.json", "snapshots/*/config.json", "*/*.onnx")
HUB_ID = re.compile(r"(\w[\w.-]*/)?\w[\w.-]{0,95}", re.ASCII)
CLOSE = 0.8  # how alike a suggested name must be, from 0 to 1
HUB_URL = "https://huggingface.co/"


def find_model(name: str | Path) -> str:
    """Return the folder of a model, or its id on the hub, for transformers to open.

    A bundled name comes first, then a folder, then the hub. A hub id of which the hub does not
    answer is its folder in the cache. A name that is plainly a path is not looked for on the hub.

    Raises:
        ModelError: there is no such model, or it is something else: an adapter, a training run, a
            single file, weights of another library.
    """
    name = str(name)
    if name in NAMES:
        return whereabouts(name)
    path = Path(name)
    if name and path.is_dir():
        _check_names(name, list(_listed(path)), path)
        return name
    if name and path.is_file():
        raise ModelError(_file(name, path))
    if _is_path(name):
        raise ModelError(f"there is no folder {name or '(empty name)'}{_suggestion(name)}")
    return _find_on_hub(name)


def absolute_name(name: str | Path) -> str:
    """Return a name that means the same model from any current folder."""
    name = str(name)
    is_folder = name not in NAMES and Path(name).is_dir()
    return str(Path(name).resolve()) if is_folder else name


def _find_on_hub(name: str) -> str:
    from e5v.model import hub

    try:
        names = hub.file_names(name)
    except hub.NotFoundError as error:
        folder = hub.cached_folder(name)
        if folder is None:
            bundled = ", ".join(NAMES)
            raise ModelError(
                f"{name} is neither bundled ({bundled}), nor a folder, nor {error}"
                f"{_suggestion(name)}"
            ) from None
        names, found = list(_listed(folder)), str(folder)
    else:
        found = name
    _check_names(name, names)
    return found


def _listed(folder: Path) -> Iterator[str]:
    """Name the files of a folder, and those one level below that say what it is."""
    yield from (path.name for path in folder.iterdir() if path.is_file())
    for pattern in INNER:
        yield from (path.relative_to(folder).as_posix() for path in sorted(folder.glob(pattern)))


def _check_names(name: str, names: Collection[str], folder: Path | None = None) -> None:
    """Raise unless files of these names are a model; `folder` is where they are, if on this disk.

    Raises:
        ModelError: they are something else.
    """
    if ADAPTER_CONFIG in names:
        raise ModelError(
            f"{name} is an adapter, not a model; {_merge(name, folder)}"
            + ("" if folder else ", once it is in a folder")
        )
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
        raise ModelError(f"{name} has no {CONFIG}, but {inner[0]} is there; {advice}")
    _check_foreign(name, names)
    what = "is a folder" if folder else "is on the hub"
    raise ModelError(f"{name} {what} without {CONFIG}; expected a model checkpoint")


def _check_foreign(name: str, names: Collection[str]) -> None:
    for suffix, what in FOREIGN.items():
        if any(one.endswith(suffix) for one in names):
            raise ModelError(
                f"{name} holds {what}; expected the checkpoint that it was made from, "
                "with its weights as safetensors"
            )


def _check_run(name: str, folder: Path) -> None:
    """Raise if a folder is what training left: an adapter in a folder within it."""
    if (folder / "adapter" / ADAPTER_CONFIG).is_file():
        raise ModelError(f"{name} is a training run, not a model; {_merge(name, folder)}")
    checkpoints = sorted(
        path for path in folder.glob(CHECKPOINTS) if (path / ADAPTER_CONFIG).is_file()
    )
    if checkpoints:
        raise ModelError(
            f"{name} is a training run that is not finished, not a model; finish it, or use its "
            f"last checkpoint: {_merge(str(checkpoints[-1]), folder)}"
        )
    if (folder / RECIPE).is_file():
        raise ModelError(f"{name} is a training run without an adapter, not a model; finish it")


def _merge(name: str, folder: Path | None) -> str:
    return "put it into its model with " + f"e5v merge {shlex.quote(name) if folder else 'FOLDER'}"


def _is_model(folder: Path | None, name: str) -> bool:
    """Tell whether an inner config.json is a model's; sentence-transformers writes others too."""
    if folder is None:
        return name.startswith("0_")
    try:
        return "model_type" in json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def _file(name: str, path: Path) -> str:
    what = FOREIGN.get(path.suffix)
    if what:
        return f"{name} is {what}; expected the folder of a checkpoint in safetensors"
    return f"{name} is a file; expected the folder of a model, which has {CONFIG} and its weights"


def _is_path(name: str) -> bool:
    """Tell whether a name can only be a path: a hub id is `name` or `owner/name`."""
    if name.startswith((".", "/", "~")) or name.endswith(("/", *FILES)):
        return True
    return not HUB_ID.fullmatch(name) or "--" in name or ".." in name


def _suggestion(name: str) -> str:
    """Name what may be meant: a bundled model, a folder nearby, a model in the hub's cache."""
    if name.startswith(HUB_URL):
        return f"; did you mean {'/'.join(name.removeprefix(HUB_URL).split('/')[:2])}?"
    path = Path(name).expanduser()
    if name and path.is_dir():  # a shell would have put the home folder for ~
        return f"; did you mean {path}?"
    known = [*_nearby(path), *NAMES]
    if not _is_path(name):
        from e5v.model.hub import cached_names

        known += [PAPER, *cached_names()]
    near = [one for one in known if one != name and _alike(path.name, Path(one).name)]
    best = max(near, key=lambda one: _likeness(name, one), default=None)
    return f"; did you mean {best}?" if best else ""


def _alike(left: str, right: str) -> bool:
    return _likeness(left, right) >= CLOSE


def _likeness(left: str, right: str) -> float:
    """Return how alike two names are, from 0 to 1, whatever their case."""
    return SequenceMatcher(None, left.lower(), right.lower()).ratio()


def _nearby(path: Path) -> Iterator[str]:
    """Name the models in the folder in which a path would be."""
    try:
        yield from (str(one.parent) for one in path.parent.glob(f"*/{CONFIG}"))
    except OSError:
        return
