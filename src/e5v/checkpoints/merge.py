"""Merge a LoRA adapter of the language model into a multimodal checkpoint.

    source folder -> copied file by file -> W overwritten by W + scale B A, a projector that was
                  trained by its weights -> model card
                  -> a folder beside the target -> `check` of the caller -> renamed

Every other tensor stays bit-identical. No weights are loaded: the model is built without content
to find out which tensors belong to its language model, under the names that its files use.
"""

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from huggingface_hub import snapshot_download

from e5v.checkpoints.model_card import ModelCard, write_card
from e5v.checkpoints.sentence_transformers import NAMES, write_sentence_files
from e5v.checkpoints.tensors import Weights, new_folder, open_weights
from e5v.errors import ModelError, UsageError, first_line
from e5v.model.bundled import untuned_name
from e5v.model.loading import Loaded, outline, quiet
from e5v.model.locating import find_model, shown_name
from e5v.model.lora import Lora, TrainedAdapter, find_run, open_lora
from e5v.model.partial import language_path
from e5v.model.projector import projector_weights
from e5v.places import local_path

WEIGHT_FILES = ("bin", "ckpt", "gguf", "h5", "msgpack", "onnx", "ot", "pt", "pth", "safetensors")
MERGEABLE = ("F64", "F32", "F16", "BF16")  # others are quantised
BARE = ("language_model.model", "language_model", "model", "")  # if it was trained alone
SHOWN = 3  # names in a message


@dataclass(frozen=True)
class Merged:
    """A merged checkpoint.

    `folder` is the checkpoint, `source` the folder of the model it was made from, `changed` the
    names of the tensors that were merged, and `model` the model's hub id or folder as it was named.
    """

    folder: Path
    source: Path
    changed: tuple[str, ...] = field(repr=False)
    model: str = ""


