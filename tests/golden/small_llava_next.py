"""A small random LLaVA-NeXT, the same files for any version of transformers.

seed -> numpy -> config.json, model.safetensors, tokenizer.json, ... as transformers 4.41 wrote them

Nothing here needs transformers or torch, so the weights depend on no library's initialisation. The
names of the tensors are those of `royokong/e5-v`.
"""

import json
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

SEED = 441
TILE, PATCH = 28, 7  # pixels; 336 and 14 in the real model
PINPOINTS = [[28, 56], [56, 28], [56, 56], [84, 28], [28, 84]]  # the real ones, 336 -> 28
VISION, TEXT = 32, 48  # widths of a state
VISION_INNER, TEXT_INNER = 64, 96
VISION_LAYERS, TEXT_LAYERS, HEADS = 3, 3, 4
MARKS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<image>",
)
IMAGE = 256 + MARKS.index("<image>")
VOCABULARY = 256 + len(MARKS)


def write_checkpoint(folder: Path) -> Path:
    """Write the checkpoint into a folder, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "config.json": _config(),
        "preprocessor_config.json": _preprocessor(),
        "tokenizer.json": _tokenizer(),
        "tokenizer_config.json": {
            "bos_token": MARKS[0],
            "eos_token": "<|eot_id|>",
            "pad_token": "<|eot_id|>",
            "padding_side": "left",
            "model_max_length": 4096,
            "model_input_names": ["input_ids", "attention_mask"],
            "tokenizer_class": "PreTrainedTokenizerFast",
            "processor_class": "LlavaNextProcessor",
        },
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2))
    save_file(dict(_tensors()), folder / "model.safetensors", {"format": "pt"})
    return folder


def _config() -> dict[str, Any]:
    text = {
        "model_type": "llama",
        "hidden_size": TEXT,
        "intermediate_size": TEXT_INNER,
        "num_hidden_layers": TEXT_LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS // 2,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
        "rope_theta": 500000.0,
        "vocab_size": VOCABULARY,
        "bos_token_id": 256,
        "eos_token_id": 260,
    }
    vision = {
        "model_type": "clip_vision_model",
        "hidden_size": VISION,
        "intermediate_size": VISION_INNER,
        "num_hidden_layers": VISION_LAYERS,
        "num_attention_heads": HEADS,
        "image_size": TILE,
        "patch_size": PATCH,
        "projection_dim": VISION,
    }
    return {
        "architectures": ["LlavaNextForConditionalGeneration"],
        "model_type": "llava_next",
        "image_grid_pinpoints": PINPOINTS,
        "image_token_index": IMAGE,
        "ignore_index": -100,
        "projector_hidden_act": "gelu",
        "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default",
        "tie_word_embeddings": False,
        "use_image_newline_parameter": True,
        "torch_dtype": "float32",
        "text_config": text,
        "vision_config": vision,
        "transformers_version": "4.41.2",
    }


def _preprocessor() -> dict[str, Any]:
    return {
        "image_processor_type": "LlavaNextImageProcessor",
        "processor_class": "LlavaNextProcessor",
        "aspect_ratio_setting": "anyres",
        "image_grid_pinpoints": PINPOINTS,
        "size": {"shortest_edge": TILE},
        "crop_size": {"height": TILE, "width": TILE},
        "resample": 3,
        "rescale_factor": 1 / 255,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        **dict.fromkeys(("do_resize", "do_center_crop", "do_rescale", "do_normalize"), True),
        **dict.fromkeys(("do_pad", "do_convert_rgb"), True),
    }


def _tokenizer() -> dict[str, Any]:
    """Return a byte-level vocabulary without merges: a token is a byte, or a mark."""
    added = [
        {"id": 256 + place, "content": mark, "special": True, "normalized": False}
        | dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
        for place, mark in enumerate(MARKS)
    ]
    first = [
        {"SpecialToken": {"id": MARKS[0], "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    model: dict[str, Any] = {
        "type": "BPE",
        **dict.fromkeys(
            ("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"), None
        ),
        **dict.fromkeys(("fuse_unk", "byte_fallback", "ignore_merges"), False),
        "vocab": {character: number for number, character in enumerate(_byte_characters())},
        "merges": [],
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": byte_level | {"use_regex": True},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": first,
            "pair": [*first, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {MARKS[0]: {"id": MARKS[0], "ids": [256], "tokens": [MARKS[0]]}},
        },
        "decoder": byte_level | {"use_regex": True},
        "model": model,
    }


def _byte_characters() -> list[str]:
    """List the characters that stand for the bytes 0 to 255 in a byte-level vocabulary."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def _tensors() -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield every tensor with its name, drawn from a generator of its own."""
    for name, shape in _shapes():
        draw = np.random.default_rng([SEED, zlib.crc32(name.encode())])
        noise = draw.standard_normal(shape).astype(np.float32)
        if "norm" in name and name.endswith("weight"):
            yield name, 1 + np.float32(0.1) * noise
        elif len(shape) == 1:
            yield name, np.float32(0.1) * noise
        elif "embed_tokens" in name:
            yield name, np.float32(0.5) * noise
        else:  # queries and keys are larger, so that attention picks instead of averaging
            gain = 1.4 if name.endswith(("q_proj.weight", "k_proj.weight")) else 1.0
            yield name, np.float32(gain / math.sqrt(noise[0].size)) * noise


