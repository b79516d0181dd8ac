"""Checking data: what was changed, what is missing, and images that cannot be opened."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from e5v.data.check import Finding, check
from e5v.data.contents import Contents, choose_places
from e5v.data.fetch import fetch
from e5v.data.records import DataSet
from e5v.data.source import SOURCE, read_source, write_source
from e5v.errors import DataError, MissingExtraError
from e5v.inputs import RawItem
from tests.data.file_hub import make_small

NAME = "nli_for_simcse.csv"
NLI = make_small("nli", {"triplets": 2})


def read(data: DataSet, folder: Path) -> Contents:
    """Count lines."""
    return Contents({"triplets": len((folder / NAME).read_text().splitlines()) - 1})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a folder with triplets that were fetched."""
    (tmp_path / "nli").mkdir()
    (tmp_path / "nli" / NAME).write_text("sent0,sent1,hard_neg\na,b,c\nd,e,f\n")
    fetch(NLI, tmp_path, read)
    return tmp_path


def faults(root: Path, data: DataSet = NLI) -> list[Finding]:
    """Return what a check finds wrong."""
    return [one for one in check(data, root, read) if not one.passed]


def test_data_as_they_were_pass(root: Path) -> None:
    """A check that finds fault with what was fetched a moment ago."""
    findings = list(check(NLI, root, read))
    assert [one.check for one in findings] == ["source", "files", "triplets"]
    assert all(one.passed for one in findings)
    assert (findings[0].found, findings[1].found) == (
        "local copy",
        "1 file, 1 checksum compared",
    )


def test_a_changed_file(root: Path) -> None:
    """A text that somebody corrected in the data, with as many rows as before."""
    file = root / "nli" / NAME
    file.write_text(file.read_text().replace("d,e,f", "d,e,g"))
    (fault,) = faults(root)
    assert (fault.check, fault.found[: len(NAME) + 16]) == ("files", f"{NAME} has the sha256 ")


def test_missing_rows_and_files(root: Path) -> None:
    """A file that was cut off, one that is gone, and a folder that is not there."""
    file = root / "nli" / NAME
    file.write_text("sent0,sent1,hard_neg\na,b,c\n")
    fault = faults(root)[-1]
    assert (fault.check, fault.found, fault.expected) == ("triplets", "1", "2")
    file.unlink()

    def refuse(data: DataSet, folder: Path) -> Contents:
        raise DataError("no such file")

    found = [(one.check, one.found) for one in check(NLI, root, refuse) if not one.passed]
    assert found == [("files", f"{NAME} is missing"), ("rows", "no such file")]
    assert [one.found for one in faults(root / "elsewhere")] == ["missing"]


def test_an_unfinished_fetch(root: Path) -> None:
    """A part of the data, checked as if it were all."""
    source = read_source(root / "nli")
    assert source
    write_source(root / "nli", replace(source, files={}))
    assert [(one.check, one.found) for one in faults(root)] == [("source", "an unfinished fetch")]
    (root / "nli" / SOURCE).write_text("[]")
    assert "cannot be read" in faults(root)[0].found


def test_a_copy_that_was_never_fetched(root: Path) -> None:
    """A copy that passes because nothing is known of it, though its rows or checksums are."""
    (root / "nli" / SOURCE).unlink()
    assert faults(root) == []
    pinned = replace(NLI, sources=(replace(NLI.sources[0], sha256={NAME: "0" * 64}),))
    assert [one.check for one in faults(root, pinned)] == ["files"]
    assert [one.check for one in faults(root, replace(NLI, rows={"triplets": 3}))] == ["triplets"]


def encode(size: int) -> bytes:
    """Return an image."""
    out = io.BytesIO()
    Image.new("RGB", (size, size)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("broken", [b"no image", encode(8)[:45]])
def test_an_image_that_cannot_be_opened(root: Path, broken: bytes) -> None:
    """A training that stops at image 400,000; and a sample that is said to be all."""
    images: list[RawItem] = [encode(8)] * 1_000
    images[3] = broken

    def read_images(data: DataSet, folder: Path) -> Contents:
        return Contents({"triplets": 2}, images)

    *_, sample = check(NLI, root, read_images)
    assert (sample.passed, sample.found) == (True, "200 of 1,000 opened")
    *_, whole = check(NLI, root, read_images, all_images=True)
    assert not whole.passed
    assert whole.found.startswith("1 of 1,000 cannot be opened: image 4: ")


def test_a_library_that_is_missing_is_no_fault_of_the_data(root: Path) -> None:
    """Data that are fetched again because pyarrow is not installed."""

    def refuse(data: DataSet, folder: Path) -> Contents:
        raise MissingExtraError("pyarrow is not installed")

    with pytest.raises(MissingExtraError):
        list(check(NLI, root, refuse))


@pytest.mark.parametrize(("count", "wanted"), [(0, 5), (4, 5), (5, 5), (1_000, 7), (9, None)])
def test_a_sample_is_spread(count: int, wanted: int | None) -> None:
    """A sample of the first rows only, or one with an image twice."""
    places = choose_places(count, wanted)
    assert len(set(places)) == min(count, count if wanted is None else wanted)
    assert all(0 <= place < count for place in places)
