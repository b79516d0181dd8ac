"""Families that cut an image into square tiles: SmolVLM, Idefics3 and InternVL.

Gemma 3 is here too: one square per image, seen by layers of which most look only a window back.
"""

from pathlib import Path
from typing import Any

from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3Processor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMProcessor,
)
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from . import templates, vocabularies
from .processors import images_only, save_video_half
from .text import rope, text_sizes, token_id
from .weights import save

TILE = 28
PATCH = 7
SEEN = 4  # tokens a tile becomes: 4 x 4 patches, brought together 2 x 2
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": TILE,
    "patch_size": PATCH,
}
SPLITTING: dict[str, Any] = {
    "size": {"longest_edge": 4 * TILE},
    "max_image_size": {"longest_edge": TILE},
    "do_image_splitting": True,
}


def smolvlm(folder: Path) -> None:
    """SmolVLM2-2.2B-Instruct: up to 4 x 4 tiles and the whole image."""
    tokenizer = vocabularies.smollm()
    text = text_sizes(tokenizer) | {"model_type": "llama", "rope_parameters": rope(130000.0)}
    config = SmolVLMConfig(
        text_config=text,
        vision_config=VISION,
        scale_factor=2,
        image_token_id=token_id(tokenizer, "<image>"),
    )
    processor = images_only(SmolVLMProcessor)(
        SmolVLMImageProcessorPil(**SPLITTING),
        tokenizer,
        None,
        image_seq_len=SEEN,
        chat_template=templates.SMOLVLM,
    )
    save(folder, SmolVLMForConditionalGeneration(config), processor, "GPT2Tokenizer")
    save_video_half(folder, "SmolVLMVideoProcessor", SPLITTING)


def idefics3(folder: Path) -> None:
    """Idefics3-8B-Llama3: template and tokenizer both begin with <|begin_of_text|>."""
    tokenizer = vocabularies.idefics3()
    text = text_sizes(tokenizer) | {"model_type": "llama", "rope_parameters": rope(500000.0)}
    config = Idefics3Config(
        text_config=text,
        vision_config=VISION,
        scale_factor=2,
        image_token_id=token_id(tokenizer, "<image>"),
    )
    processor = images_only(Idefics3Processor)(
        Idefics3ImageProcessorPil(**SPLITTING),
        tokenizer,
        image_seq_len=SEEN,
        chat_template=templates.IDEFICS3,
    )
    model = Idefics3ForConditionalGeneration(config)
    save(folder, model, processor, "PreTrainedTokenizerFast")


def internvl(folder: Path) -> None:
    """InternVL3-1B-hf: the grid of tiles nearest to the image's shape, and a thumbnail."""
    tokenizer = vocabularies.internvl()
    text = text_sizes(tokenizer) | {"model_type": "qwen2", "rope_parameters": rope(1000000.0)}
    config = InternVLConfig(
        text_config=text,
        vision_config=VISION | {"image_size": [TILE, TILE], "patch_size": [PATCH, PATCH]},
        image_token_id=token_id(tokenizer, "<IMG_CONTEXT>"),
        image_seq_length=SEEN,
        tie_word_embeddings=True,
    )
    image_processor = GotOcr2ImageProcessorPil(
        size={"height": TILE, "width": TILE},
        crop_to_patches=True,
        min_patches=1,
        max_patches=6,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    processor = images_only(InternVLProcessor)(
        image_processor,
        tokenizer,
        image_seq_length=SEEN,
        chat_template=templates.INTERNVL,
    )
    save(folder, InternVLForConditionalGeneration(config), processor, "Qwen2Tokenizer")
    save_video_half(folder, "InternVLVideoProcessor", {"size": {"height": TILE, "width": TILE}})


def gemma3(folder: Path) -> None:
    """gemma-3-4b-it: windows of 16 tokens around one full layer, images attended both ways."""
    tokenizer = vocabularies.gemma3()
    windows = {
        "model_type": "gemma3_text",
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "sliding_window": 16,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
            "sliding_attention": rope(10000.0),
        },
    }
    vision = {"model_type": "siglip_vision_model", "image_size": 2 * TILE, "vision_use_head": False}
    config = Gemma3Config(
        text_config=text_sizes(tokenizer) | windows,
        vision_config=VISION | vision,
        mm_tokens_per_image=4 * SEEN,
        boi_token_index=token_id(tokenizer, "<start_of_image>"),
        eoi_token_index=token_id(tokenizer, "<end_of_image>"),
        image_token_index=token_id(tokenizer, "<image_soft_token>"),
    )
    processor = images_only(Gemma3Processor)(
        Gemma3ImageProcessorPil(size={"height": 2 * TILE, "width": 2 * TILE}),
        tokenizer,
        image_seq_length=4 * SEEN,
        chat_template=templates.GEMMA3,
    )
    save(folder, Gemma3ForConditionalGeneration(config), processor, "GemmaTokenizer")
