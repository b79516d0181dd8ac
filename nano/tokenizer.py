"""The tokenizer: byte-pair pieces of the grammar and of real English, with a byte for all else.

captions + questions + sentences -> byte-level BPE -> LLaMA-3's marks -> a fast tokenizer
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from nano.captions import caption
from nano.concepts import CONCEPTS
from nano.conversations import HEAD, TAIL
from nano.edits import edit
from nano.questions import questions
from nano.real_sentences import RealSentences
from nano.scenes import sample

SCENES = 20_000  # that the tokenizer is learnt from
VOCABULARY = 4096
BEGIN, END, PAD = "<|begin_of_text|>", "<|eot_id|>", "<pad>"
MARKS = (BEGIN, "<|start_header_id|>", "<|end_header_id|>", END, "<image>", PAD)

# LLaMA-3's own, but a full stop never swallows the line break after it: so a text is cut into the
# same tokens whatever is asked of it.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# The paper's turn (section 1.2), with its line break, space, line break after the last header.
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{% if message['role'] == 'assistant' %}{{ ' \n' }}{% endif %}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image>\n' }}{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}{{ '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n \n' }}{% endif %}"
)


def learn_tokenizer(texts: Iterable[str]) -> Any:
    """Return a tokenizer of 4,096 entries whose pieces are those of the texts."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(MARKS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(_with_turns(texts), trainer)
    backend.add_special_tokens([AddedToken(mark, normalized=False) for mark in MARKS])
    backend.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, backend.token_to_id(BEGIN))]
    )
    backend.decoder = decoders.ByteLevel()
    wrapper: Any = PreTrainedTokenizerFast
    return wrapper(
        tokenizer_object=backend,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        chat_template=TEMPLATE,
    )


def _with_turns(texts: Iterable[str]) -> Iterable[str]:
    """Give the texts, and so many of the turn's own words that each becomes one piece."""
    yield from texts
    for _ in range(1000):
        yield from ("user", "assistant", HEAD[-2:], TAIL[-4:], "\n")


def training_texts(english: Sequence[Path]) -> Iterator[str]:
    """Yield the texts that pieces are learnt from; names often enough to become one piece each."""
    rng = random.Random(0)
    for _ in range(SCENES):
        scene = sample(rng, "train")
        yield caption(scene, rng)
        yield edit(scene, rng, "train").instruction
        for turn in questions(scene, rng, 1.0, rng.choice(("text", "image"))):
            yield turn.question
            yield turn.answer
    for concept in CONCEPTS:
        for name in concept.names:
            yield f" {name}\n{name}"
    if english:
        for sentence in RealSentences(english).sentences:
            yield sentence.text
    for wording in ("Summary above sentence in one word: ", "Summary above image in one word: "):
        yield from [wording] * 1000


def load_tokenizer(folder: Path) -> Any:
    """Open what `python -m nano.tokenizer` has written."""
    opened: Any = PreTrainedTokenizerFast
    return opened.from_pretrained(folder)


def main() -> None:
    """Learn the tokenizer from captions, questions and real sentences, and write it."""
    folder, english = Path(sys.argv[1]), [Path(file) for file in sys.argv[2:]]
    learn_tokenizer(training_texts(english)).save_pretrained(folder)


if __name__ == "__main__":
    main()
