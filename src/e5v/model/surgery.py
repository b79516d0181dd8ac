"""Puts a tuned language model back where it belongs: an adapter into a whole checkpoint.

    source folder -> copied, file by file -> W + scale B A over the place of W -> model card
                  -> a folder beside the target -> proved by whoever asks -> renamed

Every other tensor stays as it is, bit for bit. The model is never loaded for this: its class, built
without content, tells which tensors are its language model's, under whatever names its files have.
"""

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

from e5v.errors import ModelError, first_line
from e5v.model.card import Card, write_card
from e5v.model.loading import Loaded, outline, quiet
from e5v.model.locating import find_model
from e5v.model.lora import Lora, find_run, open_lora
from e5v.model.parts import language_path
from e5v.model.sentence_files import NAMES, write_sentence_files
from e5v.model.weights import Weights, new_folder, open_weights

WEIGHT_FILES = ("bin", "ckpt", "gguf", "h5", "msgpack", "onnx", "ot", "pt", "pth", "safetensors")
MERGEABLE = ("F64", "F32", "F16", "BF16")  # others are quantised: their numbers are not weights
BARE = ("language_model.model", "language_model", "model", "")  # a language model trained alone
SHOWN = 3  # names in a message


@dataclass(frozen=True)
class Merged:
    """A merged checkpoint, what it was made of, and which of its tensors were meant to change."""

    folder: Path
    source: Path
    changed: tuple[str, ...]


def merge(
    run: Path,
    source: str | Path,
    target: Path,
    *,
    proof: Callable[[Merged], None] = lambda _: None,
    trust_remote_code: bool = False,
) -> Merged:
    """Write the checkpoint `source` with an adapter added to its language model into `target`.

    Args:
        run: a training run, or the folder of an adapter in peft's format.
        source: a hub id or a folder; the weights must be safetensors.
        target: a new folder. It is there whole, or not at all.
        proof: called while the result has no name yet; raises what keeps it from getting one.
        trust_remote_code: run Python code that comes with the source.

    Raises:
        ModelError: source or adapter cannot be read, or do not fit each other.
        UsageError: `run` is no adapter, or `target` is there already.
    """
    found = find_run(run)
    lora = open_lora(found.adapter)
    with new_folder(target) as folder:
        home = fetch(source)
        loaded = outline(home, trust_remote_code=trust_remote_code)
        weights = open_weights(home)
        places = _places(lora, loaded, weights)
        _copy_companions(home, folder)
        _complete_processor(folder, loaded)
        _write_weights(weights, folder, lora, places)
        sentence = write_sentence_files(folder, loaded)
        name = Path(source).resolve().name if Path(source).is_dir() else str(source)
        write_card(folder, Card(target.resolve().name, name, sentence, found.recipe))
        merged = Merged(folder, home, tuple(places))
        proof(merged)
    return replace(merged, folder=target)


def fetch(source: str | Path) -> Path:
    """Return the folder of a checkpoint, downloaded if it is a hub id.

    Raises:
        ModelError: there is no such folder, and no such model on the hub or in its cache.
    """
    if str(source) == "nano":
        raise ModelError("nano is nano-base with an adapter of its own; give nano-base")
    found = find_model(source)
    if Path(found).is_dir():
        return Path(found)
    others = [f"*.{suffix}" for suffix in WEIGHT_FILES if suffix != "safetensors"]
    try:
        with quiet():
            return Path(snapshot_download(found, ignore_patterns=others))
    except Exception as error:
        raise ModelError(f"{source} cannot be fetched: {first_line(error)}") from error


def _places(lora: Lora, loaded: Loaded, weights: Weights) -> dict[str, str]:
    """Tell what the adapter is added to: name in the checkpoint -> path in the adapter."""
    names = _decoder_names(loaded)
    prefix = _prefix(loaded.name, names, weights.places)
    own = language_path(loaded.model)
    places: dict[str, str] = {}
    strangers: list[str] = []
    for path in lora.a:
        name = next((name for name in _relative(path, (own, *BARE)) if name in names), None)
        if name is None or prefix + name in places:
            strangers.append(path)
        else:
            places[prefix + name] = path
    if strangers:
        raise ModelError(
            f"{len(strangers)} of {len(lora.a)} modules of the adapter are no part of the language "
            f"model of {loaded.name} ({_listed(strangers)}); {_why_not(strangers, loaded)}"
        )
    _check_fit(lora, places, weights)
    return places


