"""The paper's prompts: templates that ask for an item in one word.

    item + Prompt -> the user's turn T, in segments -> a Turn wraps T -> pieces for the tokenizer

A template is a string with slots. `<text>` and `<image>` take the item's texts and images in order,
`<parts>` takes all parts in order; `<instruction>`, which may be left empty, takes what the item
is for. Templates are verbatim from the official code, to reproduce its
results; odd spacing and spelling are kept and marked `# sic`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from e5v.errors import PromptError
from e5v.inputs import Image, Item, Text

SLOT = re.compile(r"<(text|image|parts|instruction)>")


@dataclass(frozen=True)
class Prompt:
    """One template per kind of item. Section 1.2 and appendix of the paper.

    `text` for texts, `image` for images, `edit` for an image followed by a text (a composed query,
    "like this, but ..."), `mixture` for any other sequence. `cir` marks an `image` template for
    composed image retrieval, which changes the chat turn of Phi-3.
    """

    text: str
    image: str
    edit: str = '<image>Modify this image with "<text>", desribe modified image in one word:'
    mixture: str = "<parts>\nSummary above content in one word: "
    cir: bool = False


def fashioniq(noun: str) -> Prompt:
    """Return the FashionIQ templates for a noun; toptee uses "shirt" in the official code."""
    return Prompt(
        text="<text>\nSummary above sentence in one word: ",
        image=f"<image>\n Describe this {noun} in one word based on its style:",
        edit=f"<image> change the style of this {noun} to <text>\n"
        f" Desribe this modified {noun} in one word based on its style:",  # sic
        cir=True,
    )


RETRIEVAL = Prompt(
    text="<text>\nSummary above sentence in one word: ",  # sic: ends in a space
    image="<image>\nSummary above image in one word: ",
    edit='<image>Modify this image with "<text>", desribe modified image in one word:',  # sic
)

PROMPTS: dict[str, Prompt] = {
    "retrieval": RETRIEVAL,
    "rendered": RETRIEVAL,  # captions drawn as images use the image template
    "sts": Prompt(
        text=" <text>\nSummary above sentence in one word:",  # sic: starts with a space
        image=RETRIEVAL.image,
        edit=RETRIEVAL.edit,
    ),
    "cirr": Prompt(
        text=RETRIEVAL.text,
        image="<image>\n Describe this image in one word:",
        edit=RETRIEVAL.edit,
        cir=True,
    ),
    "fashioniq-dress": fashioniq("dress"),
    "fashioniq-shirt": fashioniq("shirt"),
    "fashioniq-toptee": fashioniq("shirt"),  # sic
}


def find_prompt(prompt: str | Prompt) -> Prompt:
    """Return the prompt of a name, or make one from a user's template.

    Raises:
        PromptError: the string is neither a known name nor a template with a slot.
    """
    if isinstance(prompt, Prompt):
        return prompt
    if prompt in PROMPTS:
        return PROMPTS[prompt]
    if not SLOT.search(prompt):
        names = ", ".join(PROMPTS)
        near = get_close_matches(prompt, PROMPTS, n=1)
        meant = f"did you mean {near[0]}? Otherwise " if near else ""
        raise PromptError(
            f"prompt {prompt!r} has no slot and is not a known name; {meant}"
            f"put <text>, <image> or <parts> where the item goes, or name one of {names}"
        )
    return Prompt(text=prompt, image=prompt, edit=prompt, mixture=prompt)


Segment = str | Text | Image  # a str is from the template, Text and Image from the user


@dataclass(frozen=True)
class FilledPrompt:
    """The user's turn of one item: segments in order, and whether it is a composed query.

    `system` is the system turn before it, if the item has one.
    """

    segments: tuple[Segment, ...]
    cir: bool
    system: str | None = None


def ask(item: Item, prompt: Prompt) -> FilledPrompt:
    """Fill the prompt's template for one item.

    Raises:
        PromptError: the template lacks a slot for a part of the item, or has one too many.
    """
    kinds = tuple(type(part) for part in item.parts)
    if kinds == (Image, Text):
        template, cir = prompt.edit, True
    elif set(kinds) == {Text} and len(kinds) == 1:
        template, cir = prompt.text, False
    elif set(kinds) == {Image} and len(kinds) == 1:
        template, cir = prompt.image, prompt.cir
    else:
        template, cir = prompt.mixture, False
    return FilledPrompt(tuple(_fill(template, item)), cir, item.system)


def _fill(template: str, item: Item) -> list[Segment]:
    """Put the item's parts into the slots of a template, one per line."""
    parts: dict[str, list[Segment]] = {
        "text": [part for part in item.parts if isinstance(part, Text)],
        "image": [part for part in item.parts if isinstance(part, Image)],
        "parts": list(item.parts),
        "instruction": [Text(item.instruction)] if item.instruction else [],
    }
    _check_slots(template, SLOT.split(template)[1::2], parts)
    return fill(template, parts)