def _shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "image_newline", (TEXT,)
    yield from _linear("multi_modal_projector.linear_1", TEXT, VISION)
    yield from _linear("multi_modal_projector.linear_2", TEXT, TEXT)
    yield from _vision_shapes("vision_tower.vision_model")
    yield from _text_shapes("language_model.model")
    yield "language_model.lm_head.weight", (VOCABULARY, TEXT)


def _vision_shapes(tower: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{tower}.embeddings.class_embedding", (VISION,)
    yield f"{tower}.embeddings.patch_embedding.weight", (VISION, 3, PATCH, PATCH)
    yield f"{tower}.embeddings.position_embedding.weight", ((TILE // PATCH) ** 2 + 1, VISION)
    layers = [f"{tower}.encoder.layers.{layer}" for layer in range(VISION_LAYERS)]
    norms = [f"{layer}.layer_norm{place}" for layer in layers for place in (1, 2)]
    for norm in (f"{tower}.pre_layrnorm", f"{tower}.post_layernorm", *norms):
        yield f"{norm}.weight", (VISION,)
        yield f"{norm}.bias", (VISION,)
    for layer in layers:
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _linear(f"{layer}.self_attn.{part}", VISION, VISION)
        yield from _linear(f"{layer}.mlp.fc1", VISION_INNER, VISION)
        yield from _linear(f"{layer}.mlp.fc2", VISION, VISION_INNER)


def _text_shapes(decoder: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{decoder}.embed_tokens.weight", (VOCABULARY, TEXT)
    yield f"{decoder}.norm.weight", (TEXT,)
    for layer in (f"{decoder}.layers.{place}" for place in range(TEXT_LAYERS)):
        yield f"{layer}.input_layernorm.weight", (TEXT,)
        yield f"{layer}.post_attention_layernorm.weight", (TEXT,)
        for part, rows in (("q", TEXT), ("k", TEXT // 2), ("v", TEXT // 2), ("o", TEXT)):
            yield f"{layer}.self_attn.{part}_proj.weight", (rows, TEXT)
        for part in ("gate", "up"):
            yield f"{layer}.mlp.{part}_proj.weight", (TEXT_INNER, TEXT)
        yield f"{layer}.mlp.down_proj.weight", (TEXT, TEXT_INNER)


def _linear(name: str, rows: int, columns: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (rows, columns)
    yield f"{name}.bias", (rows,)
