"""`e5v train`: a language model, trained on text pairs as it goes.

model + triplets -> e5v.training.fit -> a line a step, or JSON lines
"""

import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import OmitArgPrefixes, arg

from e5v.errors import UsageError
from e5v.extras import EXTRAS, need
from e5v.training.recipe import Recipe
from e5v.verbs.opening import MODEL, Opening
from e5v.verbs.talk import say, show_line, wants_lines

if TYPE_CHECKING:
    from e5v.training.run import Begun, Measured, Step

BROKEN_SHOWN = 10


@dataclass(frozen=True)
class Train:
    """Train the language model of a multimodal one on text pairs; its vision tower is not opened.

    The data are CSV, JSON lines or Parquet with the columns anchor, positive and, if there are hard
    negatives, negative; SimCSE's sent0, sent1 and hard_neg are known, too. The defaults are the
    paper's recipe. What comes out is an adapter: e5v merge puts it back into the whole model.

    On 8 GPUs it is torchrun --nproc-per-node 8 -m e5v.cli train ...

    e5v train --model royokong/e5-v --data nli_for_simcse.csv --out run
    """

    data: Annotated[tuple[Path, ...], arg(metavar="FILE...")]
    """Files of triplets."""
    out: Annotated[Path, arg(metavar="FOLDER")]
    """Where the run is written: log, checkpoints, adapter."""
    model: Annotated[str, arg(metavar="NAME")] = MODEL
    """A hub id or a folder."""
    evaluation: Annotated[Path | None, arg(metavar="PATH")] = None
    """Held-out data to measure on: triplets, or a folder of images with captions.jsonl."""
    every: Annotated[int, arg(metavar="STEPS")] = 50
    """Steps between checkpoints, and between measurements."""
    resume: bool = False
    """Go on with the run in the folder, to the same end as if it had never stopped."""
    json: bool = False
    """Write JSON lines, as when piped."""
    recipe: OmitArgPrefixes[Recipe] = field(default_factory=Recipe)
    opening: OmitArgPrefixes[Opening] = field(default_factory=Opening)

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if not self.data:
            raise UsageError("data names no file; give one or more files of triplets")
        if self.every < 1:
            raise UsageError(f"every is {self.every}; expected at least 1 step")
        if self.model == "nano":
            raise UsageError("model is nano, which is tuned already; expected nano-base")


def train(verb: Train) -> None:
    """Train, a line a step.

    Raises:
        E5VError: the data, the model or the folder cannot be used, or the loss is not finite.
    """
    need("e5v train", *EXTRAS["train"])
    if verb.recipe.four_bit:
        need("e5v train --four-bit", *EXTRAS["qlora"])
    if any(file.suffix.lower() == ".parquet" for file in verb.data):
        need("Parquet", "pyarrow")
    from e5v.training.fit import fit
    from e5v.training.run import Begun, Measured, Run

    run = Run(
        model=verb.model,
        data=verb.data,
        out=verb.out,
        recipe=verb.recipe,
        evaluation=verb.evaluation,
        every=verb.every,
        resume=verb.resume,
        **asdict(verb.opening),
    )
    lines = wants_lines(json=verb.json)
    steps = verb.recipe.steps
    led = False  # under torchrun, one process tells for all
    for event in fit(run):
        led = True
        if isinstance(event, Begun):
            _tell(event, steps)
        elif lines:
            show_line(event.line())
        elif isinstance(event, Measured):
            _print(_measured(event))
        else:
            _print(_step(event, steps))
    if led:
        say(f"wrote {verb.out / 'adapter'}; e5v merge {verb.out} --out MODEL puts it back")


def _tell(begun: "Begun", steps: int) -> None:
    """Say what there is to learn from, and what of it cannot be used."""
    if begun.broken:
        shown = "; ".join(str(row) for row in begun.broken[:BROKEN_SHOWN])
        more = "; ..." if len(begun.broken) > BROKEN_SHOWN else ""
        say(f"warning: {len(begun.broken)} rows cannot be used: {shown}{more}")
    if begun.left_out:
        say(f"warning: {begun.left_out} rows of the held-out data are more than are measured on")
    after = f", {begun.step} of them made before" if begun.step else ""
    say(f"{begun.rows:,} rows, {begun.weights / 1e6:.1f} M weights to learn, {steps} steps{after}")


def _step(step: "Step", steps: int) -> str:
    minutes, seconds = divmod(round(step.seconds_left), 60)
    hours, minutes = divmod(minutes, 60)
    cut = f"  {step.cut} texts cut" if step.cut else ""
    return (
        f"step {step.step:>{len(str(steps))}}/{steps}  loss {step.loss:.4f}  "
        f"accuracy {step.accuracy:6.1%}  lr {step.lr:.2e}  {step.tokens_per_second:,.0f} tokens/s  "
        f"{hours}:{minutes:02}:{seconds:02} left{cut}"
    )


def _measured(measured: "Measured") -> str:
    line = dict(measured.line())
    step = line.pop("step")
    names = {name: value for name, value in line.items() if value is not None}
    return f"held out after step {step}: " + ", ".join(
        f"{name.replace('_', ' ')} {value:.4f}" for name, value in names.items()
    )


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
