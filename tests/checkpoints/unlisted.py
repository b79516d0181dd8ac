"""What the package has no record of: two families, one without a template, one without eyes."""

from pathlib import Path

from transformers import (
    AyaVisionConfig,
    AyaVisionForConditionalGeneration,
    AyaVisionProcessor,
    LlamaConfig,
    LlamaForCausalLM,
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    PixtralProcessor,
)
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.pixtral.image_processing_pil_pixtral import PixtralImageProcessorPil

from . import templates, vocabularies
from .processors import images_only
from .text import rope, text_sizes, token_id
from .weights import save

TILE = 28
PATCH = 7
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "patch_size": PATCH,
}


def mistral3(folder: Path) -> None:
    """Mistral-Small-3.1-24B: images keep their shape, each row of patches ends with a mark."""
    tokenizer = vocabularies.tekken()
    text = {"model_type": "mistral", "head_dim": 16, "rope_parameters": rope(1000000.0)}
    config = Mistral3Config(
        text_config=text_sizes(tokenizer) | text,
        vision_config=VISION | {"model_type": "pixtral", "image_size": 3 * TILE},
        image_token_index=token_id(tokenizer, "[IMG]"),
        tie_word_embeddings=False,
    )
    processor = images_only(PixtralProcessor)(
        PixtralImageProcessorPil(size={"longest_edge": 3 * TILE}, patch_size=PATCH),
        tokenizer,
        patch_size=PATCH,
        spatial_merge_size=2,
        chat_template=templates.PIXTRAL,
    )
    model = Mistral3ForConditionalGeneration(config)
    save(folder, model, processor, "PreTrainedTokenizerFast")


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
