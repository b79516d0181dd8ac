"""How arguments are read: misuse, options given twice, paths, and the default model."""

import shlex
from pathlib import Path

import pytest

import e5v
import e5v.cli
from e5v.cli import Verb, main
from e5v.verbs.encode import Encode
from e5v.verbs.index import Index
from e5v.verbs.search import Search
from e5v.verbs.train import Train


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "usage: e5v VERB"),
        ("encode a --dim 0", "--dim is 0; expected at least 1"),
        ("encode a --format npy", "give --out FILE"),
        ("encode a --out vectors.txt", ".jsonl, .npy, .parquet"),
        ("encode a --precision int4", "int4"),
        ("words a -k 0", "-k is 0"),
        ("words", "ITEM"),
    ],
)
def test_misuse_is_exit_2(capsys: pytest.CaptureFixture[str], arguments: str, message: str) -> None:
    """Catches misuse that is found only once a model is open, or never."""
    with pytest.raises(SystemExit) as end:
        main(shlex.split(arguments))
    assert end.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["encode", "a"],
        ["words", "a"],
        ["verify"],
        ["evaluate", "--data", "."],
        ["train", "--data", "{folder}/pairs.csv", "--out", "{folder}/run"],
        ["index", "{folder}", "--index", "{folder}/index"],
        ["serve", "--port", "0"],
    ],
)
def test_the_default_model_is_an_environment_variable(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
) -> None:
    """Catches a verb that does not heed E5V_MODEL."""
    (tmp_path / "pairs.csv").write_text("anchor,positive\na,b\nc,d\n")
    monkeypatch.setenv("E5V_MODEL", "./no-such-model")
    monkeypatch.setenv("E5V_INDEX", str(tmp_path / "none"))
    assert main([argument.format(folder=tmp_path) for argument in arguments]) == 2
    assert "there is no folder ./no-such-model" in capsys.readouterr().err


def keep_verbs(monkeypatch: pytest.MonkeyPatch) -> list[Verb]:
    """Keep the verbs that would be run, in a list."""
    seen: list[Verb] = []

    def run(verb: Verb) -> bool:
        seen.append(verb)
        return True

    monkeypatch.setattr(e5v.cli, "run", run)
    return seen


def test_words_of_a_query_need_no_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches `e5v search a dog` refused, or searched for one word."""
    seen = keep_verbs(monkeypatch)
    for typed in ("search a red dog -k 3", "search -k 3 a red dog", "search 'a red' dog -k 3"):
        assert main(shlex.split(typed)) == 0
    queries = [(verb.query, verb.k) for verb in seen if isinstance(verb, Search)]
    assert queries == [("a red dog", 3)] * 3


def test_a_repeated_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches files of data that are dropped because --data was given twice."""
    seen = keep_verbs(monkeypatch)
    command = shlex.split("train --data a.csv b.csv --steps 3 --data c.csv --out run --steps 4")
    assert main([*command, "--data=d.csv", "--model", "x"]) == 0
    [verb] = seen
    assert isinstance(verb, Train)
    assert [path.name for path in verb.data] == ["a.csv", "b.csv", "c.csv", "d.csv"]
    assert (verb.recipe.steps, verb.model) == (4, "x")


def test_a_path_in_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Catches `--out=~/v.npy`, in which no shell replaces ~, written to a folder called ~."""
    seen = keep_verbs(monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["encode", "a", "--out=~/v w.npy"]) == 0
    assert main(["index", "~/ä b/", "~", "--index", "~/i", "--model=~/m"]) == 0
    [encode, index] = seen
    assert isinstance(encode, Encode)
    assert isinstance(index, Index)
    assert (encode.out, index.index) == (tmp_path / "v w.npy", tmp_path / "i")
    assert index.model == str(tmp_path / "m")
    assert index.folders == (tmp_path / "ä b", tmp_path)
