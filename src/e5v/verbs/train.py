"""`e5v train`: a LoRA adapter, trained on pairs of texts, or of texts and images.

model + triplets -> e5v.training.trainer -> a line a step, or JSON lines
"""

import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import OmitArgPrefixes, arg

from e5v.errors import UsageError, plural
from e5v.extras import EXTRAS, need
from e5v.model.bundled import untuned_name
from e5v.training.recipe import Recipe, check_shard
from e5v.verbs.console import announce, say, say_unusable, show_line, wants_lines
from e5v.verbs.model_options import (
    TrainOpening,
    check_recipe,
    check_whole_model,
    default_model,
)
from e5v.verbs.options import flag_of, need_at_least_1
from e5v.verbs.paths import need_file, need_new_folder, need_possible_folder
from e5v.verbs.training_data import check_training_data

if TYPE_CHECKING:
    from e5v.training.run import Begun, Measured, Step

WEIGHTED = re.compile(
    r"(?P<path>.+):(?P<weight>[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|nan|inf)", re.IGNORECASE
)


@dataclass(frozen=True)
class Train:
    """Train a LoRA adapter on pairs of texts, or of texts and images.

    Data are CSV, TSV, JSON, JSON lines or Parquet with the columns anchor, positive and,
    optionally, negative and instruction (SimCSE's sent0, sent1 and hard_neg are known too). In JSON
    lines, each item may be an image, {"image": "cat.jpg"}; captions.jsonl works as it is. The
    language model is trained, with --train projector the projector, too; the vision tower is loaded
    only if there are images. Several files are joined, or mixed by weights, as in nli.csv:0.8
    pairs.jsonl:0.2. The defaults are the paper's recipe. Merge the adapter into the model with e5v
    merge.

    On 8 GPUs: torchrun --nproc-per-node 8 -m e5v.cli train ...

    Examples:
        e5v train --data pairs.csv --out run --model nano-base --batch 64
        e5v train --model royokong/e5-v --data nli_for_simcse.csv --out run
        e5v train --model nano-base --data photos/captions.jsonl --out run
        e5v train --model nano-base --data nli.csv:0.8 pairs.jsonl:0.2 --out run
        e5v train --data pairs.csv --out run --track tensorboard
    """

    data: Annotated[tuple[Path, ...], arg(metavar="FILE...")]
    """Files of pairs or triplets; FILE:WEIGHT sets the share of a file. hub:ORG/NAME:SPLIT is a
    data set of the hub."""
    out: Annotated[Path, arg(metavar="FOLDER")]
    """Folder of the run: log, checkpoints, adapter."""
    model: Annotated[str, arg(metavar="MODEL")] = field(default_factory=default_model)
    """Hub id or folder of the model."""
    evaluation: Annotated[Path | None, arg(metavar="PATH")] = None
    """Validation data: a file of pairs or triplets of texts, or a folder of images with
    captions.jsonl."""
    every: Annotated[int, arg(metavar="STEPS")] = 50
    """Steps between checkpoints, and between evaluations."""
    resume: bool = False
    """Continue the run in FOLDER; the result is the same as without an interruption."""
    image_memory: Annotated[float, arg(metavar="GIB")] = 2.0
    """Image tokens to keep in memory from step to step, in GiB; each process keeps its own."""
    image_disk: Annotated[float, arg(metavar="GIB")] = 0.0
    """Image tokens to keep on disk as well, in GiB, in the folder of temporary files."""
    shard: bool = False
    """Divide the frozen layers among the processes of torchrun, for a model that does not fit one
    GPU; slower."""
    track: Annotated[
        tuple[Literal["tensorboard", "wandb", "trackio"], ...], arg(metavar="NAME...")
    ] = ()
    """Also show the run in tensorboard (files in FOLDER/tensorboard), wandb or trackio."""
    json: bool = False
    """Write JSON lines, the default when stdout is not a terminal."""
    recipe: OmitArgPrefixes[Recipe] = field(default_factory=Recipe)
    opening: OmitArgPrefixes[TrainOpening] = field(default_factory=TrainOpening)

    def __post_init__(self) -> None:
        """Refuse options that are out of range.

        Raises:
            UsageError: names the option.
        """
        if not self.data:
            raise UsageError("--data names no file; give one or more files of triplets")
        need_at_least_1(self, "every")
        for option in ("image_memory", "image_disk"):
            if getattr(self, option) < 0:
                flag, got = flag_of(option), getattr(self, option)
                raise UsageError(f"{flag} is {got}; expected 0 or more")
        if base := untuned_name(self.model):
            raise UsageError(f"--model is {self.model}, which is tuned already; expected {base}")


