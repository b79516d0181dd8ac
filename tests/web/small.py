"""The small random model that the server and its page are tested with.

sentences -> byte-level tokenizer -> LLaVA-NeXT processor and random weights -> checkpoint folder

Its last norm scales nothing, unlike those of tests/families: all states have one length, so that
a stored vector says the same words as a fresh one.
"""

import math
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers, processors, trainers
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

from e5v.model.loading import quiet
from tests.families.llava import PATCH, PINPOINTS, TILE
from tests.families.tokenizers import LLAMA3_SPLIT

CONTEXT = 4096  # tokens
VOCABULARY = 512
SENTENCES = (
    "Summary above sentence in one word: ",
    "Summary above image in one word: ",
    "The cat sits on a small wooden table by the window.",
    "A cup of coffee and a plate of food are on the table.",
)
HEADER = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
MARKS = ("<|begin_of_text|>", *HEADER, "<image>", "<pad>")


def write_small(folder: Path) -> Path:
    """Write a small random LLaVA-NeXT over Llama 3 into `folder`."""
    tokenizer = _tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlavaNextForConditionalGeneration(_config(tokenizer))
        _enliven(model)
    saved: Any = model
    with quiet():
        saved.save_pretrained(folder)
    _processor(tokenizer).save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(MARKS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES, trainer)
    backend.add_special_tokens([AddedToken(mark, normalized=False) for mark in MARKS])
    first = MARKS[0]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{first} $A", special_tokens=[(first, backend.token_to_id(first))]
    )
    wrapper: Any = PreTrainedTokenizerFast
    return wrapper(
        tokenizer_object=backend,
        bos_token=first,
        eos_token="<|eot_id|>",
        pad_token="<pad>",
    )


def _config(tokenizer: Any) -> LlavaNextConfig:
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=TILE,
        patch_size=PATCH,
    )
    text = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlavaNextConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=PINPOINTS,
        image_seq_length=(TILE // PATCH) ** 2,
    )


def _processor(tokenizer: Any) -> Any:
    image_processor = LlavaNextImageProcessorPil(
        size={"shortest_edge": TILE},
        crop_size={"height": TILE, "width": TILE},
        image_grid_pinpoints=PINPOINTS,
    )
    processor: Any = LlavaNextProcessor
    return processor(
        image_processor,
        tokenizer,
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )


@torch.no_grad()
def _enliven(model: nn.Module) -> None:
    """Draw the weights so wide that unlike items get unlike vectors; as made, all are alike."""
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1:
            gain = 0.5 if "embed" in name else 1 / math.sqrt(parameter[0].numel())
            parameter.normal_(std=gain)
