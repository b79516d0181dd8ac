"""Write the model card (README.md) of a merged model: what it is, how to use it, how it was made.

Card -> YAML front matter and Markdown, as the Hugging Face hub reads them
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e5v.model.prompts import PROMPTS

TAGS = ("e5-v", "feature-extraction", "sentence-similarity", "multimodal")
TEXT = """---
{front}
---

# {name}

A universal embedder: a text, an image, or an image with a text becomes one unit vector in one
space. The language model of `{source}` was fine-tuned on text only and merged back into the whole
model; vision tower, projector and head are unchanged
([E5-V](https://arxiv.org/abs/2407.12580), made with `e5v`). The licence is that of the source.

## Use

```python
from e5v import E5V

model = E5V("{name}")  # the path of this folder, or its hub id
items = ["a dog in the grass", "cat.jpg", {{"image": "cat.jpg", "text": "make it a dog"}}]
vectors = model.encode(items)
print(model.similarity(vectors, vectors))
```
{sentence}
## Prompts

Each prompt asks for one word; the vector is the last hidden state of the last token.

{prompts}{recipe}"""
SENTENCE = """
```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{name}")
vectors = model.encode(["a dog in the grass", "a cat"])
pictures = model.encode(["cat.jpg", {{"image": "cat.jpg", "text": "make it a dog"}}])
print(model.similarity(vectors, pictures))
```

Select another prompt by name: `model.encode(texts, prompt_name="sts")`, one of {names}.
"""
NO_SENTENCE = """
It does not open in sentence-transformers, which cannot reproduce its prompt.
"""


@dataclass(frozen=True)
class Card:
    """The content of a model card; `sentence` says whether sentence-transformers opens it."""

    name: str
    source: str
    sentence: bool
    recipe: Mapping[str, Any]


def write_card(folder: Path, card: Card) -> None:
    """Write README.md into a checkpoint folder."""
    names = ", ".join(f"`{name}`" for name in PROMPTS)
    sentence = SENTENCE.format(name=card.name, names=names) if card.sentence else NO_SENTENCE
    wordings = PROMPTS["retrieval"]
    prompts = {"text": wordings.text, "image": wordings.image, "image, text": wordings.edit}
    recipe = {key: value for key, value in card.recipe.items() if key != "model"}  # shown above
    text = TEXT.format(
        front=_front(card),
        name=card.name,
        source=card.source,
        sentence=sentence,
        prompts=_table("item", "prompt", prompts),
        recipe="\n## Recipe\n\n" + _table("setting", "value", recipe) if recipe else "",
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _front(card: Card) -> str:
    library = "sentence-transformers" if card.sentence else "transformers"
    front = {
        "base_model": card.source,
        "library_name": library,
        "pipeline_tag": "feature-extraction",
        "tags": [*TAGS, *([library] if card.sentence else [])],
    }
    return "\n".join(f"{key}: {json.dumps(value)}" for key, value in front.items())


def _table(left: str, right: str, rows: Mapping[str, Any]) -> str:
    """Return a Markdown table; values as JSON, so that spaces and newlines are visible."""
    lines = [f"| {key} | `{_cell(value)}` |" for key, value in rows.items()]
    return "\n".join([f"| {left} | {right} |", "|---|---|", *lines, ""])


def _cell(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str).replace("|", "\\|")
