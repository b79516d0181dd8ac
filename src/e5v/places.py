"""Tell a place on another machine, such as s3://bucket/x, from a path of this one.

string | path -> the URL that it is, or nothing; object stores and the web are not read as files
"""

import re
from pathlib import Path

from e5v.errors import UsageError

URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<rest>\S*)")
STORES = frozenset({"s3", "gs", "az", "hf"})  # of objects: no text is one word that begins so
SHOWN = 300  # characters of a URL in a message


def begins_with_url(string: str) -> bool:
    """Return whether a string begins like https:// or s3://; file:// names a file."""
    found = URL.match(string.strip())
    return found is not None and "://" in found[0] and found["scheme"].lower() != "file"


def is_url(string: str) -> bool:
    """Return whether a string is a URL and nothing else."""
    return begins_with_url(string) and len(string.split()) == 1


def explain_store(string: str) -> str:
    """Say why a string that is a place in an object store, and nothing else, is not an item."""
    url = string.strip()
    if not is_url(url) or url.partition(":")[0].lower() not in STORES:
        return ""
    return (
        f"is the URL {url[:SHOWN]}; object stores are not read: give a file on this machine, or "
        '{"text": ...} for a text'
    )


def refuse_url(value: str | Path, name: str, *, argument: str | None = None) -> None:
    """Refuse a URL where a path is expected; a Path has kept one slash of two.

    `name` is what the message calls it, `argument` the Python argument to change.

    Raises:
        UsageError: the value begins like s3:// and is not a path that exists.
    """
    found = URL.match(str(value))
    if found and not Path(value).exists():
        url = f"{found['scheme']}://{found['rest']}"
        raise UsageError(
            f"{name} {url} is a URL, which is not supported; expected a path on this machine",
            argument=argument,
        )


def local_path(value: str | Path, argument: str) -> Path:
    """Return the path that a Python argument names.

    Raises:
        UsageError: it is a URL.
    """
    refuse_url(value, argument, argument=argument)
    return Path(value)
