"""The small picture of an entry is made by the model's own decoder."""

import io
import struct
from pathlib import Path

import numpy as np
import PIL.Image
import pillow_heif
import pytest

from e5v.model.image_files import UnreadableError
from e5v.search.thumbnails import MOST_BYTES, SIDE, thumbnail
from tests.search.followed import Followed, entries


def photo(width: int = 640, height: int = 320) -> PIL.Image.Image:
    """Draw a picture that is red above and blue below."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, :, 0] = 255
    pixels[height // 2 :, :, 2] = 255
    return PIL.Image.fromarray(pixels)


def odd_png(orientation: int) -> bytes:
    """Write a PNG whose EXIF has four values where one belongs (tag 0x0128)."""
    entries = ((0x0112, 3, 1, orientation), (0x0128, 9, 4, 20))
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    block = b"Exif\0\0II*\0\x08\0\0\0\x02\0" + body + b"\0" * 40
    stream = io.BytesIO()
    photo().save(stream, "PNG", exif=block)
    return stream.getvalue()


def test_an_odd_tag_does_not_cost_the_thumbnail(followed: Followed) -> None:
    """Catches a photo without a thumbnail and of 0x0 pixels, shown as a text by the page."""
    (followed.folder / "odd.png").write_bytes(odd_png(6))
    (followed.folder / "phone.HEIC").write_bytes(heic())
    followed.follow()
    assert followed.faults == []
    found = entries(followed)
    for name, size in (("odd.png", (320, 640)), ("phone.HEIC", (640, 320))):
        entry = found[name, 0]
        assert (entry.kind, entry.width, entry.height) == ("image", *size)
        with PIL.Image.open(io.BytesIO(entry.thumbnail)) as small:
            assert max(small.size) == SIDE
            assert small.width * size[1] == small.height * size[0]


def heic() -> bytes:
    """Write a HEIC file."""
    stream = io.BytesIO()
    pillow_heif.from_pillow(photo()).save(stream)
    return stream.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_it_is_upright_and_small(form: str) -> None:
    """Catches a thumbnail that lies on its side, or sizes that are those of the stored picture."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 3
    stream = io.BytesIO()
    photo().save(stream, form, exif=exif)
    made = thumbnail(stream.getvalue())
    assert (made.width, made.height) == (640, 320)
    assert len(made.content) <= MOST_BYTES
    with PIL.Image.open(io.BytesIO(made.content)) as small:
        assert small.size == (SIDE, SIDE // 2)
        assert small.convert("RGB").getpixel((10, 10))[2] > 200  # type: ignore[index]


def test_what_the_model_refuses_has_no_thumbnail(tmp_path: Path) -> None:
    """Catches a file that goes to another program to be drawn, or a format nobody expects."""
    for content in (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"8BPS\0\1", b""):
        with pytest.raises(UnreadableError):
            thumbnail(content)


def encoded(picture: PIL.Image.Image, form: str, **options: object) -> bytes:
    """Return a picture as a file of some format."""
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def test_thumbnails_are_small_upright_and_of_the_picture(photos: list[PIL.Image.Image]) -> None:
    """Catches a thumbnail on its side, of another shape, or of more than 20 KB."""
    for photo in photos:
        small = thumbnail(encoded(photo, "PNG"))
        assert (small.width, small.height) == photo.size
        shown = PIL.Image.open(io.BytesIO(small.content))
        assert shown.size == photo.size
        difference = np.abs(np.asarray(shown.convert("RGB"), float) - np.asarray(photo, float))
        assert difference.mean() < 20  # the photos are noisy; another is 60 away
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    sideways = thumbnail(encoded(photos[0], "JPEG", exif=exif))
    assert (sideways.width, sideways.height) == photos[0].size[::-1]
    assert PIL.Image.open(io.BytesIO(sideways.content)).size == photos[0].size[::-1]


def test_thumbnails_of_deep_pictures_are_scaled() -> None:
    """Catches a 16-bit scan that becomes white, or brighter than the model sees it."""
    deep = np.zeros((600, 800), np.uint16)
    deep[:, 400:] = 128 * 257
    deep[:300] //= 200
    deep[0, 0] = 65_535  # a speck that is gone when the picture is small
    shown = PIL.Image.open(io.BytesIO(thumbnail(encoded(PIL.Image.fromarray(deep), "PNG")).content))
    grey = np.asarray(shown.convert("L"), float)
    assert shown.size == (256, 192)
    assert grey[100:, 132:].mean() == pytest.approx(128, abs=3)
    assert grey[10:90].mean() < 5


def test_thumbnails_of_noise_and_of_what_is_see_through() -> None:
    """Catches a picture that does not compress, and black where nothing was drawn."""
    noise = np.random.default_rng(0).integers(0, 256, (900, 700, 3), np.uint8)
    small = thumbnail(encoded(PIL.Image.fromarray(noise), "JPEG", quality=95))
    assert (small.width, small.height) == (700, 900)
    assert len(small.content) <= MOST_BYTES
    assert max(PIL.Image.open(io.BytesIO(small.content)).size) == SIDE
    clear = PIL.Image.new("RGBA", (40, 30), (0, 0, 0, 0))
    shown = PIL.Image.open(io.BytesIO(thumbnail(encoded(clear, "PNG")).content))
    assert np.asarray(shown.convert("RGB")).min() > 250
    for mode in ("P", "LA", "I;16", "CMYK"):
        form = "TIFF" if mode == "CMYK" else "PNG"
        assert thumbnail(encoded(PIL.Image.new(mode, (30, 20)), form)).content
