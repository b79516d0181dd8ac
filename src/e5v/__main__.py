"""`python -m e5v`: the command line, for where no program is on the path."""

import sys

from e5v.cli import main

sys.exit(main())
