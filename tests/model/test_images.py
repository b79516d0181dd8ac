"""Pictures as a person sees them, whatever file they come in; and one clear line for all others."""

import io
import struct
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pillow_heif
import pytest
from numpy.typing import NDArray

from e5v.image_formats import FORMAT_OF_SUFFIX, IMAGE_SUFFIXES
from e5v.inputs import Image, Item, normalise
from e5v.model.image_files import UnreadableError, read_bytes
from e5v.model.images import decode, decode_small, digest

ORIENTATION = 0x0112
FIRST_ROW_AND_COLUMN = {  # where they are in the picture, in the words of the EXIF standard
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255))


def blocks(side: int = 16) -> PIL.Image.Image:
    """Draw 3 x 2 blocks, each of another colour: no turn or mirroring leaves it the same."""
    pixels = np.array(COLOURS, np.uint8).reshape(2, 3, 3)
    return PIL.Image.fromarray(pixels.repeat(side, axis=0).repeat(side, axis=1))


def encoded(picture: PIL.Image.Image, form: str, **options: Any) -> bytes:
    """Write a picture into bytes of a file format."""
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def pixels_of(image: Image) -> NDArray[np.uint8]:
    """Decode into (height, width, 3)."""
    picture = decode(image)
    assert picture.mode == "RGB"
    return np.asarray(picture)


def assert_like(image: Image, expected: PIL.Image.Image, most: int = 12) -> None:
    """Check that an image decodes to about the expected RGB pixels (JPEG is not exact)."""
    pixels = pixels_of(image).astype(int)
    wanted = np.asarray(expected).astype(int)
    assert pixels.shape == wanted.shape
    assert np.abs(pixels - wanted).max() <= most


def exif(orientation: int) -> bytes:
    """Make an EXIF block that says how the camera was held."""
    block = PIL.Image.Exif()
    block[ORIENTATION] = orientation
    return block.tobytes()


def as_held(orientation: int) -> PIL.Image.Image:
    """Turn `blocks` to what a camera held that way stores."""
    ends = FIRST_ROW_AND_COLUMN[orientation]
    pixels = np.asarray(blocks())
    pixels = pixels[::-1] if "bottom" in ends else pixels
    pixels = pixels[:, ::-1] if "right" in ends else pixels
    pixels = pixels.transpose(1, 0, 2) if ends[0] in {"left", "right"} else pixels
    return PIL.Image.fromarray(np.ascontiguousarray(pixels))


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


