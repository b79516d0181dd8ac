"""Which items go through the model together: batches by token cost, not by count.

lengths -> sorted, so that like lies beside like -> filled up to the budget -> batches
"""

from collections.abc import Sequence


def plan(
    lengths: Sequence[int], budget: int, *, padded: bool = False, alone_above: int | None = None
) -> list[list[int]]:
    """Group the places of `lengths` (tokens) into batches of at most `budget` tokens.

    A batch costs the sum of its lengths, or with `padded` its longest times its count; one item
    over the budget is a batch by itself. Items longer than `alone_above` are never put together:
    some rotary embeddings change for everyone when one sequence in the batch is long.
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