def train(verb: Train) -> None:
    """Train, and print a line per step.

    Raises:
        E5VError: the data, the model or the folder cannot be used, or the loss is not finite.
    """
    need("e5v train", *EXTRAS["train"])
    data = _find_data(verb.data)
    if verb.recipe.four_bit:
        need("e5v train --four-bit", "bitsandbytes")
    for name in verb.track:
        need(f"e5v train --track {name}", name)
    if os.environ.get("RANK", "0") == "0":  # under torchrun, the first process checks for all
        _check(verb, data.files)
        announce(f"opening {verb.model}")
    from e5v.training.run import Begun, Measured, Run
    from e5v.training.trackers import track
    from e5v.training.trainer import fit

    opening = asdict(verb.opening)
    run = Run(
        model=verb.model,
        data=data.files,
        weights=data.weights,
        out=verb.out,
        recipe=verb.recipe,
        evaluation=verb.evaluation,
        every=verb.every,
        resume=verb.resume,
        image_memory=verb.image_memory,
        image_disk=verb.image_disk,
        shard=verb.shard,
        track=tuple(dict.fromkeys(verb.track)),
        model_recipe=opening.pop("recipe"),
        **opening,
    )
    lines, steps = wants_lines(json=verb.json), verb.recipe.steps
    led = False  # under torchrun, one process prints for all
    for event in track(fit(run), run.out, run.track):
        led = True
        if isinstance(event, Begun):
            _report(event, steps)
        elif lines:
            show_line(event.line())
        elif isinstance(event, Measured):
            _print(_measured(event))
        else:
            _print(_step(event, steps))
    if led:
        say(f"wrote {verb.out / 'adapter'}; use --model {verb.out}, or merge: e5v merge {verb.out}")


@dataclass(frozen=True)
class _Data:
    """The files of the data, and the weight of each; without weights, none."""

    files: tuple[Path, ...]
    weights: tuple[float, ...]


def _find_data(given: Sequence[Path]) -> _Data:
    """Tell files from their weights: what exists as it is, colons included, is a file.

    Raises:
        UsageError: a weight is not above 0, or only some files have one.
    """
    found = [None if path.exists() else WEIGHTED.fullmatch(str(path)) for path in given]
    files = [Path(one["path"]) if one else path for path, one in zip(given, found, strict=True)]
    weights = [float(one["weight"]) for one in found if one]
    if weights and len(weights) < len(files):
        bare = next(path for path, one in zip(given, found, strict=True) if one is None)
        raise UsageError(f"--data {bare} has no weight, but others have; give all a weight or none")
    if wrong := [one for one in found if one and not 0 < float(one["weight"]) < math.inf]:
        raise UsageError(
            f"--data {wrong[0][0]} has the weight {wrong[0]['weight']}; expected above 0"
        )
    return _Data(tuple(files), tuple(weights))


def _check(verb: Train, files: Sequence[Path]) -> None:
    """Check what can be known before anything slow is imported."""
    from e5v.model.prompts import find_prompt
    from e5v.training.run_folder import RECIPE

    if verb.shard:
        check_shard(verb.recipe)
    check_training_data(files)
    if verb.evaluation and not verb.evaluation.is_dir():
        need_file(verb.evaluation, "--evaluation")
    need_file(verb.recipe.objective.teacher, "--teacher")
    find_prompt(verb.recipe.prompt)
    check_recipe(verb.opening.recipe)
    if verb.resume:
        need_possible_folder(verb.out, "--out")
    elif (verb.out / RECIPE).exists():
        raise UsageError(
            f"{verb.out} holds a run; continue it with --resume, or name another folder"
        )
    else:
        need_new_folder(verb.out, "--out", parents=True)
    check_whole_model(verb.model)


def _report(begun: "Begun", steps: int) -> None:
    """Print what there is to learn from, and which rows cannot be used."""
    say_unusable(plural(len(begun.broken), "row"), begun.broken)
    for note in begun.notes:
        say(f"warning: {note}")
    if begun.left_out:
        rows = plural(begun.left_out, "row")
        say(f"warning: {rows} of the validation data beyond the limit are not measured on")
    after = f", {begun.step} of them done before" if begun.step else ""
    rows = plural(begun.rows, "row")
    say(f"{rows}, {begun.weights / 1e6:.1f} M trainable weights, {plural(steps, 'step')}{after}")


def _step(step: "Step", steps: int) -> str:
    minutes, seconds = divmod(round(step.seconds_left), 60)
    hours, minutes = divmod(minutes, 60)
    cut = f"  {plural(step.cut, 'text')} truncated" if step.cut else ""
    return (
        f"step {step.step:>{len(str(steps))}}/{steps}  loss {step.loss:.4f}  "
        f"accuracy {step.accuracy:6.1%}  lr {step.lr:.2e}  {step.tokens_per_second:,.0f} tokens/s  "
        f"{hours}:{minutes:02}:{seconds:02} left{cut}{_from(step.sources)}"
    )


def _from(sources: Mapping[str, int]) -> str:
    """Say how many rows are of which file, if there are several."""
    if not sources:
        return ""
    counts = [name if len(sources) == 1 else f"{name} {n}" for name, n in sources.items()]
    return f"  from {', '.join(counts)}"


def _measured(measured: "Measured") -> str:
    line = dict(measured.line())
    step = line.pop("step")
    names = {name: value for name, value in line.items() if value is not None}
    return f"validation after step {step}: " + ", ".join(
        f"{name.replace('_', ' ')} {value:.4f}" for name, value in names.items()
    )


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
