"""Key frames of a video, by FFmpeg.

file -> some moments, evenly spread -> the key frame before each -> upright -> JPEG

Only key frames are decoded, one at a time; between them the file is skipped.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from typing import Any

import av
import PIL.Image
from av.error import FFmpegError

from e5v.media.captured import Captured, make_exif
from e5v.media.images import SIDE, MediaError, encode_image

MOST_PACKETS = 5_000  # read for one frame
# A playlist, which a video may turn out to be, names other files and places of the network.
SAFE = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,avi,mpeg,mpegts,mpegvideo,asf,ogg",
}
ISO6709 = re.compile(r"([+-]\d{1,2}\.\d+)([+-]\d{1,3}\.\d+)")
DATES = ("com.apple.quicktime.creationdate", "creation_time")
PLACES = ("com.apple.quicktime.location.ISO6709", "location", "location-eng")


def find_times(path: str, most: int) -> list[float]:
    """Return the times of at most `most` key frames, in seconds, evenly spread and ascending.

    Raises:
        MediaError: the file is broken or has no video.
    """
    with _open(path) as (container, stream):
        length = _find_length(container, stream)
        wanted = [length * place / most for place in range(most)] if length > 0 else [0.0]
        wanted[0] = -1.0  # some formats find only what comes after a moment
        times: dict[float, None] = {}
        for time in wanted:
            packet = next(_seek(container, stream, time), None)
            if packet is not None:
                times[_time_of(packet, stream)] = None
    if not times:
        raise MediaError("is broken: no picture was found in it")
    return sorted(times)


def _find_length(container: Any, stream: Any) -> float:
    """Return the length in seconds; 0 if the file does not say it."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return float(Fraction(container.duration or 0, av.time_base))


def _seek(container: Any, stream: Any, time: float) -> Iterator[Any]:
    """Yield the key frames' packets from about a time on; of a time before all, from the first."""
    start = stream.start_time or 0
    try:
        container.seek(start + round(max(time, -1.0) / stream.time_base), stream=stream)
    except FFmpegError:  # without an index: from the beginning
        container.seek(0)
    for packet in islice(container.demux(stream), MOST_PACKETS):
        if packet.pts is not None and packet.is_keyframe:
            yield packet


def _time_of(packet: Any, stream: Any) -> float:
    seconds = (packet.pts - (stream.start_time or 0)) * stream.time_base
    return max(0.0, round(float(seconds), 3))


def read_frame(path: str, time: float) -> bytes:
    """Return the key frame at a time, as JPEG.

    Raises:
        MediaError: the file is broken or has no picture there.
    """
    with _open(path) as (container, stream):
        stream.thread_type = "NONE"
        packet = _find_packet(container, stream, time)
        frame = None if packet is None else next(_decode(stream, packet), None)
        if frame is None:
            raise MediaError("is broken: no picture was found there")
        return encode_image(_to_picture(frame), make_exif(_find_captured(container)))


def _find_packet(container: Any, stream: Any, time: float) -> Any:
    """Return the packet of the key frame at a time, or None; look from earlier and earlier on."""
    for back in BACK:
        for packet in _seek(container, stream, time - back):
            found = _time_of(packet, stream)
            if abs(found - time) < NEAR:
                return packet
            if found > time:
                break
    return None


NEAR = 0.0015  # seconds: a time is given to a thousandth
BACK = (-NEAR, 1.0, 10.0, float("inf"))  # seconds before it


def _decode(stream: Any, packet: Any) -> Iterator[Any]:
    """Yield the frames of a key frame's packet, also of a decoder that waits for more."""
    yield from packet.decode()
    yield from stream.decode(None)


def _to_picture(frame: Any) -> PIL.Image.Image:
    scale = min(1.0, SIDE / max(frame.width, frame.height, 1))
    size = {
        "width": max(2, round(frame.width * scale)),
        "height": max(2, round(frame.height * scale)),
    }
    picture: PIL.Image.Image = frame.reformat(**size, format="rgb24").to_image()
    return picture.rotate(frame.rotation, expand=True) if frame.rotation else picture


def _find_captured(container: Any) -> Captured:
    """Return when and where a video was taken, if its metadata say so."""
    told = container.metadata
    taken = next((told[name][:19] for name in DATES if told.get(name)), None)
    place = next((told[name] for name in PLACES if told.get(name)), "")
    camera = told.get("com.apple.quicktime.model")
    degrees = ISO6709.match(place)
    if degrees is None:
        return Captured(taken, camera)
    return Captured(taken, camera, float(degrees[1]), float(degrees[2]))


@contextmanager
def _open(path: str) -> Iterator[tuple[Any, Any]]:
    try:
        with av.open(path, metadata_errors="replace", options=SAFE) as container:
            if not container.streams.video:
                raise MediaError("has no video")
            yield container, container.streams.video[0]
    except FFmpegError as error:
        if error.errno == errno.EINVAL:  # such as a playlist
            raise MediaError("is not a video of a known format") from None
        raise MediaError(f"is broken: {error.strerror}") from None
