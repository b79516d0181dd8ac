r"""A LLaVA-NeXT of any size with random weights: what speed depends on, and nothing to download.

    sentences -> byte-level BPE with Llama-3's marks  \\
    Sizes -> config -> random weights                  ->  a folder that transformers opens
    pinpoints -> the paper's image processor          /

Speed does not depend on what weights say, so random ones stand for any checkpoint of that shape.
"""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers, processors, trainers
from tokenizers import decoders as token_decoders
from torch import nn
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.llava_next.image_processing_pil_llava_next import (
    LlavaNextImageProcessorPil,
)

from benchmarks.sizes import Sizes
from e5v.checkpoints.sentence_transformers import write_sentence_files
from e5v.model.loading import outline
from e5v.model.prompts import RETRIEVAL

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
MARKS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<image>",
    "<pad>",
)
TILINGS = ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))  # tiles high, tiles wide: the paper's anyres


def learn_tokenizer(sentences: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train a Llama-3 style byte-level BPE of at most `vocabulary` tokens, marks included.

    The words of the prompts and the two line ends of the chat turn are learned as well, so a prompt
    takes as many tokens as under Llama-3's own vocabulary.
    """
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = token_decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(MARKS),
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        special_tokens=[],
    )
    frame = [RETRIEVAL.text, RETRIEVAL.image, "user", "assistant", "\n\n", " \n"] * 1000
    backend.train_from_iterator([*sentences, *frame], trainer)
    backend.add_special_tokens([AddedToken(mark, normalized=False) for mark in MARKS])
    first = MARKS[0]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{first} $A", special_tokens=[(first, backend.token_to_id(first))]
    )
    wrap: Any = PreTrainedTokenizerFast
    tokenizer: PreTrainedTokenizerFast = wrap(
        tokenizer_object=backend,
        padding_side="left",
        model_max_length=8192,
        clean_up_tokenization_spaces=False,
        bos_token=first,
        eos_token="<|eot_id|>",
        pad_token="<pad>",
    )
    return tokenizer


def make_processor(sizes: Sizes, tokenizer: PreTrainedTokenizerFast) -> Any:
    """Make the paper's processor: anyres tiles, bicubic, CLIP's mean and deviation."""
    image_processor = LlavaNextImageProcessorPil(
        size={"shortest_edge": sizes.tile},
        crop_size={"height": sizes.tile, "width": sizes.tile},
        image_grid_pinpoints=_pinpoints(sizes),
    )
    processor_class: Any = LlavaNextProcessor
    return processor_class(
        image_processor,
        tokenizer,
        patch_size=sizes.patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )


def make_config(sizes: Sizes, tokenizer: PreTrainedTokenizerFast) -> LlavaNextConfig:
    """Make the configuration; the embedding has `sizes.vocabulary` rows whatever was learned."""
    text = LlamaConfig(
        vocab_size=sizes.vocabulary,
        hidden_size=sizes.width,
        intermediate_size=sizes.mlp,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.kv_heads,
        max_position_embeddings=8192,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 500_000.0},
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=sizes.tied,
    )
    vision = CLIPVisionConfig(
        hidden_size=sizes.vision_width,
        intermediate_size=sizes.vision_mlp,
        num_hidden_layers=sizes.vision_layers,
        num_attention_heads=sizes.vision_heads,
        image_size=sizes.tile,
        patch_size=sizes.patch,
    )
    return LlavaNextConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.get_vocab()["<image>"],
        image_grid_pinpoints=_pinpoints(sizes),
        image_seq_length=sizes.patches,
        tie_word_embeddings=sizes.tied,
    )


def _pinpoints(sizes: Sizes) -> list[list[int]]:
    return [[high * sizes.tile, wide * sizes.tile] for high, wide in TILINGS]


@torch.no_grad()
def redraw(model: nn.Module) -> None:
    """Draw every matrix anew at a scale that keeps activations near 1, in place.

    Under the usual deviation of 0.02 a small model gives all items nearly the same vector, and
    contenders would agree whatever they did.
    """
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if isinstance(module, nn.Embedding):
                parameter.normal_(0, 0.5)
            elif parameter.ndim > 1:
                parameter.normal_(0, 1 / math.sqrt(parameter[0].numel()))


def write(
    folder: Path,
    sizes: Sizes,
    sentences: Iterable[str],
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write a checkpoint into `folder`, complete for transformers and its users."""
    tokenizer = learn_tokenizer(sentences, sizes.vocabulary)
    torch.manual_seed(seed)
    model: Any = LlavaNextForConditionalGeneration(make_config(sizes, tokenizer))
    redraw(model)
    model.to(dtype).save_pretrained(folder)
    make_processor(sizes, tokenizer).save_pretrained(folder)
    _name_tokenizer(folder / "tokenizer_config.json")
    if not write_sentence_files(folder, outline(folder)):
        raise SystemExit(f"{folder} cannot be opened in sentence-transformers with e5v's prompts")


def _name_tokenizer(file: Path) -> None:
    """Name the class that Llama-3's own files name; which one AutoTokenizer opens depends on it."""
    config = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(config | {"tokenizer_class": "PreTrainedTokenizerFast"}, indent=2))
