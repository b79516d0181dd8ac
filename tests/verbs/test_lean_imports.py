"""What a command does not import: seconds before its first line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from e5v.verbs.lean_imports import import_less

UNWANTED = (
    "torch",
    "transformers",
    "scipy",
    "lance_namespace_urllib3_client.api",
    "lance_namespace_urllib3_client.models.list_tables_response",
)
RUN = """
import sys
from e5v.cli import main
code = main()
loaded = [name for name in sys.argv[-1].split(",") if sys.modules.get(name)]
sys.exit(code or " ".join(["imported:", *loaded]))
"""


def _run(*arguments: str, among: tuple[str, ...] = UNWANTED) -> tuple[dict[str, Any], str]:
    """Run a verb as its program does, and return its JSON and the last line of stderr: imports."""
    program = RUN.replace("sys.argv[-1]", repr(",".join(among)))
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout), done.stderr.splitlines()[-1]


def test_a_run_without_changes_imports_no_model(tmp_path: Path) -> None:
    """Catches seconds of imports, and half a gigabyte, to find that nothing has changed."""
    (tmp_path / "a.txt").write_text("a dog")
    index = ["index", str(tmp_path / "a.txt"), "--index", str(tmp_path / "index")]
    first, imported = _run(*index, "--model", "nano", among=("torch", *UNWANTED[2:]))
    assert (first["embedded"], imported) == (1, "imported: torch scipy")  # transformers' own
    again, imported = _run(*index)
    assert (again["items"], again["embedded"], imported) == (1, 0, "imported:")


@pytest.mark.parametrize(
    "arguments",
    [
        ["search", "a", "--store=qdrant://h/c"],
        ["search", "a", "--store", "milvus://h/c"],
        ["index", "a", "--trust-remote-code"],
        ["evaluate", "nano"],
        [],
    ],
)
def test_what_may_need_all_of_it_gets_it(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a database's client, or a model's own code, that finds placeholders."""
    finders = list(sys.meta_path)
    monkeypatch.setattr(sys, "meta_path", finders)
    import_less(arguments)
    assert sys.meta_path == finders
    import_less(["search", "a"])
    assert len(finders) == len(sys.meta_path)