def fill(
    template: str, parts: Mapping[str, list[Segment]], between: Mapping[str, str] | None = None
) -> list[Segment]:
    """Put parts into the slots of a template; `between` is what separates those of a kind.

    The last slot of a kind takes all remaining parts of that kind, by default one per line.
    """
    pieces = SLOT.split(template)  # literal, slot, literal, slot, ..., literal
    slots = pieces[1::2]
    remaining = dict(parts)
    segments: list[Segment] = [pieces[0]]
    for place, slot in enumerate(slots):
        last = slot not in slots[place + 1 :]
        taken = remaining[slot] if last else remaining[slot][:1]
        remaining[slot] = remaining[slot][len(taken) :]
        segments += _join(taken, (between or {}).get(slot, "\n"))
        segments.append(pieces[2 * place + 2])
    return [segment for segment in segments if segment != ""]


def _check_slots(template: str, slots: Sequence[str], remaining: dict[str, list[Segment]]) -> None:
    if remaining["instruction"] and "instruction" not in slots:
        raise PromptError(
            f"prompt {template!r} has no <instruction> slot, but the item has an instruction; "
            "add <instruction> where it goes, or remove the instruction"
        )
    if "parts" in slots:
        if len(slots) > 1 + slots.count("instruction"):
            raise PromptError(f"prompt {template!r} has <parts> and other slots; use <parts> alone")
        return
    counts = [(kind, len(remaining[kind]), slots.count(kind)) for kind in ("text", "image")]
    for kind, have, want in counts:
        if have and not want:
            raise PromptError(
                f"prompt {template!r} has no <{kind}> slot, but the item has {have} {kind}(s); "
                f"add <{kind}> where it goes"
            )
    for kind, have, want in counts:
        if want > have:
            raise PromptError(
                f"prompt {template!r} has {want} <{kind}> slot(s), but the item has {have}; "
                "add that part to the item or use another prompt"
            )


def _join(parts: Sequence[Segment], separator: str) -> list[Segment]:
    joined: list[Segment] = []
    for part in parts:
        joined += [part] if not joined else [separator, part]
    return joined


@dataclass(frozen=True)
class Turn:
    """A chat turn of the paper: the text before and after the user's T.

    `marks` are tokens that the vocabulary must have, `language_models` the supported text model
    types. `trim` strips white space at the end of T: the official prompts for Mistral and Phi-3
    have none there, those for LLaMA-3 do. `after_cir` replaces `after` in composed retrieval.
    """

    name: str
    before: str
    after: str
    marks: tuple[str, ...] = ()
    language_models: tuple[str, ...] = ()
    trim: bool = True
    after_cir: str | None = None

    def fits(self, language_model: str, has_token: Callable[[str], bool]) -> bool:
        """Check whether a model with this text model type and vocabulary uses this turn."""
        return language_model in self.language_models and all(has_token(m) for m in self.marks)

    def wrap(self, request: FilledPrompt) -> list[Segment]:
        """Return the whole prompt of a request as segments."""
        segments = list(request.segments)
        if self.trim and isinstance(segments[-1], str):
            segments[-1] = segments[-1].rstrip()
        after = self.after_cir if request.cir and self.after_cir else self.after
        return [self.before, *segments, after]


# First match wins. LLaMA-3 has no system turn and ends in "\n\n \n"; its last token, 720 (" \n"),
# is the pooled one.
TURNS: tuple[Turn, ...] = (
    Turn(
        name="llama3",
        before="<|start_header_id|>user<|end_header_id|>\n\n",
        after="<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n \n",  # sic
        marks=("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        language_models=("llama",),
        trim=False,
    ),
    Turn(
        name="phi3",
        before="<|user|>\n",
        after="<|end|>\n<|assistant|>\n",
        after_cir=" <|end|>\n<|assistant|>\n",
        marks=("<|user|>", "<|end|>", "<|assistant|>"),
        language_models=("phi3", "llama", "mistral"),
    ),
    Turn(name="mistral", before="[INST] ", after=" [/INST]", language_models=("mistral",)),
    Turn(name="vicuna", before="USER: ", after=" ASSISTANT:", language_models=("llama",)),
)

# No turn at all: for templates that are whole prompts (`e5v.model.recipe`).
RAW = Turn(name="raw", before="", after="", trim=False)


def find_turn(names: Sequence[str], language_model: str, vocabulary: Container[str]) -> Turn | None:
    """Return the first of the named turns that fits a language model and its vocabulary, if any."""
    for turn in TURNS:
        if turn.name in names and turn.fits(language_model, vocabulary.__contains__):
            return turn
    return None
