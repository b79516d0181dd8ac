"""The list of supported image formats, with their suffixes and media types.

name of a file -> suffix -> format, media type

All code that opens images, lists a folder's images or reads a string as a path uses this table.
The suffix only marks a file as an image; the decoder is chosen by its first bytes, so a PNG named
.jpg opens too.
"""

import os
from dataclasses import dataclass

HEIF = "HEIF"  # decoded by pillow-heif; all others by Pillow


@dataclass(frozen=True)
class ImageFormat:
    """A format: its name in Pillow, its media type, and the suffixes of its files."""

    name: str
    media_type: str
    suffixes: tuple[str, ...]


# Photographs, scans and graphics. Formats that Pillow passes to another program (EPS, WMF)
# and fonts and video are excluded on purpose.
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

# Formats of images and pages that are not supported: such a file is an error, never a text.
OTHER_IMAGE_SUFFIXES = frozenset(
    {
        *(".psd", ".psb", ".xcf", ".svg", ".svgz", ".eps", ".wmf", ".emf", ".jxl", ".jxr", ".exr"),
        *(".hdr", ".tga", ".qoi", ".icns", ".cur", ".dds", ".pcx"),
        *(".xbm", ".sgi", ".im", ".pdf"),
        *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".raw"),  # camera raw
    }
)


def suffix_of(name: str | os.PathLike[str]) -> str:
    """Return the suffix of a file's name in lower case, with its dot; empty if it has none."""
    return os.path.splitext(os.fspath(name))[1].lower()  # noqa: PTH122  Path may raise for long strings


def is_image_name(name: str | os.PathLike[str]) -> bool:
    """Check whether a file name ends in the suffix of a supported image format."""
    return suffix_of(name) in IMAGE_SUFFIXES
