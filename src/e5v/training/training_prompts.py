"""From a text to the ids that are trained on, in one of two templates.

    fixed     text -> truncated -> the prompt and turn also used for embedding -> ids
    faithful  text -> truncated, decoded -> the official training script's text -> ids

The official script (ft_llm.py) replaces "_" by a space after the LLaMA-3 turn is applied and strips
the result: no special token survives, the final newlines are lost, and the pooled token differs
from the one in use. For Mistral and Phi-3 it applies no turn. A text is truncated as ids and
decoded, which removes the space in "boat ." if the tokenizer cleans up. The cost is not published.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from e5v.inputs import Item, Text
from e5v.model.encoder import Prompted
from e5v.model.loading import Loaded
from e5v.model.prompts import Prompt, Segment, ask
from e5v.model.rendering import Renderer
from e5v.model.tokens import PromptTokenizer
from e5v.training.recipe import Mode


@dataclass(frozen=True)
class Worded:
    """A text as the model reads it; `cut` if it was truncated."""

    prompted: Prompted
    cut: bool


class Wording:
    """Builds prompts from texts, truncated to `text_tokens` tokens without the prompt."""

    def __init__(self, loaded: Loaded, prompt: Prompt, *, template: Mode, text_tokens: int) -> None:
        tokenizer = loaded.processor.tokenizer
        self._tokenizer = PromptTokenizer(tokenizer, loaded.context)
        self._backend: Any = tokenizer.backend_tokenizer
        # cleaned up by default in the script's transformers 4.41, and never for BPE in 5
        cleans = tokenizer.init_kwargs.get("clean_up_tokenization_spaces", True)
        self._clean: Callable[[str], str] = tokenizer.clean_up_tokenization if cleans else str
        self._renderer = Renderer(loaded.processor, loaded.turn)
        self._prompt = prompt
        self._faithful = template == "faithful"
        self._text_tokens = text_tokens

    def __call__(self, text: str) -> Worded:
        """Return the ids of the whole prompt.

        Raises:
            PromptError: the prompt has no place for a text.
        """
        kept, cut = self._cut(text)
        item = Item((Text(kept),))
        request = ask(item, self._prompt)
        pieces = (
            self._imitate_script(request.segments)
            if self._faithful
            else self._renderer.render(request)
        )
        tokens = self._tokenizer.encode(pieces, ())
        return Worded(Prompted(tokens.ids), cut=tokens.cut or cut)

    def _cut(self, text: str) -> tuple[str, bool]:
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
        turn = self._renderer.turn
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
