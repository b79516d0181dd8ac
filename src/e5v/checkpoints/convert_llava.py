"""Convert the original llama3-llava-next-8b (LMMS format) to a transformers checkpoint.

LMMS shards -> transformers' names, new rows for <image> -> shards, config, processor, model card

Like load_llama3_hf.py of the official code, but it also adds the image token and its embedding
rows. The new rows are the mean of the old ones: no vector depends on them, since image features
replace them in the input, and in the output head they are an average word.
"""

import json
import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import (
    AddedToken,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaNextConfig,
    LlavaNextProcessor,
    PreTrainedTokenizerFast,
)

from e5v.checkpoints.merge import fetch
from e5v.checkpoints.model_card import ModelCard, write_card
from e5v.checkpoints.tensors import INDEX, Weights, new_folder, open_weights
from e5v.errors import ModelError, first_line
from e5v.model.loading import quiet
from e5v.model.locating import shown_name
from e5v.model.processor_internals import llava_next_image_processor

IMAGE = "<image>"
ROWS = 64  # the embedding's rows are padded to a multiple of this
PINPOINTS = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]  # of tiles of 336 pixels
HEAD_WIDTH = 64  # of every CLIP model; not stored in the tensors

NAMES = (  # first match wins
    ("model.mm_projector.0.", "multi_modal_projector.linear_1."),
    ("model.mm_projector.2.", "multi_modal_projector.linear_2."),
    ("model.vision_tower.", ""),
    ("model.image_newline", "image_newline"),
    ("", "language_model."),
)
RESIZED = ("model.embed_tokens.weight", "lm_head.weight")
VISION = "model.vision_tower.vision_tower.vision_model."
NEEDED = (
    "model.embed_tokens.weight",
    "model.image_newline",
    "model.mm_projector.0.weight",
    "model.mm_projector.2.weight",
    f"{VISION}embeddings.patch_embedding.weight",
    f"{VISION}embeddings.position_embedding.weight",
    f"{VISION}encoder.layers.0.mlp.fc1.weight",
)
TEXT_FIELDS = (
    "attention_bias",
    "bos_token_id",
    "eos_token_id",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "max_position_embeddings",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "rms_norm_eps",
    "rope_scaling",
    "rope_theta",
)
PATCH = "patch"
SELECTED = {PATCH: "default", "cls_patch": "full"}  # LLaVA's name -> transformers' name


@dataclass(frozen=True)
class Original:
    """A checkpoint in LMMS format: its config, tensors, and tokenizer with <image> added."""

    config: Mapping[str, Any]
    weights: Weights
    tokenizer: Any
    image_token_id: int

    @property
    def vocabulary(self) -> int:
        """Number of rows of the embedding that is written."""
        rows = self.weights.places[RESIZED[0]].shape[0]
        return math.ceil(max(rows, self.image_token_id + 1) / ROWS) * ROWS


def convert(source: str | Path, target: Path) -> Path:
    """Write a checkpoint that transformers opens as LLaVA-NeXT, with a card; return its folder.

    Args:
        source: a hub id or a folder in the format of lmms-lab/llama3-llava-next-8b.
        target: a new folder; it appears only when it is complete.

    Raises:
        ModelError: the source has another format, or lacks a part.
        UsageError: `target` exists.
    """
    with new_folder(target) as folder:
        original = _open_original(fetch(source))
        config = _make_config(original)
        config.save_pretrained(folder)
        with quiet():
            _make_processor(original, config).save_pretrained(folder)
        generation = original.weights.folder / "generation_config.json"
        if generation.is_file():
            shutil.copyfile(generation, folder / generation.name)
        _write_weights(original, folder)
        write_card(folder, ModelCard(target.resolve().name, shown_name(source), tuned=False))
    return target


def _open_original(folder: Path) -> Original:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} has no readable config.json: {first_line(error)}") from None
    _check_config(folder, config)
    weights = open_weights(folder)
    lacking = [name for name in NEEDED if name not in weights.places]
    if lacking:
        raise ModelError(
            f"{folder} lacks {lacking[0]}; expected the language model, the two layers of its "
            "projector, image_newline and the vision tower, as in lmms-lab/llama3-llava-next-8b"
        )
    tokenizer = _open_tokenizer(folder)
    return Original(config, weights, tokenizer, tokenizer.convert_tokens_to_ids(IMAGE))


