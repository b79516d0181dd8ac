"""Supported model families, one record each, with what cannot be read from the model itself.

A new family needs one record here and one small checkpoint in the tests. A family without a record
uses `GENERIC`, which runs the model's own forward pass: correct, but slower.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Layout = Literal["packed", "padded", "whole"]
Tiling = Literal["correct", "transformers-4.41"]
Currency = Literal["none", "fixed", "tiles", "pixels", "splits", "patches"]


@dataclass(frozen=True)
class Backbone:
    """One family of multimodal models.

    `model_types` are the `model_type`s of its configs. `turns` are its candidate chat turns from
    the paper (`prompts.TURNS`); if none fits, the model's own chat template is used.

    `layout` says how a batch reaches the language model:
      packed   sequences end to end in one row, without padding (for purely causal attention)
      padded   rows of similar length, padded right (for special attention masks, such as Gemma
               3's image blocks)
      whole    the model's own forward pass; items with images one at a time

    `features` names the function from pixels to image tokens (`vision.FEATURES`). `rotary` is 3 if
    positions are (time, height, width). `processor_from_config` sets the processor's patch size and
    class token from the model's config: old checkpoints lack them. `vision_within` are modules of
    the language model that belong to the vision part. `projector` are the modules that make image
    tokens of the vision tower's features, by their paths in the base model; empty if they cannot be
    told from the tower. `tilings` are the ways in which its images can be cut into tiles and joined
    again (`e5v.model.tiling`). `currency` names the function that limits the tokens of an image by
    the settings of the family's image processor (`image_budget.CURRENCIES`).
    """

    name: str
    model_types: tuple[str, ...]
    turns: tuple[str, ...] = ()
    layout: Layout = "packed"
    features: Literal["get_image_features", "phi4"] = "get_image_features"
    rotary: Literal[1, 3] = 1
    processor_from_config: bool = False
    auto_class: str = "AutoModelForImageTextToText"
    vision_within: tuple[str, ...] = ()
    projector: tuple[str, ...] = ("multi_modal_projector",)
    tilings: tuple[Tiling, ...] = ("correct",)
    currency: Currency = "none"


PAPER_TURNS = ("llama3", "phi3", "mistral", "vicuna")

BACKBONES: tuple[Backbone, ...] = (
    Backbone(
        "LLaVA-NeXT",
        ("llava_next",),
        PAPER_TURNS,
        processor_from_config=True,
        tilings=("correct", "transformers-4.41"),
        currency="tiles",
    ),
    Backbone("LLaVA-1.5", ("llava",), PAPER_TURNS, processor_from_config=True, currency="fixed"),
    Backbone("Qwen2-VL", ("qwen2_vl",), rotary=3, projector=("visual.merger",), currency="pixels"),
    Backbone(
        "Qwen2.5-VL", ("qwen2_5_vl",), rotary=3, projector=("visual.merger",), currency="pixels"
    ),
    Backbone(
        "Qwen2.5-Omni",
        ("qwen2_5_omni_thinker",),
        rotary=3,
        projector=("visual.merger",),
        currency="pixels",
    ),
    Backbone(
        "Qwen3-VL",
        ("qwen3_vl",),
        rotary=3,
        projector=("visual.merger", "visual.deepstack_merger_list"),
        currency="pixels",
    ),
    Backbone("SmolVLM", ("smolvlm",), projector=("connector",), currency="splits"),
    Backbone("Idefics3", ("idefics3",), projector=("connector",), currency="splits"),
    Backbone("Gemma 3", ("gemma3",), layout="padded", currency="fixed"),
    Backbone("InternVL", ("internvl",), currency="patches"),
    Backbone("FastVLM", ("fast_vlm",), currency="fixed"),
    Backbone(
        "Phi-4-multimodal",
        ("phi4_multimodal",),
        features="phi4",
        auto_class="AutoModelForCausalLM",
        vision_within=("embed_tokens_extend",),
        projector=(),
    ),
)

GENERIC = Backbone("generic", (), layout="whole")


def find_backbone(model_type: str) -> Backbone:
    """Return the record of a model type, or `GENERIC`."""
    for backbone in BACKBONES:
        if model_type in backbone.model_types:
            return backbone
    return GENERIC
