"""`e5v index`, `search` and `serve` with an index on an object store."""

from pathlib import Path

import pytest

from e5v.cli import main
from e5v.stores import clients
from tests.store_server import Bucket
from tests.verbs.done import PHOTOS, Run


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E5V_CACHE", str(tmp_path / "cache"))


def test_an_index_on_a_store(
    run: Run,
    bucket: Bucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Catches a verb that writes a folder called s3:, or finds otherwise than in a folder."""
    monkeypatch.chdir(tmp_path)
    url = str(bucket.url / "deep/x")
    made = run("index", PHOTOS / "captions.jsonl", "--index", url)
    assert (made.code, made.err) == (0, "")
    assert made.lines[0].items() >= {"index": url, "items": 4, "embedded": 4}.items()
    run("index", PHOTOS / "captions.jsonl", "--index", "local")
    for query in (["a", "cat"], ["--image", str(PHOTOS / "cat.jpg"), "-k", "2"], ["--duplicates"]):
        found, local = (run("search", *query, "--index", place) for place in (url, "local"))
        assert (found.code, found.lines) == (0, local.lines)
    monkeypatch.setenv("E5V_INDEX", url)
    assert len(run("search", "a", "cat").lines) == 4
    assert run("index").lines[0]["embedded"] == 0
    assert run("index", "--audit").lines[0]["entries"] == 4
    captions = PHOTOS / "captions.jsonl"
    parts, adopted = (str(bucket.url / name) for name in ("parts", "adopted"))
    run("encode", captions, "--for-index", "--out", parts, "--part-rows", "2")
    assert main(["index", "--vectors", parts, "--index", adopted]) == 0
    capsys.readouterr()
    found, made = (run("search", "a", "cat", "--index", place) for place in (adopted, url))
    assert [line["path"] for line in found.lines] == [line["path"] for line in made.lines]
    assert not (tmp_path / "s3:").exists()


@pytest.mark.parametrize("verb", [["index", "."], ["search", "a"], ["serve"]])
def test_a_place_that_cannot_be_used(
    run: Run, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, verb: list[str]
) -> None:
    """Catches a model that is opened before it is known that there is no such place."""
    monkeypatch.setattr("e5v.verbs.model_options.Opening.open", lambda *_: pytest.fail("opened"))
    monkeypatch.setattr(clients, "RETRIES", 0)
    clients._open.cache_clear()
    done = run(*verb, "--index", "s3://none/x")
    assert (done.code, done.err) == (
        1,
        "e5v: s3://none does not exist; check the name of the bucket\n",
    )
    if verb[0] != "index":
        done = run(*verb, "--index", str(bucket.url / "x"))
        assert done.code == 2
        assert f"holds no index; make one with: e5v index FOLDER --index {bucket.url}/x" in done.err
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    done = run(*verb, "--index", str(bucket.url / "x"))
    assert done.code == 1
    assert "connection refused; check the network, and AWS_* in the env" in done.err
    assert done.err.count("\n") == 1
    clients._open.cache_clear()
