"""A row is of what was yielded when it was yielded, whatever the iterator does next."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageSequence
import pytest

from e5v.errors import EncodeWarning, ItemError
from e5v.inputs import Image, Item, normalise
from e5v.model.embedder import E5V
from e5v.model.images import decode
from e5v.model.snapshots import megabytes, take

COUNT = 12
ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def model() -> E5V:
    """Open the bundled model."""
    return E5V("nano", device="cpu")


def picture(number: int, side: int = 48) -> PIL.Image.Image:
    """Draw the number in black and white blocks, on a colour of its own."""
    bits = np.array([number >> bit & 1 for bit in range(4)] * 4, np.uint8).reshape(4, 4)
    blocks = bits.repeat(side // 4, axis=0).repeat(side // 4, axis=1)
    colours = np.array([[20 * number, 255 - 20 * number, 128], [255, 255, 255]], np.uint8)
    return PIL.Image.fromarray(colours[blocks])


def png(number: int) -> bytes:
    """Return it as a file."""
    stream = io.BytesIO()
    picture(number).save(stream, "PNG")
    return stream.getvalue()


def frames(form: str) -> PIL.Image.Image:
    """Return an animation of all numbers."""
    stream = io.BytesIO()
    options: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    picture(0).save(
        stream, form, save_all=True, append_images=[picture(n) for n in range(1, COUNT)], **options
    )
    return PIL.Image.open(stream)


def one_animation(form: str) -> Iterator[Any]:
    """Yield one object that is each frame in turn."""
    yield from PIL.ImageSequence.Iterator(frames(form))


def one_dict() -> Iterator[Any]:
    """Yield one mapping, filled anew each time."""
    item: dict[str, Any] = {}
    for number in range(COUNT):
        item["image"] = png(number)
        yield item
    item.clear()


def one_list() -> Iterator[Any]:
    """Yield one list, filled anew each time, within a message."""
    parts: list[Any] = []
    for number in range(COUNT):
        parts[:] = [png(number)]
        yield {"role": "user", "content": parts}
    parts.clear()


def one_buffer(view: Callable[[bytearray], Any]) -> Iterator[Any]:
    """Yield one buffer of bytes, or a view of it, filled anew each time."""
    buffer = bytearray()
    for number in range(COUNT):
        buffer = buffer if view is bytearray else bytearray(len(png(number)))
        buffer[:] = png(number)
        yield view(buffer)
        if view is memoryview:
            buffer[:] = b"\0" * len(buffer)
    buffer[:] = b"\0" * len(buffer)


def one_array() -> Iterator[Any]:
    """Yield pictures that share the memory of one array."""
    array = np.zeros((48, 48, 4), np.uint8)
    shared = PIL.Image.frombuffer("RGBA", (48, 48), array, "raw", "RGBA", 0, 1)
    for number in range(COUNT):
        array[:] = np.asarray(picture(number).convert("RGBA"))
        yield shared
    array[:] = 0


def one_canvas() -> Iterator[Any]:
    """Yield one picture that is painted over each time."""
    canvas = PIL.Image.new("RGB", (48, 48))
    for number in range(COUNT):
        canvas.paste(picture(number))
        yield canvas
    canvas.paste("black", (0, 0, 48, 48))


def one_file(folder: Path, kind: type) -> Iterator[Any]:
    """Yield one path, whose file is written anew each time."""
    path = folder / "frame.png"
    for number in range(COUNT):
        path.write_bytes(png(number))
        yield kind(path)
    path.unlink()


def closed_after(folder: Path) -> Iterator[Any]:
    """Yield pictures that are open only while the caller has them."""
    for number in range(COUNT):
        path = folder / f"{number}.png"
        picture(number).save(path)
        with PIL.Image.open(path) as opened:
            yield opened
        path.unlink()


@pytest.mark.parametrize(
    "way",
    [
        "GIF",
        "WEBP",
        "PNG",
        "TIFF",
        "dict",
        "list",
        "bytearray",
        "memoryview",
        "array",
        "canvas",
        "str",
        "Path",
        "with",
    ],
)
def test_a_row_is_of_what_was_yielded(model: E5V, tmp_path: Path, way: str) -> None:
    """Catches rows of the animation's last frame, or of a buffer's next content."""
    ways: dict[str, Callable[[], Iterator[Any]]] = {
        "dict": one_dict,
        "list": one_list,
        "bytearray": lambda: one_buffer(bytearray),
        "memoryview": lambda: one_buffer(memoryview),
        "array": one_array,
        "canvas": one_canvas,
        "str": lambda: one_file(tmp_path, str),
        "Path": lambda: one_file(tmp_path, Path),
        "with": lambda: closed_after(tmp_path),
    }
    items = one_animation(way) if way in {"GIF", "WEBP", "PNG", "TIFF"} else ways[way]()
    lossy = [frame.convert("RGB") for frame in one_animation("GIF")]
    expected = model.encode(lossy if way == "GIF" else [picture(n) for n in range(COUNT)])
    rows = model.encode(items)
    assert rows.shape == expected.shape
    assert (rows * expected).sum(axis=1).min() > 0.9999


def test_an_error_of_the_callers_own_comes_through(model: E5V) -> None:
    """Catches the caller's exception changed, or taken for one of an item."""

    class Stopped(Exception):
        pass

    error = Stopped("the camera is gone")

    def items() -> Iterator[Any]:
        yield picture(1)
        raise error

    for on_error in ("raise", "skip"):
        with pytest.raises(Stopped) as caught:
            model.encode(items(), on_error=on_error)
        assert caught.value is error


