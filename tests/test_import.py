"""What the face of the package costs to look at, and what it shows."""

import subprocess
import sys

import pytest

import e5v

HEAVY = {"numpy", "torch", "transformers"}

HELP = """
import runpy
sys.argv = ["e5v", "--help"]
try:
    runpy.run_module("e5v.cli", run_name="__main__", alter_sys=True)
except SystemExit as end:
    if end.code:
        raise
"""


def run_python(code: str) -> list[str]:
    """Run code in a Python of its own: the lines it prints, the last naming all it imported."""
    code = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def heavy_modules(printed: list[str]) -> set[str]:
    """Name the slow libraries among what was imported."""
    return HEAVY & set(printed[-1].split())


def test_a_slow_library_is_seen() -> None:
    """Catches a measurement that would pass whatever was imported."""
    assert "numpy" in heavy_modules(run_python("import numpy"))


def test_importing_the_package_is_quick() -> None:
    """Catches an import of torch, transformers or numpy on the way to the first prompt."""
    assert heavy_modules(run_python("import e5v\ndir(e5v)\ne5v.__version__")) == set()


def test_help_is_quick() -> None:
    """Catches a command line that loads torch only to say what it can do."""
    printed = run_python(HELP)
    assert "usage: e5v" in "\n".join(printed)
    assert heavy_modules(printed) == set()


@pytest.mark.parametrize("name", e5v.__all__)
def test_each_public_name_leads_somewhere(name: str) -> None:
    """Catches a public name whose home has moved."""
    assert getattr(e5v, name) is not None
    assert name in dir(e5v)


def test_an_unknown_name_is_told() -> None:
    """Catches a typo answered with a KeyError, and (by mypy) one that a type checker lets by."""
    with pytest.raises(AttributeError, match="no attribute 'E5W'"):
        _ = e5v.E5W  # type: ignore[attr-defined]


def test_the_package_is_a_program() -> None:
    """Catches `python -m e5v`, which is tried where no program is on the path."""
    command = [sys.executable, "-m", "e5v", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"e5v {e5v.__version__}\n")