def huge_png(width: int, height: int) -> bytes:
    """Make a PNG whose header claims a size, with next to no data behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def test_a_bomb_is_refused_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a file of 100 bytes that takes 600 megabytes of memory, or down the server."""
    path = tmp_path / "bomb.png"
    path.write_bytes(huge_png(20_000, 10_000))

    def load(*_: object) -> None:
        pytest.fail("the bomb was decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(UnreadableError, match=r"bomb\.png has more than 178 megapixels; refused"):
        decode(Image(path))
    assert time.perf_counter() - start < 1
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


JPEG = encoded(blocks(64), "JPEG")
PNG = encoded(blocks(), "PNG")


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("cut.jpg", JPEG[: len(JPEG) * 4 // 5], r"cut\.jpg is broken: .*truncated"),
        ("cut.png", PNG[:-40], r"cut\.png is broken: "),
        ("header only.png", PNG[:30], r"header only\.png is (broken|not an image)"),
        ("zero.jpg", b"", r"zero\.jpg is empty \(0 bytes\)"),
        ("words.jpg", b"I am a text file.\n" * 20, r"words\.jpg is not an image of a known format"),
        ("page.png", b"<!DOCTYPE html><p>404", r"page\.png is not an image of a known format"),
        ("dot.png", encoded(blocks().crop((0, 0, 1, 1)), "PNG"), r"dot\.png is 1x1 pixels"),
        ("line.png", encoded(blocks().crop((0, 0, 9, 1)), "PNG"), "is 9x1 pixels; expected at"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, content: bytes, cause: str) -> None:
    """Catches half a picture embedded as a whole one, and errors that do not say which file."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match=cause) as caught:
        decode(Image(path))
    assert "\n" not in str(caught.value)
    with pytest.raises(UnreadableError, match=name):
        decode(read_bytes(Image(path)), str(path))


def complaint(image: Image) -> str:
    """Say why an image cannot be decoded, or nothing if it can."""
    try:
        decode(image, "damaged.jpg")
    except UnreadableError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "DDS"])
def test_damaged_bytes(form: str) -> None:
    """Catches whatever a decoder raises on damage coming through as a traceback."""
    whole = encoded(blocks(4), form)
    generator = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole[: generator.integers(20, len(whole) + 1)])
        for place in generator.integers(0, min(len(damaged), 200), 3):
            damaged[place] = generator.integers(256)
        told = complaint(Image(bytes(damaged)))
        assert told == "" or told.startswith("damaged.jpg ")
        assert "\n" not in told


def test_no_file_there(tmp_path: Path) -> None:
    """Catches a wrong path told by a traceback, or not told at all."""
    for path, cause in (
        (tmp_path / "nowhere.jpg", r"nowhere\.jpg does not exist; check the path"),
        (tmp_path, "is a folder; expected an image file"),
        (tmp_path / "nul\0.jpg", "cannot be read: embedded null byte"),
        (tmp_path / ("x" * 5000), r"x\.\.\. cannot be read: File name too long"),
    ):
        with pytest.raises(UnreadableError, match=cause):
            read_bytes(Image(path))
        with pytest.raises(UnreadableError, match=cause):
            decode(Image(path))


def heif(picture: PIL.Image.Image, **options: Any) -> bytes:
    """Write a picture into bytes of a HEIC file, without registering anything with Pillow."""
    stream = io.BytesIO()
    pillow_heif.from_pillow(picture).save(stream, quality=-1, chroma=444, **options)
    return stream.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_of_a_phone_is_turned_once(orientation: int) -> None:
    """Catches HEIC and AVIF photos that are refused, or turned twice or not at all."""
    held = as_held(orientation)
    assert_like(Image(heif(held, exif=exif(orientation))), blocks(), most=16)
    stored = encoded(held, "AVIF", exif=exif(orientation), quality=100, subsampling="4:4:4")
    assert_like(Image(stored), blocks(), most=16)
    assert decode_small(stored, 64)[1] == blocks().size
    assert decode_small(heif(held, exif=exif(orientation)), 64)[1] == blocks().size


def test_heif_is_not_registered_for_the_process() -> None:
    """Catches a library call that changes what the caller's own `PIL.Image.open` does."""
    decode(Image(heif(blocks())))
    assert "HEIF" not in PIL.Image.OPEN
    assert ".heic" not in PIL.Image.registered_extensions()


def test_the_content_decides_and_not_the_suffix(tmp_path: Path) -> None:
    """Catches a photo refused because a program gave it another format's suffix."""
    forms = {
        "PNG": encoded(blocks(), "PNG"),
        "WEBP": encoded(blocks(), "WEBP", lossless=True),
        "HEIF": heif(blocks()),
        "TIFF": encoded(blocks(), "TIFF"),
    }
    for form, content in forms.items():
        for suffix in (".jpg", ".heic", ".png"):
            path = tmp_path / f"{form}{suffix}"
            path.write_bytes(content)
            assert_like(Image(path), blocks(), most=16)


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_every_suffix_decodes(suffix: str, tmp_path: Path) -> None:
    """Catches a suffix that folders take for an image and the decoder does not."""
    form = FORMAT_OF_SUFFIX[suffix].name
    drawn = blocks().convert("L" if suffix in {".pgm", ".pfm"} else "RGB")
    drawn = drawn.convert("1") if suffix == ".pbm" else drawn
    drawn = drawn.convert("F") if suffix == ".pfm" else drawn
    content = heif(drawn) if form == "HEIF" else encoded(drawn, form)
    path = tmp_path / f"picture{suffix.upper()}"
    path.write_bytes(content)
    assert normalise(str(path)).images
    width, height = decode(Image(path)).size
    assert form == "ICO" or (width, height) == blocks().size


def test_a_broken_heic() -> None:
    """Catches a damaged photo of a phone that ends in a traceback, and a bomb that is decoded."""
    whole = heif(blocks(4))
    for length in (12, 40, len(whole) // 2, len(whole) - 5):
        with pytest.raises(UnreadableError, match=r"^damaged\.jpg "):
            decode(Image(whole[:length]), "damaged.jpg")
    size = whole.index(b"ispe") + 8
    bomb = whole[:size] + struct.pack(">II", 60_000, 60_000) + whole[size + 8 :]
    with pytest.raises(UnreadableError, match=r"damaged\.jpg (has more than|is broken)"):
        decode(Image(bomb), "damaged.jpg")


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


EPS = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 32 32
%%EndComments
0 0 32 32 rectfill
showpage
%%EOF
"""


@pytest.mark.parametrize("suffix", [".eps", ".jpg", ".png", ".tiff"])
def test_no_file_reaches_another_program(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an EPS file, whatever it is called, handed to Ghostscript."""
    program = tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    path = tmp_path / f"drawing{suffix}"
    path.write_bytes(EPS)
    for attempt in (
        lambda: decode(Image(path)),
        lambda: decode(Image(EPS)),
        lambda: decode_small(EPS, 64),
    ):
        with pytest.raises(UnreadableError, match="is not an image of a known format"):
            attempt()
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("form", ["PSD", "PCX", "TGA", "ICNS", "DDS", "SGI", "MSP"])
def test_other_formats_of_pillow_are_refused(form: str) -> None:
    """Catches formats that are tried only because Pillow happens to know them."""
    PIL.Image.init()
    if form not in PIL.Image.SAVE:
        content = b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0\4\0\0\0\4\0\x08\0\3" + bytes(80)
    else:
        content = encoded(blocks().convert("1" if form == "MSP" else "RGB"), form)
    with pytest.raises(UnreadableError, match="is not an image of a known format"):
        decode(Image(content))


def test_the_format_that_is_not_supported_is_named(tmp_path: Path) -> None:
    """Catches a refusal that leaves a user to guess whether the file is broken."""
    path = tmp_path / "drawing.psd"
    path.write_bytes(b"8BPS")
    with pytest.raises(UnreadableError, match=r"drawing\.psd .*: \.psd is not supported"):
        decode(Image(path))
    assert normalise(str(path)).images
