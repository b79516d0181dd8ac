"""Write the model card (README.md) of a merged model: what it is, how to use it, how it was made.

ModelCard -> model_card.md.jinja -> YAML front matter and Markdown, as the hub reads them
adapter -> adapter_card.md.jinja -> the same for a LoRA that is not merged
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from e5v.model.bundled import NAMES
from e5v.model.prompts import PROMPTS

LOCAL = frozenset({"model", "data", "teacher", "content"})  # of a recipe: paths, or of no use
TAGS = ("e5-v", "feature-extraction", "sentence-similarity", "multimodal")


@dataclass(frozen=True)
class ModelCard:
    """The content of a model card; `sentence` says whether sentence-transformers opens it."""

    name: str
    source: str
    sentence: bool
    recipe: Mapping[str, object]


def write_card(folder: Path, card: ModelCard) -> None:
    """Write README.md into a checkpoint folder."""
    wordings = PROMPTS["retrieval"]
    text = _load_template("model_card.md.jinja").render(
        front=_make_front_matter(card),
        name=card.name,
        source=card.source,
        sentence=card.sentence,
        names=", ".join(f"`{name}`" for name in PROMPTS),
        prompts={"text": wordings.text, "image": wordings.image, "image, text": wordings.edit},
        recipe={key: value for key, value in card.recipe.items() if key != "model"},  # as source
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def format_adapter_card(id: str, source: str | None, recipe: Mapping[str, object]) -> str:
    """Return the card of an adapter that is `id` on the hub; `source` names its model.

    Of the recipe, what is a path on this machine is left out.
    """
    base = {"base_model": source} if source and source not in NAMES else {}
    front = {**base, "library_name": "peft", "pipeline_tag": "feature-extraction", "tags": [*TAGS]}
    told = {key: value for key, value in recipe.items() if key not in LOCAL}
    name = id.rpartition("/")[2]
    template = _load_template("adapter_card.md.jinja")
    return template.render(front=front, id=id, name=name, source=source, recipe=told)


@cache
def _load_template(name: str) -> Template:
    environment = Environment(
        autoescape=False,
        keep_trailing_newline=True,
        loader=PackageLoader("e5v.checkpoints", ""),
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"cell": _format_cell, "json": json.dumps}
    return environment.get_template(name)


def _make_front_matter(card: ModelCard) -> Mapping[str, object]:
    """Return the YAML front matter."""
    library = "sentence-transformers" if card.sentence else "transformers"
    return {
        "base_model": card.source,
        "library_name": library,
        "pipeline_tag": "feature-extraction",
        "tags": [*TAGS, *([library] if card.sentence else [])],
    }


def _format_cell(value: object) -> str:
    """Return a value as JSON, so that spaces and newlines are visible, for a Markdown table."""
    return json.dumps(value, ensure_ascii=False, default=str).replace("|", "\\|")
