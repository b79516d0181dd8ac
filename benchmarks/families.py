r"""Three families of models with the image processing of published ones, and small random weights.

    sentences -> a tokenizer with each family's marks  \
    sizes of text and vision -> real classes            ->  folders that transformers opens
    tiles, patches, pixels as published                /

What an image costs depends on shapes alone, so random weights stand for any of that shape.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMProcessor,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from benchmarks.checkpoint import learn_tokenizer, redraw, write
from benchmarks.sizes import Sizes
from e5v.model.processor_internals import without_part
from e5v.model.processors import NO_VIDEO, VIDEO

TEMPLATE = (  # one user turn, as in ChatML
    "{{ '<|im_start|>user\n' }}{% for part in messages[0]['content'] %}"
    "{% if part['type'] == 'image' %}{{ 'MARK' }}{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{{ '<|im_end|>\n<|im_start|>assistant\n' }}"
)
CHATML = ("<|im_start|>", "<|im_end|>")
QWEN = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
TILES = tuple(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7))
SMOL = ("<fake_token_around_image>", "<global-img>", "<end_of_utterance>", *TILES)


def write_llava_next(folder: Path, sizes: Sizes, sentences: Iterable[str]) -> None:
    """Write a LLaVA-NeXT: tiles of 336 x 336 pixels in the paper's grids, 576 tokens each."""
    write(folder, sizes, sentences)


def write_qwen2_vl(folder: Path, sizes: Sizes, sentences: Iterable[str]) -> None:
    """Write a Qwen2-VL: a token for each 28 x 28 pixels, at most 1,280 of them."""
    tokenizer = _mark(learn_tokenizer(sentences, sizes.vocabulary), CHATML + QWEN)
    ids: Any = tokenizer.convert_tokens_to_ids
    turning = {
        "rope_type": "default",
        "rope_theta": 1_000_000.0,
        "mrope_section": _sections(sizes),
    }
    config = Qwen2VLConfig(
        text_config=_text(sizes, tokenizer) | {"rope_parameters": turning},
        vision_config={
            "depth": sizes.vision_layers,
            "embed_dim": sizes.vision_width,
            "hidden_size": sizes.width,
            "num_heads": sizes.vision_heads,
        },
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    images = Qwen2VLImageProcessorPil(
        size={"shortest_edge": 56 * 56, "longest_edge": 1280 * 28 * 28}
    )
    template = TEMPLATE.replace("MARK", "<|vision_start|><|image_pad|><|vision_end|>")
    made: Any = without_part(Qwen2VLProcessor, VIDEO, NO_VIDEO)
    processor = made(images, tokenizer, chat_template=template)
    _save(folder, Qwen2VLForConditionalGeneration(config), processor)


def write_smolvlm(folder: Path, sizes: Sizes, sentences: Iterable[str]) -> None:
    """Write a SmolVLM as that of 256M: squares of 512 x 512 pixels, 64 tokens each."""
    marked = _mark(learn_tokenizer(sentences, sizes.vocabulary), CHATML + SMOL)
    ids: Any = marked.convert_tokens_to_ids
    config = SmolVLMConfig(
        text_config=_text(sizes, marked) | {"model_type": "llama"},
        vision_config={
            "hidden_size": sizes.vision_width,
            "intermediate_size": sizes.vision_mlp,
            "num_hidden_layers": sizes.vision_layers,
            "num_attention_heads": sizes.vision_heads,
            "image_size": 512,
            "patch_size": 16,
        },
        scale_factor=4,
        image_token_id=ids("<image>"),
        tie_word_embeddings=True,
    )
    images = SmolVLMImageProcessorPil(
        size={"longest_edge": 2048}, max_image_size={"longest_edge": 512}, do_image_splitting=True
    )
    made: Any = without_part(SmolVLMProcessor, VIDEO, NO_VIDEO)
    template = TEMPLATE.replace("MARK", "<image>")
    processor = made(images, marked, None, image_seq_len=64, chat_template=template)
    _save(folder, SmolVLMForConditionalGeneration(config), processor)


def _mark(tokenizer: PreTrainedTokenizerFast, marks: Iterable[str]) -> PreTrainedTokenizerFast:
    added: list[Any] = [AddedToken(mark, special=True, normalized=False) for mark in marks]
    tokenizer.add_tokens(added, special_tokens=True)
    return tokenizer


def _text(sizes: Sizes, tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    return {
        "vocab_size": -(-len(tokenizer) // 64) * 64,
        "hidden_size": sizes.width,
        "intermediate_size": sizes.mlp,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "max_position_embeddings": 8192,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": True,
    }


def _sections(sizes: Sizes) -> list[int]:
    """Divide half the width of a head among time, height and width, as Qwen2-VL does."""
    half = sizes.head_width // 2
    time = half // 4
    return [time, (half - time) // 2, half - time - (half - time) // 2]


def _save(folder: Path, model: Any, processor: Any) -> None:
    redraw(model)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


FAMILIES: dict[str, Callable[[Path, Sizes, Iterable[str]], None]] = {
    "LLaVA-NeXT": write_llava_next,
    "Qwen2-VL": write_qwen2_vl,
    "SmolVLM": write_smolvlm,
}


def write_family(name: str, folder: Path, sizes: Sizes, sentences: Iterable[str]) -> Path:
    """Write the checkpoint of a family into a folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    FAMILIES[name](folder, sizes, sentences)
    return folder
