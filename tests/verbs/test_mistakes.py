"""Mistakes of users: one line, exit code 2, found before anything slow is imported."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.verbs.mistakes import MISTAKES, make_files

# What is wrong with a file, and not with the arguments: exit code 1.
FAILURES = {
    *("a broken index", "a list with a missing image", "a broken list"),
    *("nothing on stdin", "no item in a file", "no data to check", "a tar that is none"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, Any]]:
    """Make all mistakes in one process of their own, and return what each did by its name."""
    folder = tmp_path_factory.mktemp("mistakes")
    make_files(folder)
    names = ("E5V_MODEL", "E5V_INDEX", "E5V_DEBUG")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"E5V_INDEX": str(folder / "no-index"), "COLUMNS": "80"}
    ended = subprocess.run(
        [sys.executable, "-m", "tests.verbs.mistakes", folder],
        cwd=Path(__file__).parents[2],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stderr == ""
    lines = map(json.loads, ended.stdout.splitlines())
    return {line["name"]: line for line in lines}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(outcomes: Mapping[str, Mapping[str, Any]], name: str) -> None:
    """Catches a traceback, a box of many lines, tyro's own words, and a wrong exit code."""
    outcome = outcomes[name]
    [line] = outcome["err"].splitlines()
    assert MISTAKES[name][1] in line
    assert line.startswith("e5v: ")
    assert (outcome["code"], outcome["out"]) == (1 if name in FAILURES else 2, "")
    for leaked in ("tyro", "invalid literal", "could not convert", "NoneType", "Traceback"):
        assert leaked not in line


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_early(outcomes: Mapping[str, Mapping[str, Any]], name: str) -> None:
    """Catches a mistake that is reported only after seconds of imports."""
    assert outcomes[name]["heavy"] == []
