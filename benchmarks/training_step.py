"""The gradient of one batch as `e5v train` takes it, of a model that is open already.

Trainer + triplets -> prompts -> packed chunks -> loss -> gradient, held against the plain one
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from e5v.model.encoder import Encoder, Prompted
from e5v.training.chunks import PackedPass
from e5v.training.loss import Loss, batch_loss
from e5v.training.sampler import Batch
from e5v.training.trainer import Trainer
from e5v.training.triplets import Triplet

SAME = 0.99  # cosine of the packed and the plain gradient in bfloat16, at least


def prepare(trainer: Trainer, triplets: Sequence[Triplet]) -> list[Prompted]:
    """Tokenise a batch as `e5v train` does: anchors, positives, negatives."""
    return [one.prompted for one in trainer.prompts.prepare(Batch(tuple(triplets), ()).items)]


def backward(
    trainer: Trainer, texts: Sequence[Prompted], triplets: Sequence[Triplet], chunk_tokens: int
) -> Loss:
    """Take the gradient of a batch as `e5v train` does."""
    forward = PackedPass(Encoder(trainer.loaded), chunk_tokens)
    trainer.gradients = replace(trainer.gradients, forward=forward)
    return trainer.accumulate(texts, Batch(tuple(triplets), ()))


def plain_backward(
    trainer: Trainer, texts: Sequence[Prompted], triplets: Sequence[Triplet]
) -> None:
    """Take the gradient of a batch as its makers would: every text by itself, all graphs held."""
    model = trainer.loaded.language_model

    def state(ids: list[int]) -> Tensor:
        output = model(torch.tensor([ids], device=model.device), use_cache=False)
        last: Tensor = output.last_hidden_state[0, -1]
        return last

    with trainer.autocast():
        states = torch.stack([state(text.ids) for text in texts])
    loss = batch_loss(states.float(), Batch(tuple(triplets), ()), trainer.recipe)
    loss.value.backward()  # type: ignore[no-untyped-call]


def check(trainer: Trainer, triplets: Sequence[Triplet]) -> float:
    """Compare the packed gradient with the plain one, without dropout; return their cosine.

    Raises:
        SystemExit: they differ.

    """
    texts = prepare(trainer, triplets)
    for module in trainer.loaded.model.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    backward(trainer, texts, triplets, sum(len(text.ids) for text in texts) // 2)
    packed = _taken(trainer)
    plain_backward(trainer, texts, triplets)
    plain = _taken(trainer)
    trainer.loaded.model.train()
    cosine = float(torch.nn.functional.cosine_similarity(packed, plain, dim=0))
    if not cosine >= SAME:
        raise SystemExit(f"the packed gradient is not the plain one: cosine {cosine:.5f} < {SAME}")
    return cosine


def _taken(trainer: Trainer) -> Tensor:
    """Return the whole gradient as one row, and forget it."""
    grads = [weight.grad for weight in trainer.weights if weight.grad is not None]
    row = torch.cat([grad.flatten().float() for grad in grads])
    trainer.optimiser.zero_grad()
    return row
