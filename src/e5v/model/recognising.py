"""Recognise which published embedder a checkpoint is.

recipe asked for | hub id or folder name | what lies in the checkpoint -> Recognised: its Recipe
"""

import json
import warnings
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from e5v.errors import ModelError, RecipeWarning
from e5v.model.adapters import ASKED_BY, Source
from e5v.model.hf_internals import find_file
from e5v.model.prompts import PROMPTS, RAW, Turn, find_turn
from e5v.model.recipe import Recipe
from e5v.model.recipes import RECIPES, REFUSED, Refused, find_recipe
from e5v.model.recipes_llava import E5_V

CONFIG, MODULES, SENTENCE = "config.json", "modules.json", "config_sentence_transformers.json"
CACHED = "models--"  # how a folder of the hub's cache begins
OURS = "e5v_recipe"  # in the config of a checkpoint that e5v wrote: the name of its recipe
ASKED = "asked for"  # how a recipe is known that the user chose

Known = TypeVar("Known", Recipe, Refused)


@dataclass(frozen=True)
class Recognised:
    """The recipe of a checkpoint, and `by` what it is known; empty if it is only assumed."""

    recipe: Recipe
    by: str


@dataclass(frozen=True)
class Evidence:
    """What lies in a checkpoint: its config's type and origin, and names of classes and modules."""

    model_type: str = ""
    origin: str = ""
    classes: tuple[str, ...] = ()
    written: str = ""  # the recipe's name, where e5v wrote the checkpoint


def recognise(
    names: Sequence[str], source: str, asked: str | None = None, *, trained: bool = False
) -> Recognised:
    """Return the recipe of a model: the one asked for, or that which it is known to be.

    `names` are what it is called, such as its hub id, and `source` is where its files are. A model
    that e5v `trained` is asked as its base is.

    Raises:
        UsageError: there is no recipe of the name asked for.
        ModelError: the recipe is for other models, or e5v cannot run that of the model.
    """
    evidence = read_evidence(source)
    if asked is not None:
        recipe = find_recipe(asked)
        _check_type(names[0], recipe, evidence)
        return Recognised(recipe, ASKED)
    if evidence.written:
        return Recognised(find_recipe(evidence.written), "named in its config")
    called = [*names, source]
    for by, found in (
        ("known by its name", _find_named(RECIPES, called)),
        ("known by its config", _find_named(RECIPES, [evidence.origin])),
        ("known by its classes", _find_marked(RECIPES, evidence)),
    ):
        if found is not None and _fits(found, evidence):
            return Recognised(found, by)
    refused = _find_named(REFUSED, [*called, evidence.origin]) or _find_marked(REFUSED, evidence)
    if refused is not None:
        raise ModelError(
            f"{names[0]} is {refused.name}, whose authors' vectors e5v cannot give: "
            f'{refused.why}; the recipe "{E5_V.name}" asks it as E5-V is asked',
            argument="recipe",
        )
    return Recognised(E5_V, "what it was trained with" if trained else "")


def recognise_source(name: str, found: Source, asked: str | None) -> Recognised:
    """Return how a model is asked by its name; of a training run, by default as it was trained.

    Raises:
        UsageError, ModelError: as `recognise`.
    """
    run = found.run_record
    asked = asked or (run or {}).get(ASKED_BY)
    names = [name, *found.names]
    return recognise(names, found.checkpoint, asked, trained=run is not None)


