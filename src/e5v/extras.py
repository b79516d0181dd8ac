"""Check optional libraries: which are missing, and the extra of e5v that installs each.

library -> its extra -> one line that says what needs it and what to install

`need` checks before work begins, without importing; `imported` wraps an import.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from e5v.errors import MissingExtraError

# In the order of pyproject.toml; messages name the first extra that has the library.
EXTRAS = {
    "search": ("lancedb", "pyarrow"),
    "serve": ("fastapi", "uvicorn", "prometheus_client", "orjson"),
    "train": ("peft", "matplotlib"),
    "qlora": ("bitsandbytes",),
    "int8": ("torchao",),
    "divide": ("accelerate",),
    "track": ("tensorboard", "trackio", "wandb"),
    "eval": ("datasets", "mteb", "scipy", "sklearn"),
    "assemble": ("gguf",),
    "stores": ("obstore",),
    "ray": ("ray",),
    "documents": ("pypdfium2", "mammoth", "inscriptis"),
    "video": ("av",),
    "raw": ("rawpy",),
    "qdrant": ("qdrant_client",),
    "milvus": ("milvus_lite", "pymilvus"),
    "pgvector": ("pgvector", "psycopg"),
}
EXTRA_OF = {library: extra for extra, libraries in EXTRAS.items() for library in libraries}


def need(what: str, *libraries: str, extra: str | None = None) -> None:
    """Check that libraries are installed, without importing them.

    `what` is the feature that needs them, for the message. `extra` is the extra that installs all
    of them; by default the one of the first missing library.

    Raises:
        MissingExtraError: a library is missing.
    """
    for library in libraries:
        if not is_installed(library):
            raise _missing(what, library, extra)


@contextmanager
def imported(what: str, *, extra: str | None = None) -> Iterator[None]:
    """Import optional libraries in the block.

    Raises:
        MissingExtraError: a library is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in EXTRA_OF:
            raise
        raise _missing(what, library, extra) from error


def is_installed(library: str) -> bool:
    """Return whether a library is installed, without importing it."""
    try:
        return find_spec(library) is not None
    except (ImportError, ValueError):  # ValueError: imported without a specification
        return False


def _missing(what: str, library: str, extra: str | None) -> MissingExtraError:
    return MissingExtraError(
        f"{what} needs {library}, which is not installed; "
        f"pip install 'e5v[{extra or EXTRA_OF[library]}]'"
    )
