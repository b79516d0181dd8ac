"""The settings of the argument, a record each: how a model is trained, and what is asked of it.

The paper's tables 6 and 7, its training script's two bugs, and what it did not try.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from e5v.errors import UsageError
from e5v.evaluation.variants import BARE, SUMMARY, Ablation
from e5v.training.recipe import Mode
from nano.triplets import COMPOSED, REAL

OF_TEXTS = ("rows", "composed", "nli_share", "text_tokens")  # no training on pictures alone has any


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


@dataclass(frozen=True)
class Training:
    """How a model is trained: `images` is the share of pictures among the anchors.

    `changes` are numbers that are not as all have them in common.
    """

    images: float = 0.0
    negatives: bool = True
    prompt: str = "retrieval"
    template: Mode = "fixed"
    mask: Mode = "fixed"
    changes: Mapping[str, Any] = field(default_factory=dict)

    def change(self, common: Numbers) -> Numbers:
        """Return the numbers of this training."""
        return replace(common, **self.changes)

    def used(self, numbers: Numbers) -> dict[str, Any]:
        """Return those of some numbers that this training depends on."""
        left_out = OF_TEXTS if self.images == 1 else ()
        return {name: one for name, one in asdict(numbers).items() if name not in left_out}


@dataclass(frozen=True)
class Setting:
    """One line of the argument.

    With `equal_compute` there are as many steps as text-only training of the same seed would pay
    for; otherwise as many steps as it has. `labels` are the variants that are kept, of those of
    `ablations`; all if there are none. With `whole`, it is also asked for words, English, another
    style, lettered captions and STS-B.
    """

    name: str
    title: str
    training: Training | None = None
    equal_compute: bool = False
    ablations: tuple[Ablation | None, ...] = (None,)
    labels: tuple[str, ...] = ()
    whole: bool = False


PAIRS = Training(images=1.0)
BARE_PAIRS = replace(PAIRS, negatives=False)
ONE_WAY = {"symmetric": False}
SETTINGS: tuple[Setting, ...] = (
    Setting("base", "untuned", ablations=("prompt", "readout"), whole=True),
    Setting(
        "text",
        "text-only",
        Training(),
        ablations=("readout",),
        labels=("one word", "read at before-mlp"),
        whole=True,
    ),
    Setting(
        "text-plain", "text-only, no edits among the rows", Training(changes={"composed": 0.0})
    ),
    Setting("text-one-way", "text-only, the paper's loss", Training(changes=ONE_WAY)),
    Setting("pairs", "image-text, hard negatives, equal steps", PAIRS, whole=True),
    Setting(
        "pairs-compute", "image-text, hard negatives, equal compute", PAIRS, equal_compute=True
    ),
    Setting("pairs-bare", "image-text, no hard negatives, equal steps", BARE_PAIRS),
    Setting(
        "pairs-bare-compute",
        "image-text, no hard negatives, equal compute",
        BARE_PAIRS,
        equal_compute=True,
    ),
    Setting(
        "pairs-one-way",
        "image-text, hard negatives, equal steps, the paper's loss",
        replace(PAIRS, changes=ONE_WAY),
    ),
    Setting("mixed", "half image-text, half text", Training(images=0.5), whole=True),
    Setting("faithful-template", "text-only, the script's template", Training(template="faithful")),
    Setting("faithful-mask", "text-only, the script's mask", Training(mask="faithful")),
    Setting(
        "faithful",
        "text-only, the script's template and mask",
        Training(template="faithful", mask="faithful"),
    ),
    Setting(
        "text-no-prompt",
        "text-only, no prompt",
        Training(prompt=BARE.text),
        ablations=("prompt",),
        labels=("no prompt",),
    ),
    Setting(
        "text-prompt",
        'text-only, without "in one word"',
        Training(prompt=SUMMARY.text),
        ablations=("prompt",),
        labels=("prompt",),
    ),
)


def find_settings(names: Collection[str]) -> list[Setting]:
    """Return the settings of some names in the table's order; all for none.

    Raises:
        UsageError: a name is not known.
    """
    known = [one.name for one in SETTINGS]
    for name in names:
        if name not in known:
            raise UsageError(f"setting {name} is not known; name some of {', '.join(known)}")
    return [one for one in SETTINGS if not names or one.name in names]
