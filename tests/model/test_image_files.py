"""Files of images: what opens, what is refused, and why."""

import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from e5v.image_formats import FORMAT_OF_SUFFIX, IMAGE_SUFFIXES
from e5v.inputs import Image, normalise
from e5v.model.image_files import UnreadableError, read_bytes
from e5v.model.images import decode, decode_small
from tests.model.pictures import (
    assert_like,
    blocks,
    encoded,
    heif,
)


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
    with pytest.raises(UnreadableError, match=r"bomb\.png has more than 178 megapixels; refused"):
        decode(Image(path))
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
