"""The gradient of a batch of any size in the memory of one chunk (arXiv 2101.06983).

    chunks -> image tokens -> states, without a graph -> loss of the whole batch
           -> gradient at each state
    chunks -> states again, with a graph -> that gradient is propagated to the weights

The states of the last chunk are computed once: its graph is kept while the loss is computed. A
batch of one chunk thus costs one forward and one backward pass.

A contrastive loss compares everything with everything, but depends on the model only through the
states. So the gradient equals that of the full batch; both passes use the same dropout masks. If
vision tower and projector are frozen, both also use the same image tokens; if the projector is
trained, each pass makes them anew, and the second with a gradient.
Under torchrun every rank computes some of the chunks, and the loss of all of them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from e5v.model.encoder import Prompted
from e5v.model.image_inputs import Pixels
from e5v.training.chunks import ChunkPass
from e5v.training.loss import Loss
from e5v.training.ranks import Ranks

LossOf = Callable[[Tensor], Loss]  # of the states (m, d) of all items of a batch


@dataclass(frozen=True)
class GradCache:
    """Computes gradients of a model with states of `width`; `autocast` sets the precision."""

    forward: ChunkPass
    width: int
    device: torch.device
    ranks: Ranks
    autocast: Callable[[], AbstractContextManager[object]]

    def backward(
        self, prompts: Sequence[Prompted], triplets: int, loss_of: LossOf, seed: int
    ) -> Loss:
        """Accumulate the gradient of a batch in the weights, and return its loss.

        The first `triplets` of `prompts` are the anchors. Dropout is seeded with `seed`.
        """
        chunks = self.forward.chunks(prompts, triplets)
        own, spare = self.ranks.own(chunks), min(chunks, key=len)  # spare: for an empty chunk
        states = torch.zeros(len(prompts), self.width, device=self.device)
        known: dict[int, Pixels] = {}  # images with their tokens: each is seen once per step
        inputs = {
            number: self.forward.add_image_tokens(
                [prompts[place] for place in chunk or spare], known
            )
            for number, chunk in own
        }
        with ExitStack() as kept:  # the last chunk's graph is kept: its states are computed once
            for number, chunk in own[:-1]:
                with torch.no_grad(), self._run(inputs[number], seed + number) as made:
                    states[chunk] = made[: len(chunk)].float()
            last = [
                (chunk, kept.enter_context(self._run(inputs[number], seed + number)).float())
                for number, chunk in own[-1:]
            ]
            for chunk, made in last:
                states[chunk] = made[: len(chunk)].detach()
            self.ranks.add(states)

            states.requires_grad_()
            loss = loss_of(states)
            loss.value.backward()  # type: ignore[no-untyped-call]
            gradient = states.grad
            assert gradient is not None
            for chunk, made in last:
                made[: len(chunk)].backward(gradient[chunk])  # type: ignore[no-untyped-call]

        for number, chunk in own[:-1]:
            with self._run(inputs[number], seed + number) as made:
                made = made[: len(chunk)].float()
                made.backward(gradient[chunk])  # type: ignore[no-untyped-call]
        return Loss(loss.value.detach(), loss.accuracy)

    @contextmanager
    def _run(self, prompts: Sequence[Prompted], seed: int) -> Iterator[Tensor]:
        devices = [self.device] if self.device.type == "cuda" else []
        with ExitStack() as held:
            with torch.random.fork_rng(devices), self.autocast():
                torch.manual_seed(seed)
                states = held.enter_context(self.forward.states(prompts))
            yield states
