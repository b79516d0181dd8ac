"""Report errors in a model's own code in one line, with the versions of torch and transformers.

error of torch or transformers in a forward pass -> ModelError, with advice if memory is full
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import torch
import transformers

from e5v.errors import E5VError, ModelError, first_line

CPU_MEMORY = re.compile("DefaultCPUAllocator|not enough memory", re.IGNORECASE)
TESTED = "transformers 5.23 and 5.24"
OLDEST = (5, 17)  # version of transformers


@contextmanager
def model_errors(name: str) -> Iterator[None]:
    """Run a model's own code in the block; `name` is the model's name.

    torch's OutOfMemoryError passes through: training and the command line handle it.

    Raises:
        ModelError: the code failed, or the machine's memory is full.
    """
    try:
        yield
    except (E5VError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if isinstance(error, MemoryError) or CPU_MEMORY.search(str(error)):
            raise ModelError(
                f"{name} does not fit in the machine's memory together with its batch; "
                "use smaller batches or a smaller dtype",
                argument="batch_tokens",
            ) from error
        raise ModelError(
            f"{name} failed in its own code, with torch {torch.__version__} and transformers "
            f"{version('transformers')}: {type(error).__name__}: {first_line(error)}; "
            f"e5v is tested with {TESTED}"
        ) from error


def advise_version() -> str:
    """Return "; expected ..." if transformers is older than it must be, or nothing."""
    found = transformers.__version__
    major, minor = map(int, found.split(".")[:2])
    wanted = ".".join(map(str, OLDEST))
    return f"; expected transformers {wanted}, got {found}" if (major, minor) < OLDEST else ""