class Asked(Protocol):
    """What a warning needs of an open model: `e5v.model.loading.Loaded`."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def turn(self) -> Turn | None:
        """Its chat turn; None for its chat template."""

    @property
    def recipe(self) -> Recipe:
        """How it is asked."""

    @property
    def recipe_by(self) -> str:
        """How its recipe is known; empty if it is only assumed."""

    @property
    def adapted(self) -> bool:
        """Whether an adapter is merged into it."""


def warn_of_recipe(model: Asked) -> None:
    """Warn of a model that is asked as E5-V is, though nothing says that it was trained so.

    Not of the families that the paper has turns for: with them, E5-V's wording is what they are
    taken for, unless an adapter has made another model of them.
    """
    if not model.recipe_by and (model.turn is None or model.adapted):
        message = (
            f"{model.name}: no published recipe is known; using E5-V's one-word prompt (name a "
            f'recipe, such as "{E5_V.name}", to choose)'
        )
        warnings.warn(RecipeWarning(message), stacklevel=3)


def kept_recipe(model: Asked) -> str | None:
    """Return the recipe's name for what is stored with vectors; None for E5-V's own.

    The model may have another name when it is opened again, by which it is not recognised.
    """
    named = model.recipe_by == ASKED or model.recipe.moved_from(E5_V)
    return model.recipe.name if named else None


def choose_turn(
    recipe: Recipe, turns: Sequence[str], language_model: str, vocabulary: Container[str]
) -> Turn | None:
    """Return the chat turn of a model, of those that its family has; None for its chat template."""
    if recipe.turn == "family":
        return find_turn(turns, language_model, vocabulary)
    return RAW if recipe.turn == "raw" else None


def read_evidence(source: str) -> Evidence:
    """Read what a checkpoint's files say of it; nothing, if there are none."""
    config, modules = _read_json(source, CONFIG), _read_json(source, MODULES)
    config = config if isinstance(config, dict) else {}
    sentence = _read_json(source, SENTENCE)
    prompts = sentence.get("prompts") if isinstance(sentence, dict) else None
    ours = E5_V.name if isinstance(prompts, dict) and prompts.keys() == PROMPTS.keys() else ""
    return Evidence(
        model_type=str(config.get("model_type") or ""),
        origin=str(config.get("_name_or_path") or ""),
        classes=tuple(_list_classes(config, modules)),
        written=str(config.get(OURS) or ours),
    )


def _list_classes(config: dict[str, Any], modules: Any) -> Iterator[str]:
    yield from map(str, config.get("architectures") or ())
    yield from map(str, (config.get("auto_map") or {}).values())
    for module in modules if isinstance(modules, list) else ():
        yield str(module.get("type")) if isinstance(module, dict) else ""


def _read_json(source: str, file: str) -> Any:
    """Return the content of a checkpoint's JSON file; None if it is missing or broken."""
    try:
        path = find_file(source, file)
        return json.loads(path.read_text(encoding="utf-8")) if path else None
    except (OSError, ValueError):  # whoever needs the file says what is wrong with it
        return None


def _find_named(records: Iterable[Known], names: Iterable[str]) -> Known | None:
    """Return the record that one of the names is an id of, or a folder's copy of one."""
    called = {form for name in names for form in _forms(name)}
    for record in records:
        for id in record.ids:
            owner, _, last = id.lower().rpartition("/")
            if id.lower() in called or (owner and last in called):
                return record
    return None


def _forms(name: str) -> Iterator[str]:
    """Yield what a model is called: its id, the last part of its path, its folder in the cache."""
    if not name:
        return
    parts = Path(name.lower()).parts
    yield name.lower()
    yield parts[-1]
    yield from (one.removeprefix(CACHED).replace("--", "/") for one in parts if CACHED in one)


def _find_marked(records: Iterable[Known], evidence: Evidence) -> Known | None:
    """Return the record one of whose marks is in the names of classes."""
    every = "\n".join(evidence.classes).lower()
    for record in records:
        if any(mark.lower() in every for mark in record.marks):
            return record
    return None


def _fits(recipe: Recipe, evidence: Evidence) -> bool:
    return not (recipe.model_types and evidence.model_type) or (
        evidence.model_type in recipe.model_types
    )


def _check_type(name: str, recipe: Recipe, evidence: Evidence) -> None:
    if not _fits(recipe, evidence):
        raise ModelError(
            f"the recipe {recipe.name} is for {' and '.join(recipe.model_types)}, but {name} is a "
            f"{evidence.model_type} model; name another",
            argument="recipe",
        )
