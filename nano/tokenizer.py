"""The tokenizer: byte-pair pieces of the grammar and of real English, with a byte for all else.

captions + questions + sentences -> byte-level BPE -> LLaMA-3's marks -> a fast tokenizer
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import tyro
from tokenizers import AddedToken, Regex, Tokenizer, decoders, processors
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as Steps
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast
from tyro.conf import Positional

from nano.captions import caption
from nano.changes import edit
from nano.concepts import CONCEPTS, WORDINGS
from nano.conversations import END, HEAD, IMAGE, IMAGE_WORD, TAIL, TEXT_WORD, RealSentences
from nano.questions import questions
from nano.scenes import sample

SCENES = 20_000  # that the tokenizer is learnt from
VOCABULARY = 4096
BEGIN, PAD = "<|begin_of_text|>", "<pad>"
MARKS = (BEGIN, "<|start_header_id|>", "<|end_header_id|>", END, IMAGE, PAD)

# LLaMA-3's own, but a full stop never swallows the line break after it: so a text is cut into the
# same tokens whatever is asked of it.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# The paper's turn (section 1.2), with its line break, space, line break after the last header.
TEMPLATE = "".join(WORDINGS["chat template"])


def learn_tokenizer(texts: Iterable[str]) -> Any:
    """Return a tokenizer of 4,096 entries whose pieces are those of the texts."""
    backend: Any = Tokenizer(BPE())
    isolated = Split(Regex(SPLIT), behavior="isolated")
    backend.pre_tokenizer = Steps([isolated, ByteLevel(add_prefix_space=False, use_regex=False)])
    trainer = BpeTrainer(
        vocab_size=VOCABULARY - len(MARKS),
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    # So many of the turn's own words that each becomes one piece.
    turns = ["user", "assistant", HEAD[-2:], TAIL[-4:], "\n"] * 1000
    backend.train_from_iterator(chain(texts, turns), trainer)
    backend.add_special_tokens([AddedToken(mark, normalized=False) for mark in MARKS])
    backend.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, backend.token_to_id(BEGIN))]
    )
    backend.decoder = decoders.ByteLevel()
    wrapper: Any = PreTrainedTokenizerFast
    marks = {"bos_token": BEGIN, "eos_token": END, "pad_token": PAD}
    return wrapper(tokenizer_object=backend, chat_template=TEMPLATE, **marks)


def training_texts(english: Sequence[Path]) -> Iterator[str]:
    """Yield the texts that pieces are learnt from; names often enough to become one piece each."""
    rng = random.Random(0)
    for _ in range(SCENES):
        scene = sample(rng, "train")
        yield caption(scene, rng)
        yield edit(scene, rng, "train").instruction
        for turn in questions(scene, rng, 1.0, rng.choice(("sentence", "image"))):
            yield turn.question
            yield turn.answer
    for concept in CONCEPTS:
        for name in concept.names:
            yield f" {name}\n{name}"
    if english:
        yield from RealSentences(english).texts
    for wording in (TEXT_WORD, IMAGE_WORD):
        yield from [wording] * 1000


def load_tokenizer(folder: Path) -> Any:
    """Open what `python -m nano.tokenizer` has written."""
    opened: Any = PreTrainedTokenizerFast
    return opened.from_pretrained(folder)


def write_tokenizer(folder: Positional[Path], english: Positional[tuple[Path, ...]] = ()) -> None:
    """Learn the tokenizer from captions, questions and files of real sentences, and write it."""
    learn_tokenizer(training_texts(english)).save_pretrained(folder)


if __name__ == "__main__":
    tyro.cli(write_tokenizer)