def _check_config(folder: Path, config: Mapping[str, Any]) -> None:
    if config.get("model_type") != "llava_llama":
        raise ModelError(
            f"{folder} is a {config.get('model_type')} checkpoint; expected llava_llama, "
            "the format of lmms-lab/llama3-llava-next-8b"
        )
    if config.get("mm_vision_select_feature", PATCH) not in SELECTED:
        raise ModelError(
            f"{folder} has mm_vision_select_feature {config['mm_vision_select_feature']}; "
            f"expected one of {', '.join(SELECTED)}"
        )


def _open_tokenizer(folder: Path) -> Any:
    """Open the tokenizer, add the image token, and pad with the end-of-text token."""
    try:
        made: Any = PreTrainedTokenizerFast
        tokenizer = made.from_pretrained(folder)
    except Exception as error:
        raise ModelError(f"{folder} has no readable tokenizer.json: {first_line(error)}") from error
    token: Any = AddedToken(IMAGE, special=True, normalized=False)
    tokenizer.add_tokens([token], special_tokens=True)
    tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _make_config(original: Original) -> Any:
    source = original.config
    fields = {key: source[key] for key in TEXT_FIELDS if source.get(key) is not None}
    vision = _make_vision_config(original.weights)
    patches = vision.image_size // vision.patch_size
    made: Any = LlavaNextConfig
    return made(
        architectures=["LlavaNextForConditionalGeneration"],
        dtype=original.weights.tensor("model.image_newline").dtype,
        text_config=LlamaConfig(**fields, vocab_size=original.vocabulary).to_dict(),
        vision_config=vision.to_dict(),
        image_token_index=original.image_token_id,
        image_grid_pinpoints=_make_pinpoints(source, vision.image_size),
        image_seq_length=patches * patches,
        vision_feature_layer=source.get("mm_vision_select_layer", -2),
        vision_feature_select_strategy=SELECTED[source.get("mm_vision_select_feature", PATCH)],
        tie_word_embeddings=bool(source.get("tie_word_embeddings")),
    )


def _make_pinpoints(config: Mapping[str, Any], tile: int) -> list[list[int]]:
    pinpoints = config.get("image_grid_pinpoints")
    if isinstance(pinpoints, list):
        return pinpoints
    return [[side * tile // PINPOINTS[0][0] for side in pair] for pair in PINPOINTS]


def _make_vision_config(weights: Weights) -> Any:
    """Derive the config of the CLIP tower from its tensors; the checkpoint's only names it."""
    places = weights.places
    width, _, patch, _ = places[f"{VISION}embeddings.patch_embedding.weight"].shape
    positions = places[f"{VISION}embeddings.position_embedding.weight"].shape[0]
    layers = {
        int(found[1])
        for name in places
        if (found := re.match(re.escape(VISION) + r"encoder\.layers\.(\d+)\.", name))
    }
    return CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=places[f"{VISION}encoder.layers.0.mlp.fc1.weight"].shape[0],
        num_hidden_layers=len(layers),
        num_attention_heads=max(1, width // HEAD_WIDTH),
        image_size=math.isqrt(positions - 1) * patch,  # one position is the class token's
        patch_size=patch,
        projection_dim=768,
    )


def _make_processor(original: Original, config: Any) -> Any:
    tile = config.vision_config.image_size
    image_processor = llava_next_image_processor()(
        size={"shortest_edge": tile},
        crop_size={"height": tile, "width": tile},
        image_grid_pinpoints=config.image_grid_pinpoints,
    )
    made: Any = LlavaNextProcessor
    return made(
        image_processor,
        original.tokenizer,
        patch_size=config.vision_config.patch_size,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        num_additional_image_tokens=1,
    )


def _write_weights(original: Original, folder: Path) -> None:
    """Write shard by shard, with the file names of the source."""
    weights = original.weights
    listed: dict[str, str] = {}
    size = 0
    for file in weights.files:
        shard = {
            _convert_name(name): _resize(original, name)
            for name, place in weights.places.items()
            if place.file == file
        }
        save_file(shard, folder / file, {"format": "pt"})
        listed |= dict.fromkeys(shard, file)
        size += sum(tensor.nbytes for tensor in shard.values())
    if len(weights.files) > 1:
        index = {"metadata": {"total_size": size}, "weight_map": listed}
        (folder / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def _convert_name(name: str) -> str:
    old, new = next(pair for pair in NAMES if name.startswith(pair[0]))
    return new + name.removeprefix(old)


def _resize(original: Original, name: str) -> Tensor:
    tensor = original.weights.tensor(name)
    if name not in RESIZED:
        return tensor
    mean = tensor.float().mean(0).to(tensor.dtype)
    return torch.cat([tensor, mean.expand(original.vocabulary - len(tensor), -1)])