def test_a_file_that_is_missing_is_skipped_alone(model: E5V, tmp_path: Path) -> None:
    """Catches a file that could not be read in time ending the whole stream."""
    items: Any = (one for one in ("a", tmp_path / "nowhere.png", 3, "b"))
    with pytest.warns(EncodeWarning, match=r"2 of 4 items skipped: item 1: .*nowhere\.png does"):
        rows = model.encode(items, on_error="skip")
    assert np.allclose(rows, model.encode(["a", "b"]), atol=1e-6)


def test_the_callers_picture_is_left_as_it_was() -> None:
    """Catches an animation moved on, or a file read to its end, behind the caller's back."""
    animation = frames("GIF")
    animation.seek(5)
    taken = take(normalise(animation), 0)
    assert animation.tell() == 5
    animation.seek(7)
    assert np.abs(np.asarray(decode(taken.images[0]), int) - np.asarray(picture(5), int)).max() < 9

    stream = io.BytesIO()
    picture(3).save(stream, "JPEG", quality=100, subsampling=0)
    opened = PIL.Image.open(stream)
    place, tiles, info = stream.tell(), list(opened.tile), dict(opened.info)
    (image,) = take(normalise(opened), 0).images
    assert (stream.tell(), opened.tile, opened.info) == (place, tiles, info)
    opened.close()
    assert np.abs(np.asarray(decode(image), int) - np.asarray(picture(3), int)).max() < 9


def test_a_picture_is_copied_as_it_is() -> None:
    """Catches an orientation, a transparency or a draft lost in the copy of a PIL image."""
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = 6
    stream = io.BytesIO()
    picture(5).crop((0, 0, 48, 24)).save(stream, "JPEG", exif=exif)
    for change in (
        lambda one: None,
        lambda one: one.load(),
        lambda one: one.draft("L", (24, 12)),
        lambda one: one.getexif().__setitem__(ORIENTATION, 3),
        lambda one: one.info.pop("exif"),
    ):
        opened = PIL.Image.open(stream)
        change(opened)
        taken = decode(take(Item((Image(opened),)), 0).images[0])
        assert np.array_equal(np.asarray(taken), np.asarray(decode(Image(opened))))
    palette = picture(5).quantize(4)
    palette.info["transparency"] = 1
    taken = decode(take(Item((Image(palette),)), 0).images[0])
    assert np.array_equal(np.asarray(taken), np.asarray(decode(Image(palette))))


def test_a_large_picture_weighs_more() -> None:
    """Catches a look-ahead that holds as many photos of 100 megapixels as of one."""
    assert megabytes(normalise("a")) == megabytes(normalise(picture(1))) == 0
    assert megabytes(normalise(PIL.Image.new("L", (4_000, 3_000)))) == 45
    assert megabytes(normalise([bytes(3 * 2**20), bytes(2 * 2**20)])) == 5


def test_a_closed_picture(model: E5V, tmp_path: Path) -> None:
    """Catches "broken: AssertionError" for a PIL image that was closed too early."""
    path = tmp_path / "a.png"
    picture(1).save(path)
    with PIL.Image.open(path) as left:
        pass
    never = PIL.Image.open(path)
    never.close()
    loaded = PIL.Image.open(path)
    loaded.load()
    loaded.close()
    with path.open("rb") as file:
        orphan = PIL.Image.open(file)
    drawn = picture(2)
    drawn.close()
    items: Any
    for closed in (left, never, loaded, orphan, drawn):
        for items in (["a", closed], iter(["a", closed])):
            with pytest.raises(ItemError, match=r"^item 1: the PIL image is closed; call its load"):
                model.encode(items)
