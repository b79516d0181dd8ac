"""Programs that learn from the same rows: each opens the model, warms up and steps once.

    Job -> a contender opens the folder -> adapter -> small step, untimed -> step, timed -> Outcome

A step goes from strings to moved weights. All put the same LoRA on the language model, drawn from
the same seed, freeze the rest, and hold the frozen weights in the job's dtype and the adapter in
float32, computed under autocast; a peer's forward pass is wrapped as transformers' Trainer does it.

Nothing heavy is imported until a contender runs, so that its memory is its own.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.memory import forget_peak, peak_mib, peak_since_mib
from benchmarks.training_work import LANGUAGE
from e5v.inputs import RawItem
from e5v.training.cells import as_item
from e5v.training.reading import read_triplets
from e5v.training.recipe import Adapter, Recipe
from e5v.training.triplets import Triplet

RECIPE = Recipe()  # the paper's
WARM_UP, WARM_PAIRS = 8, 1  # rows of the untimed step, without images and with
KEPT = "e5v with kept image tokens"
OFFICIAL_PROMPT = (
    "<|start_header_id|>user<|end_header_id|>\n\n{}\nSummary above sentence in one word: "
    "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n \n"
)


@dataclass(frozen=True)
class Job:
    """One step to time, on all of a file's rows.

    `mini_batch` is how many items sentence-transformers takes at once; `dropout` is the adapter's;
    without `warm` the step is the first that this model makes.
    """

    contender: str
    checkpoint: Path
    rows: Path
    dtype: str
    mini_batch: int | None = None
    dropout: float = RECIPE.adapter.dropout
    warm: bool = True


@dataclass(frozen=True)
class Stepped:
    """What a step found: the loss, and the length of its gradient before it was shortened."""

    loss: float
    gradient: float


@dataclass(frozen=True)
class Outcome:
    """What a step took and found.

    Resident memory: `peak_mib` is the highest of the process, opening the model included,
    `step_peak_mib` the highest during the step (None where the system cannot tell).
    """

    seconds: float
    peak_mib: float
    step_peak_mib: float | None
    stepped: Stepped


@dataclass(frozen=True)
class Learner:
    """An open model: a small step first, then the one that counts."""

    warm_up: Callable[[], object]
    step: Callable[[], Stepped]


def run(job: Job) -> Outcome:
    """Make one step; call it in a fresh process."""
    learner = CONTENDERS[job.contender](job)
    if job.warm:
        learner.warm_up()
    opened = peak_mib()  # read first: it is forgotten, too
    forgot = forget_peak()
    start = time.perf_counter()
    stepped = learner.step()
    seconds = time.perf_counter() - start
    since = peak_since_mib() if forgot else None
    return Outcome(seconds, max(opened, peak_mib(), since or 0), since, stepped)


def _e5v(job: Job) -> Learner:
    """Learn as `e5v train` does; every image is new to it."""
    trainer, rows = _open_e5v(job)
    return Learner(partial(_step, trainer, _few(rows)), partial(_step, trainer, rows))


def _e5v_kept(job: Job) -> Learner:
    """Learn as `e5v train` does from its second epoch on: the tower has seen every image."""
    from e5v.training.image_cache import GIB, ImageCache

    trainer, rows = _open_e5v(job, ImageCache(2 * GIB))

    def warm_up() -> None:
        """Make a step on a few rows, and keep the tokens of all images."""
        _step(trainer, _few(rows))
        for one in trainer.prompts.prepare(_batch(rows).items):
            trainer.gradients.forward.add_image_tokens([one.prompted], {})

    return Learner(warm_up, partial(_step, trainer, rows))


def _open_e5v(job: Job, images: Any = None) -> tuple[Any, Sequence[Triplet]]:
    """Return a `Trainer` and the rows."""
    from e5v.model.loading import load
    from e5v.model.malloc import keep_freed_memory
    from e5v.training.trainer import Trainer

    keep_freed_memory()
    data = read_triplets([job.rows])
    recipe = Recipe(batch=len(data.rows), adapter=Adapter(dropout=job.dropout))
    dtype: Any = job.dtype
    part: Any = "whole" if data.has_images else "language"
    loaded = load(job.checkpoint, device="cpu", dtype=dtype, part=part)
    return Trainer(loaded, recipe, images=images), data.rows


def _step(trainer: Any, rows: Sequence[Triplet]) -> Stepped:
    result = trainer.step(0, _batch(rows))
    return Stepped(result.loss, result.grad_norm)


def _batch(rows: Sequence[Triplet]) -> Any:
    from e5v.training.sampler import Batch

    return Batch(tuple(rows), ())


def _sentence_transformers(job: Job) -> Learner:
    """Call the cached loss as its Trainer does, a column of texts after the other."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import (
        CachedMultipleNegativesRankingLoss,
    )

    kwargs = {"dtype": getattr(torch, job.dtype)}
    model: Any = SentenceTransformer(str(job.checkpoint), device="cpu", model_kwargs=kwargs)
    torch.manual_seed(RECIPE.seed)
    model.add_adapter(_lora(job, r".*language_model\..*_proj"))
    model.train()
    model.forward = _mixed(model.forward, job)
    scale = 1 / RECIPE.objective.temperature
    size: dict[str, Any] = {} if job.mini_batch is None else {"mini_batch_size": job.mini_batch}
    loss_of = CachedMultipleNegativesRankingLoss(model, scale=scale, **size)
    descend = _descent(model)

    def step(rows: Sequence[Triplet]) -> Stepped:
        features = [model.preprocess(column) for column in _columns(rows)]
        loss = loss_of(features, labels=None)
        loss.backward()
        return Stepped(float(loss.detach()), descend())

    return _learner(job, step)


