"""The arithmetic that one training step needs.

    tokens of a batch + Sizes + rank of the LoRA -> operations, a multiply-add being two

A frozen matrix is multiplied once forward and once back, to the activations; the adapter's matrices
once more back, to their own gradient. Gradient caching goes forward twice. Attention's second
product on the way back is left out: one thousandth at the length of a sentence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.flops import Counts, total
from benchmarks.sizes import Sizes
from e5v.model.encoder import Prompted
from e5v.model.packing import shared_tokens


@dataclass(frozen=True)
class Work:
    """What a step is: its texts, their tokens, and the operations its gradient needs.

    `needed` goes forward once, `cached` twice, as gradient caching does; both go back once.
    """

    triplets: int
    tokens: int
    shared_tokens: int
    needed: int
    cached: int


def count_work(sizes: Sizes, texts: Sequence[Prompted], rank: int) -> Work:
    """Count the operations of a step on texts, three of each triplet."""
    ids = [text.ids for text in texts]
    shared = shared_tokens(ids)
    forward = total(sizes, Counts(tuple(map(len, ids)), (0,) * len(ids), shared))
    own = sum(len(one) - shared for one in ids) + shared
    adapter = adapter_flops(sizes, own, len(ids), rank)
    return Work(
        triplets=len(ids) // 3,
        tokens=sum(map(len, ids)),
        shared_tokens=shared,
        needed=2 * forward + 3 * adapter,  # the adapter's weights take a gradient, too
        cached=3 * forward + 4 * adapter,
    )


def adapter_flops(sizes: Sizes, tokens: int, pooled: int, rank: int) -> int:
    """Count a LoRA going forward once over `tokens`, of which the last layer needs `pooled`.

    Keys and values are needed of all tokens in the last layer, too.
    """
    keys_values = 2 * (sizes.width + sizes.kv_heads * sizes.head_width)
    query_output = 2 * (sizes.width + sizes.heads * sizes.head_width)
    rest = query_output + 3 * (sizes.width + sizes.mlp)
    every = tokens * (sizes.layers * keys_values + (sizes.layers - 1) * rest)
    return 2 * rank * (every + pooled * rest)
