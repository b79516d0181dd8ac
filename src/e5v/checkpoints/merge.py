"""Merge a LoRA or DoRA adapter into a multimodal checkpoint.

    source folder -> copied file by file -> W overwritten by W + scale B A, and what was trained in
                  full by its weights -> model card
                  -> a folder beside the target -> `check` of the caller -> renamed

Every other tensor stays bit-identical. No weights are loaded: the model is built without content
to find out which tensors the adapter changes, under the names that its files use.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from huggingface_hub import snapshot_download

from e5v.checkpoints.model_card import ModelCard, write_card
from e5v.checkpoints.sentence_transformers import NAMES, write_sentence_files
from e5v.checkpoints.tensors import Weights, new_folder, open_weights
from e5v.errors import ModelError, UsageError, first_line
from e5v.model.adapters import ASKED_BY, TrainedAdapter, find_run
from e5v.model.bundled import untuned_name
from e5v.model.hf_internals import name_translator
from e5v.model.loading import Loaded, outline, quiet
from e5v.model.locating import find_model, shown_name
from e5v.model.lora import Lora, open_lora
from e5v.model.merging import join_names, match_names, with_and_without
from e5v.places import local_path

WEIGHT_FILES = ("bin", "ckpt", "gguf", "h5", "msgpack", "onnx", "ot", "pt", "pth", "safetensors")
MERGEABLE = ("F64", "F32", "F16", "BF16")  # others are quantised


@dataclass(frozen=True)
class Merged:
    """A merged checkpoint.

    `folder` is the checkpoint, `source` the folder of the model it was made from, `changed` the
    names of the tensors that were merged, and `model` the model's hub id or folder as it was named.
    `recipe` is how the model is asked, if that was named in training.
    """

    folder: Path
    source: Path
    changed: tuple[str, ...] = field(repr=False)
    model: str = ""
    recipe: str | None = None


def merge(
    adapter: str | Path,
    out: str | Path,
    model: str | Path | None = None,
    *,
    check: Callable[[Merged], None] = lambda _: None,
    trust_remote_code: bool = False,
) -> Merged:
    """Merge a LoRA or DoRA adapter into a checkpoint; write the whole checkpoint.

    `e5v.merge("run", "tuned")` writes a folder that `E5V("tuned")`, transformers and, where its
    prompt allows it, sentence-transformers open. Only W + (alpha / rank) B A changes, computed in
    float32 and rounded to the dtype of W (out, in), and what was trained in full; all other tensors
    stay bit-identical.

    Args:
        adapter: the folder of a training run, or of an adapter in peft's format.
        out: a new folder; it appears only when it is complete.
        model: a hub id or a folder, with weights as safetensors; by default the model that the
            adapter was trained on.
        check: called with the result before it is renamed to `out`; if it raises, no folder is
            left. `e5v merge` compares vectors here (`e5v.checkpoints.merge_checks`).
        trust_remote_code: run Python code that comes with the model.

    Raises:
        ModelError: model or adapter cannot be read, or do not fit each other.
        UsageError: `adapter` is no adapter or names no model, `out` exists, or one is a URL.
    """
    adapter, out = local_path(adapter, "adapter"), local_path(out, "out")
    found = find_run(adapter)
    name = _find_name(found, model)
    lora = open_lora(found.adapter)
    with new_folder(out) as folder:
        source = fetch(name)
        recipe = found.recipe.get(ASKED_BY)
        loaded = outline(source, trust_remote_code=trust_remote_code, recipe=recipe)
        weights = open_weights(source)
        places = _find_places(match_names(found.adapter, lora, loaded.model), loaded, weights)
        _check_fit(lora, places, weights)
        _copy_companions(source, folder)
        _complete_processor(folder, loaded)
        _write_weights(weights, folder, lora, places)
        sentence = write_sentence_files(folder, loaded)
        card = ModelCard(out.resolve().name, shown_name(name), sentence, found.recipe)
        write_card(folder, card)
        check(merged := Merged(folder, source, tuple(places), name, recipe))
    return replace(merged, folder=out)


def _find_name(found: TrainedAdapter, model: str | Path | None) -> str:
    """Return the model that is asked for, else the one that the adapter was trained on."""
    name = str(model or found.source or "")
    if not name:
        raise UsageError(
            f"{found.adapter} does not name the model it was trained on; name it", argument="model"
        )
    return name


def fetch(source: str | Path) -> Path:
    """Return the folder of a checkpoint, downloaded if it is a hub id.

    Raises:
        ModelError: there is no such folder, nor such a model on the hub or in its cache.
    """
    if base := untuned_name(str(source)):
        raise ModelError(f"{source} is {base} with an adapter; give {base}")
    found = find_model(source)
    if Path(found).is_dir():
        return Path(found)
    others = [f"*.{suffix}" for suffix in WEIGHT_FILES if suffix != "safetensors"]
    try:
        with quiet():
            return Path(snapshot_download(found, ignore_patterns=others))
    except Exception as error:
        raise ModelError(f"{source} cannot be downloaded: {first_line(error)}") from error


def _find_places(names: Mapping[str, str], loaded: Loaded, weights: Weights) -> dict[str, str]:
    """Find the tensors that an adapter changes: name in the checkpoint -> name in the adapter.

    `names` are those in the adapter and in the model. A checkpoint has the names of the version of
    transformers that wrote it.
    """
    translate, base = name_translator(loaded.model), loaded.model.base_model_prefix
    stored = {translate(key): key for key in weights.places}
    places: dict[str, str] = {}
    absent: list[str] = []
    for given, name in names.items():
        key = next((stored[one] for one in with_and_without(base, name) if one in stored), None)
        if key is None:
            absent.append(name)
        else:
            places[key] = given
    if absent:
        raise ModelError(
            f"{loaded.name} has no tensor of its own for {len(absent)} of the {len(names)} weights "
            f"of the adapter ({join_names(absent)}); its layout is not supported"
        )
    return places


def _check_fit(lora: Lora, places: Mapping[str, str], weights: Weights) -> None:
    shapes = lora.shapes
    wrong = [
        f"{key} is {weights.places[key].shape} in {weights.places[key].dtype}, "
        f"the adapter {shapes[given]}"
        for key, given in places.items()
        if weights.places[key].shape != shapes[given] or weights.places[key].dtype not in MERGEABLE
    ]
    if wrong:
        raise ModelError(
            f"{len(wrong)} of {len(places)} tensors do not fit the adapter ({join_names(wrong)}); "
            f"expected equal shapes, in one of {', '.join(MERGEABLE)}"
        )


def _copy_companions(source: Path, folder: Path) -> None:
    """Copy all files except weights, the model card, and those that are written again."""
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
    """Write the processor's settings of the vision tower, which old checkpoints lack.

    Without them, AutoProcessor makes a processor that adds no image tokens.
    """
    if not loaded.backbone.processor_from_config:
        return
    path = folder / "processor_config.json"
    text = path.read_text(encoding="utf-8") if path.is_file() else "{}"
    stored: dict[str, object] = json.loads(text)
    kept = {key: value for key, value in stored.items() if value is not None}
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
    for key, given in places.items():
        copy.overwrite(key, lora.changed(given, weights.tensor(key)))
