"""`e5v words`: lines for a program, a table for a person."""

import sys
from typing import Any

import pytest

from e5v import E5V
from e5v.model.words import Word
from tests.verbs.done import PHOTOS, Run


def test_words(run: Run, model: E5V) -> None:
    """Catches words of another item than the one given."""
    cat = PHOTOS / "cat.jpg"
    item: Any
    for arguments, item in (
        (["a dog"], "a dog"),
        ([cat], cat),
        (["as a dog", "--image", cat], [cat, "as a dog"]),
    ):
        done = run("words", *arguments, "-k", 3)
        assert done.lines == [word._asdict() for word in model.words(item, 3)]
    done = run("words", "nope.jpg")
    assert (done.code, "nope.jpg does not exist" in done.err) == (2, True)
    assert run("words", PHOTOS).code == 2


def test_words_on_a_terminal(run: Run, model: E5V, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches JSON where a person looks, and a table where a program was promised lines."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    word, probability = model.words("a dog", 1)[0]
    drawn = run("words", "a dog").out
    assert word in drawn
    assert f"{probability:.3f}" in drawn
    assert run("words", "a dog", "--json").lines[0]["word"] == word


def test_words_that_look_like_markup(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a word that is not shown, or that ends the verb, because it stands in brackets."""
    said = [Word("[red]", 0.5), Word("[/inst]", 0.25), Word(":cat:", 0.125)]
    monkeypatch.setattr(E5V, "words", lambda *_, **__: said)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    drawn = run("words", "a dog").out
    assert all(one.word in drawn for one in said)
