"""Send the files of entries: images, documents and videos, and nothing else.

file -> its first bytes -> of a format that is shown: the reply; of no such format: Refused

Whoever may write to an indexed folder could put a link there, in place of an image, to any file
that the server can read. What does not begin like an image, document or video is not sent.
"""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

from fastapi.responses import FileResponse

from e5v.web.errors import Refused

CHANGED = "the file is no image, document or video now; run e5v index again"
SHOWN = 200  # characters of a path
HEAD = 1_024  # bytes
SIGNATURES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8|RIFF.{4}(WEBP|AVI )|BM|(II|MM)(\*\0|\0\*|\+\0|\0\+)"
    rb"|.{4}(ftyp|moov|mdat|wide|free|skip|pnot)"  # AVIF, HEIC, MP4, QuickTime
    rb"|\0\0\0\x0cjP  |\xff\x4f\xff\x51"  # JPEG 2000
    rb"|P[1-7Ffy]\s|\0\0\x01\0"  # PPM, ICO
    rb"|\x1aE\xdf\xa3|OggS|\0\0\x01[\xb0-\xbf]|\x30\x26\xb2\x75"  # Matroska, Ogg, MPEG, WMV
    rb"|G.{187}G|.{4}G.{191}G"  # MPEG transport streams
    rb"|.{0,1019}%PDF-",
    re.DOTALL,
)


async def send_file(path: str, headers: Mapping[str, str], media_type: str) -> FileResponse:
    """Return the reply with a file.

    Raises:
        Refused: it has other content than an image, document or video, or cannot be read.
    """
    try:
        head = await asyncio.to_thread(_read_head, path)
    except OSError as error:
        message = f"{path[:SHOWN]!a} cannot be read: {error.strerror}"
        raise Refused(404, "missing", message) from None
    if SIGNATURES.match(head) is None:
        raise Refused(404, "missing", CHANGED)
    return FileResponse(path, headers=headers, media_type=media_type)


def _read_head(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(HEAD)
