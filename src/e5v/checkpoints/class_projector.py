"""A projector that is not trained: each class of a vision tower becomes the words it is called by.

class -> its words -> their tokens' embeddings - the mean embedding -> weighted sum, of unit length
      -> + a little of the mean embedding -> scaled -> one column of the projector's first layer

A cell of the image in which one class speaks enters the language model as about the embedding of
its name. The sums are computed in float64, so that the stored bfloat16 values are the same on every
machine.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from e5v.checkpoints.photos_settings import ClassName, PhotosSettings

Tokenize = Callable[[str], Sequence[int]]


def project_classes(
    classes: Sequence[ClassName],
    settings: PhotosSettings,
    tokenize: Tokenize,
    embeddings: Float[Tensor, "vocabulary d"],
    channels: int,
) -> Float[Tensor, "d channels"]:
    """Return the matrix from the tower's channels to word embeddings, in float64.

    The first channels are the classes, in order; the rest are 0. `tokenize` gives the ids of a
    word as it stands inside a sentence. A column has `scale` times the mean length of an embedding
    when its channel is 1.
    """
    table = embeddings.double()
    mean, length = table.mean(0), table.norm(dim=1).mean()
    rest = settings.mean_share * mean / mean.norm()
    matrix = torch.zeros(table.shape[1], channels, dtype=torch.float64)
    for channel, one in enumerate(classes):
        words = torch.zeros_like(mean)
        for word, weight in _weigh_words(one, settings):
            apart = table[list(tokenize(word))].mean(0) - mean
            words += weight * apart / apart.norm()
        matrix[:, channel] = settings.scale * length * (words / words.norm() + rest)
    return matrix


def _weigh_words(one: ClassName, settings: PhotosSettings) -> list[tuple[str, float]]:
    """List the words of a class, each with the weight of its column."""
    return [
        (one.name, settings.name_weight),
        *((word, settings.hypernym_weight) for word in one.hypernyms),
        *((word, settings.implied_weight) for word in one.implied),
    ]
