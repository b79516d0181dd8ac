"""Completion in a shell, tried in the shell itself."""

import shutil
import subprocess
from pathlib import Path

import pytest

from e5v.cli import main

COMPLETE = """
source "$1"
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMP_LINE="$*"
COMP_POINT=${#COMP_LINE}
$(complete -p e5v | sed 's/.*-F \\([^ ]*\\).*/\\1/') e5v "${@: -1}" ""
printf '%s\\n' "${COMPREPLY[@]}"
"""


def _script(shell: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["--completion", shell]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    path = folder / f"e5v.{shell}"
    path.write_text(out)
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["e5v", "enc"], {"encode"}),
        (["e5v", "se"], {"search", "serve"}),
        (["e5v", "encode", "--batch"], {"--batch-tokens"}),
        (["e5v", "index", "--wat"], {"--watch"}),
    ],
)
def test_bash_completes_verbs_and_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: set[str]
) -> None:
    """Catches a script that a shell cannot read, or that completes nothing."""
    script = _script("bash", tmp_path, capsys)
    command = ["bash", "-c", COMPLETE, "bash", str(script), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert {line.strip() for line in done.stdout.splitlines()} == expected, done.stderr


def test_zsh_gets_its_own_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches the script of one shell for the other."""
    text = _script("zsh", tmp_path, capsys).read_text()
    assert text.startswith("#compdef e5v")
    assert "encode" in text


@pytest.mark.parametrize("arguments", [[], ["fish"], ["bash", "zsh"]])
def test_an_unknown_shell_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """Catches a page of usage for a shell that has no script."""
    assert main(["--completion", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("e5v: --completion is ")
    assert err.endswith("; expected bash or zsh\n")
