"""A family's processor and the prompts that tests of tokens make with it."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import PIL.Image

from e5v.inputs import Image, Item, Text
from e5v.model.prompts import TURNS, Segment, ask, find_prompt
from e5v.model.rendering import Renderer
from e5v.model.tokens import LONGEST, Fit, PromptTokenizer, Tokens

PAPER_TURNS = {"llava_next_llama3": "llama3", "llava_next_mistral": "mistral", "llava_15": "vicuna"}
UNCUT = 10**6
PHOTO = Image(PIL.Image.new("RGB", (40, 30), "teal"))


def turn_named(name: str | None) -> Any:
    """Find a turn of the paper."""
    return next((turn for turn in TURNS if turn.name == name), None)


def pieces_of(renderer: Renderer, parts: Sequence[Text | Image], prompt: str) -> list[Segment]:
    """Word and render the prompt of an item."""
    return list(renderer.render(ask(Item(tuple(parts)), find_prompt(prompt))))


def shared_tail(rows: Sequence[Sequence[int]]) -> list[int]:
    """Find the ids that all rows end with."""
    columns = zip(*(reversed(row) for row in rows), strict=False)
    same = itertools.takewhile(lambda column: len(set(column)) == 1, columns)
    return [column[0] for column in same][::-1]


@dataclass(frozen=True)
class Speaker:
    """One family's processor, and what stands for `PHOTO` in its prompts."""

    processor: Any
    renderer: Renderer
    expansion: str
    tokenizers: dict[int, PromptTokenizer] = field(default_factory=dict)  # by their limit

    @property
    def marks(self) -> dict[str, int]:
        """The added tokens that a user's text must not turn into."""
        added = self.processor.tokenizer.backend_tokenizer.get_added_tokens_decoder()
        return {token.content: number for number, token in added.items() if token.content.strip()}

    def encode(
        self,
        *parts: Text | Image,
        limit: int = UNCUT,
        prompt: str = "retrieval",
        fit: Fit = LONGEST,
    ) -> Tokens:
        """Tokenise the prompt of an item."""
        if limit not in self.tokenizers:
            self.tokenizers[limit] = PromptTokenizer(self.processor.tokenizer, limit)
        images = sum(isinstance(part, Image) for part in parts)
        pieces = pieces_of(self.renderer, parts, prompt)
        return self.tokenizers[limit].encode(pieces, [self.expansion] * images, fit)

    def reference(self, *parts: Text | Image) -> list[int]:
        """Tokenise the same prompt as a user of the processor would."""
        string = "".join(
            self.renderer.image_token
            if isinstance(piece, Image)
            else piece.text
            if isinstance(piece, Text)
            else piece
            for piece in pieces_of(self.renderer, parts, "retrieval")
        )
        images = [part.source for part in parts if isinstance(part, Image)]
        bos = self.processor.tokenizer.bos_token
        ids: list[list[int]] = self.processor(
            text=[string],
            images=images or None,
            add_special_tokens=not (bos and string.startswith(bos)),
        )["input_ids"]
        return list(ids[0])

    def decode(self, ids: Sequence[int]) -> str:
        """Read ids back, special tokens included."""
        decoded: str = self.processor.tokenizer.decode(
            ids, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return decoded

    def tail(self) -> list[int]:
        """Find the closing ids, the same whatever the text ends in."""
        texts = ("a dog", "Twelve.", "so >", "one 🙂", "line\n", "lines \n\n", "space ")
        return shared_tail([self.encode(Text(text)).ids for text in texts])
