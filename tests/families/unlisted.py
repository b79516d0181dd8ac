"""What the package has no record of: two families, one without a template, one without eyes."""

from pathlib import Path

from transformers import (
    AyaVisionConfig,
    AyaVisionForConditionalGeneration,
    AyaVisionProcessor,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionProcessor,
)
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import (
    LlavaOnevisionImageProcessorPil,
)

from . import templates, vocabularies
from .processors import images_only, save_video_half
from .text import rope, text_sizes, token_id
from .weights import save

TILE = 28
PATCH = 7
PINPOINTS = [[28 * rows, 28 * columns] for rows in (1, 2, 3) for columns in (1, 2, 3)]
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "patch_size": PATCH,
}


def llava_onevision(folder: Path) -> None:
    """llava-onevision-qwen2-0.5b-ov-hf: tiled when alone, one square each when together."""
    tokenizer = vocabularies.onevision()
    text = {"model_type": "qwen2", "rope_parameters": rope(1000000.0)}
    vision = {"model_type": "siglip_vision_model", "image_size": TILE, "vision_use_head": False}
    config = LlavaOnevisionConfig(
        text_config=text_sizes(tokenizer) | text,
        vision_config=VISION | vision,
        image_token_index=token_id(tokenizer, "<image>"),
        video_token_index=token_id(tokenizer, "<video>"),
        image_grid_pinpoints=PINPOINTS,
        tie_word_embeddings=True,
    )
    size = {"height": TILE, "width": TILE}
    processor = images_only(LlavaOnevisionProcessor)(
        LlavaOnevisionImageProcessorPil(size=size, image_grid_pinpoints=PINPOINTS),
        tokenizer,
        num_image_tokens=(TILE // PATCH) ** 2,
        vision_feature_select_strategy="full",
        chat_template=templates.ONEVISION,
    )
    model = LlavaOnevisionForConditionalGeneration(config)
    save(folder, model, processor, "Qwen2Tokenizer")
    save_video_half(folder, "LlavaOnevisionVideoProcessor", {"size": size})


def _aya_vision(folder: Path, template: str | None) -> None:
    tokenizer = vocabularies.cohere()
    text = {
        "model_type": "cohere2",
        "sliding_window": 16,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "rope_parameters": rope(50000.0),
        "logit_scale": 0.25,
    }
    vision = {"model_type": "siglip_vision_model", "image_size": TILE, "vision_use_head": False}
    config = AyaVisionConfig(
        text_config=text_sizes(tokenizer) | text,
        vision_config=VISION | vision,
        image_token_index=token_id(tokenizer, "<|IMG_PATCH|>"),
    )
    image_processor = GotOcr2ImageProcessorPil(
        size={"height": TILE, "width": TILE}, crop_to_patches=True, max_patches=6
    )
    processor = images_only(AyaVisionProcessor)(
        image_processor,
        tokenizer,
        patch_size=PATCH,
        img_size=TILE,
        downsample_factor=2,
        chat_template=template,
    )
    save(folder, AyaVisionForConditionalGeneration(config), processor, "CohereTokenizerFast")


def aya_vision(folder: Path) -> None:
    """aya-vision-8b: the image's token in the prompt is not the token its features replace."""
    _aya_vision(folder, templates.AYA)


def no_template(folder: Path) -> None:
    """Aya Vision with its chat template taken away."""
    _aya_vision(folder, None)


def text_only(folder: Path) -> None:
    """Llama on its own: a tokenizer where others have a processor, and no vision tower."""
    tokenizer = vocabularies.llama3()
    config = LlamaConfig(**text_sizes(tokenizer), rope_parameters=rope(500000.0))
    save(folder, LlamaForCausalLM(config), tokenizer, "PreTrainedTokenizerFast")
