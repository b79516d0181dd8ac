"""Mistakes of users, each with the words that its one line must have.

The test runs this file as a program, in one process for all: `python -m tests.verbs.mistakes`
prints a JSON line per mistake with what the command line did, and what was imported by then.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.verbs.mistakes_encoding import ENCODING
from tests.verbs.mistakes_evaluating import EVALUATING
from tests.verbs.mistakes_parts import PARTS
from tests.verbs.mistakes_searching import SEARCHING
from tests.verbs.mistakes_training import TRAINING

HEAVY = ("torch", "transformers", "lancedb", "pyarrow", "datasets", "pandas", "scipy", "ray")

# What is typed after `e5v`, and what the line on stderr says. The files are made by `make_files`.
MISTAKES = ENCODING | SEARCHING | TRAINING | EVALUATING | PARTS


def make_files(folder: Path) -> None:
    """Write the files that the mistakes are about."""
    from e5v.search.manifest import Manifest, write_manifest

    for name in ("empty", "folder.npy", "pictures", "run", "broken"):
        (folder / name).mkdir()
    (folder / "data.bin").write_bytes(b"data")
    (folder / "logo.svg").write_text("<svg/>")
    (folder / "broken.tar").write_bytes(b"x" * 1_024)
    (folder / "photos.tar.gz").touch()
    (folder / "pictures" / "a.jpg").touch()
    (folder / "items.jsonl").write_text('"a"\n')
    (folder / "empty.jsonl").write_text("\n")
    (folder / "pictures" / "note.txt").write_text("a note")
    (folder / "pairs.csv").write_text("anchor,positive\na,b\nc,d\n")
    (folder / "run" / "recipe.json").write_text("{}")
    (folder / "run" / "adapter_config.json").write_text("{}")
    lines = [{"text": "a"}, {"image": "gone.jpg"}]
    (folder / "gone.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "bad.jsonl").write_text('"a"\n\n{"text": \n')
    (folder / "other").mkdir()
    manifest = Manifest("a" * 8, "nano", "float32", 288, roots=(str(folder / "pictures"),))
    write_manifest(folder / "other", manifest)
    (folder / "broken" / "index.json").write_text("{")


def outcomes() -> Iterator[dict[str, object]]:
    """Make every mistake in turn."""
    from e5v.cli import main

    for name, (arguments, _) in MISTAKES.items():
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code: object = main(arguments)
            except SystemExit as end:
                code = end.code
        heavy = [module for module in HEAVY if module in sys.modules]
        yield {
            "name": name,
            "code": code,
            "out": out.getvalue(),
            "err": err.getvalue(),
            "heavy": heavy,
        }


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    for outcome in outcomes():
        print(json.dumps(outcome))  # noqa: T201  a program of its own
