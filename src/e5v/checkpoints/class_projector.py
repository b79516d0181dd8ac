"""A projector that is not trained: each class of a vision tower becomes the words it is called by.

class -> its words -> their tokens' embeddings - the mean embedding -> weighted sum, of unit length
      -> + a share of the mean embedding -> scaled -> one column of the projector's first layer

A cell of the image in which one class speaks enters the language model as about the embedding of
its name; one in which none does, as the mean embedding. That is two thirds as long as an embedding
and a part of every one: without it, the language model does not read a cell as a word. The sums are
computed in float64, so that the stored bfloat16 values are the same on every machine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from e5v.checkpoints.photos_settings import ClassName, PhotosSettings

Tokenize = Callable[[str], Sequence[int]]


@dataclass(frozen=True)
class Projector:
    """A linear layer from the tower's channels to word embeddings, in float64."""

    weight: Float[Tensor, "d channels"]
    bias: Float[Tensor, " d"]


def project_classes(
    classes: Sequence[ClassName],
    settings: PhotosSettings,
    tokenize: Tokenize,
    embeddings: Float[Tensor, "vocabulary d"],
    channels: int,
) -> Projector:
    """Return the layer that turns channels into the embeddings of their classes' words.

    The first channels are the classes, in order; the columns of the rest are 0. `tokenize` gives
    the ids of a word as it stands inside a sentence.
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
    return Projector(matrix, settings.mean_bias * mean)


def _weigh_words(one: ClassName, settings: PhotosSettings) -> list[tuple[str, float]]:
    """List the words of a class, each with the weight of its column."""
    return [
        (one.name, settings.name_weight),
        *((word, settings.hypernym_weight) for word in one.hypernyms),
        *((word, settings.implied_weight) for word in one.implied),
    ]
