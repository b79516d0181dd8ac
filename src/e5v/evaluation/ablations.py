"""What a table of the paper, or a question about it, varies: one embedder becomes several.

name -> variants -> each evaluated alike

`prompt` is Table 6: nothing asked, a summary asked, one word asked. `readout` reads elsewhere in
the language model (`e5v.model.readout`), which the paper did not try.
"""

from collections.abc import Iterator
from typing import Literal

from e5v.evaluation.embedders import OwnModel
from e5v.model.embedder import E5V
from e5v.model.prompts import PROMPTS, Prompt

Ablation = Literal["prompt", "readout"]

BARE = Prompt(text="<text>", image="<image>", edit="<image> <text>", mixture="<parts>")
SUMMARY = Prompt(
    text="<text> Summary above sentence:",
    image="<image> Summary above image:",
    edit="<image> <text> Summary above:",  # the paper does not give its own
    mixture="<parts> Summary above:",
)


def variants(model: E5V, ablation: Ablation | None) -> Iterator[tuple[str, OwnModel]]:
    """Yield what is evaluated and what it is called; the model as it is, without an ablation."""
    if ablation is None:
        yield "", OwnModel(model)
    elif ablation == "prompt":
        yield "no prompt", OwnModel(model, dict.fromkeys(PROMPTS, BARE))
        yield "prompt", OwnModel(model, dict.fromkeys(PROMPTS, SUMMARY))
        yield "one word", OwnModel(model)
    else:
        layers = len(model.loaded.language_model.layers)
        inner = sorted({layers // 2, 3 * layers // 4, layers - 1} - {0, layers})
        for readout in (*map(str, inner), "before-mlp", "last"):
            yield f"read at {readout}", OwnModel(E5V(model.loaded, readout=readout))
