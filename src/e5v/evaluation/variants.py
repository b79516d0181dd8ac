"""Variants of one embedder, each evaluated in the same way, and the setting that a report states.

name of an ablation  -> variants
variants, their pools -> names, digest, wordings, versions -> Setting

`prompt` is Table 6: no prompt, a prompt for a summary, a prompt for one word. `readout` pools
elsewhere in the language model (`e5v.model.readout`), which the paper did not try.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Literal, get_args

from e5v.evaluation.cached_embedder import OwnModel
from e5v.evaluation.published import PaperPrompt
from e5v.evaluation.scores import BenchmarkRun, Setting
from e5v.evaluation.tasks import Pool
from e5v.model.embedder import E5V
from e5v.model.prompts import PROMPTS, Prompt

Ablation = Literal["prompt", "readout"]
PACKAGES = ("e5v", "torch", "transformers", "numpy", "scipy", "pillow")

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
    paper_prompt: PaperPrompt | None


def variants(
    model: E5V, ablation: Ablation | None, prompts: PaperPrompt = "one word"
) -> Iterator[Variant]:
    """Yield the variants of an ablation; without one, the model with some prompts, unlabelled."""
    if ablation is None:
        yield Variant("", _ask(model, prompts), prompts)
    elif ablation == "prompt":
        for one in get_args(PaperPrompt):
            yield Variant(one, _ask(model, one), one)
    else:
        layers = len(model.loaded.language_model.layers)
        inner = sorted({layers // 2, 3 * layers // 4, layers - 1} - {0, layers})
        for readout in (*map(str, inner), "before-mlp"):
            yield Variant(f"read at {readout}", OwnModel(E5V(model.loaded, readout=readout)), None)
        yield Variant("read at last", OwnModel(model), "one word")


def _ask(model: E5V, prompts: PaperPrompt) -> OwnModel:
    """Return the model with the prompts of a row of Table 6."""
    wording = {"no prompt": BARE, "prompt": SUMMARY}.get(prompts)
    return OwnModel(model, dict.fromkeys(PROMPTS, wording) if wording else None)


def describe_setting(
    every: Sequence[Variant],
    pools: Sequence[Pool],
    runs: Sequence[BenchmarkRun],
    *,
    name: str,
    paper: str,
) -> Setting:
    """Return the settings of an evaluation; the last of the variants is the model itself.

    `pools` are the items embedded, `name` is the user's name for the model, and `paper` names the
    model of the paper's figures, if there are any.
    """
    own = every[-1].embedder
    model = own.model
    return Setting(
        model=name,
        fingerprint=own.fingerprint,
        dtype=str(model.dtype).removeprefix("torch."),
        device=_describe_device(model),
        readout=", ".join(dict.fromkeys(one.embedder.model.encoder.readout for one in every)),
        turn=_describe_turn(model),
        prompts=collect_wordings(every, pools),
        versions={"python": sys.version.split()[0]} | {one: version(one) for one in PACKAGES},
        paper=paper,
        runs=tuple(runs),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        tiling=model.loaded.tiling,
    )


def collect_wordings(every: Iterable[Variant], pools: Sequence[Pool]) -> dict[str, str]:
    """Return the prompt wordings of some pools: once, if all variants use the same."""
    asked = {one.label: one.embedder.wordings(pools) for one in every}
    first = next(iter(asked.values()))
    if all(one == first for one in asked.values()):
        return first
    return {f"{label}: {name}": text for label, own in asked.items() for name, text in own.items()}


def _describe_turn(model: E5V) -> str:
    turn, recipe = model.loaded.turn, model.loaded.recipe
    if turn is None:
        return "the model's own chat template"
    return f"{turn.name}, the paper's" if recipe.turn == "family" else f"as {recipe.name} has it"


def _describe_device(model: E5V) -> str:
    import torch

    if model.device.type == "cuda":
        return f"{model.device}: {torch.cuda.get_device_name(model.device)}"
    threads = torch.get_num_threads()
    return f"{model.device}, {threads} thread{'s' if threads > 1 else ''}"
