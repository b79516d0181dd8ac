"""Lays out the photographs of a list as a folder to evaluate on: captions.jsonl and images/.

list: file, captions, sha256 -> a folder of COCO's JPEGs | images.cocodataset.org -> checked, kept

    python -m photos.pictures build/photos/coco --coco val2017

coco.jsonl is what the study tests on, development.jsonl what was chosen on: the captions of the
first are COCO's, those of the second were written by hand. The photos are not in this repository.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import tyro
from tyro.conf import Positional

from e5v.captions import CAPTIONS, IMAGES
from e5v.errors import DataError, E5VError, first_line
from nano.kept import write

LIST = Path(__file__).with_name("coco.jsonl")
PLACES = ("val2017", "train2017")  # of images.cocodataset.org, where a photo may be
URL = "http://images.cocodataset.org/{place}/{file}"  # the host has no certificate of its own
SECONDS = 30.0  # until a host that says nothing is given up


@dataclass(frozen=True)
class Listed:
    """A photograph of a list: its captions, licence, source and the digest of its JPEG."""

    file: str
    captions: tuple[str, ...]
    licence: str
    source: str
    sha256: str


def read_list(file: Path = LIST) -> list[Listed]:
    """Read a list of photographs."""
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return [Listed(**{**row, "captions": tuple(row["captions"])}) for row in rows]


def lay_out(listed: list[Listed], out: Path, source: Path | None = None) -> Iterator[str]:
    """Write the photographs that are not there yet, then their captions; yield what is written.

    Args:
        listed: the photographs.
        out: the folder, which may be there in part.
        source: a folder of the JPEGs by their names in COCO; by default they are downloaded.

    Raises:
        DataError: a photograph is missing, is another file, or cannot be downloaded.
    """
    for one in listed:
        target = out / IMAGES / one.file
        if not target.exists() or digest(target.read_bytes()) != one.sha256:
            yield one.file
            write(target, _take(one, source) if source else _download(one))
    write(out / CAPTIONS, _write_captions(listed))


def identify(listed: list[Listed]) -> str:
    """Tell photographs from any others by their captions, as results name them."""
    return hashlib.blake2b(_write_captions(listed).encode(), digest_size=8).hexdigest()


def _write_captions(listed: list[Listed]) -> str:
    rows = ({"image": one.file, "captions": one.captions} for one in listed)
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def digest(content: bytes) -> str:
    """Return the sha256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def _take(one: Listed, source: Path) -> bytes:
    path = source / one.file
    if not path.is_file():
        raise DataError(f"{source} lacks {one.file}; expected COCO's JPEGs by their names")
    content = path.read_bytes()
    if digest(content) != one.sha256:
        raise DataError(
            f"{path} is another file: sha256 {digest(content)}, expected {one.sha256}; "
            "take it as COCO 2017 has it"
        )
    return content


def _download(one: Listed) -> bytes:
    failed = "all are other files than in the list"
    for place in PLACES:
        try:
            with urlopen(URL.format(place=place, file=one.file), timeout=SECONDS) as answer:
                content: bytes = answer.read()
        except OSError as error:
            failed = first_line(error)
            continue
        if digest(content) == one.sha256:
            return content
    raise DataError(
        f"{one.file} cannot be downloaded from images.cocodataset.org: {failed}; "
        "download COCO 2017 elsewhere, and name the folder of its JPEGs"
    )


def main(out: Positional[Path], photos: Path = LIST, coco: Path | None = None) -> None:
    """Lay out the photographs of a list.

    Args:
        out: the folder to write.
        photos: the list.
        coco: a folder of COCO's JPEGs; by default they are downloaded.
    """
    try:
        written = sum(1 for _ in lay_out(read_list(photos), out, coco))
    except E5VError as error:
        raise SystemExit(str(error)) from error
    print(f"{out}: {written} photos written")  # noqa: T201


if __name__ == "__main__":
    tyro.cli(main)
