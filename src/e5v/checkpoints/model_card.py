"""Write the model card (README.md) of a model: what it is, how to use it, how it was made.

ModelCard -> model_card.md.jinja -> YAML front matter and Markdown, as the hub reads them
adapter -> adapter_card.md.jinja -> the same for a LoRA that is not merged
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from e5v.model.prompts import PROMPTS

UNTOLD = frozenset({"model", "model_content", "content", "teacher_content", "parts"})  # of a recipe
FILES = frozenset({"data", "evaluation", "teacher"})  # of a recipe: by name, without their folders
TAGS = ("e5-v", "feature-extraction", "sentence-similarity", "multimodal")


@dataclass(frozen=True)
class ModelCard:
    """The content of a model card of a merged or, if not `tuned`, of a converted checkpoint.

    `sentence` says whether sentence-transformers opens it.
    """

    name: str
    source: str
    sentence: bool = False
    recipe: Mapping[str, object] = field(default_factory=dict)
    tuned: bool = True


def write_card(folder: Path, card: ModelCard) -> None:
    """Write README.md into a checkpoint folder."""
    wordings = PROMPTS["retrieval"]
    text = _load_template("model_card.md.jinja").render(
        front=_make_front_matter(card),
        name=card.name,
        source=card.source,
        sentence=card.sentence,
        tuned=card.tuned,
        names=", ".join(f"`{name}`" for name in PROMPTS),
        prompts={"text": wordings.text, "image": wordings.image, "image, text": wordings.edit},
        recipe=_tell(card.recipe),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def format_adapter_card(id: str, source: str | None, recipe: Mapping[str, object]) -> str:
    """Return the card of an adapter that is `id` on the hub; `source` names its model.

    Of paths on this machine, the last name is left.
    """
    front = {
        **_name_base(source),
        "library_name": "peft",
        "pipeline_tag": "feature-extraction",
        "tags": [*TAGS],
    }
    name = id.rpartition("/")[2]
    template = _load_template("adapter_card.md.jinja")
    return template.render(front=front, id=id, name=name, source=source, recipe=_tell(recipe))


def _tell(recipe: Mapping[str, object]) -> dict[str, object]:
    """Return what a card tells of a recipe: of files their names."""
    return {
        key: _name_files(value) if key in FILES else value
        for key, value in recipe.items()
        if key not in UNTOLD
    }


def _name_files(value: object) -> object:
    if isinstance(value, list):
        return [_name_files(one) for one in value]
    return Path(value).name if isinstance(value, str) and not value.startswith("hub:") else value


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
        **_name_base(card.source),
        "library_name": library,
        "pipeline_tag": "feature-extraction",
        "tags": [*TAGS, *([library] if card.sentence else [])],
    }


def _name_base(source: str | None) -> dict[str, str]:
    """Return `base_model` for a source on the hub; a folder and a bundled model are not there."""
    return {"base_model": source} if source and "/" in source else {}


def _format_cell(value: object) -> str:
    """Return a value as JSON, so that spaces and newlines are visible, for a Markdown table."""
    return json.dumps(value, ensure_ascii=False, default=str).replace("|", "\\|")
