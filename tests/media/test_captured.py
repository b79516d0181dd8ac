"""Date, camera and place of photographs."""

import io

import PIL.Image
import pytest
from PIL.ExifTags import GPS, IFD, Base

from e5v.media.captured import NOTHING, Captured, make_exif, read_captured


def with_exif(exif: PIL.Image.Exif, form: str = "JPEG") -> PIL.Image.Image:
    """Return an opened image that has some EXIF."""
    content = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(content, form, exif=exif)
    return PIL.Image.open(content)


def make(**changed: object) -> PIL.Image.Exif:
    """Return the EXIF of a photograph in Patagonia."""
    exif = PIL.Image.Exif()
    exif[Base.Make], exif[Base.Model] = "NIKON CORPORATION\0", "NIKON D850\0\0"
    exif[Base.DateTime] = "2030:01:01 00:00:00"
    exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = changed.get("date", "2019:02:03 04:05:06")
    exif.get_ifd(IFD.GPSInfo).update(
        {
            GPS.GPSLatitudeRef: "S",
            GPS.GPSLatitude: changed.get("latitude", (50.0, 30.0, 36.0)),
            GPS.GPSLongitudeRef: "W",
            GPS.GPSLongitude: changed.get("longitude", (72.0, 15.0, 0.0)),
        }
    )
    return exif


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_what_a_camera_writes(form: str) -> None:
    """Catches a place on the other side of the equator, and the maker named twice."""
    wanted = Captured("2019-02-03T04:05:06", "NIKON D850", -50.51, -72.25)
    assert read_captured(with_exif(make(), form)) == wanted


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"date": "0000:00:00 00:00:00"}, "2030-01-01T00:00:00"),
        ({"date": "2019:13:41 04:05:06"}, "2030-01-01T00:00:00"),
        ({"date": "yesterday"}, "2030-01-01T00:00:00"),
    ],
)
def test_dates_that_are_none(changed: dict[str, object], wanted: str) -> None:
    """Catches the date of a camera whose clock was never set."""
    assert read_captured(with_exif(make(**changed))).taken == wanted


@pytest.mark.parametrize(
    "changed", [{"latitude": (0.0,), "longitude": (0.0,)}, {"latitude": (95.0, 0.0, 0.0)}]
)
def test_places_that_are_none(changed: dict[str, object]) -> None:
    """Catches photographs in the Gulf of Guinea, where no receiver had a fix."""
    found = read_captured(with_exif(make(**changed)))
    assert (found.latitude, found.longitude, found.camera) == (None, None, "NIKON D850")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_is_none() -> None:
    """Catches an image that is refused, or a run that ends, because of its metadata."""
    content = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(content, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read_captured(PIL.Image.open(content)) == NOTHING
    assert read_captured(PIL.Image.new("RGB", (8, 8))) == NOTHING


def test_exif_says_what_it_was_made_of() -> None:
    """Catches a frame that loses the place of its video."""
    known = Captured("2019-02-03T04:05:06", "Camera", -50.51, 72.25)
    exif = make_exif(known)
    assert exif is not None
    assert read_captured(with_exif(exif)) == known
    assert make_exif(NOTHING) is None
