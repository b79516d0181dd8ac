"""When, where and with what camera a photograph was taken, as its EXIF says.

opened picture -> EXIF -> Captured; Captured -> EXIF
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import PIL.Image
from PIL.ExifTags import GPS, IFD, Base

LONGEST = 100  # characters of a camera's name
DEGREES = 3  # numbers of a coordinate: degrees, minutes, seconds
EARLIEST = 1826  # the year of the first photograph


@dataclass(frozen=True, slots=True)
class Captured:
    """What is known of a photograph; None for what is not.

    Attributes:
        taken: local time, as in "2024-06-01T14:30:00".
        camera: maker and model, as in "Canon EOS R5".
        latitude, longitude: degrees, positive to the north and to the east.
    """

    taken: str | None = None
    camera: str | None = None
    latitude: float | None = None
    longitude: float | None = None


NOTHING = Captured()


def read_captured(picture: PIL.Image.Image) -> Captured:
    """Return what the EXIF of an opened picture says; broken tags are ignored."""
    try:
        exif = picture.getexif()
        if not exif:
            return NOTHING
        return captured_of(exif)
    except Exception:  # broken EXIF; the pixels may be fine
        return NOTHING


def captured_of(exif: PIL.Image.Exif) -> Captured:
    """Return what EXIF says."""
    detail, gps = _read_ifd(exif, IFD.Exif), _read_ifd(exif, IFD.GPSInfo)
    dates = (
        detail.get(Base.DateTimeOriginal),
        detail.get(Base.DateTimeDigitized),
        exif.get(Base.DateTime),
    )
    latitude = _read_degrees(gps, GPS.GPSLatitude, GPS.GPSLatitudeRef, 90)
    longitude = _read_degrees(gps, GPS.GPSLongitude, GPS.GPSLongitudeRef, 180)
    if latitude is None or longitude is None or (latitude, longitude) == (0, 0):  # no fix
        latitude = longitude = None
    taken = next(filter(None, map(_read_date, dates)), None)
    return Captured(taken, _name_camera(exif), latitude, longitude)


def _read_ifd(exif: PIL.Image.Exif, tag: int) -> dict[int, Any]:
    try:
        return exif.get_ifd(tag)
    except Exception:  # one that is broken, beside others that are not
        return {}


DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)")


def _read_date(value: object) -> str | None:
    found = DATE.match(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    try:
        taken = datetime(*map(int, found.groups()))  # type: ignore[arg-type]
    except ValueError:
        return None
    return taken.isoformat() if taken.year >= EARLIEST else None


def _name_camera(exif: PIL.Image.Exif) -> str | None:
    """Return maker and model; a model that begins with its maker stands alone."""
    maker, model = (_clean(exif.get(tag)) for tag in (Base.Make, Base.Model))
    first = maker.split(" ")[0].lower()
    named = model if model.lower().startswith(first) else f"{maker} {model}"
    return named.strip()[:LONGEST] or None


def _clean(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return " ".join("".join(one for one in text if one.isprintable()).split())


def _read_degrees(gps: dict[int, Any], tag: int, side: int, most: int) -> float | None:
    try:
        parts = [float(one) for one in gps[tag]]
        degrees: float = sum(part / 60**place for place, part in enumerate(parts[:DEGREES]))
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    if not math.isfinite(degrees) or not 0 <= degrees <= most:
        return None
    return round(-degrees if str(gps.get(side, ""))[:1] in {"S", "W"} else degrees, 6)


def make_exif(captured: Captured) -> PIL.Image.Exif | None:
    """Return EXIF that says the same, for an image that was taken out of another file."""
    if captured == NOTHING:
        return None
    exif = PIL.Image.Exif()
    if captured.taken and _read_date(captured.taken):
        exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = captured.taken.replace("-", ":").replace(
            "T", " "
        )
    if captured.camera:
        exif[Base.Model] = captured.camera
    if captured.latitude is not None and captured.longitude is not None:
        exif.get_ifd(IFD.GPSInfo).update(
            {
                GPS.GPSLatitudeRef: "S" if captured.latitude < 0 else "N",
                GPS.GPSLatitude: (abs(captured.latitude), 0.0, 0.0),
                GPS.GPSLongitudeRef: "W" if captured.longitude < 0 else "E",
                GPS.GPSLongitude: (abs(captured.longitude), 0.0, 0.0),
            }
        )
    return exif
