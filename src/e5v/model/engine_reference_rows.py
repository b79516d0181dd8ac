"""The other process of `e5v.model.engine_reference`: opens a model, embeds, and ends.

JSON in the argument -> E5V -> JSON on stdout: fingerprint, and vectors of a text and an image
"""

import json
import sys

from e5v.errors import E5VError
from e5v.model.embedder import E5V
from e5v.model.engine_reference import ITEMS
from e5v.model.fingerprint import fingerprint


def main(argument: str) -> int:
    """Write the reference of a model on stdout, or one line on stderr; return the exit code."""
    try:
        how = json.loads(argument)
        model = E5V(how.pop("model"), **how)
        rows = model.encode(list(ITEMS.values()))
    except E5VError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps({"fingerprint": fingerprint(model.loaded), "rows": rows.tolist()}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
