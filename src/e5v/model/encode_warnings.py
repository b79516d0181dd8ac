"""The warnings of one call of `encode`: items skipped, truncated, or perhaps meant as images.

results -> EncodeWarning, with the positions
"""

import warnings
from collections.abc import Generator, Sequence
from contextlib import closing

from e5v.errors import EncodeWarning
from e5v.model.encoded import Encoded, Skipped


def warn_of_results(results: Sequence[Encoded | Skipped]) -> None:
    """Warn once each of skipped items, truncated texts, and texts that look like images."""
    skipped = [one for one in results if isinstance(one, Skipped)]
    cut = tuple(one.position for one in results if isinstance(one, Encoded) and one.cut)
    if skipped:
        causes = "; ".join(str(one.error) for one in skipped[:5])
        message = f"{len(skipped)} of {len(results)} items skipped: {causes}"
        warnings.warn(EncodeWarning(message, tuple(one.position for one in skipped)), stacklevel=3)
    if cut:
        message = f"{len(cut)} of {len(results)} items were truncated to fit the model"
        warnings.warn(EncodeWarning(message, cut), stacklevel=3)
    doubtful = {
        one.position: one.doubt for one in results if isinstance(one, Encoded) and one.doubt
    }
    if doubtful:
        texts = sum(isinstance(one, Encoded) and one.is_text for one in results)
        message = describe_doubts([*doubtful.values()], texts)
        warnings.warn(EncodeWarning(message, tuple(doubtful)), stacklevel=3)


def warn_at_end(
    stream: Generator[Encoded | Skipped, None, None],
) -> Generator[Encoded | Skipped, None, None]:
    """Yield a stream's results, then warn of texts that look like images."""
    texts, doubtful = 0, dict[int, str]()
    with closing(stream):
        for one in stream:
            if isinstance(one, Encoded):
                texts += one.is_text
                doubtful |= {one.position: one.doubt} if one.doubt else {}
            yield one
    if doubtful:
        message = describe_doubts([*doubtful.values()], texts)
        warnings.warn(EncodeWarning(message, tuple(doubtful)), stacklevel=2)


def describe_doubts(doubts: Sequence[str], texts: int) -> str:
    """Return the warning about texts that look like images; `texts` is the total number."""
    named = ", ".join(doubts[:3]) + (", ..." if len(doubts) > 3 else "")  # noqa: PLR2004
    return (
        f"{len(doubts)} of {max(texts, len(doubts))} texts look like images: {named}; embedded as "
        'text. Correct the paths, or give {"text": ...} if they are texts'
    )
