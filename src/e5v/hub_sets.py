"""Open a split of a data set on the hub, for training and for evaluation.

name of a data set, split -> `datasets` (extra `eval`) -> its files in the hub's cache, mapped
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e5v.errors import DataError, UsageError, first_line
from e5v.extras import imported

PREFIX = "hub:"
NAME = re.compile(r"hub:(?P<name>[^/:]+/[^/:]+)(/(?P<subset>[^:]+))?:(?P<split>[^:/]+)")


@dataclass(frozen=True)
class HubSplit:
    """A split of a data set on the hub; `subset` is its configuration, if it has several."""

    name: str
    split: str
    subset: str | None = None

    @classmethod
    def of(cls, source: Path) -> "HubSplit | None":
        """Read hub:ORG/NAME:SPLIT; None for a file.

        Raises:
            UsageError: it begins with hub: and goes on otherwise.
        """
        if not str(source).startswith(PREFIX):
            return None
        found = NAME.fullmatch(str(source))
        if found is None:
            raise UsageError(
                f"{source} is no data set of the hub; expected hub:ORG/NAME:SPLIT, or "
                "hub:ORG/NAME/SUBSET:SPLIT",
                argument="data",
            )
        return cls(found["name"], found["split"], found["subset"])


def open_split(
    name: str, split: str, *, subset: str | None = None, revision: str | None = None, shown: str
) -> Any:
    """Return a split as a `datasets.Dataset`; `name` may be a folder with the same layout.

    `shown` names it in an error.

    Raises:
        DataError: it cannot be opened.
        MissingExtraError: the package `datasets` is not installed.
    """
    with imported("a data set of the hub"):
        from datasets import load_dataset
    try:
        with _silence_libraries():
            return load_dataset(name, subset, split=split, revision=revision)
    except Exception as error:  # of many kinds: the network's, the hub's, its own
        raise DataError(
            f"the data set {shown} cannot be opened: {first_line(error)}; "
            "without network, give a local copy of the data",
            argument="data",
        ) from error


@contextmanager
def _silence_libraries() -> Iterator[None]:
    """Silence messages about attempts to reach the hub; show progress bars in a terminal only."""
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from huggingface_hub.utils import logging

    logs: Any = logging
    before, bars = logs.get_verbosity(), not are_progress_bars_disabled()
    logs.set_verbosity_error()
    if not sys.stderr.isatty():
        disable_progress_bars()
    try:
        yield
    finally:
        logs.set_verbosity(before)
        if bars:
            enable_progress_bars()
