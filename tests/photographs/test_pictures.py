"""The lists of photographs: what is in them, and that a folder has those very files."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from e5v.errors import DataError
from e5v.evaluation.own_folder import read_folder
from nano.trainings import digest as digest_files
from photos.pictures import LIST, Listed, digest, identify, lay_out, read_list
from tests.photographs.small import write_photos

DEVELOPMENT = LIST.with_name("development.jsonl")


@pytest.fixture
def listed(tmp_path: Path) -> list[Listed]:
    """Give a list of photos that lie in tmp_path/images."""
    photos = write_photos(tmp_path / "source", 3)
    return [
        Listed(file.name, (f"photo {n}",), "CC BY 2.0", "", digest(file.read_bytes()))
        for n, file in enumerate(sorted((photos / "images").iterdir()))
    ]


def test_the_lists_name_a_licence_and_a_digest_for_each_photo() -> None:
    """A photo that nobody may use, or that may be another one next year."""
    tested, chosen = read_list(), read_list(DEVELOPMENT)
    assert (len(tested), len(chosen)) == (148, 33)
    for one in (*tested, *chosen):
        assert re.fullmatch(r"\d{12}\.jpg", one.file)
        assert re.fullmatch(r"[0-9a-f]{64}", one.sha256)
        assert one.licence.startswith(("CC BY", "No known copyright"))
        assert one.source.startswith("https://www.flickr.com/")
    assert {len(one.captions) for one in tested} == {5}


def test_nothing_was_chosen_on_a_photo_that_is_tested_on() -> None:
    """A test on what one has learnt from tests nothing."""
    tested, chosen = ({one.sha256 for one in read_list(file)} for file in (LIST, DEVELOPMENT))
    assert not tested & chosen
    assert len(tested | chosen) == 181


def test_a_folder_is_laid_out_once_and_can_be_evaluated(
    listed: list[Listed], tmp_path: Path
) -> None:
    """Captions beside other photos than theirs, or all of it again at every start."""
    out, source = tmp_path / "out", tmp_path / "source" / "images"
    assert list(lay_out(listed, out, source)) == [one.file for one in listed]
    assert list(lay_out(listed, out, source)) == []
    (out / "images" / listed[1].file).write_bytes(b"half a pho")
    assert list(lay_out(listed, out, source)) == [listed[1].file]
    assert [task.name for task in read_folder(out).tasks] == ["image retrieval", "text retrieval"]
    first = json.loads((out / "captions.jsonl").read_text().splitlines()[0])
    assert first == {"image": "00.jpg", "captions": ["photo 0"]}
    assert identify(listed) == digest_files([out / "captions.jsonl"])


def test_a_photo_that_is_missing_or_another_one_is_named(
    listed: list[Listed], tmp_path: Path
) -> None:
    """A recall on other photos under the same name."""
    source = tmp_path / "source" / "images"
    wrong = [replace(listed[0], sha256="0" * 64)]
    with pytest.raises(DataError, match=r"00\.jpg is another file"):
        list(lay_out(wrong, tmp_path / "out", source))
    with pytest.raises(DataError, match=r"lacks 77\.jpg"):
        list(lay_out([replace(listed[0], file="77.jpg")], tmp_path / "out", source))
    assert not (tmp_path / "out" / "captions.jsonl").exists()


def test_photos_are_downloaded_by_their_digest(
    listed: list[Listed], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of an error in the place of a photo."""
    source = tmp_path / "source" / "images"
    monkeypatch.setattr("photos.pictures.URL", f"file://{tmp_path}/{{place}}/{{file}}")
    for place in ("val2017", "train2017"):
        (tmp_path / place).mkdir()
    (tmp_path / "val2017" / "00.jpg").write_bytes(b"not found")
    (tmp_path / "train2017" / "00.jpg").write_bytes((source / "00.jpg").read_bytes())
    assert list(lay_out(listed[:1], tmp_path / "out")) == ["00.jpg"]
    with pytest.raises(DataError, match="cannot be downloaded"):
        list(lay_out(listed, tmp_path / "out"))
