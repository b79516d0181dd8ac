"""Columns of EXIF: in filters, and in an index of a version that had none."""

from pathlib import Path

import lancedb
import PIL.Image
import pytest
from PIL.ExifTags import GPS, IFD, Base

from e5v.errors import UsageError
from e5v.search.index import Index
from tests.search.followed import WHOLE, Followed, entries

COLUMNS = ["taken", "camera", "latitude", "longitude"]


def write_photo(path: Path, year: int, latitude: float) -> None:
    """Write a photograph that was taken in a year, at a place."""
    exif = PIL.Image.Exif()
    exif[Base.Model] = "Camera One"
    exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = f"{year}:05:06 07:08:09"
    exif.get_ifd(IFD.GPSInfo).update(
        {
            GPS.GPSLatitudeRef: "N",
            GPS.GPSLatitude: (latitude, 0.0, 0.0),
            GPS.GPSLongitudeRef: "E",
            GPS.GPSLongitude: (10.0, 0.0, 0.0),
        }
    )
    PIL.Image.new("RGB", (64, 48), (year % 256, 80, 90)).save(path, exif=exif)


def search(followed: Followed, where: str) -> set[str]:
    """Return the names of the files that a filter lets through."""
    index = Index.open(followed.index)
    query = index.vectors(1)[1][0]
    return {Path(hit.entry.path).name for hit in index.search(query, k=20, where=where)}


def test_photographs_are_filtered_by_date_camera_and_place(followed: Followed) -> None:
    """Catches a column that is lost when a file is moved, and one that texts fail on."""
    write_photo(followed.folder / "north.jpg", 2019, 60.0)
    write_photo(followed.folder / "south.jpg", 2021, 40.0)
    followed.follow()
    (followed.folder / "north.jpg").rename(followed.folder / "photos" / "up.jpg")
    assert followed.follow().reused == 1
    assert search(followed, "taken >= '2019' AND taken < '2020'") == {"up.jpg"}
    assert search(followed, "camera LIKE '%one%' OR camera = 'Camera One'") == {
        "up.jpg",
        "south.jpg",
    }
    assert search(followed, "latitude > 50 AND longitude BETWEEN 5 AND 15") == {"up.jpg"}
    assert search(followed, "taken IS NULL AND path LIKE '%é%' OR latitude < 50") == {"south.jpg"}
    found = entries(followed)["photos/up.jpg", 0]
    assert (found.taken, found.latitude) == ("2019-05-06T07:08:09", 60.0)


def test_an_index_without_these_columns_goes_on(followed: Followed) -> None:
    """Catches an index of an earlier version that cannot be searched, or is embedded anew."""
    write_photo(followed.folder / "north.jpg", 2019, 60.0)
    followed.follow()
    table = lancedb.connect(followed.index).open_table("entries")
    table.drop_columns(COLUMNS)
    manifest = followed.index / "index.json"
    told = manifest.read_text().replace('"format": 4', '"format": 3')
    manifest.write_text(told.replace('  "pages": 200,\n  "frames": 16,\n', ""))
    assert '"pages"' not in manifest.read_text()

    assert entries(followed)["north.jpg", 0].taken is None
    assert search(followed, "kind = 'text' AND path LIKE '%é%'") == set()
    with pytest.raises(UsageError, match="taken"):
        search(followed, "taken > '2019'")
    write_photo(followed.folder / "south.jpg", 2021, 40.0)
    progress = followed.follow()
    assert (progress.embedded, progress.removed) == (1, 0)
    assert '"format": 4' in manifest.read_text()
    assert search(followed, "taken > '2019'") == {"south.jpg"}
    assert entries(followed).keys() == WHOLE | {("north.jpg", 0), ("south.jpg", 0)}
    assert entries(followed)["north.jpg", 0].camera is None
    assert not followed.follow().changed
