"""The one list of image formats: which suffixes are images, and what decodes each.

name of a file -> suffix -> format, media type

Every place that opens images, walks a folder for them or reads a string as a path uses this table.
The suffix only says that a file is an image; what decodes it is found from its first bytes, so a
PNG that is called .jpg opens too.
"""

import os
from dataclasses import dataclass

HEIF = "HEIF"  # decoded by pillow-heif; all others are Pillow's


@dataclass(frozen=True)
class ImageFormat:
    """A format: its name in Pillow, its media type, and the suffixes of its files."""

    name: str
    media_type: str
    suffixes: tuple[str, ...]


# Photographs, scans and graphics. Formats that Pillow hands to another program (EPS, WMF) or that
# are no pictures of their own (fonts, video) are left out on purpose.
IMAGE_FORMATS = (
    ImageFormat("JPEG", "image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")),
    ImageFormat("PNG", "image/png", (".png", ".apng")),
    ImageFormat("WEBP", "image/webp", (".webp",)),
    ImageFormat("GIF", "image/gif", (".gif",)),
    ImageFormat("BMP", "image/bmp", (".bmp", ".dib")),
    ImageFormat("TIFF", "image/tiff", (".tif", ".tiff")),
    ImageFormat("AVIF", "image/avif", (".avif", ".avifs")),
    ImageFormat(HEIF, "image/heic", (".heic", ".heif", ".hif", ".heics", ".heifs")),
    ImageFormat("JPEG2000", "image/jp2", (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx")),
    ImageFormat("PPM", "image/x-portable-anymap", (".ppm", ".pgm", ".pbm", ".pnm", ".pfm")),
    ImageFormat("ICO", "image/x-icon", (".ico",)),
)
FORMAT_OF_SUFFIX = {suffix: form for form in IMAGE_FORMATS for suffix in form.suffixes}
IMAGE_SUFFIXES = frozenset(FORMAT_OF_SUFFIX)
PILLOW_FORMATS = tuple(form.name for form in IMAGE_FORMATS if form.name != HEIF)

# Files that are pictures to a user and cannot be read here: an error, never a text.
OTHER_IMAGE_SUFFIXES = frozenset(
    [
        ".psd",
        ".psb",
        ".svg",
        ".svgz",
        ".eps",
        ".xcf",
        ".jxl",
        ".jxr",
        ".tga",
        ".exr",
        ".hdr",
        ".qoi",
        ".icns",
        ".cur",
        ".dds",
        ".pcx",
        ".wmf",
        ".emf",
        ".dng",
        ".cr2",
        ".cr3",
        ".nef",
        ".arw",
        ".orf",
        ".rw2",
        ".raf",
    ]
)


def suffix_of(name: str | os.PathLike[str]) -> str:
    """Return the suffix of a file's name in lower case, with its dot; empty if it has none."""
    return os.path.splitext(os.fspath(name))[1].lower()  # noqa: PTH122  of any text, however long


def is_image_name(name: str | os.PathLike[str]) -> bool:
    """Whether a file's name ends in the suffix of an image that can be decoded."""
    return suffix_of(name) in IMAGE_SUFFIXES