def merge(
    adapter: str | Path,
    out: str | Path,
    model: str | Path | None = None,
    *,
    check: Callable[[Merged], None] = lambda _: None,
    trust_remote_code: bool = False,
) -> Merged:
    """Merge a LoRA adapter into the language model of a checkpoint; write the whole checkpoint.

    `e5v.merge("run", "tuned")` writes a folder that `E5V("tuned")`, transformers and, where its
    prompt allows it, sentence-transformers open. Only W + (alpha / rank) B A changes, computed in
    float32 and rounded to the dtype of W (out, in), and the projector if it was trained; all other
    tensors stay bit-identical.

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
        loaded = outline(source, trust_remote_code=trust_remote_code)
        weights = open_weights(source)
        places = _match_modules(lora, loaded, weights)
        projector = _match_projector(found.adapter, lora, loaded, weights)
        _copy_companions(source, folder)
        _complete_processor(folder, loaded)
        _write_weights(weights, folder, lora, places, projector)
        sentence = write_sentence_files(folder, loaded)
        card = ModelCard(out.resolve().name, shown_name(name), sentence, found.recipe)
        write_card(folder, card)
        check(merged := Merged(folder, source, (*places, *projector), name))
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


def _match_modules(lora: Lora, loaded: Loaded, weights: Weights) -> dict[str, str]:
    """Match tensors to modules of the adapter: name in the checkpoint -> path in the adapter."""
    names = _list_decoder_names(loaded)
    prefix = _find_prefix(loaded.name, names, weights.places)
    own = language_path(loaded.model)
    places: dict[str, str] = {}
    unmatched: list[str] = []
    for path in lora.a:
        name = next(
            (name for name in _list_possible_names(path, (own, *BARE)) if name in names), None
        )
        if name is None or prefix + name in places:
            unmatched.append(path)
        else:
            places[prefix + name] = path
    if unmatched:
        reason = _explain_mismatch(unmatched, loaded)
        raise ModelError(
            f"{len(unmatched)} of {len(lora.a)} modules of the adapter are not in the language "
            f"model of {loaded.name} ({_join_names(unmatched)}); {reason}"
        )
    _check_fit(lora, places, weights)
    return places


def _match_projector(adapter: Path, lora: Lora, loaded: Loaded, weights: Weights) -> dict[str, str]:
    """Match weights that were trained in full: name in the checkpoint -> name in the adapter.

    Layouts of a checkpoint differ in what stands before a projector's path in the base model.
    """
    known = projector_weights(loaded.model, loaded.backbone)
    before = f"{loaded.model.base_model_prefix}."
    places: dict[str, str] = {}
    for name, tensor in lora.saved.items():
        end = f".{name.removeprefix(before)}"
        found = [key for key in weights.places if f".{key}".endswith(end)]
        if name not in known or len(found) != 1:
            raise ModelError(
                f"{adapter} has {name} in full, which is not in the projector of {loaded.name}; "
                "expected LoRA on the language model and a projector: merge it with peft's "
                "merge_and_unload"
            )
        place = weights.places[found[0]]
        if place.shape != tuple(tensor.shape) or place.dtype not in MERGEABLE:
            raise ModelError(
                f"{found[0]} is {place.shape} in {place.dtype}, the adapter's "
                f"{tuple(tensor.shape)}; expected equal shapes, in one of {', '.join(MERGEABLE)}"
            )
        places[found[0]] = name
    return places


def _explain_mismatch(unmatched: Sequence[str], loaded: Loaded) -> str:
    """Return why modules outside the language model cannot be merged."""
    others = _list_other_parts(loaded)
    found = [others & set(path.split(".")) for path in unmatched]
    if not all(found):
        return "it was made for another model"
    parts = ", ".join(sorted(set().union(*found)))
    return (
        f"it also adapts {parts}, but e5v merges adapters of the language model "
        "only: merge it with peft's merge_and_unload"
    )


def _list_other_parts(loaded: Loaded) -> set[str]:
    """Name the modules outside the language model: vision tower, projector, output head."""
    model, decoder = loaded.model, loaded.language_model
    return {
        name
        for parent in (model, model.base_model)
        for name, child in parent.named_children()
        if parent is not decoder and all(module is not decoder for module in child.modules())
    } | set(loaded.backbone.vision_within)


def _list_decoder_names(loaded: Loaded) -> frozenset[str]:
    """Name the language model's tensors relative to it, without its input embeddings."""
    decoder = loaded.language_model
    absent = {id(weight) for weight in decoder.get_input_embeddings().parameters()}
    within = tuple(f"{module}." for module in loaded.backbone.vision_within)
    return frozenset(
        name
        for name, weight in decoder.named_parameters()
        if id(weight) not in absent and not name.startswith(within)
    )


def _find_prefix(source: str, names: Collection[str], keys: Collection[str]) -> str:
    """Find the prefix of the language model's tensors in a checkpoint of any layout."""
    anchor = max(names, key=len)
    prefixes = [key.removesuffix(anchor) for key in keys if f".{key}".endswith(f".{anchor}")]
    fitting = [prefix for prefix in prefixes if all(prefix + name in keys for name in names)]
    if len(fitting) != 1:
        raise ModelError(
            f"{source} has the {len(names)} tensors of its language model under "
            f"{len(fitting)} prefixes ({anchor}, ...); expected 1: its layout is not supported"
        )
    return fitting[0]


def _list_possible_names(path: str, roots: Sequence[str]) -> Iterator[str]:
    """Yield possible names of a module's weight, relative to the language model."""
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
            f"{len(wrong)} of {len(places)} tensors do not fit the adapter ({_join_names(wrong)}); "
            f"expected equal shapes, in one of {', '.join(MERGEABLE)}"
        )


def _join_names(names: Sequence[str]) -> str:
    return "; ".join(names[:SHOWN]) + ("; ..." if len(names) > SHOWN else "")


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


def _write_weights(
    weights: Weights,
    folder: Path,
    lora: Lora,
    places: Mapping[str, str],
    projector: Mapping[str, str],
) -> None:
    for file in weights.files:
        shutil.copyfile(weights.folder / file, folder / file)
    copy = replace(weights, folder=folder)
    for name, path in places.items():
        copy.overwrite(name, lora.added_to(path, weights.tensor(name)))
    for name, path in projector.items():
        copy.overwrite(name, lora.saved[path].to(weights.tensor(name).dtype))
