"""Embed a text, an image or both together as one unit vector, with a multimodal language model.

item -> prompt -> packed tokens (+ pixels) -> encoder -> last token -> unit vector
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from e5v.errors import (
        E5VError,
        EncodeWarning,
        ItemError,
        ModelError,
        PromptError,
        UsageError,
    )
    from e5v.model.embedder import E5V
    from e5v.model.prompts import Prompt

    __version__: str

__all__ = [
    "E5V",
    "E5VError",
    "EncodeWarning",
    "ItemError",
    "ModelError",
    "Prompt",
    "PromptError",
    "UsageError",
    "__version__",
]

_MODULES = {
    "E5V": "e5v.model.embedder",
    "E5VError": "e5v.errors",
    "EncodeWarning": "e5v.errors",
    "ItemError": "e5v.errors",
    "ModelError": "e5v.errors",
    "Prompt": "e5v.model.prompts",
    "PromptError": "e5v.errors",
    "UsageError": "e5v.errors",
}

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
