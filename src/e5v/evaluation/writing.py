"""Files that appear when they are whole: content -> a file beside the target -> its name."""

import os
from pathlib import Path


def write_file(target: Path, content: bytes) -> None:
    """Write a file; if that fails, what stood there before stands."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
