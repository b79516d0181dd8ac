"""Write the model card (README.md) of a merged model: what it is, how to use it, how it was made.

ModelCard -> model_card.md.jinja -> YAML front matter and Markdown, as the hub reads them
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from e5v.model.prompts import PROMPTS

TAGS = ("e5-v", "feature-extraction", "sentence-similarity", "multimodal")


@dataclass(frozen=True)
class ModelCard:
    """The content of a model card; `sentence` says whether sentence-transformers opens it."""

    name: str
    source: str
    sentence: bool
    recipe: Mapping[str, Any]


def write_card(folder: Path, card: ModelCard) -> None:
    """Write README.md into a checkpoint folder."""
    wordings = PROMPTS["retrieval"]
    text = _load_template().render(
        front=_make_front_matter(card),
        name=card.name,
        source=card.source,
        sentence=card.sentence,
        names=", ".join(f"`{name}`" for name in PROMPTS),
        prompts={"text": wordings.text, "image": wordings.image, "image, text": wordings.edit},
        recipe={key: value for key, value in card.recipe.items() if key != "model"},  # as source
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


@cache
def _load_template() -> Template:
    environment = Environment(
        autoescape=False,
        keep_trailing_newline=True,
        loader=PackageLoader("e5v.checkpoints", ""),
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"cell": _format_cell, "json": json.dumps}
    return environment.get_template("model_card.md.jinja")


def _make_front_matter(card: ModelCard) -> Mapping[str, Any]:
    """Return the YAML front matter."""
    library = "sentence-transformers" if card.sentence else "transformers"
    return {
        "base_model": card.source,
        "library_name": library,
        "pipeline_tag": "feature-extraction",
        "tags": [*TAGS, *([library] if card.sentence else [])],
    }


def _format_cell(value: Any) -> str:
    """Return a value as JSON, so that spaces and newlines are visible, for a Markdown table."""
    return json.dumps(value, ensure_ascii=False, default=str).replace("|", "\\|")
