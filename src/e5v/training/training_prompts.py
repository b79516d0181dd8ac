"""From an item to the prompt that is trained on, in one of two templates.

    fixed     item -> its texts truncated -> the prompt and turn also used for embedding -> ids
    faithful  text -> truncated, decoded  -> the official training script's text         -> ids

The official script (ft_llm.py) replaces "_" by a space after the LLaMA-3 turn is applied and strips
the result: no special token survives, the final newlines are lost, and the pooled token differs
from the one in use. For Mistral and Phi-3 it applies no turn. A text is truncated as ids and
decoded, which removes the space in "boat ." if the tokenizer cleans up. The cost is not published.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from e5v.inputs import Item, Part, RawItem, Side, Text
from e5v.model.encoder import Prompted
from e5v.model.images import digest
from e5v.model.loading import Loaded
from e5v.model.preparing import Prepared, Preparer, ahead
from e5v.model.prompts import Segment, ask, find_prompt
from e5v.model.recipe import ANY, Purpose
from e5v.model.tokens import PromptTokenizer
from e5v.training.cells import as_item
from e5v.training.image_cache import ImageCache
from e5v.training.recipe import Recipe


class TrainingPrompts:
    """Builds prompts from items, each text truncated to the recipe's `text_tokens` tokens.

    Images that `cache` knows are not decoded again.
    """

    def __init__(self, loaded: Loaded, recipe: Recipe, cache: ImageCache | None = None) -> None:
        tokenizer = loaded.processor.tokenizer
        known = None if cache is None else cache.get
        self._preparer = Preparer(loaded, loaded.context, known)
        self._tokenizer = PromptTokenizer(tokenizer, loaded.context)
        self._backend: Any = tokenizer.backend_tokenizer
        # cleaned up by default in the script's transformers 4.41, and never for BPE in 5
        cleans = tokenizer.init_kwargs.get("clean_up_tokenization_spaces", True)
        self._clean: Callable[[str], str] = tokenizer.clean_up_tokenization if cleans else str
        self._prompt = find_prompt(recipe.prompt)
        self._faithful = recipe.template == "faithful"
        self._text_tokens = recipe.text_tokens

    def prepare(self, items: Sequence[RawItem], sides: Sequence[Side] = ()) -> list[Prepared]:
        """Return the prompts of items, in their order; images are read on threads.

        `sides` are those of the items, if they are known.

        Raises:
            ItemError: an image cannot be read, or an item does not fit into the context.
            PromptError: the prompt has no slot for a part of an item.
        """
        purposes = [Purpose(side=side) for side in sides] or [ANY] * len(items)
        prepare = partial(self._prepare, purposes=purposes)
        if all(isinstance(item, str) for item in items):
            return [prepare(as_item(item), place) for place, item in enumerate(items)]
        return [one.result() for one in ahead([as_item(item) for item in items], prepare)]

    def _prepare(self, item: Item, position: int, purposes: Sequence[Purpose]) -> Prepared:
        parts = [self._truncate_part(part) for part in item.parts]
        truncated = replace(item, parts=tuple(part for part, _ in parts))
        cut = any(cut for _, cut in parts)
        if self._faithful:
            pieces = self._imitate_script(ask(truncated, self._prompt).segments)
            tokens = self._tokenizer.encode(pieces, ())
            return Prepared(position, digest(truncated), Prompted(tokens.ids), tokens.cut or cut)
        purpose = purposes[position]
        prepared = self._preparer.prepare(truncated, position, self._prompt, purpose=purpose)
        return replace(prepared, cut=prepared.cut or cut)

    def _truncate_part(self, part: Part) -> tuple[Part, bool]:
        if not isinstance(part, Text):
            return part, False
        text, cut = self._truncate(part.text)
        return Text(text), cut

    def _truncate(self, text: str) -> tuple[str, bool]:
        """Return the start of a text, and whether it was truncated."""
        encoding = self._backend.encode(text, add_special_tokens=False)
        cut = len(encoding.ids) > self._text_tokens
        if self._faithful:
            ids = encoding.ids[: self._text_tokens]
            return self._clean(self._backend.decode(ids, skip_special_tokens=False)), cut
        if not cut:
            return text, cut
        return text[: max(end for _, end in encoding.offsets[: self._text_tokens])] or text[:1], cut

    def _imitate_script(self, segments: Sequence[Segment]) -> list[Segment]:
        turn = self._preparer.renderer.turn
        pieces = _strip_ends(segments)
        if turn is not None and turn.name == "llama3":
            pieces = _strip_ends([turn.before, *pieces, turn.after])
        pieces = [one.replace("_", " ") if isinstance(one, str) else one for one in pieces]
        pieces[0] = _change_text(pieces[0], str.lstrip)  # a text at either end is stripped, too
        pieces[-1] = _change_text(pieces[-1], str.rstrip)
        return pieces


def _strip_ends(segments: Sequence[Segment]) -> list[Segment]:
    """Strip white space at both ends of a template."""
    first, last = segments[0], segments[-1]
    whole = list(segments)
    if isinstance(first, str):
        whole[0] = first.lstrip()
    if isinstance(last, str):
        whole[-1] = last.rstrip() if len(whole) > 1 else last.strip()
    return [one for one in whole if one != ""]


def _change_text(segment: Segment, change: Callable[[str], str]) -> Segment:
    return Text(change(segment.text)) if isinstance(segment, Text) else segment