def _why_not(strangers: Sequence[str], loaded: Loaded) -> str:
    """Say why modules that are not of the language model cannot be merged."""
    others = _other_parts(loaded)
    found = [others & set(path.split(".")) for path in strangers]
    if not all(found):
        return "it was made for another model"
    parts = ", ".join(sorted(set().union(*found)))
    return (
        f"it also adapts {parts}, and only an adapter of the language model alone can be merged "
        "here: merge it with peft's merge_and_unload"
    )


def _other_parts(loaded: Loaded) -> set[str]:
    """Name the modules beside the language model: vision tower, projector, output head."""
    model, decoder = loaded.model, loaded.language_model
    return {
        name
        for parent in (model, model.base_model)
        for name, child in parent.named_children()
        if parent is not decoder and all(module is not decoder for module in child.modules())
    } | set(loaded.backbone.vision_within)


def _decoder_names(loaded: Loaded) -> frozenset[str]:
    """Name the language model's tensors from its own root; embeddings may be tied, and absent."""
    decoder = loaded.language_model
    absent = {id(weight) for weight in decoder.get_input_embeddings().parameters()}
    within = tuple(f"{module}." for module in loaded.backbone.vision_within)
    return frozenset(
        name
        for name, weight in decoder.named_parameters()
        if id(weight) not in absent and not name.startswith(within)
    )


def _prefix(source: str, names: Collection[str], keys: Collection[str]) -> str:
    """Find what stands before the language model's names in a checkpoint of whatever layout."""
    anchor = max(names, key=len)
    prefixes = [key.removesuffix(anchor) for key in keys if f".{key}".endswith(f".{anchor}")]
    fitting = [prefix for prefix in prefixes if all(prefix + name in keys for name in names)]
    if len(fitting) != 1:
        raise ModelError(
            f"{source} holds the {len(names)} tensors of its language model under "
            f"{len(fitting)} names ({anchor}, ...); expected 1: its layout is not known here"
        )
    return fitting[0]


def _relative(path: str, roots: Sequence[str]) -> Iterator[str]:
    """Give the names that a module's weight may have, seen from the language model's root."""
    for root in roots:
        if not root or path.startswith(f"{root}."):
            yield f"{path.removeprefix(f'{root}.') if root else path}.weight"


def _check_fit(lora: Lora, places: Mapping[str, str], weights: Weights) -> None:
    wrong = [
        f"{name} is {weights.places[name].shape} in {weights.places[name].dtype}, "
        f"the adapter {lora.shape(path)}"
        for name, path in places.items()
        if weights.places[name].shape != lora.shape(path)
        or weights.places[name].dtype not in MERGEABLE
    ]
    if wrong:
        raise ModelError(
            f"{len(wrong)} of {len(places)} tensors do not fit the adapter ({_listed(wrong)}); "
            f"expected equal shapes, in one of {', '.join(MERGEABLE)}"
        )


def _listed(names: Sequence[str]) -> str:
    return "; ".join(names[:SHOWN]) + ("; ..." if len(names) > SHOWN else "")


def _copy_companions(source: Path, folder: Path) -> None:
    """Copy all but weights, the model card, and what is written anew."""
    left = {"README.md", *NAMES}
    for path in sorted(source.rglob("*")):
        inner = path.relative_to(source)
        hidden = any(part.startswith(".") for part in inner.parts)
        if hidden or inner.parts[0] in left or not path.is_file():
            continue
        if path.suffix.removeprefix(".") not in WEIGHT_FILES:
            (folder / inner).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / inner)


def _complete_processor(folder: Path, loaded: Loaded) -> None:
    """Write down what the processor must know of the vision tower, and old files leave out.

    Without it, AutoProcessor makes a processor that counts no image tokens.
    """
    if not loaded.backbone.processor_from_config:
        return
    path = folder / "processor_config.json"
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    kept = {key: value for key, value in told.items() if value is not None}
    known = {"processor_class": type(loaded.processor).__name__} | {
        key: getattr(loaded.processor, key)
        for key in ("patch_size", "vision_feature_select_strategy", "num_additional_image_tokens")
    }
    if known.keys() - kept.keys():
        path.write_text(json.dumps(known | kept, indent=2, sort_keys=True) + "\n")


def _write_weights(weights: Weights, folder: Path, lora: Lora, places: Mapping[str, str]) -> None:
    for file in weights.files:
        shutil.copyfile(weights.folder / file, folder / file)
    copy = replace(weights, folder=folder)
    for name, path in places.items():
        copy.overwrite(name, lora.added_to(path, weights.tensor(name)))
