"""The preview inside a camera RAW file, by LibRaw; developed at half size if there is none.

file -> JPEG of the camera -> upright, at most `SIDE` pixels, with date, camera and place
"""

from __future__ import annotations

import io
from pathlib import Path

import PIL.Image
import rawpy
from PIL.ExifTags import Base

from e5v.errors import first_line
from e5v.media.captured import NOTHING, Captured, captured_of, make_exif, read_captured
from e5v.media.images import MediaError, encode_image
from e5v.model.image_files import UPRIGHT, upright

HEAD = 2**20  # bytes, in which a file based on TIFF has its EXIF
TURNED = {3: 3, 5: 8, 6: 6}  # LibRaw's flip -> EXIF orientation


def read_preview(path: str) -> bytes:
    """Return the preview of a RAW file as JPEG.

    Raises:
        MediaError: the file is broken or of an unknown camera.
    """
    try:
        with rawpy.imread(path) as raw:
            picture, captured = _read_picture(raw)
    except rawpy.LibRawError as error:
        reason = first_line(error).removeprefix("b'").rstrip("'")
        raise MediaError(f"cannot be read as camera RAW: {reason}") from None
    if captured == NOTHING:
        captured = _read_own(path)
    return encode_image(picture, make_exif(captured))


def _read_picture(raw: rawpy.RawPy) -> tuple[PIL.Image.Image, Captured]:
    try:
        preview = raw.extract_thumb()
    except rawpy.LibRawError:  # there is none, or of an unknown format
        pixels = raw.postprocess(half_size=True, use_camera_wb=True)  # which is upright
        return PIL.Image.fromarray(pixels), NOTHING
    turn = TURNED.get(raw.sizes.flip, 1)
    if not isinstance(preview.data, bytes):  # pixels
        return _turn(PIL.Image.fromarray(preview.data), turn), NOTHING
    picture = PIL.Image.open(io.BytesIO(preview.data), formats=["JPEG"])
    captured = read_captured(picture)
    if Base.Orientation in picture.getexif():
        return upright(picture), captured
    return _turn(picture, turn), captured


def _turn(picture: PIL.Image.Image, orientation: int) -> PIL.Image.Image:
    method = UPRIGHT.get(orientation)
    return picture if method is None else picture.transpose(method)


def _read_own(path: str) -> Captured:
    """Return what the EXIF of the file itself says, if it is based on TIFF."""
    with Path(path).open("rb") as file:
        head = file.read(HEAD)
    if head[:4] not in {b"II*\0", b"MM\0*"}:
        return NOTHING
    exif = PIL.Image.Exif()
    try:
        exif.load(b"Exif\0\0" + head)
        return captured_of(exif)
    except Exception:  # broken EXIF; the picture may be fine
        return NOTHING
