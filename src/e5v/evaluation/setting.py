"""The settings of an evaluation, as a report states them.

variants and their pools -> names, digest, wordings, versions -> Setting
"""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from e5v.evaluation.scores import Run, Setting
from e5v.evaluation.tasks import Pool
from e5v.evaluation.variants import Variant
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
    """Return the settings of an evaluation; the last of the variants is the model itself.

    `pools` are the items embedded, `name` is the user's name for the model, and `paper` names the
    model of the paper's figures, if there are any.
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
    """Return the prompt wordings of some pools: once, if all variants use the same."""
    asked = {one.label: one.embedder.wordings(pools) for one in every}
    first = next(iter(asked.values()))
    if all(one == first for one in asked.values()):
        return first
    return {f"{label}: {name}": text for label, own in asked.items() for name, text in own.items()}


def _device(model: E5V) -> str:
    import torch

    if model.device.type == "cuda":
        return f"{model.device}: {torch.cuda.get_device_name(model.device)}"
    threads = torch.get_num_threads()
    return f"{model.device}, {threads} thread{'s' if threads > 1 else ''}"
