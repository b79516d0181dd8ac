"""LLaVA-NeXT and LLaVA-1.5 in small: CLIP tower of 28-pixel tiles, Llama or Mistral text."""

from pathlib import Path
from typing import Any

from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextProcessor,
    LlavaProcessor,
    MistralConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import (
    LlavaNextImageProcessorPil,
)

from . import templates, vocabularies
from .processors import images_only
from .text import rope, text_sizes, token_id
from .weights import save

TILE = 28
PATCH = 7
PINPOINTS = [[28, 56], [56, 28], [56, 56], [84, 28], [28, 84]]  # the real ones, 336 -> 28


def _vision() -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=TILE,
        patch_size=PATCH,
        projection_dim=32,
    )


def _next_processor(tokenizer: PreTrainedTokenizerFast, template: str | None) -> Any:
    image_processor = LlavaNextImageProcessorPil(
        size={"shortest_edge": TILE},
        crop_size={"height": TILE, "width": TILE},
        image_grid_pinpoints=PINPOINTS,
    )
    return images_only(LlavaNextProcessor)(
        image_processor,
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )


def _next_model(text: Any, tokenizer: PreTrainedTokenizerFast) -> LlavaNextForConditionalGeneration:
    config = LlavaNextConfig(
        vision_config=_vision(),
        text_config=text,
        image_token_index=token_id(tokenizer, "<image>"),
        image_grid_pinpoints=PINPOINTS,
        image_seq_length=(TILE // PATCH) ** 2,
    )
    return LlavaNextForConditionalGeneration(config)


def llava_next_llama3(folder: Path) -> None:
    """royokong/e5-v and llama3-llava-next-8b-hf: no chat template in the processor."""
    tokenizer = vocabularies.llama3()
    sizes = text_sizes(tokenizer) | {"rms_norm_eps": 1e-5}
    text = LlamaConfig(**sizes, rope_parameters=rope(500000.0))
    processor = _next_processor(tokenizer, None)
    save(folder, _next_model(text, tokenizer), processor, "PreTrainedTokenizerFast")


def llava_next_mistral(folder: Path) -> None:
    """llava-v1.6-mistral-7b-hf: [INST] turns, images always before the text."""
    tokenizer = vocabularies.llama2("<image>", "<pad>")
    sizes = text_sizes(tokenizer) | {"sliding_window": None}
    text = MistralConfig(**sizes, rope_parameters=rope(1000000.0))
    processor = _next_processor(tokenizer, templates.MISTRAL)
    save(folder, _next_model(text, tokenizer), processor, "LlamaTokenizer")


def llava_15(folder: Path) -> None:
    """llava-1.5-7b-hf: one centre-cropped square per image, USER and ASSISTANT turns."""
    tokenizer = vocabularies.llama2("<image>", "<pad>")
    sizes = text_sizes(tokenizer) | {"num_key_value_heads": 4}
    config = LlavaConfig(
        vision_config=_vision(),
        text_config=LlamaConfig(**sizes),
        image_token_index=token_id(tokenizer, "<image>"),
        image_seq_length=(TILE // PATCH) ** 2,
    )
    image_processor = CLIPImageProcessorPil(
        size={"shortest_edge": TILE}, crop_size={"height": TILE, "width": TILE}
    )
    processor = images_only(LlavaProcessor)(
        image_processor,
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=templates.VICUNA,
    )
    save(folder, LlavaForConditionalGeneration(config), processor, "LlamaTokenizer")
