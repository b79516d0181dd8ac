"""The items of a tar, here or at a store: images, and images with their captions, as webdataset.

photos.tar -> headers of all members -> grouped by name without suffix -> TarItem, or TarFault

Members of one name are one item: an image, and its caption in a .txt or under "text" or "caption"
of a .json. Several images of one name are items of their own. No image is read here, but captions
are; the names of one tar are in memory.
"""

import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from e5v.captions import find_texts
from e5v.errors import DataError, first_line
from e5v.image_formats import is_image_name, suffix_of
from e5v.inputs import Image, Item, Text
from e5v.jsonl import Wrong, parse
from e5v.left_out import LeftOut
from e5v.places import StoreUrl, TarMember
from e5v.stores.files import open_file
from e5v.stores.objects import pin

CAPTIONS = (".txt", ".json")  # the first that has a text is used
LONGEST_CAPTION = 2**20  # bytes
READ_AHEAD = 2**16  # bytes of one request: small members come with their headers
REPLACED = "is there again further on; only the last one is used"
OTHER_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")


@dataclass(frozen=True)
class TarItem:
    """One item of a tar; `name` is that of its image, or of its text if it has none."""

    name: str
    item: Item


@dataclass(frozen=True)
class TarFault:
    """Members that are no item; `reason` continues the sentence "cat.json in photos.tar ..."."""

    name: str
    reason: str


@dataclass(frozen=True)
class _Caption:
    """A member that may be the caption of an image."""

    name: str
    content: bytes


def read_tar(archive: Path | StoreUrl, left_out: LeftOut) -> Iterator[TarItem | TarFault]:
    """Yield the items of a tar, in the order of their first members.

    Hidden members are skipped; those that are no image and no caption are counted in `left_out`.
    What looks like one of these and cannot be used comes last, with the reason.

    Raises:
        FileNotFoundError: there is no such tar.
        DataError: it cannot be read, or is damaged.
    """
    groups: dict[str, list[TarMember | _Caption]] = {}
    unusable: list[TarFault] = []
    for member in _list_members(archive, left_out, unusable):
        groups.setdefault(member.name.removesuffix(_suffix(member.name)), []).append(member)
    while groups:
        yield from _make_items(groups.pop(next(iter(groups))))
    yield from unusable


def _suffix(name: str) -> str:
    return name[len(name) - len(suffix_of(name)) :]


def _list_members(
    archive: Path | StoreUrl, left_out: LeftOut, unusable: list[TarFault]
) -> Iterator[TarMember | _Caption]:
    """Read the headers of a tar; of members of one name, the last one counts."""
    found: dict[str, TarMember | _Caption] = {}
    place = pin(archive) if isinstance(archive, StoreUrl) else archive
    try:
        with open_file(place, read_ahead=READ_AHEAD) as file, _open(file) as tar:
            while (header := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # or all headers stay
                name = header.name.removeprefix("./")
                if header.isdir() or _is_hidden(name):
                    continue
                if (reason := _find_reason(name, header)) and _has_known_suffix(name):
                    unusable.append(TarFault(name, reason))
                elif not reason and (made := _make_member(place, name, header, file)):
                    if name in found:
                        unusable.append(TarFault(name, REPLACED))
                    found[name] = made
                else:
                    left_out.add(name)
            _check_end(file, tar.offset)
    except tarfile.TarError as error:
        raise DataError(f"{archive} cannot be read as a tar: {first_line(error)}") from None
    except OSError as error:
        if error.strerror is None or isinstance(error, FileNotFoundError):
            raise
        raise DataError(f"{archive} cannot be read: {error.strerror}") from None
    yield from found.values()


def _open(file: BinaryIO) -> tarfile.TarFile:
    return tarfile.open(fileobj=file, mode="r:")


def _check_end(file: BinaryIO, offset: int) -> None:
    """Raise `ReadError` unless a tar ends here: tarfile takes a damaged header for the end."""
    file.seek(offset)
    if any(file.read(tarfile.BLOCKSIZE)):
        raise tarfile.ReadError(f"it is damaged at byte {offset:,}, or cut off there")


def _is_hidden(name: str) -> bool:
    return any(one.startswith(".") for one in name.split("/") if one not in {".", ".."})


def _has_known_suffix(name: str) -> bool:
    return is_image_name(name) or suffix_of(name) in CAPTIONS


def _find_reason(name: str, header: tarfile.TarInfo) -> str:
    """Return why a member cannot be used, whatever its name ends in; nothing if it can."""
    if header.issym() or header.islnk():
        return "is a link; expected the file itself"
    if not header.isreg():
        return "is no regular file; expected one"
    if ".." in name.split("/"):
        return 'has ".." in its name; expected a name below the folder that was packed'
    return ""


def _make_member(
    place: Path | StoreUrl, name: str, header: tarfile.TarInfo, file: BinaryIO
) -> TarMember | _Caption | None:
    if header.issparse():
        return None
    if is_image_name(name):
        return TarMember(place, name, header.offset_data, header.size)
    if suffix_of(name) not in CAPTIONS or header.size > LONGEST_CAPTION:
        return None
    file.seek(header.offset_data)
    return _Caption(name, file.read(header.size))


def _make_items(members: Sequence[TarMember | _Caption]) -> Iterator[TarItem | TarFault]:
    """Yield the items of members of one name."""
    images = [one for one in members if isinstance(one, TarMember)]
    captions = [one for one in members if isinstance(one, _Caption)]
    captions.sort(key=lambda one: CAPTIONS.index(suffix_of(one.name)))
    try:
        name, texts = _find_caption(captions)
    except _CaptionError as error:
        yield TarFault(error.name, str(error))
        return
    if texts and len(images) > 1:
        yield TarFault(name, f"is the caption of {len(images)} images of its name; expected one")
    elif images:
        for image in images:
            yield TarItem(image.name, Item((Image(image), *map(Text, texts))))
    elif texts:
        yield TarItem(name, Item(tuple(map(Text, texts))))
    else:
        yield TarFault(captions[0].name, "has no text")


class _CaptionError(Exception):
    """A caption cannot be read."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


def _find_caption(captions: Sequence[_Caption]) -> tuple[str, tuple[str, ...]]:
    """Return the name and the texts of the first caption that has any."""
    for one in captions:
        try:
            if texts := _read_caption(one):
                return one.name, texts
        except (Wrong, ValueError) as error:
            raise _CaptionError(one.name, str(error)) from None
    return "", ()


def _read_caption(caption: _Caption) -> tuple[str, ...]:
    try:
        text = caption.content.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise Wrong(f"is not UTF-8 (byte {error.start:,})") from None
    if suffix_of(caption.name) == ".txt":
        return (text,) if text else ()
    value = parse(text)
    if isinstance(value, dict):
        return find_texts(value)
    if not isinstance(value, str | None):
        raise Wrong(f"is {_describe(value)}; expected a string, or an object with a caption")
    return (value,) if value and value.strip() else ()


def _describe(value: object) -> str:
    return "a list" if isinstance(value, list) else "a number or a truth value"
