"""`e5v verify`: every check shown, and the exit code that sums them up."""

import sys
from collections.abc import Iterator
from dataclasses import asdict

import pytest

import e5v
import e5v.model.verify
from e5v.model.verify import Check
from e5v.verbs.model_options import Opening
from tests.verbs.done import Run


def test_verify_a_real_model(run: Run) -> None:
    """Catches options that do not reach the checks."""
    done = run("verify")
    assert done.code == 0, done.out
    assert len(done.lines) > 3
    assert all(line["passed"] for line in done.lines)


@pytest.mark.parametrize("terminal", [True, False])
def test_verify_shows_each_check_and_fails_with_one(
    run: Run, monkeypatch: pytest.MonkeyPatch, *, terminal: bool
) -> None:
    """Catches a failure that stops the rest, or that the exit code does not tell."""
    checks = [
        Check("first", passed=False, figure="[9]", limit="1"),
        Check("last", passed=True, figure="0", limit="1"),
    ]

    def verify(model: str, **options: object) -> Iterator[Check]:
        assert options == asdict(Opening("float32"))
        yield from checks

    monkeypatch.setattr(e5v.model.verify, "verify", verify)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    done = run("verify")
    assert done.code == 1
    if terminal:
        assert all(word in done.out for word in ("first", "FAILED", "[9]", "last", "ok"))
    else:
        assert [line["passed"] for line in done.lines] == [False, True]
