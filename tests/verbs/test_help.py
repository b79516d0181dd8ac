"""The help of the command line and of each verb."""

import re
import shlex

import pytest

import e5v
import e5v.cli
from e5v.cli import VERBS, import_record, main
from e5v.verbs.options import options_of


@pytest.mark.parametrize("name", VERBS)
def test_help_ends_with_an_example_that_works(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Catches an example whose options have changed since, and a verb without one."""
    lines = (import_record(name).__doc__ or "").splitlines()
    examples = [line.strip() for line in lines if line.strip().startswith("e5v ")]
    assert examples
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert not end.value.code
    shown = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert set(examples) <= set(shown)  # each in one line, to be copied
    monkeypatch.setattr(e5v.cli, "run", lambda verb: type(verb) is import_record(name))
    for example in examples:
        assert main(shlex.split(example)[1:]) == 0


@pytest.mark.parametrize("name", VERBS)
def test_help_of_a_verb_fits_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Catches boxes and long lines, which a terminal of 80 columns breaks, and empty defaults."""
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([name, "a", "b", "-h"])  # what stands before it does not matter
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    assert not set("╭│╰─\0") & set(shown)
    for empty in ("None", "(default: False)", "(default: )", "(default: {})"):
        assert empty not in shown
    positional = any(one.is_positional for one in options_of(import_record(name)))
    assert positional == ("\nArguments:\n" in shown)
    for option in (one for one in options_of(import_record(name)) if one.flags):
        head = rf"^  (?:-\w, )?{option.flags[0]}(?![\w-])"
        [described] = re.findall(rf"{head}.*?(?=^  \S|\Z)", shown, re.M | re.S)
        assert len(described.split()) > 3


def test_help_lists_the_verbs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a verb that nobody can find, a help longer than a screen, and a wrong version."""
    monkeypatch.setenv("COLUMNS", "80")
    for asked in ("--help", "-h", "help"):
        with pytest.raises(SystemExit) as end:
            main([asked])
        assert end.value.code == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) <= 30
        assert max(map(len, lines)) <= 80
        for name in VERBS:
            assert len([line for line in lines if line.startswith(f"  {name} ")]) == 1
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"e5v {e5v.__version__}\n"
