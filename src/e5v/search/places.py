"""The default folder of an index."""

import os
from pathlib import Path

from e5v.extras import imported

with imported("the default place of an index"):
    from platformdirs import user_data_path

VARIABLE = "E5V_INDEX"


def default_folder() -> Path:
    """Return $E5V_INDEX, or a folder in the user's application data.

    That is ~/.local/share/e5v/index on Linux.
    """
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else user_data_path("e5v", appauthor=False) / "index"
