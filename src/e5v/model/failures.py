"""What fails inside a model's own code, in one line that names the versions it runs on.

error of torch or transformers in a forward pass -> ModelError; memory that is full says so
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import torch

from e5v.errors import E5VError, ModelError, first_line

CPU_MEMORY = re.compile("DefaultCPUAllocator|not enough memory", re.IGNORECASE)
TESTED = "transformers 5.23 and 5.24"


@contextmanager
def model_errors(name: str) -> Iterator[None]:
    """Run a model's own code in the block; `name` is the model's.

    A full GPU stays torch's OutOfMemoryError: training and the command line have advice for it.

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
                "make batches smaller, or use a narrower dtype",
                argument="batch_tokens",
            ) from error
        raise ModelError(
            f"{name} failed in its own code, with torch {torch.__version__} and transformers "
            f"{version('transformers')}: {type(error).__name__}: {first_line(error)}; "
            f"e5v is tested with {TESTED}"
        ) from error
