"""Tars as `e5v encode` reads them: images, and images with captions, in any order of members."""

import json
import tarfile
from pathlib import Path

import pytest

from e5v.errors import DataError
from e5v.inputs import Image, Text
from e5v.left_out import LeftOut
from e5v.places import TarMember
from e5v.stores.files import read_file
from e5v.tar_items import TarFault, TarItem, read_tar
from tests.tars import write_tar

OUTSIDE = 'has ".." in its name; expected a name below the folder that was packed'
Seen = list[tuple[str, list[bytes | str]]]


def see(archive: Path, left_out: LeftOut) -> Seen:
    """Return the names of items with the bytes of their images and their texts; faults as texts."""
    found: Seen = []
    for one in read_tar(archive, left_out):
        if isinstance(one, TarFault):
            found.append((one.name, [f"! {one.reason}"]))
            continue
        parts: list[bytes | str] = []
        for part in one.item.parts:
            if isinstance(part, Text):
                parts.append(part.text)
            else:
                assert isinstance(part, Image)
                assert isinstance(part.source, TarMember)
                parts.append(read_file(part.source))
        found.append((one.name, parts))
    return found


def test_members_of_one_name_are_one_item(tmp_path: Path) -> None:
    """Catches a caption beside another image, however far away its member is."""
    caption = json.dumps({"caption": "a dog", "url": "https://a/b.jpg", "key": "000"})
    members = [
        *(("a/1.jpg", b"1"), ("a/2.PNG", b"2"), ("1.jpg", b"other"), ("a/1.txt", b" a cat\n")),
        *(("a/1.json", b'{"caption": "not this"}'), ("a/2.json", caption.encode())),
        *(("v1.2.jpg", b"4"), ("v1.3.jpg", b"5"), ("only.txt", b"a text"), ("s.json", b'"said"')),
        ("v1.3.txt", b"third"),
    ]
    assert see(write_tar(tmp_path / "x.tar", members), LeftOut()) == [
        *(("a/1.jpg", [b"1", "a cat"]), ("a/2.PNG", [b"2", "a dog"]), ("1.jpg", [b"other"])),
        *(("v1.2.jpg", [b"4"]), ("v1.3.jpg", [b"5", "third"]), ("only.txt", ["a text"])),
        ("s.json", ["said"]),
    ]


def test_what_is_no_item(tmp_path: Path) -> None:
    """Catches what is left out unsaid, hidden copies of macOS, and metadata as a caption."""
    members = [
        *(("./b.jpg", b"1"), ("._b.jpg", b"0"), (".git/c.jpg", b"0"), ("b.cls", b"3")),
        *(("b.json", b'{"width": 3}'), ("twice.jpg", b"old"), ("twice.jpg", b"new")),
        *(("d.jpg", b"4"), ("d.png", b"5"), ("e.jpg", b"6"), ("e.png", b"7"), ("e.txt", b"which?")),
        *(("f.json", b"{"), ("f.jpg", b"8"), ("g.txt", b"\xff\xfe\x00"), ("h.txt", b" ")),
        *(("i.json", b'["a dog"]'), ("i.jpg", b"9"), ("j.json", b"3"), ("k.json", b"null")),
        *(("k.jpg", b"10"), ("../l.jpg", b"11"), ("m/../m.txt", b"12"), ("n/./n.jpg", b"13")),
        ("../o.cls", b"14"),
    ]
    left_out = LeftOut()
    assert see(write_tar(tmp_path / "x.tar", members), left_out) == [
        *(("b.jpg", [b"1"]), ("twice.jpg", [b"new"]), ("d.jpg", [b"4"]), ("d.png", [b"5"])),
        ("e.txt", ["! is the caption of 2 images of its name; expected one"]),
        (
            "f.json",
            ["! is not JSON: Expecting property name enclosed in double quotes (character 2)"],
        ),
        *(("g.txt", ["! is not UTF-8 (byte 0)"]), ("h.txt", ["! has no text"])),
        ("i.json", ["! is a list; expected a string, or an object with a caption"]),
        (
            "j.json",
            ["! is a number or a truth value; expected a string, or an object with a caption"],
        ),
        *(("k.jpg", [b"10"]), ("n/./n.jpg", [b"13"])),
        ("twice.jpg", ["! is there again further on; only the last one is used"]),
        *((name, [f"! {OUTSIDE}"]) for name in ("../l.jpg", "m/../m.txt")),
    ]
    assert str(left_out) == "2 .cls"


def test_links_and_long_names(tmp_path: Path) -> None:
    """Catches a link that is followed, or left out without a word, and a name that is cut."""
    name = "ü" * 90 + "/" + "b" * 120 + ".jpg"
    path = write_tar(tmp_path / "x.tar", [(name, b"1")])
    with tarfile.open(path, "a") as tar:
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        link.name, link.type = "hard.txt", tarfile.LNKTYPE
        tar.addfile(link)
        link.name, link.type = "pipe.png", tarfile.FIFOTYPE
        tar.addfile(link)
        link.name, link.type = "folder.png", tarfile.DIRTYPE
        tar.addfile(link)
        link.name, link.type = "link.cls", tarfile.SYMTYPE
        tar.addfile(link)
    left_out = LeftOut()
    linked = "! is a link; expected the file itself"
    assert see(path, left_out) == [
        *((name, [b"1"]), ("link.jpg", [linked]), ("hard.txt", [linked])),
        ("pipe.png", ["! is no regular file; expected one"]),
    ]
    assert str(left_out) == "1 .cls"


@pytest.mark.parametrize("size", [1_500, 2_000, 2_600])
def test_a_tar_that_is_cut_off(tmp_path: Path, size: int) -> None:
    """Catches images that are lost without a word."""
    whole = write_tar(tmp_path / "x.tar", [(f"{n}.jpg", b"x" * 700) for n in range(3)])
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole.read_bytes()[:size])
    with pytest.raises(DataError, match=r"cut\.tar cannot be read as a tar: "):
        see(cut, LeftOut())


def test_a_tar_with_a_damaged_header(tmp_path: Path) -> None:
    """Catches tarfile's own rule: a header that it cannot read is the end."""
    path = write_tar(tmp_path / "x.tar", [(f"{n}.jpg", b"x" * 700) for n in range(3)])
    content = bytearray(path.read_bytes())
    content[1_536 + 150] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"damaged at byte 1,536, or cut off there"):
        see(path, LeftOut())


def test_a_tar_that_changes(tmp_path: Path) -> None:
    """Catches bytes of another member."""
    path = write_tar(tmp_path / "x.tar", [("a.jpg", b"x" * 700)])
    [one] = read_tar(path, LeftOut())
    assert isinstance(one, TarItem)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match=r"x\.tar/a\.jpg changed while it was read"):
        read_file(one.item.images[0].source)  # type: ignore[arg-type]
