"""Each family's tokenizer: a small vocabulary, then the family's own marks, roles and first token.

Which marks are special follows the hub files: Qwen's <tool_call> and Gemma's newlines are not.
"""

from transformers import PreTrainedTokenizerFast

from .tokenizers import (
    LLAMA3_SPLIT,
    QWEN_SPLIT,
    Marks,
    byte_level,
    gemma_like,
    sentencepiece_like,
    starting_with,
    with_marks,
    wrapped,
)

CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
QWEN_ROLES = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
LLAMA3 = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)
TILES = tuple(f"<row_{row}_col_{col}>" for row in range(1, 7) for col in range(1, 7))


def llama3() -> PreTrainedTokenizerFast:
    """Llama-3's, with <image> and <pad> added last as in llama3-llava-next-8b-hf."""
    roles = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "pad_token": "<pad>"}
    marks = Marks((*LLAMA3, "<image>", "<pad>"), roles=roles)
    backend = with_marks(byte_level(LLAMA3_SPLIT), marks)
    return wrapped(starting_with(backend, "<|begin_of_text|>"), marks)


def llama2(*added: str) -> PreTrainedTokenizerFast:
    """Llama-2's and Mistral's: `<s>` first, and `added` special tokens after the vocabulary."""
    pad = "<pad>" if "<pad>" in added else "</s>"
    roles = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": pad}
    marks = Marks(("<unk>", "<s>", "</s>", *added), roles=roles)
    backend = with_marks(sentencepiece_like(), marks)
    return wrapped(starting_with(backend, "<s>"), marks)


def qwen(side: str) -> PreTrainedTokenizerFast:
    """Qwen2-VL's and its successors': nothing first; tool marks that are added but not special.

    Qwen2-VL pads on the left `side`, those after it on the right.
    """
    boxes = tuple(
        f"<|{name}_{end}|>" for name in ("object_ref", "box", "quad") for end in ("start", "end")
    )
    vision = tuple(
        f"<|{name}|>"
        for name in ("vision_start", "vision_end", "vision_pad", "image_pad", "video_pad")
    )
    marks = Marks((*CHATML, *boxes, *vision), ("<tool_call>", "</tool_call>"), QWEN_ROLES)
    return wrapped(with_marks(byte_level(QWEN_SPLIT, composed=True), marks), marks, side=side)


def omni() -> PreTrainedTokenizerFast:
    """Qwen2.5-Omni's: Qwen2.5's, where marks of media took the places of others, and have names."""
    named = {
        "audio_token": "<|AUDIO|>",
        "audio_bos_token": "<|audio_bos|>",
        "audio_eos_token": "<|audio_eos|>",
        "vision_bos_token": "<|vision_bos|>",
        "vision_eos_token": "<|vision_eos|>",
        "image_token": "<|IMAGE|>",
        "video_token": "<|VIDEO|>",
    }
    sound, seen = list(named.values())[:3], list(named.values())[3:]
    boxes = ("<|box_end|>", "<|quad_start|>", "<|quad_end|>")
    ordered = (*CHATML, *sound, *boxes, *seen[:2], "<|vision_pad|>", *seen[2:])
    roles = QWEN_ROLES | {"extra_special_tokens": named}
    marks = Marks(ordered, ("<tool_call>", "</tool_call>"), roles)
    return wrapped(with_marks(byte_level(QWEN_SPLIT, composed=True), marks), marks)


def internvl() -> PreTrainedTokenizerFast:
    """InternVL3's: Qwen2.5's with image marks that the processor asks the tokenizer for by name."""
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    roles = QWEN_ROLES | {"extra_special_tokens": named}
    marks = Marks((*CHATML, *named.values()), ("<tool_call>", "</tool_call>"), roles)
    return wrapped(with_marks(byte_level(QWEN_SPLIT, composed=True), marks), marks)


def smollm() -> PreTrainedTokenizerFast:
    """SmolVLM's: GPT-2 words, single digits, and a mark for each place of a tile."""
    roles = {
        "bos_token": "<|im_start|>",
        "eos_token": "<end_of_utterance>",
        "pad_token": "<|im_end|>",
        "unk_token": "<|endoftext|>",
    }
    image = ("<fake_token_around_image>", "<image>", "<global-img>", "<end_of_utterance>")
    marks = Marks((*CHATML, *TILES, *image), roles=roles)
    return wrapped(with_marks(byte_level(None), marks), marks)


def idefics3() -> PreTrainedTokenizerFast:
    """Idefics3-8B-Llama3's: Llama-3 with the marks of tiles; <|begin_of_text|> first."""
    roles = {
        "bos_token": "<|begin_of_text|>",
        "eos_token": "<|eot_id|>",
        "pad_token": "<|end_of_text|>",
    }
    image = ("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>")
    marks = Marks((*LLAMA3, *TILES, *image), roles=roles)
    backend = with_marks(byte_level(LLAMA3_SPLIT), marks)
    return wrapped(starting_with(backend, "<|begin_of_text|>"), marks)


def gemma3() -> PreTrainedTokenizerFast:
    """Gemma 3's: runs of newlines are added tokens, so they join up across borders of the text."""
    named = {
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    roles = {
        "bos_token": "<bos>",
        "eos_token": "<eos>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "mask_token": "<mask>",
        "extra_special_tokens": named,
    }
    first = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>")
    newlines = tuple("\n" * count for count in range(1, 6))
    marks = Marks((*first, *named.values()), newlines, roles)
    return wrapped(starting_with(with_marks(gemma_like(), marks), "<bos>"), marks)


def onevision() -> PreTrainedTokenizerFast:
    """LLaVA-OneVision's: Qwen2's with <image> and <video>."""
    marks = Marks((*CHATML, "<image>", "<video>"), roles=QWEN_ROLES)
    return wrapped(with_marks(byte_level(QWEN_SPLIT, composed=True), marks), marks)


def cohere() -> PreTrainedTokenizerFast:
    """Aya Vision's: turns in words, a mark per tile, <BOS_TOKEN> first."""
    roles = {
        "bos_token": "<BOS_TOKEN>",
        "eos_token": "<|END_OF_TURN_TOKEN|>",
        "pad_token": "<PAD>",
        "unk_token": "<UNK>",
        "cls_token": "<CLS>",
        "sep_token": "<SEP>",
        "mask_token": "<MASK_TOKEN>",
    }
    turns = ("<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|SYSTEM_TOKEN|>")
    answer = ("<|START_RESPONSE|>", "<|END_RESPONSE|>")
    image = ("<image>", "<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_PATCH|>", "<|IMG_LINE_BREAK|>")
    tiles = (*(f"TILE_{tile}" for tile in range(1, 13)), "TILE_GLOBAL")
    marks = Marks((*roles.values(), *turns, *answer, *image, *tiles), roles=roles)
    backend = with_marks(byte_level(None, composed=True), marks)
    return wrapped(starting_with(backend, "<BOS_TOKEN>"), marks)
