"""The Qwen-VL line in small: patches in a row, as many as the image needs, positions in 3 axes."""

from pathlib import Path
from typing import Any

from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2_5OmniProcessor,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    WhisperFeatureExtractor,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from . import templates, vocabularies
from .processors import images_only, save_video_half
from .text import rope, text_sizes, token_id
from .weights import save

PATCH = 7
LEAST, MOST = 28 * 28, 98 * 98  # pixels an image is resized to, at least and at most
HALVES = [0.5, 0.5, 0.5]  # Qwen3-VL's mean and deviation of a colour; its elders take CLIP's


def _token_ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {
        "image_token_id": token_id(tokenizer, "<|image_pad|>"),
        "video_token_id": token_id(tokenizer, "<|video_pad|>"),
        "vision_start_token_id": token_id(tokenizer, "<|vision_start|>"),
        "vision_end_token_id": token_id(tokenizer, "<|vision_end|>"),
    }


def _patching() -> dict[str, Any]:
    return {
        "patch_size": PATCH,
        "temporal_patch_size": 2,
        "merge_size": 2,
        "size": {"shortest_edge": LEAST, "longest_edge": MOST},
    }


def _save(folder: Path, model: Any, processor: Any, video_processor_type: str) -> None:
    save(folder, model, processor, "Qwen2Tokenizer")
    save_video_half(folder, video_processor_type, _patching())


def qwen2_vl(folder: Path) -> None:
    """Qwen2-VL-2B-Instruct: tied embeddings, a system turn added by the template."""
    tokenizer = vocabularies.qwen("left")
    turning = rope(1000000.0) | {"mrope_section": [2, 3, 3]}
    config = Qwen2VLConfig(
        text_config=text_sizes(tokenizer) | {"rope_parameters": turning},
        vision_config={
            "depth": 2,
            "embed_dim": 32,
            "hidden_size": 64,
            "num_heads": 4,
            "mlp_ratio": 2,
            "patch_size": PATCH,
        },
        tie_word_embeddings=True,
        **_token_ids(tokenizer),
    )
    processor = images_only(Qwen2VLProcessor)(
        Qwen2VLImageProcessorPil(**_patching()), tokenizer, chat_template=templates.QWEN2_VL
    )
    model = Qwen2VLForConditionalGeneration(config)
    _save(folder, model, processor, "Qwen2VLVideoProcessor")


def _windowed_vision(depth: int) -> dict[str, Any]:
    """Return the tower of Qwen2.5: it attends within windows of 4 x 4 patches but in one block."""
    return {
        "depth": depth,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 4,
        "out_hidden_size": 64,
        "patch_size": PATCH,
        "window_size": 4 * PATCH,
        "fullatt_block_indexes": [1],
    }


def qwen2_5_vl(folder: Path) -> None:
    """Qwen2.5-VL-7B-Instruct: vision attends within windows of 4 x 4 patches but in one block."""
    tokenizer = vocabularies.qwen("right")
    turning = rope(1000000.0) | {"mrope_section": [2, 3, 3]}
    config = Qwen2_5_VLConfig(
        text_config=text_sizes(tokenizer) | {"rope_parameters": turning},
        vision_config=_windowed_vision(depth=3),
        **_token_ids(tokenizer),
    )
    processor = images_only(Qwen2_5_VLProcessor)(
        Qwen2VLImageProcessorPil(**_patching()), tokenizer, chat_template=templates.QWEN2_VL
    )
    model = Qwen2_5_VLForConditionalGeneration(config)
    _save(folder, model, processor, "Qwen2VLVideoProcessor")


def qwen2_5_omni(folder: Path) -> None:
    """The thinker of Qwen2.5-Omni-3B: Qwen2.5-VL beside an audio tower, with other marks."""
    tokenizer = vocabularies.omni()
    turning = rope(1000000.0) | {"mrope_section": [2, 3, 3]}
    marks: dict[str, Any] = {  # which the config reads, and does not declare
        "vision_start_token_id": token_id(tokenizer, "<|vision_bos|>"),
        "vision_end_token_id": token_id(tokenizer, "<|vision_eos|>"),
    }
    config = Qwen2_5OmniThinkerConfig(
        text_config=text_sizes(tokenizer) | {"rope_parameters": turning},
        vision_config=_windowed_vision(depth=2),
        audio_config={
            "d_model": 16,
            "encoder_layers": 1,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 16,
            "num_mel_bins": 8,
            "output_dim": 64,
        },
        image_token_index=token_id(tokenizer, "<|IMAGE|>"),
        video_token_index=token_id(tokenizer, "<|VIDEO|>"),
        audio_token_index=token_id(tokenizer, "<|AUDIO|>"),
        audio_start_token_id=token_id(tokenizer, "<|audio_bos|>"),
        audio_end_token_id=token_id(tokenizer, "<|audio_eos|>"),
        **marks,
    )
    extractor: Any = WhisperFeatureExtractor
    processor = images_only(Qwen2_5OmniProcessor)(
        Qwen2VLImageProcessorPil(**_patching()),
        None,
        extractor(feature_size=8),
        tokenizer,
        chat_template=templates.QWEN2_5_OMNI,
    )
    model = Qwen2_5OmniThinkerForConditionalGeneration(config)
    _save(folder, model, processor, "Qwen2VLVideoProcessor")


def qwen3_vl(folder: Path) -> None:
    """Qwen3-VL-4B-Instruct: deepstack, vision features added again after the first text layers."""
    tokenizer = vocabularies.qwen("right")
    turning = rope(5000000.0) | {"mrope_section": [4, 2, 2], "mrope_interleaved": True}
    sizes = text_sizes(tokenizer) | {"num_hidden_layers": 5, "head_dim": 16}
    config = Qwen3VLConfig(
        text_config=sizes | {"rope_parameters": turning},
        vision_config={
            "depth": 3,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 4,
            "out_hidden_size": 64,
            "patch_size": PATCH,
            "num_position_embeddings": 64,
            "deepstack_visual_indexes": [0, 1],
        },
        tie_word_embeddings=True,
        **_token_ids(tokenizer),
    )
    image_processor = Qwen2VLImageProcessorPil(**_patching(), image_mean=HALVES, image_std=HALVES)
    processor = images_only(Qwen3VLProcessor)(
        image_processor, tokenizer, chat_template=templates.QWEN3_VL
    )
    model = Qwen3VLForConditionalGeneration(config)
    _save(folder, model, processor, "Qwen3VLVideoProcessor")
