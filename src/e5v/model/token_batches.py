"""Group items into batches by number of tokens, not by count.

lengths -> sorted -> filled up to the budget -> batches
"""

from collections.abc import Sequence

from e5v.errors import UsageError

CPU_BATCH, GPU_BATCH = 1_024, 32_768  # tokens in one forward pass
LARGE = {"cuda", "meta"}  # meta: the weights are with an engine


def token_batches(
    lengths: Sequence[int], budget: int, *, padded: bool = False, alone_above: int | None = None
) -> list[list[int]]:
    """Group the indices of `lengths` (tokens) into batches of at most `budget` tokens.

    A batch costs the sum of its lengths, or with `padded` its longest times its count; an item over
    the budget is its own batch. An item longer than `alone_above` is also its own batch: with some
    rotary embeddings, one long sequence changes all others in the batch.
    """
    batches: list[list[int]] = []
    filled = 0
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        length = lengths[place]
        alone = alone_above is not None and length > alone_above
        after = length * (len(batches[-1]) + 1) if padded and batches else filled + length
        if not batches or alone or after > budget:
            batches.append([])
            filled = 0
        batches[-1].append(place)
        filled += length
    return batches


def token_budget(batch_tokens: int | None, device: str) -> int:
    """Return the tokens of one forward pass; None gives the default of a type of device.

    Raises:
        UsageError: `batch_tokens` is below 1.
    """
    if batch_tokens is not None and batch_tokens < 1:
        raise UsageError(f"batch_tokens is {batch_tokens}; expected at least 1")
    return batch_tokens or (GPU_BATCH if device in LARGE else CPU_BATCH)
