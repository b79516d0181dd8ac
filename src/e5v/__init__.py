"""Embed a text, an image or both together as one unit vector, with a multimodal language model.

item -> prompt -> packed tokens (+ pixels) -> encoder -> last token -> unit vector
"""

from importlib import import_module
from typing import TYPE_CHECKING

from e5v.model.torchao_internals import hide_notes

if TYPE_CHECKING:
    from e5v.checkpoints.merge import Merged, merge
    from e5v.errors import (
        DataError,
        E5VError,
        EncodeWarning,
        ItemError,
        MissingExtraError,
        ModelError,
        PromptError,
        RecipeWarning,
        TrainingError,
        UsageError,
    )
    from e5v.evaluation.evaluate import EvaluationOptions, evaluate
    from e5v.evaluation.report import Report
    from e5v.model.embedder import E5V
    from e5v.model.encoded import Encoded, Skipped
    from e5v.model.malloc import keep_freed_memory
    from e5v.model.prompts import Prompt
    from e5v.model.words import Word
    from e5v.parts.job import PartsProgress, encode_parts
    from e5v.search.index import Index
    from e5v.search.indexing import Indexed, index
    from e5v.search.query import Query
    from e5v.training.recipe import Recipe
    from e5v.training.trainer import train
    from e5v.training.triplets import Triplet

    __version__: str

__all__ = [
    "E5V",
    "DataError",
    "E5VError",
    "EncodeWarning",
    "Encoded",
    "EvaluationOptions",
    "Index",
    "Indexed",
    "ItemError",
    "Merged",
    "MissingExtraError",
    "ModelError",
    "PartsProgress",
    "Prompt",
    "PromptError",
    "Query",
    "Recipe",
    "RecipeWarning",
    "Report",
    "Skipped",
    "TrainingError",
    "Triplet",
    "UsageError",
    "Word",
    "__version__",
    "encode_parts",
    "evaluate",
    "index",
    "keep_freed_memory",
    "merge",
    "train",
]

_HOMES = {
    "e5v.checkpoints.merge": ("Merged", "merge"),
    "e5v.errors": (
        "DataError",
        "E5VError",
        "EncodeWarning",
        "ItemError",
        "MissingExtraError",
        "ModelError",
        "PromptError",
        "RecipeWarning",
        "TrainingError",
        "UsageError",
    ),
    "e5v.evaluation.evaluate": ("EvaluationOptions", "evaluate"),
    "e5v.evaluation.report": ("Report",),
    "e5v.model.embedder": ("E5V",),
    "e5v.model.malloc": ("keep_freed_memory",),
    "e5v.model.prompts": ("Prompt",),
    "e5v.model.encoded": ("Encoded", "Skipped"),
    "e5v.model.words": ("Word",),
    "e5v.parts.job": ("PartsProgress", "encode_parts"),
    "e5v.search.index": ("Index",),
    "e5v.search.indexing": ("Indexed", "index"),
    "e5v.search.query": ("Query",),
    "e5v.training.recipe": ("Recipe",),
    "e5v.training.trainer": ("train",),
    "e5v.training.triplets": ("Triplet",),
}
_MODULES = {name: home for home, names in _HOMES.items() for name in names}

hide_notes()  # before anything imports transformers, and that torchao

# Hidden from type checkers: they accept any name on a module that has __getattr__.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import a public name at first use, so that `import e5v` is quick."""
        if name == "__version__":
            from importlib.metadata import version

            return version("e5v")
        if name not in _MODULES:
            raise AttributeError(f"module 'e5v' has no attribute {name!r}")
        return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """List the public names, for tab completion."""
    return __all__
