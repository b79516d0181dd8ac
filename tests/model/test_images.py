"""Pictures as a person sees them, whatever file they come in."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from e5v.inputs import Image, Item
from e5v.model.images import decode, decode_small, digest
from tests.model.pictures import (
    ORIENTATION,
    as_held,
    assert_like,
    blocks,
    encoded,
    exif,
    heif,
    pixels_of,
)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_stands_upright(form: str, orientation: int) -> None:
    """Catches phone photos embedded lying on their side, or mirrored."""
    exact: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": 100, "subsampling": 0},
        "WEBP": {"lossless": True},
    }
    stored = encoded(as_held(orientation), form, exif=exif(orientation), **exact.get(form, {}))
    assert_like(Image(stored), blocks())
    assert_like(Image(PIL.Image.open(io.BytesIO(stored))), blocks())


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist(orientation: int) -> None:
    """Catches a crash, or a turn, over a number that stands for nothing."""
    assert_like(Image(encoded(blocks(), "PNG", exif=exif(orientation))), blocks())


def test_a_broken_exif_leaves_the_pixels_alone() -> None:
    """Catches a good photo refused for its metadata, or told about in a warning."""
    for block in (b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0"):
        stored = encoded(blocks(), "PNG", exif=block)
        assert_like(Image(stored), blocks())
        assert digest(Item((Image(PIL.Image.open(io.BytesIO(stored))),)))


def test_a_strange_tag_beside_the_orientation() -> None:
    """Catches photos left on their side because another tag cannot be rewritten."""
    entries = ((ORIENTATION, 3, 1, 6), (0x0128, 9, 4, 20))  # a resolution unit of four numbers
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    block = b"Exif\0\0II*\0\x08\0\0\0\x02\0" + body + b"\0" * 40
    assert_like(Image(encoded(as_held(6), "PNG", exif=block)), blocks())


def test_nothing_is_turned_twice() -> None:
    """Catches an orientation left on the decoded picture, for a processor to apply again."""
    picture = decode(Image(encoded(as_held(6), "JPEG", exif=exif(6))))
    assert ORIENTATION not in picture.getexif()
    assert "exif" not in picture.info


def greys() -> NDArray[np.uint8]:
    """Draw a ramp from black to white."""
    return np.tile(np.arange(0, 256, 5, dtype=np.uint8), (8, 1))


def stacked(grey: NDArray[np.uint8]) -> PIL.Image.Image:
    """Show greys as RGB."""
    return PIL.Image.fromarray(np.stack([grey] * 3, axis=-1))


def test_greys_of_any_depth() -> None:
    """Catches deep scans clipped to white or black, and greys that come out as one channel."""
    ramp = greys()
    deep = PIL.Image.fromarray(ramp.astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    signed = PIL.Image.fromarray(ramp.astype(np.int32))
    floats = [PIL.Image.fromarray(ramp * np.float32(white / 255)) for white in (1, 65_535)]
    for picture in (PIL.Image.fromarray(ramp), deep, signed, signed.convert("F"), *floats):
        assert_like(Image(picture), stacked(ramp), most=1)
    for form in ("PNG", "TIFF"):
        assert_like(Image(encoded(deep, form)), stacked(ramp), most=1)
    two = PIL.Image.fromarray(np.where(ramp > 127, 255, 0).astype(np.uint8)).convert("1")
    assert_like(Image(encoded(two, "PNG")), two.convert("RGB"), most=0)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF", "TIFF"])
def test_transparent_pixels_are_white(form: str) -> None:
    """Catches logos on black, and the colour hidden under transparency showing."""
    picture = blocks().convert("RGBA")
    alpha = np.full((32, 48), 255, np.uint8)
    alpha[:, :16] = 0
    picture.putalpha(PIL.Image.fromarray(alpha))
    expected = np.asarray(blocks()).copy()
    expected[:, :16] = 255
    options: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    assert_like(Image(encoded(picture, form, **options)), PIL.Image.fromarray(expected))


def test_other_ways_to_be_transparent() -> None:
    """Catches a colour key, a palette with alpha or a grey with alpha that is drawn as it is."""
    ramp = greys()
    half = PIL.Image.merge(
        "LA", [PIL.Image.fromarray(ramp), PIL.Image.new("L", ramp.shape[::-1], 51)]
    )
    blended = np.rint(255 - (255 - ramp.astype(float)) * 0.2).astype(np.uint8)
    assert_like(Image(half), stacked(blended), most=1)
    assert_like(Image(encoded(half, "PNG")), stacked(blended), most=1)

    keyed = np.where(ramp == 50, 255, ramp).astype(np.uint8)
    stored = encoded(PIL.Image.fromarray(ramp), "PNG", transparency=50)
    assert_like(Image(stored), stacked(keyed), most=0)

    palette = blocks().quantize(6)
    red = palette.getpixel((0, 0))
    expected = np.asarray(blocks()).copy()
    expected[:16, :16] = 255
    for transparency in (red, bytes(0 if index == red else 255 for index in range(6))):
        stored = encoded(palette, "PNG", transparency=transparency)
        assert_like(Image(stored), PIL.Image.fromarray(expected), most=0)
    assert_like(Image(encoded(palette, "PNG")), blocks(), most=0)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV", "RGBX", "PA", "RGBA"])
def test_other_colour_models(mode: str) -> None:
    """Catches prints in negative, and channels read as red, green and blue that are not."""
    source = blocks().convert("P") if mode == "PA" else blocks()
    assert_like(Image(source.convert(mode)), blocks(), most=4)
    if mode == "CMYK":
        stored = encoded(source.convert(mode), "JPEG", quality=100)
        assert_like(Image(stored), blocks(), most=12)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_many(tmp_path: Path, form: str) -> None:
    """Catches an animation embedded by its last frame, or with the frames blended."""
    others = [PIL.Image.new("RGB", blocks().size, colour) for colour in ("black", "white")]
    options: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    stored = encoded(blocks(), form, save_all=True, append_images=others, **options)
    assert getattr(PIL.Image.open(io.BytesIO(stored)), "n_frames", 1) == 3
    assert_like(Image(stored), blocks())
    path = tmp_path / "moving"
    path.write_bytes(stored)
    assert_like(Image(path), blocks())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_of_a_phone_is_turned_once(orientation: int) -> None:
    """Catches HEIC and AVIF photos that are refused, or turned twice or not at all."""
    held = as_held(orientation)
    assert_like(Image(heif(held, exif=exif(orientation))), blocks(), most=16)
    stored = encoded(held, "AVIF", exif=exif(orientation), quality=100, subsampling="4:4:4")
    assert_like(Image(stored), blocks(), most=16)
    assert decode_small(stored, 64)[1] == blocks().size
    assert decode_small(heif(held, exif=exif(orientation)), 64)[1] == blocks().size


def brightness(greys: NDArray[Any]) -> NDArray[np.int64]:
    """Decode greys (height, width) and return their levels, 0 to 255."""
    return pixels_of(Image(PIL.Image.fromarray(greys)))[..., 0].astype(np.int64)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_deep_greys_have_no_cliff(kind: type) -> None:
    """Catches two images that are nearly equal decoded as one bright and one black picture."""
    for peak in (255, 1_023, 4_095, 16_383, 65_534):
        ramp: NDArray[Any] = np.tile(np.linspace(0, peak, 52).astype(kind), (4, 1))
        brighter = ramp.copy()
        brighter[ramp == ramp.max()] += 1
        assert np.abs(brightness(ramp) - brightness(brighter)).max() <= 1
        assert brightness(ramp).max() == 255
        assert np.abs(brightness(ramp)[0] - np.linspace(0, 255, 52)).max() <= 2


def test_twelve_bits_are_not_black() -> None:
    """Catches scans of 12 bits, which files declare as 16, embedded as black."""
    ramp = (np.tile(np.arange(256), (4, 1)) * 16 + 15).astype(np.uint16)
    for form in ("PNG", "TIFF"):
        stored = encoded(PIL.Image.fromarray(ramp), form)
        levels = pixels_of(Image(stored))[..., 0].astype(int)
        assert np.abs(levels[0] - np.arange(256)).max() <= 1


def test_sixteen_bits_are_as_they_were() -> None:
    """Catches a rule for odd depths that changes the pictures that use their whole range."""
    every = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    assert np.array_equal(brightness(every), every // 257)


def test_floats_that_are_not_numbers() -> None:
    """Catches one infinite pixel that makes all others black, and a picture of no light."""
    greys = np.full((4, 4), 0.5, np.float32)
    greys[0] = [np.nan, np.inf, -np.inf, -3.0]
    assert brightness(greys)[0].tolist() == [0, 255, 0, 0]
    assert (brightness(greys)[1:] == 255).all()
    for dark in (np.zeros((4, 4), np.float32), np.full((4, 4), np.nan, np.float32)):
        assert (brightness(dark) == 0).all()
    assert (brightness(np.full((4, 4), -7, np.int32)) == 0).all()
    tiny = np.array([[0, 1e-40], [5e-41, 1e-40]], np.float32)
    assert brightness(tiny).tolist() == [[0, 255], [127, 255]] or brightness(tiny)[1, 0] == 128
