"""Two small vocabularies trained in-process, dressed as each family's tokenizer.

sentences -> BPE vocabulary and merges -> backend with the family's normaliser, split and decoder
-> family's special tokens on top. Both vocabularies fall back to bytes, so no text is ever unknown.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

SENTENCES = (
    "Summary above sentence in one word: ",
    "Summary above image in one word: ",
    "Summary above sentence in one word:",
    "Summary above image in one word:",
    "Represent the given image and the given sentence in one word.",
    "Retrieve the image that shows the same dog with a red ball on the green grass.",
    "A man is playing a guitar while a woman is singing on the stage.",
    "Two children are running along the beach near the blue sea.",
    "The cat sits on a small wooden table by the window.",
    "A plate of food with rice, meat and vegetables is on the table.",
    "An old car is parked in front of a yellow house under a tree.",
    "People are walking in the street of a large city at night.",
    "A black and white photo of a train at the station.",
    "Change the colour of the dress from white to black and make it longer.",
    "The boy is not sleeping; he is reading a book about the moon.",
    "You are a helpful assistant. Describe this image for the user.",
    "<image> user assistant system USER: ASSISTANT: [INST] [/INST] User: Assistant: model",
    "What is shown in the picture? There are 3 birds, 12 boats and 2024 stars.",
)
TURNS = (  # newlines belong to byte-level vocabularies only: sentencepiece ones keep them as bytes
    "A man is playing a guitar.\nSummary above sentence in one word:\n\n",
    "\nSummary above image in one word: \n\n \n",
    "<row_1_col_2>TILE_1 system\nYou are a helpful assistant.\n\n\nuser\n",
)
LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_SPLIT = LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")
SPACE = "\u2581"  # what sentencepiece writes for a space


@dataclass(frozen=True)
class Pieces:
    """A trained vocabulary: piece -> id, and the merges in order."""

    vocab: dict[str, int]
    merges: list[tuple[str, str]]

    def shifted(self, first: Sequence[str]) -> "Pieces":
        """Put `first` before the pieces, as sentencepiece puts <unk> <s> </s>."""
        pieces = [*first, *sorted(self.vocab, key=self.vocab.__getitem__)]
        return Pieces({piece: index for index, piece in enumerate(pieces)}, self.merges)


@dataclass(frozen=True)
class Marks:
    """A family's added tokens in the order of their ids, and the roles some of them play."""

    special: tuple[str, ...]
    plain: tuple[str, ...] = ()  # added, but special=False on the hub
    roles: Mapping[str, Any] = field(default_factory=dict)  # bos_token, pad_token, ...


def _learned(tokenizer: Tokenizer, trainer: trainers.BpeTrainer, texts: Sequence[str]) -> Pieces:
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return Pieces(model["vocab"], [(left, right) for left, right in model["merges"]])


@lru_cache(maxsize=1)
def byte_level_pieces() -> Pieces:
    """About 600 byte-level pieces: the 256 bytes and the commonest words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = _byte_level_split(LLAMA3_SPLIT)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=alphabet, show_progress=False, special_tokens=[]
    )
    return _learned(tokenizer, trainer, SENTENCES + TURNS)


@lru_cache(maxsize=1)
def metaspace_pieces() -> Pieces:
    """About 600 sentencepiece-like pieces, the 256 byte tokens first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE)
    trainer = trainers.BpeTrainer(vocab_size=344, show_progress=False, special_tokens=[])
    pieces = _learned(tokenizer, trainer, SENTENCES)
    return pieces.shifted([f"<0x{byte:02X}>" for byte in range(256)])


def _byte_level_split(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def _digits_then_words() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )


def byte_level(pattern: str | None, *, composed: bool = False) -> Tokenizer:
    """Make a byte-level backend that splits words by `pattern`, or as GPT-2 does but by digit.

    `composed` brings letters and their accents together first (NFC).
    """
    pieces = byte_level_pieces()
    tokenizer = Tokenizer(models.BPE(vocab=pieces.vocab, merges=pieces.merges))
    tokenizer.pre_tokenizer = _byte_level_split(pattern) if pattern else _digits_then_words()
    if composed:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def sentencepiece_like() -> Tokenizer:
    """Make a backend as converted from Llama-2's and Mistral's sentencepiece model."""
    pieces = metaspace_pieces().shifted(["<unk>", "<s>", "</s>"])
    tokenizer = Tokenizer(
        models.BPE(
            vocab=pieces.vocab,
            merges=pieces.merges,
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(SPACE, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(content=" ", left=1),
        ]
    )
    return tokenizer


def gemma_like() -> Tokenizer:
    """Make a backend as Gemma's: no space put before the text, five special tokens first."""
    pieces = metaspace_pieces().shifted(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])
    tokenizer = Tokenizer(
        models.BPE(
            vocab=pieces.vocab,
            merges=pieces.merges,
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return tokenizer


def with_marks(backend: Tokenizer, marks: Marks) -> Tokenizer:
    """`backend` with the family's added tokens after its vocabulary."""
    backend.add_special_tokens([AddedToken(text, normalized=False) for text in marks.special])
    backend.add_tokens([AddedToken(text, normalized=False) for text in marks.plain])
    return backend


def starting_with(backend: Tokenizer, token: str) -> Tokenizer:
    """`backend` with a post-processor that puts `token` first."""
    index = backend.token_to_id(token)
    backend.post_processor = processors.TemplateProcessing(
        single=f"{token} $A", pair=f"{token} $A {token}:1 $B:1", special_tokens=[(token, index)]
    )
    return backend


def wrapped(backend: Tokenizer, marks: Marks, *, side: str = "left") -> PreTrainedTokenizerFast:
    """Wrap the backend as transformers' own tokenizer class, with `marks.roles` set."""
    tokenizer_class: Any = PreTrainedTokenizerFast
    tokenizer: PreTrainedTokenizerFast = tokenizer_class(
        tokenizer_object=backend,
        padding_side=side,
        model_max_length=4096,
        clean_up_tokenization_spaces=False,
        **marks.roles,
    )
    return tokenizer
