"""`source.json`: where the data of a folder came from, and what they were then.

fetch -> Source: revisions, sizes, checksums, rows -> source.json -> check, evaluate

It is written twice: before the first download, so that an interrupted one goes on with the same
revision, and at the end, with the files that are there.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from hashlib import file_digest
from pathlib import Path

from e5v.errors import DataError, first_line
from e5v.files import write_file

SOURCE = "source.json"


@dataclass(frozen=True)
class FileFacts:
    """The size of a file in bytes, and its SHA-256 as far as it is known."""

    size: int
    sha256: str | None = None


@dataclass(frozen=True)
class Download:
    """Files of a data set of the hub at one revision; names are those in the data's folder."""

    id: str
    revision: str
    folder: str
    files: Mapping[str, FileFacts]


@dataclass(frozen=True)
class Source:
    """Where data came from, and what they were then.

    `downloads` are empty for a copy that was there before. `files` and `rows` are those that were
    found at the end: without files, the fetch is not finished.
    """

    name: str
    downloads: tuple[Download, ...] = ()
    files: Mapping[str, FileFacts] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether the fetch was finished."""
        return bool(self.files)

    @property
    def revision(self) -> str:
        """The commits that were downloaded, shortened, or what there is instead."""
        return ", ".join(dict.fromkeys(one.revision[:7] for one in self.downloads)) or "local copy"


def write_source(folder: Path, source: Source) -> None:
    """Write `source.json`, atomically."""
    write_file(folder / SOURCE, json.dumps(asdict(source), indent=2) + "\n")


def read_source(folder: Path) -> Source | None:
    """Read `source.json`; None if there is none.

    Raises:
        DataError: it is not what `write_source` writes.
    """
    file = folder / SOURCE
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        downloads = tuple(_read_download(one) for one in value["downloads"])
        files, rows = _read_files(value["files"]), {key: int(n) for key, n in value["rows"].items()}
        return Source(str(value["name"]), downloads, files, rows)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file} cannot be read: {first_line(error)}; remove it, and fetch the data again"
        ) from None


def _read_download(value: Mapping[str, object]) -> Download:
    files = _read_files(value["files"])
    return Download(str(value["id"]), str(value["revision"]), str(value["folder"]), files)


def _read_files(value: object) -> dict[str, FileFacts]:
    if not isinstance(value, dict):
        raise TypeError(f"expected files by name, got {type(value).__name__}")
    return {name: FileFacts(int(one["size"]), one["sha256"]) for name, one in value.items()}


def refuse_unfinished(folder: Path) -> None:
    """Refuse data of a fetch that is not finished: a part of a benchmark is another benchmark.

    Raises:
        DataError: `source.json` says so.
    """
    source = read_source(folder)
    if source and not source.is_complete:
        raise DataError(
            f"{folder} is not complete; finish it with: "
            f"e5v data fetch {source.name} --data {folder.parent}"
        )


def find_facts(folder: Path, names: Iterable[str]) -> dict[str, FileFacts]:
    """Return size and SHA-256 of files of a folder.

    Raises:
        DataError: a file cannot be read.
    """
    return {
        name: FileFacts((folder / name).stat().st_size, sha256(folder / name)) for name in names
    }


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or first_line(error)}") from None
