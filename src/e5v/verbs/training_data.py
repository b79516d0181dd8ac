"""Check the data of `e5v train` and `e5v mine` before anything slow is imported.

files | hub:ORG/NAME:SPLIT -> there, of a known format, and the library that reads them installed
"""

from collections.abc import Iterable
from pathlib import Path

from e5v.errors import UsageError
from e5v.extras import need
from e5v.verbs.paths import need_file


def check_training_data(files: Iterable[Path]) -> None:
    """Check that files of training data, or data sets of the hub, can be read.

    Raises:
        UsageError: a file is missing or of an unknown format, or a hub: is not a data set's name.
        MissingExtraError: the library that reads one is not installed.
    """
    from e5v.hub_sets import HubSplit
    from e5v.training.data_files import FORMATS

    for file in files:
        if HubSplit.of(file):
            need("a data set of the hub", "datasets")
            continue
        if file.suffix.lower() == ".parquet":
            need("Parquet", "pyarrow")
        need_file(file, "--data")
        if file.suffix.lower() not in FORMATS:
            known = ", ".join(FORMATS)
            raise UsageError(f"--data {file} is of an unknown format; expected {known}")
