"""The folders that `e5v index` follows, and those that it follows no more.

FOLDER, --unfollow, what was followed before -> absolute paths
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from e5v.errors import DataError, UsageError

if TYPE_CHECKING:
    from e5v.search.manifest import Manifest


def find_roots(
    folders: Sequence[Path], unfollow: Sequence[Path], there: "Manifest | None", *, embeds: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the folders to follow, and those to follow no more.

    Unless something `embeds`, there need be none: vectors bring their own.

    Raises:
        UsageError: there are none, one cannot be followed, or one is among both.
    """
    from e5v.search.scan import absolute

    known = there.roots if there else ()
    unfollowed = _find_unfollowed(unfollow, known)
    left = tuple(root for root in known if root not in unfollowed)
    try:
        roots = absolute(folders or map(Path, left), known=left)
    except DataError as error:
        raise UsageError(str(error), argument=error.argument) from None
    if embeds and not (roots or unfollowed):
        raise UsageError("nothing to index; give FOLDER")
    if both := [root for root in roots if root in unfollowed]:
        raise UsageError(f"{both[0]} is given to follow and to --unfollow; expected one of them")
    return roots, unfollowed


def _find_unfollowed(unfollow: Sequence[Path], known: Sequence[str]) -> tuple[str, ...]:
    """Return the roots that are to be followed no more.

    Raises:
        UsageError: one is not followed.
    """
    paths = [os.path.abspath(folder.expanduser()) for folder in unfollow]  # noqa: PTH100
    for path in paths:
        if path not in known:
            named = ", ".join(known) if known else "none"
            inside = any(path.startswith(f"{root.rstrip('/')}/") for root in known)
            hint = "; to leave out a part of one, use --exclude" if inside else ""
            raise UsageError(f"{path} is not followed; the followed folders are: {named}{hint}")
    return tuple(paths)
