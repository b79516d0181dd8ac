"""Resizing before the image processor: sizes by the rule, and pictures by Pillow."""

import pytest
from PIL import Image

from e5v.model.resizing import Fixed, Smart, resize

QWEN3 = Smart(4_096, 1_843_200)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((64, 48), (64, 64)),  # 48 is halfway, and 1.5 rounds to the even number
        ((640, 480), (640, 480)),
        ((1920, 1080), (1792, 992)),  # 1920x1088 would be too many
        ((4000, 3000), (1536, 1152)),
        ((20, 30), (64, 96)),  # too few
        ((400, 10), (384, 32)),  # a side shorter than half a token becomes one
    ],
)
def test_sizes_are_the_authors(size: tuple[int, int], expected: tuple[int, int]) -> None:
    """Catches an image of other tokens than the authors' code makes of it."""
    assert QWEN3.size(size, 32) == expected


def test_steps_follow_each_other() -> None:
    """Catches a step left out, or one that is taken where it is not needed."""
    picture = Image.linear_gradient("L").convert("RGB").resize((90, 20))
    small = resize(picture, [Fixed(56, 56, below=28), Fixed(100, 80)], 28)
    assert small.size == (100, 80)
    assert small.tobytes() == picture.resize((56, 56)).resize((100, 80)).tobytes()
    assert resize(picture, [Fixed(56, 56, below=20)], 28) is picture
