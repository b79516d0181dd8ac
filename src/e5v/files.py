"""Files that appear when they are whole, and are there after a power cut.

content -> a file beside the target -> onto the disk -> its name -> the folder onto the disk
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def beside(target: Path) -> Path:
    """Name what is written in place of `target`: hidden, and by no other process."""
    return target.with_name(f".{target.name}.{os.getpid()}.part")


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Give a path to write to, which becomes `target` if the block ends well; else it is removed.

    Whatever fails, what stood there before stands.
    """
    part = beside(target)
    try:
        yield part
        sync(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    sync(target.parent)


def write_file(target: Path, content: str | bytes) -> None:
    """Write a file, text in UTF-8."""
    with replacing(target) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def sync(path: Path) -> None:
    """Make sure that a file's content, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # of folders on some network shares, which have no sync
            raise
    finally:
        os.close(descriptor)
