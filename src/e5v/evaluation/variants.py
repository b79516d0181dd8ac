"""Ablations: variants of one embedder, each evaluated in the same way.

name -> variants

`prompt` is Table 6: no prompt, a prompt for a summary, a prompt for one word. `readout` pools
elsewhere in the language model (`e5v.model.readout`), which the paper did not try.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from e5v.evaluation.cached_embedder import OwnModel
from e5v.evaluation.published import Asked
from e5v.model.embedder import E5V
from e5v.model.prompts import PROMPTS, Prompt

Ablation = Literal["prompt", "readout"]

BARE = Prompt(text="<text>", image="<image>", edit="<image> <text>", mixture="<parts>")
SUMMARY = Prompt(
    text="<text> Summary above sentence:",
    image="<image> Summary above image:",
    edit="<image> <text> Summary above:",  # the paper does not give its wording
    mixture="<parts> Summary above:",
)


@dataclass(frozen=True)
class Variant:
    """A variant: its label, its embedder, and the row of Table 6 with the same prompt, if any."""

    label: str
    embedder: OwnModel
    asked: Asked | None


def variants(model: E5V, ablation: Ablation | None) -> Iterator[Variant]:
    """Yield the variants of an ablation; without one, the model itself, unlabelled."""
    if ablation is None:
        yield Variant("", OwnModel(model), "one word")
    elif ablation == "prompt":
        yield Variant("no prompt", OwnModel(model, dict.fromkeys(PROMPTS, BARE)), "no prompt")
        yield Variant("prompt", OwnModel(model, dict.fromkeys(PROMPTS, SUMMARY)), "prompt")
        yield Variant("one word", OwnModel(model), "one word")
    else:
        layers = len(model.loaded.language_model.layers)
        inner = sorted({layers // 2, 3 * layers // 4, layers - 1} - {0, layers})
        for readout in (*map(str, inner), "before-mlp"):
            yield Variant(f"read at {readout}", OwnModel(E5V(model.loaded, readout=readout)), None)
        yield Variant("read at last", OwnModel(model), "one word")
