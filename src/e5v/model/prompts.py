"""How each kind of item is asked for in one word: the paper's wordings, as data.

    item + Prompt -> the user's turn T, in segments -> a Turn wraps T -> pieces for the tokenizer

A wording is a string with slots. `<text>` and `<image>` take the item's texts and images in order,
`<parts>` takes everything in order. Wordings are verbatim from the official code, whose figures
they produce; its spacing and spelling are kept and marked `# sic`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from e5v.errors import PromptError
from e5v.items import Image, Item, Text

SLOT = re.compile(r"<(text|image|parts)>")


@dataclass(frozen=True)
class Prompt:
    """What is asked, per kind of item. Section 1.2 and appendix of the paper.

    `text` for texts, `image` for images, `edit` for an image followed by a text (the composed
    query, "like this, but ..."), `mixture` for any other sequence. `cir` says that `image` is
    itself worded for composed retrieval, which matters to one chat turn (Phi-3).
    """

    text: str
    image: str
    edit: str = '<image>Modify this image with "<text>", desribe modified image in one word:'
    mixture: str = "<parts>\nSummary above content in one word: "
    cir: bool = False


def fashioniq(noun: str) -> Prompt:
    """Return the FashionIQ wordings for a noun; toptee uses "shirt" in the official code."""
    return Prompt(
        text="<text>\nSummary above sentence in one word: ",
        image=f"<image>\n Describe this {noun} in one word based on its style:",
        edit=f"<image> change the style of this {noun} to <text>\n"
        f" Desribe this modified {noun} in one word based on its style:",  # sic
        cir=True,
    )


RETRIEVAL = Prompt(
    text="<text>\nSummary above sentence in one word: ",  # sic: the space at the end is pooled over
    image="<image>\nSummary above image in one word: ",
    edit='<image>Modify this image with "<text>", desribe modified image in one word:',  # sic
)

PROMPTS: dict[str, Prompt] = {
    "retrieval": RETRIEVAL,
    "rendered": RETRIEVAL,  # captions drawn as images are asked for as images
    "sts": Prompt(
        text=" <text>\nSummary above sentence in one word:",  # sic: leads with a space, ends bare
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
    """Return the prompt of that name, or make one of a user's own wording.

    Raises:
        PromptError: the string is neither a known name nor a wording with a slot.
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


Segment = str | Text | Image  # a str is our own wording, Text and Image are the user's


@dataclass(frozen=True)
class Request:
    """The user's turn of one item: segments in order, and whether it is worded as an edit.

    `system` is the system turn before it, if the item has one.
    """

    segments: tuple[Segment, ...]
    cir: bool
    system: str | None = None


def ask(item: Item, prompt: Prompt) -> Request:
    """Word the request for one item.

    Raises:
        PromptError: the wording lacks a slot for a part of the item, or has one too many.
    """
    kinds = tuple(type(part) for part in item.parts)
    if kinds == (Image, Text):
        wording, cir = prompt.edit, True
    elif set(kinds) == {Text} and len(kinds) == 1:
        wording, cir = prompt.text, False
    elif set(kinds) == {Image} and len(kinds) == 1:
        wording, cir = prompt.image, prompt.cir
    else:
        wording, cir = prompt.mixture, False
    return Request(tuple(_fill(wording, item)), cir, item.system)


def _fill(wording: str, item: Item) -> list[Segment]:
    """Put the item's parts into the slots of a wording.

    The last slot of a kind takes all that is left of it, one part per line.
    """
    pieces = SLOT.split(wording)  # literal, slot, literal, slot, ..., literal
    slots = pieces[1::2]
    waiting: dict[str, list[Segment]] = {
        "text": [part for part in item.parts if isinstance(part, Text)],
        "image": [part for part in item.parts if isinstance(part, Image)],
        "parts": list(item.parts),
    }
    _check_slots(wording, slots, waiting)
    segments: list[Segment] = [pieces[0]]
    for place, slot in enumerate(slots):
        last = slot not in slots[place + 1 :]
        taken = waiting[slot] if last else waiting[slot][:1]
        waiting[slot] = waiting[slot][len(taken) :]
        segments += _lines(taken)
        segments.append(pieces[2 * place + 2])
    return [segment for segment in segments if segment != ""]


def _check_slots(wording: str, slots: Sequence[str], waiting: dict[str, list[Segment]]) -> None:
    if "parts" in slots:
        if len(slots) > 1:
            raise PromptError(f"prompt {wording!r} has <parts> beside other slots; use it alone")
        return
    counts = [(kind, len(waiting[kind]), slots.count(kind)) for kind in ("text", "image")]
    for kind, have, want in counts:
        if have and not want:
            raise PromptError(
                f"prompt {wording!r} has no <{kind}> slot, but the item has {have} {kind}(s); "
                f"add <{kind}> where it goes"
            )
    for kind, have, want in counts:
        if want > have:
            raise PromptError(
                f"prompt {wording!r} has {want} <{kind}> slot(s), but the item has {have}; "
                "give the item that part or use another prompt"
            )


def _lines(parts: Sequence[Segment]) -> list[Segment]:
    lines: list[Segment] = []
    for part in parts:
        lines += [part] if not lines else ["\n", part]
    return lines


@dataclass(frozen=True)
class Turn:
    """A chat turn of the paper: what stands before and after the user's T.

    `marks` are tokens that a vocabulary must have, `language_models` the text model types it
    belongs to. `trim` drops the white space at the end of T: the official prompts for Mistral and
    Phi-3 have none there, those for LLaMA-3 do. `after_cir` replaces `after` in composed retrieval.
    """

    name: str
    before: str
    after: str
    marks: tuple[str, ...] = ()
    language_models: tuple[str, ...] = ()
    trim: bool = True
    after_cir: str | None = None

    def fits(self, language_model: str, has_token: Callable[[str], bool]) -> bool:
        """Tell whether a model with this text model type and vocabulary speaks this turn."""
        return language_model in self.language_models and all(has_token(m) for m in self.marks)

    def wrap(self, request: Request) -> list[Segment]:
        """Return the whole prompt of a request, in segments."""
        segments = list(request.segments)
        if self.trim and isinstance(segments[-1], str):
            segments[-1] = segments[-1].rstrip()
        after = self.after_cir if request.cir and self.after_cir else self.after
        return [self.before, *segments, after]


# First match wins. LLaMA-3 has no system turn and ends in newline newline space newline: the last
# token, 720 (" \n"), is the one that is pooled.
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
