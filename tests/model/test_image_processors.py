"""The model's own image processor, run from many threads; and what makes two items the same."""

import copy
import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch

from e5v.inputs import Image, Item, Text
from e5v.model.image_files import UnreadableError
from e5v.model.image_inputs import Pixels
from e5v.model.images import decode, digest
from e5v.model.processors import ImageProcessor
from tests.families import FAMILIES, load_processor


@pytest.fixture(scope="module", params=FAMILIES)
def processor(request: pytest.FixtureRequest, checkpoints: Callable[[str], Path]) -> Any:
    """Give the processor of each family in turn."""
    return load_processor(checkpoints(request.param))


def same(left: Pixels, right: Pixels) -> bool:
    """Tell whether two results are equal to the last bit."""
    return (
        left.expansion == right.expansion
        and left.arrays.keys() == right.arrays.keys()
        and all(torch.equal(left.arrays[key], right.arrays[key]) for key in left.arrays)
    )


def test_it_does_what_the_processor_does(processor: Any, photos: Sequence[PIL.Image.Image]) -> None:
    """Catches pixels or image tokens other than those the model was trained with."""
    process = ImageProcessor(processor)
    for photo in photos:
        pixels = process(photo)
        whole = processor(text=[processor.image_token], images=[photo], return_tensors="pt")
        ids = processor.tokenizer(pixels.expansion, return_tensors="pt")["input_ids"]
        assert torch.equal(ids, whole["input_ids"])
        arrays = whole.keys() - {"input_ids", "attention_mask", "token_type_ids"}
        assert arrays - {"mm_token_type_ids"} <= pixels.arrays.keys()
        for key in arrays & pixels.arrays.keys():
            assert torch.equal(pixels.arrays[key], whole[key]), key


def test_threads_do_not_disturb_each_other(
    processor: Any, photos: Sequence[PIL.Image.Image]
) -> None:
    """Catches one item's pixels under another's name: the listeners must not be shared."""
    process = ImageProcessor(processor)
    alone = [process(photo) for photo in photos]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(process, [*photos] * 6))
    assert all(map(same, together, alone * 6))


def test_the_processor_is_left_as_it_was(processor: Any, photos: Sequence[PIL.Image.Image]) -> None:
    """Catches a processor that a user shares with us and gets back with our parts in it."""
    before = dict(vars(processor))
    settings = copy.deepcopy(processor.image_processor.to_dict())
    ImageProcessor(processor)(photos[0])
    assert vars(processor).keys() == before.keys()
    assert all(vars(processor)[name] is part for name, part in before.items())
    assert processor.image_processor.to_dict() == settings


def test_a_picture_the_model_cannot_take(checkpoints: Callable[[str], Path]) -> None:
    """Catches an error from deep inside a processor, in many lines, that names no size."""
    process = ImageProcessor(load_processor(checkpoints("qwen2_vl")))
    with pytest.raises(UnreadableError, match=r"refuses a 900x3 image: .*aspect ratio"):
        process(PIL.Image.new("RGB", (900, 3)))

    class Angry(SimpleNamespace):
        def __call__(self, **_: Any) -> None:
            raise RuntimeError("first line\nsecond line")

    angry = Angry(image_processor=None, tokenizer=None, image_token="<image>")
    with pytest.raises(
        UnreadableError, match=r"^the model's processor refuses a 4x4 image: first line$"
    ):
        ImageProcessor(angry)(PIL.Image.new("RGB", (4, 4)))

    class Mute(SimpleNamespace):
        def __call__(self, **_: Any) -> None:
            return None

    mute = Mute(image_processor=None, tokenizer=None, image_token="<image>")
    with pytest.raises(UnreadableError, match="never tokenised its prompt"):
        ImageProcessor(mute)(PIL.Image.new("RGB", (4, 4)))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF"])
def test_one_lazy_picture_in_many_items(form: str) -> None:
    """Catches a picture opened once and used in several items, read by two threads at a time."""
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    stream, held = io.BytesIO(), PIL.Image.Exif()
    held[0x0112] = 6
    PIL.Image.fromarray(noise).save(stream, form, exif=held)
    expected = np.asarray(decode(Image(stream.getvalue())))
    barrier = Barrier(8)

    def read(picture: PIL.Image.Image) -> tuple[bool, bytes]:
        barrier.wait(10)
        image = Image(picture)
        equal = np.array_equal(np.asarray(decode(image)), expected)
        return equal, digest(Item((image,)))

    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            shared = PIL.Image.open(io.BytesIO(stream.getvalue()))
            results = list(pool.map(read, [shared] * 8))
            assert results == [(True, results[0][1])] * 8


GREY = PIL.Image.new("L", (6, 4), 9)
BYTES = b"some file's bytes"


def coloured(red: int) -> PIL.Image.Image:
    """Make a picture of which only the palette tells the colour."""
    picture = PIL.Image.new("P", (6, 4))
    picture.putpalette([red, 0, 0] * 4)
    return picture


def with_info(picture: PIL.Image.Image, **info: Any) -> PIL.Image.Image:
    """Copy a picture and say something more of it."""
    picture = picture.copy()
    picture.info.update(info)
    return picture


def held(orientation: int) -> bytes:
    """Make an EXIF block that says how the camera was held."""
    block = PIL.Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def test_every_content_has_a_digest_of_its_own() -> None:
    """Catches an item answered with the vector of another one."""
    parts: list[tuple[Text | Image, ...]] = [
        (Text("a"),),
        (Text("b"),),
        (Text("ab"),),
        (Text("a"), Text("b")),
        (Text("b"), Text("a")),
        (Text("a "),),
        (Image(BYTES),),
        (Text(BYTES.decode()),),
        (Image(BYTES + b"!"),),
        (Image(BYTES), Text("a")),
        (Text("a"), Image(BYTES)),
        (Image(BYTES), Image(BYTES)),
        (Image(GREY),),
        (Image(GREY.resize((4, 6))),),
        (Image(GREY.convert("P")),),
        (Image(GREY.tobytes()),),
        (Image(PIL.Image.new("L", (6, 4), 8)),),
        (Image(with_info(GREY, transparency=9)),),
        (Image(with_info(GREY, exif=held(6))),),
        (Image(with_info(GREY, exif=held(3))),),
        (Image(coloured(200)),),
        (Image(coloured(100)),),
    ]
    assert len({digest(Item(one)) for one in parts}) == len(parts)


def test_equal_content_has_an_equal_digest() -> None:
    """Catches the same item computed twice, and a digest that changes from run to run."""
    for first, second in (
        ((Text("a"), Image(BYTES)), (Text("a"), Image(bytes(bytearray(BYTES))))),
        ((Image(GREY),), (Image(GREY.copy()),)),
        ((Image(coloured(7)),), (Image(coloured(7)),)),
        ((Image(with_info(GREY, exif=held(6))),), (Image(with_info(GREY, exif=held(6))),)),
    ):
        assert digest(Item(first)) == digest(Item(second))
    assert digest(Item((Text("a dog"),))).hex() == "b9deb8123ab272511d89da42431afe0e"