def _official(job: Job) -> Learner:
    """Take the step of the official ft_llm.py on one device.

    It asks the language model for the hidden states of all layers, which brings the logits of every
    token too, and computes activations again on the way back. A batch is gathered from
    micro-batches, so an anchor is held against those of its own 24 triplets only.
    """
    import torch
    from transformers import AutoTokenizer, LlamaForCausalLM

    from e5v.training.chunks import OFFICIAL_MULTIPLE, OFFICIAL_ROWS

    tokenizer = AutoTokenizer.from_pretrained(job.checkpoint, padding_side="left")
    model: Any = LlamaForCausalLM.from_pretrained(
        job.checkpoint / LANGUAGE, dtype=getattr(torch, job.dtype)
    )
    model.config.use_cache = False
    model.enable_input_require_grads()
    torch.manual_seed(RECIPE.seed)
    model.add_adapter(_lora(job, r".*_proj"))
    # the older name is deprecated in transformers 5.23, the newer one unknown to 5.17
    getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)()
    model.train()
    model.forward = _mixed(model.forward, job)
    descend = _descent(model)

    def loss_of(rows: Sequence[Triplet]) -> Any:
        texts = [OFFICIAL_PROMPT.format(text) for column in _columns(rows) for text in column]
        inputs = tokenizer(
            texts, padding=True, pad_to_multiple_of=OFFICIAL_MULTIPLE, return_tensors="pt"
        )
        states = model(**inputs, output_hidden_states=True).hidden_states[-1][:, -1]
        units = torch.nn.functional.normalize(states.float(), dim=1)
        cosines = units[: len(rows)] @ units[len(rows) :].T
        logits = cosines / RECIPE.objective.temperature
        return torch.nn.functional.cross_entropy(logits, torch.arange(len(rows)))

    def step(rows: Sequence[Triplet]) -> Stepped:
        whole = 0.0
        for first in range(0, len(rows), OFFICIAL_ROWS):
            micro_batch = rows[first : first + OFFICIAL_ROWS]
            loss = loss_of(micro_batch) * (len(micro_batch) / len(rows))
            loss.backward()
            whole += float(loss.detach())
        return Stepped(whole, descend())

    return _learner(job, step)


def _learner(job: Job, step: Callable[[Sequence[Triplet]], Stepped]) -> Learner:
    rows = read_triplets([job.rows]).rows
    return Learner(partial(step, _few(rows)), partial(step, rows))


def _few(rows: Sequence[Triplet]) -> Sequence[Triplet]:
    """Return the rows of the untimed step."""
    return rows[: WARM_PAIRS if as_item(rows[0].anchor).images else WARM_UP]


def _columns(rows: Sequence[Triplet]) -> list[list[Any]]:
    """Return anchors, positives and any negatives; images as PIL images, not decoded yet."""
    return [list(map(_open, column)) for column in zip(*(row.items for row in rows), strict=True)]


def _open(item: RawItem) -> Any:
    from e5v.model.image_files import open_image

    if isinstance(item, str):
        return item
    source = as_item(item).images[0].source
    assert isinstance(source, Path)
    return open_image(source.read_bytes())


def _lora(job: Job, layers: str) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=RECIPE.adapter.rank,
        lora_alpha=RECIPE.adapter.alpha,
        lora_dropout=job.dropout,
        target_modules=layers,
    )


def _mixed(forward: Callable[..., Any], job: Job) -> Callable[..., Any]:
    """Wrap a forward pass as the Trainer does under bf16: autocast, and what comes out float32."""
    import torch
    from accelerate.utils import convert_outputs_to_fp32

    dtype = getattr(torch, job.dtype)
    if dtype == torch.float32:
        return forward
    wrapped: Callable[..., Any] = convert_outputs_to_fp32(torch.autocast("cpu", dtype)(forward))
    return wrapped


def _descent(model: Any) -> Callable[[], float]:
    """Return what makes a step along the gradient, and tells how long that was."""
    import torch

    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=RECIPE.lr, weight_decay=0.0)

    def descend() -> float:
        length = float(torch.nn.utils.clip_grad_norm_(weights, RECIPE.clip))
        optimiser.step()
        optimiser.zero_grad()
        return length

    return descend


CONTENDERS: dict[str, Callable[[Job], Learner]] = {
    "e5v": _e5v,
    KEPT: _e5v_kept,
    "official": _official,
    "sentence-transformers": _sentence_transformers,
}
