"""A worker of an engine, without the engine: what it refuses, and what it does not do twice."""

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from e5v import E5V
from e5v.model.opening import Opening
from e5v.parts import actor as actor_module
from e5v.parts.actor import TRIES, Encoder, Outcome, Work
from e5v.parts.attempts import Attempts
from e5v.parts.folders import DiskFolder
from e5v.parts.job import PartJob, PartModel
from e5v.parts.plan import Part
from e5v.parts.settings import PartOptions
from e5v.parts.sources import make_sources
from tests.parts.conftest import Collection


@pytest.fixture
def work(collection: Collection) -> Work:
    """Say what a worker is told, for parts of two."""
    return Work(DiskFolder(collection.out), hold(collection.model), PartOptions(2))


@pytest.fixture
def parts(collection: Collection, work: Work) -> Iterator[Part]:
    """Fix the settings, and give the parts in order."""
    sources = make_sources([collection.photos, collection.lines])
    job = PartJob(sources, work.folder, work.model, work.options)
    return job.read([one.name for one in job.plan().parts])


def hold(model: E5V) -> PartModel:
    """Return an open model as one to be opened."""
    return PartModel(model.loaded.name, lambda *_: model, Opening(dtype="float32"))


def encode(work: Work, part: Part, attempts: Attempts) -> Outcome:
    """Encode a part as a worker does."""
    answered = Encoder(work, 1, attempts.begin).encode(pickle.dumps(part))
    outcome = pickle.loads(answered)
    assert isinstance(outcome, Outcome)
    return outcome


def test_a_part_that_is_handed_out_again(
    work: Work, parts: Iterator[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a part that is encoded twice because its worker died before it could say so."""
    attempts, part = Attempts(), next(parts)
    first = encode(work, part, attempts)
    assert first.tally is not None
    assert (first.tally.rows, first.tally.errors, first.tries) == (2, 1, 1)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("it is encoded again")

    monkeypatch.setattr(actor_module, "encode_part", fail)
    again = encode(work, part, attempts)
    assert (again.tally, again.tries) == (first.tally, 2)


def test_a_part_that_kills_its_workers(work: Work, parts: Iterator[Part]) -> None:
    """Catches a run that begins the same part again for ever."""
    attempts, part = Attempts(), next(parts)
    for _ in range(TRIES):
        attempts.begin(part.planned.name)
    outcome = encode(work, part, attempts)
    assert (outcome.tally, outcome.fatal) == (None, False)
    assert "was begun 3 times, and each time its process died" in str(outcome.error)
    assert encode(work, next(parts), attempts).tally is not None


def test_a_worker_with_another_model(work: Work, parts: Iterator[Part], small_folder: Path) -> None:
    """Catches vectors of two models in one folder: a node with another version of the model."""
    part = next(parts)
    tuned = E5V(small_folder, dtype="float32")
    tuned.encoder.loaded.model.get_input_embeddings().weight.data[5] += 1
    outcome = encode(Work(work.folder, hold(tuned), work.options), part, Attempts())
    assert outcome.fatal
    assert "begun with a model of fingerprint" in str(outcome.error)
    assert work.folder.list_parts() == []


def test_what_goes_wrong_with_one_part_and_with_all(
    collection: Collection, work: Work, parts: Iterator[Part], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a changed file that ends the run, and a full disk that does not."""
    part = next(parts)
    (collection.photos / "a.png").write_bytes(b"other")
    outcome = encode(work, part, Attempts())
    assert not outcome.fatal
    assert "changed while it was encoded" in str(outcome.error)

    def fill(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(actor_module, "encode_part", fill)
    outcome = encode(work, part, Attempts())
    assert outcome.fatal
    assert str(outcome.error) == "a worker failed: OSError: [Errno 28] No space left on device"


def test_a_warning_comes_back(collection: Collection, work: Work, parts: Iterator[Part]) -> None:
    """Catches a text that was meant as an image, said in a log of another machine only."""
    collection.lines.write_text('"gone.png"\n')
    [source] = make_sources([collection.lines])
    job = PartJob((source,), work.folder, work.model, work.options)
    [part] = job.read([one.name for one in job.plan().parts])
    [told] = encode(work, part, Attempts()).warnings
    assert "look like images" in told
