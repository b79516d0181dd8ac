"""The settings of the argument, a record each: how a model is trained, and what is asked of it.

The paper's tables 6 and 7, its training script's two bugs, and what it did not try.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from e5v.errors import UsageError
from e5v.evaluation.variants import BARE, SUMMARY, Ablation
from e5v.training.recipe import Mode
from nano.triplets import COMPOSED, REAL


@dataclass(frozen=True)
class Numbers:
    """What all trainings have in common; chosen on the validation split."""

    steps: int = 400
    batch: int = 64
    lr: float = 1e-3
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    symmetric: bool = True
    text_tokens: int = 48
    rows: int = 20_000
    composed: float = COMPOSED
    nli_share: float = REAL

    def of(self, how: OnText | OnPairs) -> dict[str, Any]:
        """Return those that a training depends on: pictures alone are not read from rows."""
        told = asdict(self)
        if isinstance(how, OnPairs) and how.images == 1:
            for name in ("rows", "composed", "nli_share", "text_tokens"):
                del told[name]
        return told


@dataclass(frozen=True)
class OnText:
    """`e5v train` on triplets; what is None is as all have it in common."""

    prompt: str = "retrieval"
    template: Mode = "fixed"
    mask: Mode = "fixed"
    composed: float | None = None
    symmetric: bool | None = None


@dataclass(frozen=True)
class OnPairs:
    """`nano.contrast`: `images` is the share of pictures among the anchors.

    With `equal_compute` there are as many steps as text-only training of the same seed would pay
    for; otherwise as many steps as it has.
    """

    images: float = 1.0
    negatives: bool = True
    equal_compute: bool = False
    symmetric: bool | None = None


@dataclass(frozen=True)
class Setting:
    """One line of the argument.

    `labels` are the variants that are scored, of those of `ablations`; all if there are none.
    With `whole`, it is also asked for words, English, another style, lettered captions and STS-B.
    """

    name: str
    title: str
    how: OnText | OnPairs | None = None
    ablations: tuple[Ablation | None, ...] = (None,)
    labels: tuple[str, ...] = ()
    whole: bool = False


SETTINGS: tuple[Setting, ...] = (
    Setting("base", "untuned", ablations=("prompt", "readout"), whole=True),
    Setting(
        "text",
        "text-only",
        OnText(),
        ablations=("readout",),
        labels=("one word", "read at before-mlp"),
        whole=True,
    ),
    Setting("text-plain", "text-only, no edits among the rows", OnText(composed=0.0)),
    Setting("text-one-way", "text-only, the paper's loss", OnText(symmetric=False)),
    Setting("pairs", "image-text, hard negatives, equal steps", OnPairs(), whole=True),
    Setting(
        "pairs-compute",
        "image-text, hard negatives, equal compute",
        OnPairs(equal_compute=True),
    ),
    Setting("pairs-bare", "image-text, no hard negatives, equal steps", OnPairs(negatives=False)),
    Setting(
        "pairs-bare-compute",
        "image-text, no hard negatives, equal compute",
        OnPairs(negatives=False, equal_compute=True),
    ),
    Setting(
        "pairs-one-way",
        "image-text, hard negatives, equal steps, the paper's loss",
        OnPairs(symmetric=False),
    ),
    Setting("mixed", "half image-text, half text", OnPairs(images=0.5), whole=True),
    Setting("faithful-template", "text-only, the script's template", OnText(template="faithful")),
    Setting("faithful-mask", "text-only, the script's mask", OnText(mask="faithful")),
    Setting(
        "faithful",
        "text-only, the script's template and mask",
        OnText(template="faithful", mask="faithful"),
    ),
    Setting(
        "text-no-prompt",
        "text-only, no prompt",
        OnText(prompt=BARE.text),
        ablations=("prompt",),
        labels=("no prompt",),
    ),
    Setting(
        "text-prompt",
        'text-only, without "in one word"',
        OnText(prompt=SUMMARY.text),
        ablations=("prompt",),
        labels=("prompt",),
    ),
)


def find_settings(names: Iterable[str]) -> list[Setting]:
    """Return the settings of some names in the table's order; all for none.

    Raises:
        UsageError: a name is not known.
    """
    wanted = list(names)
    known = {one.name for one in SETTINGS}
    for name in wanted:
        if name not in known:
            raise UsageError(f"setting {name} is not known; name some of {', '.join(known)}")
    return [one for one in SETTINGS if not wanted or one.name in wanted]
