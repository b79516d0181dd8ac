"""Small pictures of noise, and JSON lines that name them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image


def make_picture(number: int) -> PIL.Image.Image:
    """Return a picture of noise."""
    noise = np.random.default_rng(number)
    size = (40 + 8 * number, 48, 3)
    return PIL.Image.fromarray(noise.integers(0, 255, size, np.uint8))


def write_lines(file: Path, lines: list[dict[str, Any]]) -> Path:
    """Write JSON lines."""
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file
