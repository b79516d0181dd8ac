"""What a recipe is: how the authors of a published embedder ask their model for an item.

Item + Purpose -> the wording of its side -> templates filled -> FilledPrompt, for a Turn

A recipe says everything that moves a vector and that is not in the checkpoint. The records are in
`e5v.model.recipes`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Literal

from e5v.errors import PromptError, UsageError
from e5v.inputs import Image, Item, Side, Text
from e5v.model.prompts import PROMPTS, FilledPrompt, Prompt, ask, fill
from e5v.model.resizing import Resize

Positions = Literal["mrope", "1d"]
Turned = Literal["family", "raw", "template"]

SIDES: tuple[Side, ...] = ("query", "document")
INSTRUCTION = "<instruction>"
MARK = re.compile(r"<\|\w+\|>")  # a special token in a template
# E5-V's wordings stand for its own tasks: a recipe with one wording for all takes no notice of them
_OWN = {(prompt.text, prompt.image) for prompt in PROMPTS.values()}


@dataclass(frozen=True)
class Purpose:
    """What the items of a call are for.

    `instruction` is of the items that have none of their own. `side` is theirs, too: with None, an
    item with an instruction is a query, and any other a document.

    Raises:
        UsageError: there is no such side, or the instruction is blank.
    """

    instruction: str = ""
    side: Side | None = None

    def __post_init__(self) -> None:
        """Check the side and the instruction."""
        if self.side not in (None, *SIDES):
            raise UsageError(
                f'side is "{self.side}"; expected "query" or "document"', argument="side"
            )
        if self.instruction and not self.instruction.strip():
            raise UsageError("instruction is blank; leave it out", argument="instruction")


ANY = Purpose()


@dataclass(frozen=True)
class Templates:
    """The user's turn of each kind of item, and the system turn before it, with slots.

    `both` is for texts and images together, whatever their order in the item: the slots give it;
    None if the authors have no wording for them. A slot takes all parts of its kind, with
    `between_images` or `between_texts` between them.
    """

    text: str
    image: str
    both: str | None
    system: str | None = None
    between_images: str = ""
    between_texts: str = "\n"

    def fill(self, item: Item, instruction: str) -> FilledPrompt:
        """Return the prompt of an item; its system turn is used if there is no other.

        Raises:
            PromptError: it has texts and images, and there is no wording for both.
        """
        template: str | None = self.both
        if not (item.texts and item.images):
            template = self.text if item.texts else self.image
        if template is None:
            raise PromptError(
                "the model's recipe has no wording for texts and images together; give one of the "
                "two, or a prompt with <image> and <text>"
            )
        system = self.system and self.system.replace(INSTRUCTION, instruction)
        segments = fill(
            template,
            {
                "text": [part for part in item.parts if isinstance(part, Text)],
                "image": [part for part in item.parts if isinstance(part, Image)],
                "instruction": [Text(instruction)] if instruction else [],
            },
            {"text": self.between_texts, "image": self.between_images},
        )
        kept = item.system if system is None else system
        return FilledPrompt(tuple(segments), cir=False, system=kept)

    @property
    def marks(self) -> set[str]:
        """The special tokens in the templates."""
        return set(MARK.findall(f"{self.text} {self.image} {self.both} {self.system}"))


@dataclass(frozen=True)
class Wording:
    """How the items of one side are worded.

    `plain` are the templates of an item without an instruction, and `instructed` those of an item
    with one; without them, it may have none. `default` is the instruction of an item that has none.
    With `full_stop`, an instruction that ends in no punctuation mark gets one.
    """

    plain: Templates
    instructed: Templates | None = None
    default: str = ""
    full_stop: bool = False

    def fill(self, item: Item, instruction: str) -> FilledPrompt:
        """Return the prompt of an item."""
        instruction = instruction or self.default
        if not instruction or self.instructed is None:
            return self.plain.fill(item, "")
        return self.instructed.fill(
            item, end_sentence(instruction) if self.full_stop else instruction
        )


def end_sentence(instruction: str) -> str:
    """Return an instruction without outer spaces, ending in a punctuation mark."""
    bare = instruction.strip()
    ended = not bare or unicodedata.category(bare[-1]).startswith("P")
    return bare if ended else f"{bare}."


@dataclass(frozen=True)
class Acceptance:
    """Cosines that the authors print for an image and some texts: to be met by the real weights."""

    image: str
    cosines: tuple[float, ...]


@dataclass(frozen=True)
class Recipe:
    """One published embedder, or a family of them in several sizes.

    Attributes:
        name: what it is asked for by.
        ids: what its checkpoints are called on the hub.
        model_types: of its checkpoints' configs; empty for any.
        marks: names of classes and modules that only its checkpoints have.
        query: the wording of queries; None for the prompts of `e5v.model.prompts`, by name.
        document: the wording of documents, if there is one of queries.
        turn: "family" for the paper's turn that fits the model, "template" for the checkpoint's
            chat template, "raw" for none: the templates are whole prompts.
        positions: of a model with three axes of positions: "mrope", or "1d" for one count.
        resize: what is done to a picture, in order, before the model's own image processor.
        pixels: the least and the most of an image, for the image processor.
        max_tokens: the longest prompt; None for as many as the model takes.
        licence: of the weights.
        source: where the wording is from.
        acceptance: figures of the authors.
    """

    name: str
    ids: tuple[str, ...]
    model_types: tuple[str, ...]
    licence: str
    source: str
    marks: tuple[str, ...] = ()
    query: Wording | None = None
    document: Wording | None = None
    turn: Turned = "family"
    positions: Positions = "mrope"
    resize: tuple[Resize, ...] = ()
    pixels: tuple[int, int] | None = None
    max_tokens: int | None = None
    acceptance: tuple[Acceptance, ...] = ()

    @property
    def has_sides(self) -> bool:
        """Whether queries are worded otherwise than documents."""
        return self.query != self.document

    @property
    def takes_instructions(self) -> bool:
        """Whether the recipe itself has a place for an instruction."""
        return any(one is not None and one.instructed for one in (self.query, self.document))

    @property
    def tokens(self) -> set[str]:
        """The special tokens in its templates."""
        wordings = [one for one in (self.query, self.document) if one]
        templates = [one for each in wordings for one in (each.plain, each.instructed) if one]
        return {mark for one in templates for mark in one.marks}

    def moved_from(self, other: Recipe) -> dict[str, str]:
        """Return what moves vectors, besides turn and pixel limits, and differs from another's."""
        names = ("query", "document", "positions", "resize")
        return {
            name: repr(getattr(self, name))
            for name in names
            if getattr(self, name) != getattr(other, name)
        }

    def wording(self, side: Side, prompt: Prompt) -> Wording | None:
        """Return its own wording of a side; None for a prompt that is used as it is."""
        if (prompt.text, prompt.image) not in _OWN:
            return None
        return self.query if side == "query" else self.document

    def shown(self, prompt: Prompt) -> Prompt:
        """Return the templates of documents as a prompt, for reports; or the prompt, if it is used.

        Instructions stand in them as slots.
        """
        wording = self.wording("document", prompt)
        if wording is None:
            return prompt
        own = wording.instructed if wording.default and wording.instructed else wording.plain
        both = own.both or "none"
        return Prompt(text=own.text, image=own.image, edit=both, mixture=both)

    def ask(self, item: Item, prompt: Prompt, purpose: Purpose = ANY) -> FilledPrompt:
        """Word an item: in the recipe's own way, unless the prompt is another than E5-V's.

        Raises:
            PromptError: there is no place for an instruction, or for a part of the item.
        """
        item = replace(item, instruction=item.instruction or purpose.instruction)
        if self.query and self.query.default and self.wording("query", prompt):
            item = _take_system(item)
        instruction = item.instruction
        side = item.side or _find_side(purpose, instruction)
        wording = self.wording(side, prompt)
        if wording is None:
            return ask(item, prompt)
        if instruction and wording.instructed is None:
            raise PromptError(self._refusal(side))
        return wording.fill(item, instruction)

    def check(self, prompt: Prompt, purpose: Purpose) -> None:
        """Raise `PromptError` unless a call's instruction has a place, whatever its items are."""
        if not purpose.instruction:
            return
        side = _find_side(purpose, purpose.instruction)
        wording = self.wording(side, prompt)
        templates = (prompt.text, prompt.image, prompt.edit, prompt.mixture)
        if wording is None and not any(INSTRUCTION in one for one in templates):
            raise PromptError(
                f"the recipe {self.name} has no place for an instruction; leave it out, or use a "
                f"prompt with {INSTRUCTION} where it goes",
                argument="instruction",
            )
        if wording is not None and wording.instructed is None:
            raise PromptError(self._refusal(side), argument="instruction")

    def _refusal(self, side: Side) -> str:
        plural = {"query": "queries", "document": "documents"}[side]
        if self.takes_instructions:
            return f"the recipe {self.name} gives {plural} no instruction; leave it out"
        return f"the recipe {self.name} has no place for an instruction; leave it out"


def _find_side(purpose: Purpose, instruction: str) -> Side:
    return purpose.side or ("query" if instruction else "document")


def _take_system(item: Item) -> Item:
    """Take the system turn of an item for its instruction, as models with a default of one do.

    Raises:
        PromptError: it has both.
    """
    if not item.system:
        return item
    if item.instruction and item.instruction != item.system:
        raise PromptError(
            "the item has a system turn and an instruction, which are the same to this model; give "
            "one of them"
        )
    return replace(item, instruction=item.system, system=None)
