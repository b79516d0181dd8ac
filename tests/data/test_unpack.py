"""Archives of data: unpacked whole, continued, and never outside of their folder."""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest

from e5v.data.conversations import write_captions
from e5v.data.records import Archive
from e5v.data.unpack import unpack
from e5v.errors import DataError

STS = Archive("senteval.tar", ("STS/", "SICK/"), "", 0)
IMAGES = Archive("images.zip", ("",), "images", 0)


def silently(*_: object) -> None:
    """Show nothing."""


def pack(folder: Path, archive: Archive, files: Mapping[str, bytes]) -> Path:
    """Make an archive of some files."""
    path = folder / archive.file
    if path.suffix == ".zip":
        with ZipFile(path, "w") as packed:
            for name, content in files.items():
                packed.writestr(name, content)
        return path
    with tarfile.open(path, "w") as packed_tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed_tar.addfile(member, io.BytesIO(content))
    return path


def listed(folder: Path) -> list[str]:
    """List the files of a folder, but archives."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return sorted(
        file.relative_to(folder).as_posix() for file in files if file.suffix not in {".zip", ".tar"}
    )


def test_what_is_wanted_is_unpacked(tmp_path: Path) -> None:
    """Ninety megabytes of other tasks beside the sentence pairs, or none of them."""
    files = {"STS/a/b.txt": b"1", "./SICK/c.txt": b"2", "MR/d.txt": b"3"}
    pack(tmp_path, STS, files)
    unpack(STS, tmp_path, silently)
    assert listed(tmp_path) == ["SICK/c.txt", "STS/a/b.txt"]
    pack(tmp_path, IMAGES, {"0/1.jpg": b"one", "0/2.jpg": b"two"})
    unpack(IMAGES, tmp_path, silently)
    assert listed(tmp_path / "images") == ["0/1.jpg", "0/2.jpg"]


def test_an_interrupted_one_is_continued(tmp_path: Path) -> None:
    """Half a file that stays half, and half a million that are written again."""
    pack(tmp_path, IMAGES, {"0/1.jpg": b"one", "0/2.jpg": b"two"})
    (tmp_path / "images" / "0").mkdir(parents=True)
    (tmp_path / "images" / "0" / "1.jpg").write_bytes(b"old")  # of the right size: left alone
    (tmp_path / "images" / "0" / "2.jpg").write_bytes(b"t")
    unpack(IMAGES, tmp_path, silently)
    contents = [(tmp_path / "images" / "0" / f"{n}.jpg").read_bytes() for n in (1, 2)]
    assert contents == [b"old", b"two"]


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "a\\..\\evil.txt"]
)
def test_a_path_that_leads_elsewhere(tmp_path: Path, name: str) -> None:
    """An archive of a mirror that writes over the user's own files."""
    folder = tmp_path / "data"
    folder.mkdir()
    pack(folder, IMAGES, {name: b"evil"})
    with pytest.raises(DataError, match="leads out of its folder"):
        unpack(IMAGES, folder, silently)
    assert not list(tmp_path.rglob("evil.txt"))


def test_an_archive_that_cannot_be_used(tmp_path: Path) -> None:
    """A traceback of zlib for a damaged archive, and silence for one without what is wanted."""
    path = pack(tmp_path, IMAGES, {"a.jpg": b"one"})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(
        DataError, match=r"images.zip is damaged: .*; remove it, and fetch it again"
    ):
        unpack(IMAGES, tmp_path, silently)
    pack(tmp_path, STS, {"MR/d.txt": b"3"})
    with pytest.raises(DataError, match="has no files that begin with STS/ or SICK/"):
        unpack(STS, tmp_path, silently)
    (tmp_path / "images").write_text("a file where the folder goes")
    pack(tmp_path, IMAGES, {"a.jpg": b"one"})
    with pytest.raises(DataError, match=r"cannot be unpacked in .*: (Not a directory|File exists)"):
        unpack(IMAGES, tmp_path, silently)


def turn(who: str, value: str) -> dict[str, str]:
    """Return one turn of a conversation."""
    return {"from": who, "value": value}


def test_pairs_become_captions(tmp_path: Path) -> None:
    """LLaVA's instructions taken for captions."""
    rows = [
        {
            "id": "1",
            "image": "0/1.jpg",
            "conversations": [turn("human", "Describe it.\n<image>"), turn("gpt", "a grün cat")],
        }
    ]
    (tmp_path / "pairs.json").write_text(json.dumps(rows))
    write_captions(tmp_path, "pairs.json")
    text = (tmp_path / "captions.jsonl").read_text(encoding="utf-8")
    assert text == '{"image": "0/1.jpg", "text": "a grün cat"}\n'


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"a": 1}', "contains a dict; expected a list of"),
        ("[1]", "entry 1: expected"),
        ('[{"image": "a.jpg", "conversations": []}]', "entry 1: expected"),
        ('[{"image": "a.jpg"}]', "entry 1: expected"),
        ("[", "pairs.json is not JSON"),
    ],
)
def test_pairs_of_another_form(tmp_path: Path, content: str, told: str) -> None:
    """A KeyError for a file of another version, or half a list of captions."""
    (tmp_path / "pairs.json").write_text(content)
    with pytest.raises(DataError, match=told):
        write_captions(tmp_path, "pairs.json")
    assert listed(tmp_path) == ["pairs.json"]
