"""A command for the runner: `python -m tests.paper.worker OUT TEXT [CODE]`.

It writes TEXT into OUT, and TEXT "fail" makes it end as e5v does after a mistake.
"""

import sys
from pathlib import Path


def main() -> None:
    """Write, print a JSON line, and end with a code."""
    out, text, *code = sys.argv[1:]
    if text == "fail":
        sys.stderr.write("warming up\ne5v: there is no such model\n")
        raise SystemExit(1)
    Path(out).write_text(text, encoding="utf-8")
    sys.stdout.write('{"name": "rows", "figure": "3", "limit": "4", "passed": false}\n')
    raise SystemExit(int(code[0]) if code else 0)


if __name__ == "__main__":
    main()
