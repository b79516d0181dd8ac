"""Find an index by what names it.

path | s3://bucket/x -> IndexFolder
"""

import os
from pathlib import Path

from e5v.places import find_store, refuse_url
from e5v.search.index_folder import IndexFolder, LocalFolder


def open_folder(value: str | os.PathLike[str] | IndexFolder) -> IndexFolder:
    """Return the index that a path or a URL names, whether it exists or not.

    Raises:
        UsageError: it is the URL of something else than s3://, gs:// or az://.
        MissingExtraError: what reads object stores is not installed.
    """
    if not isinstance(value, str | os.PathLike):
        return value
    url = find_store(value)
    if url is not None:
        from e5v.search.store_folder import StoreFolder

        return StoreFolder.at(url)
    refuse_url(Path(value), "the index", argument="index")
    return LocalFolder(Path(value))
