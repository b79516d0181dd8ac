"""Tables 6 to 8 of the paper: the effect of the prompt, of what is trained on, and of the model.

figures of a variant -> the row with the same prompt -> the paper's figures added

Figures are in percent. The rows of the tuned model are of three models, each tuned with the prompt
that it is evaluated with.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from e5v.evaluation.scores import Figure

PaperPrompt = Literal["no prompt", "prompt", "one word"]
Key = tuple[str, str, str]  # benchmark, task, metric

COLUMNS: tuple[Key, ...] = (
    ("Flickr30K 1K", "image retrieval", "R@5"),
    ("Flickr30K 1K", "text retrieval", "R@5"),
    ("COCO 5K", "image retrieval", "R@5"),
    ("COCO 5K", "text retrieval", "R@5"),
    ("CIRR val", "CIRR", "R@5"),
    ("FashionIQ val", "mean", "R@50"),
    ("I2I-Flickr30K", "image retrieval", "R@5"),
    ("I2I-Flickr30K", "text retrieval", "R@5"),
    ("I2I-COCO", "image retrieval", "R@5"),
    ("I2I-COCO", "text retrieval", "R@5"),
    ("STS", "mean", "Spearman"),
)
MEAN: Key = ("all of Table 6", "mean", "of 11")
UNTUNED: dict[PaperPrompt, tuple[float, ...]] = {
    "no prompt": (8.9, 4.1, 4.6, 3.3, 7.4, 3.4, 3.0, 5.1, 0.6, 1.8, 58.5, 9.2),
    "prompt": (22.4, 5.5, 8.9, 1.3, 1.2, 1.9, 3.7, 7.3, 0.4, 3.6, 57.5, 10.3),
    "one word": (82.8, 90.4, 60.3, 67.4, 38.4, 32.4, 67.0, 75.4, 41.8, 49.3, 75.8, 61.9),
}
TUNED: dict[PaperPrompt, tuple[float, ...]] = {
    "no prompt": (91.8, 94.6, 69.8, 73.7, 31.6, 16.6, 79.4, 90.7, 53.2, 64.2, 84.1, 68.2),
    "prompt": (93.5, 96.6, 74.6, 77.0, 62.3, 32.0, 85.4, 92.7, 62.4, 70.5, 85.1, 75.6),
    "one word": (95.0, 98.7, 76.5, 83.6, 66.6, 53.8, 89.2, 95.2, 66.7, 76.8, 86.0, 80.7),
}
IMAGE_TEXT = (93.5, 97.8, 76.0, 83.1, 35.5, 30.8, 84.2, 93.0, 64.1, 73.4, 72.7, 73.1)  # Table 7
OTHERS: dict[str, dict[str, tuple[float, ...]]] = {  # Table 8; LLaVA-NeXT's own are in Table 6
    "phi3": {
        "untuned": (80.0, 89.9, 55.3, 70.3, 43.7, 31.5, 71.7, 83.8, 46.3, 61.3, 72.1, 64.2),
        "tuned": (93.0, 96.9, 71.5, 81.1, 58.4, 48.1, 89.3, 95.5, 65.1, 77.1, 85.2, 78.3),
    },
    "mistral": {
        "untuned": (80.5, 89.8, 59.1, 70.8, 28.3, 33.4, 53.8, 78.8, 41.8, 55.4, 73.5, 60.5),
        "tuned": (94.6, 97.4, 74.9, 83.1, 68.9, 50.1, 86.5, 93.0, 65.9, 73.4, 84.9, 79.3),
    },
}
MODELS = {
    "tuned": "E5-V, tuned on text: Tables 1 to 6",
    "untuned": "LLaVA-NeXT-8B before it is tuned: Table 6",
}
COMPOSED = {"CIRR val", "FashionIQ val", MEAN[0]}
OWN_WORDING = "the paper does not give its wording for edits"
OTHER_MODEL = "the paper's model was tuned with this prompt"


def add_published(
    figures: Iterable[Figure], prompt: PaperPrompt | None, *, tuned: bool
) -> list[Figure]:
    """Add the paper's figures of the same prompt, of the tuned or the untuned model.

    E5-V's own stay as in its benchmark. `prompt` is None for what the paper did not try: such
    figures get none.
    """
    if prompt == "one word" and tuned:
        return list(figures)
    row = (TUNED if tuned else UNTUNED)[prompt] if prompt else ()
    published = dict(zip((*COLUMNS, MEAN), row, strict=bool(prompt)))
    found = []
    for one in figures:
        paper = published.get((one.benchmark, one.task, one.metric))
        notes = (
            [one.note, *_note_differences(one, prompt, tuned=tuned)]
            if paper is not None
            else [one.note]
        )
        found.append(replace(one, paper=paper, note="; ".join(filter(None, notes))))
    return found


def _note_differences(figure: Figure, prompt: PaperPrompt | None, *, tuned: bool) -> list[str]:
    """Return notes on how the paper's figure differs in model or prompt."""
    if prompt == "one word":
        return []
    notes = [OTHER_MODEL] if tuned else []
    return [*notes, OWN_WORDING] if figure.benchmark in COMPOSED else notes
