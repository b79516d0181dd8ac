"""The same checkpoint as older versions of transformers wrote it.

checkpoint as saved now -> tensors renamed, config rewritten, processor files split up -> folder.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors.torch import load_file, save_file

Version = Literal["4.41", "4.52", "5"]
Json = dict[str, Any]

TEXT_KEPT = (  # of a text config in 4.41, which wrote what differs from the class's defaults
    "bos_token_id",
    "eos_token_id",
    "hidden_size",
    "intermediate_size",
    "max_position_embeddings",
    "model_type",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "rms_norm_eps",
    "vocab_size",
)
VISION_KEPT = (
    "hidden_size",
    "image_size",
    "intermediate_size",
    "model_type",
    "num_attention_heads",
    "num_hidden_layers",
    "patch_size",
    "projection_dim",
)


@dataclass(frozen=True)
class Layout:
    """How one version names tensors (prefix -> prefix) and writes its config and processor."""

    names: tuple[tuple[str, str], ...]
    config: Callable[[Json], Json]
    processor: Callable[[Json], Json | None]  # processor_config.json, None where there was none


def _config_4_41(config: Json) -> Json:
    text = {key: config["text_config"][key] for key in TEXT_KEPT}
    vision = {key: config["vision_config"][key] for key in VISION_KEPT}
    kept = {
        key: value
        for key, value in config.items()
        if key not in ("dtype", "image_seq_length", "multimodal_projector_bias")
    }
    return kept | {
        "ignore_index": -100,
        "text_config": text
        | {
            "_name_or_path": "meta-llama/Meta-Llama-3-8B-Instruct",
            "architectures": ["LlamaForCausalLM"],
            "rope_theta": config["text_config"]["rope_parameters"]["rope_theta"],
            "torch_dtype": "bfloat16",  # the origin's; what the file holds stands at top level
        },
        "torch_dtype": config["dtype"],
        "transformers_version": "4.41.2",
        "use_image_newline_parameter": True,
        "vision_config": vision | {"vocab_size": 32000},
    }


def _config_4_52(config: Json) -> Json:
    text = dict(config["text_config"])
    theta = text.pop("rope_parameters")["rope_theta"]
    kept = {key: value for key, value in config.items() if key != "dtype"}
    return kept | {
        "text_config": text
        | {"rope_scaling": None, "rope_theta": theta, "torch_dtype": config["dtype"]},
        "torch_dtype": config["dtype"],
        "transformers_version": "4.52.4",
        "use_image_newline_parameter": True,
        "vision_config": config["vision_config"] | {"torch_dtype": config["dtype"]},
    }


def _without_parts(processor: Json) -> Json:
    return {key: value for key, value in processor.items() if key != "image_processor"}


# royokong/e5-v, written by 4.41, has no processor_config.json: what the processor knows of the
# model (patch size, which vision features) came later and has to be taken from the model's config.
LAYOUTS: dict[Version, Layout] = {
    "4.41": Layout(
        names=(("vision_tower.", "vision_tower.vision_model."),),
        config=_config_4_41,
        processor=lambda _: None,
    ),
    # 4.52 to 4.57 moved the parts below `model.` in memory and meant to write the names of 4.41.
    # Files with the names in memory exist as well: trainers that write a state dict themselves,
    # and versions in which the way back did nothing (transformers issue 38489). These are those.
    "4.52": Layout(
        names=(
            ("language_model.model.", "model.language_model."),
            ("language_model.lm_head.", "lm_head."),
            ("vision_tower.", "model.vision_tower.vision_model."),
            ("multi_modal_projector.", "model.multi_modal_projector."),
            ("image_newline", "model.image_newline"),
        ),
        config=_config_4_52,
        processor=_without_parts,
    ),
}


def _read(path: Path) -> Json:
    content: Json = json.loads(path.read_text())
    return content


def _write(path: Path, content: Json) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True))


def _renamed(name: str, names: tuple[tuple[str, str], ...]) -> str:
    for new, old in names:
        if name.startswith(new):
            return old + name.removeprefix(new)
    return name


def _write_tokenizer(source: Path, target: Path) -> None:
    shutil.copy(source / "tokenizer.json", target)
    added = _read(source / "tokenizer.json")["added_tokens"]
    decoder = {str(token.pop("id")): token for token in added}
    config = _read(source / "tokenizer_config.json")
    config.pop("backend", None)
    _write(target / "tokenizer_config.json", config | {"added_tokens_decoder": decoder})
    roles = {key: config[key] for key in ("bos_token", "eos_token", "pad_token")}
    _write(target / "special_tokens_map.json", roles)


def _write_processor(source: Path, target: Path, layout: Layout) -> None:
    processor = _read(source / "processor_config.json")
    image_processor = processor["image_processor"] | {"aspect_ratio_setting": "anyres"}
    owner = {"processor_class": processor["processor_class"]}
    _write(target / "preprocessor_config.json", image_processor | owner)
    rest = layout.processor(processor)
    if rest is not None:
        _write(target / "processor_config.json", rest)


def old_layout(source: Path, target: Path, version: Version) -> Path:
    """Write the llava_next_llama3 checkpoint in `source` as `version` wrote it, and return it."""
    if version not in LAYOUTS:
        shutil.copytree(source, target, dirs_exist_ok=True)
        return target

    layout = LAYOUTS[version]
    target.mkdir(parents=True, exist_ok=True)
    tensors = load_file(source / "model.safetensors")
    renamed = {_renamed(name, layout.names): tensor for name, tensor in tensors.items()}
    save_file(renamed, target / "model.safetensors", {"format": "pt"})
    _write(target / "config.json", layout.config(_read(source / "config.json")))
    shutil.copy(source / "generation_config.json", target)
    _write_tokenizer(source, target)
    _write_processor(source, target, layout)
    return target
