"""What was measured with, as a report states it.

variants and what they were asked -> names, digest, wordings, versions -> Setting
"""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from e5v.evaluation.ablations import Variant
from e5v.evaluation.figures import Run, Setting
from e5v.evaluation.tasks import Pool
from e5v.model.embedder import E5V

PACKAGES = ("e5v", "torch", "transformers", "numpy", "scipy", "pillow")


def setting_of(
    every: Sequence[Variant],
    pools: Sequence[Pool],
    runs: Sequence[Run],
    *,
    name: str,
    paper: str,
) -> Setting:
    """State what was measured with: variants, the last of which is the model as it is.

    `pools` are what they were asked for, `name` is what the user calls the model, and `paper` says
    whose figures stand beside, if any do.
    """
    own = every[-1].embedder
    model, turn = own.model, own.model.loaded.turn
    return Setting(
        model=name,
        fingerprint=own.fingerprint,
        dtype=str(model.dtype).removeprefix("torch."),
        device=_device(model),
        readout=", ".join(dict.fromkeys(one.embedder.model.encoder.readout for one in every)),
        turn=f"{turn.name}, the paper's" if turn else "the model's own chat template",
        prompts=wordings_of(every, pools),
        versions={"python": sys.version.split()[0]} | {one: version(one) for one in PACKAGES},
        paper=paper,
        runs=tuple(runs),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def wordings_of(every: Iterable[Variant], pools: Sequence[Pool]) -> dict[str, str]:
    """Return how the items of some pools are asked for: once, if all variants ask alike."""
    asked = {one.label: one.embedder.wordings(pools) for one in every}
    first = next(iter(asked.values()))
    if all(one == first for one in asked.values()):
        return first
    return {f"{label}: {name}": told for label, own in asked.items() for name, told in own.items()}


def _device(model: E5V) -> str:
    import torch

    if model.device.type == "cuda":
        return f"{model.device}: {torch.cuda.get_device_name(model.device)}"
    threads = torch.get_num_threads()
    return f"{model.device}, {threads} thread{'s' if threads > 1 else ''}"
