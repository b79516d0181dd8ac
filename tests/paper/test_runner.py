"""Jobs are run once, again where they must be, and not where they cannot."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from paper import jobs
from paper.jobs import Job, identify
from paper.runner import Runner

MODULE = "tests.paper.worker"


def make_job(folder: Path, label: str, text: str = "made", *, needs: Sequence[str] = ()) -> Job:
    """Return a job that writes a text into a file of its own."""
    out = folder / f"{label}.txt"
    words = (str(out), text)
    return Job(label, "train", words, (out,), tuple(needs), module=MODULE)


def run(folder: Path, *jobs: Job, stages: Sequence[str] = ("train",)) -> dict[str, str]:
    """Run jobs and return what became of each."""
    runner = Runner(folder, folder / "data", lambda _: None)
    return {one.job.label: one.state for one in runner.run(jobs, stages)}


def test_what_is_made_is_kept(tmp_path: Path) -> None:
    """Catches hours of training that are spent twice."""
    first, second = make_job(tmp_path, "first"), make_job(tmp_path, "second", needs=["first"])
    assert run(tmp_path, first, second) == {"first": "made", "second": "made"}
    assert run(tmp_path, first, second) == {"first": "kept", "second": "kept"}
    first.makes[0].unlink()
    assert run(tmp_path, first, second) == {"first": "made", "second": "kept"}


def test_what_was_made_otherwise_is_made_anew(tmp_path: Path) -> None:
    """Catches tables that mix the figures of two models."""
    second = make_job(tmp_path, "second", needs=["first"])
    run(tmp_path, make_job(tmp_path, "first"), second)
    changed = make_job(tmp_path, "first", "with another seed")
    assert run(tmp_path, changed, second) == {"first": "made", "second": "made"}
    assert changed.makes[0].read_text() == "with another seed"


def test_data_that_changed_are_noticed(tmp_path: Path) -> None:
    """Catches an evaluation of data that are no longer there."""
    source = tmp_path / "source.json"
    source.write_text("one")
    job = Job("job", "train", (str(tmp_path / "a"), "x"), (), (), (source,), module=MODULE)
    assert run(tmp_path, job) == {"job": "made"}
    assert run(tmp_path, job) == {"job": "kept"}
    source.write_text("two")
    assert run(tmp_path, job) == {"job": "made"}


def test_a_job_that_was_killed_is_run_again(tmp_path: Path) -> None:
    """Catches half a model that is taken for a whole one."""
    job = make_job(tmp_path, "job")
    run(tmp_path, job)
    record = tmp_path / "jobs" / "job.json"
    record.write_text(record.read_text().replace('"done": true', '"done": false'))
    assert run(tmp_path, job) == {"job": "made"}
    record.write_text("{")
    assert run(tmp_path, job) == {"job": "made"}


def test_a_failure_stops_only_what_needs_it(tmp_path: Path) -> None:
    """Catches days that are lost because one of nine models could not be downloaded."""
    jobs = [
        make_job(tmp_path, "broken", "fail"),
        make_job(tmp_path, "after", needs=["broken"]),
        make_job(tmp_path, "later", needs=["after"]),
        make_job(tmp_path, "other"),
    ]
    told: list[str] = []
    outcomes = list(Runner(tmp_path, tmp_path / "data", told.append).run(jobs, ("train",)))
    assert [one.state for one in outcomes] == ["failed", "left out", "left out", "made"]
    assert outcomes[0].reason == "there is no such model"
    assert outcomes[1].reason == "it needs broken"
    assert "    e5v: there is no such model" in told
    assert run(tmp_path, *jobs)["broken"] == "failed", "it is tried again"


def test_a_stage_alone_takes_what_is_there(tmp_path: Path) -> None:
    """Catches a stage that begins the ones before it, or runs without what it needs."""
    first, second = make_job(tmp_path, "first"), make_job(tmp_path, "second", needs=["first"])
    later = replace(second, stage="evaluate")
    assert run(tmp_path, first, later, stages=["evaluate"]) == {
        "first": "left out",
        "second": "left out",
    }
    assert run(tmp_path, first, later) == {"first": "made", "second": "left out"}
    assert run(tmp_path, first, later, stages=["evaluate"]) == {"first": "kept", "second": "made"}


def test_a_check_of_data_that_is_not_passed_is_a_result(tmp_path: Path) -> None:
    """Catches a report that is never written because a copy of the data has a row too few."""
    words = (str(tmp_path / "a"), "x", "1")
    assert run(tmp_path, Job("a", "train", words, (), module=MODULE, checks=True)) == {"a": "made"}


def test_a_check_of_data_that_was_killed_is_a_failure(tmp_path: Path) -> None:
    """Catches data that count as checked after the first of many faults."""
    words = (str(tmp_path / "a"), "x", "137")
    job = Job("a", "train", words, (), module=MODULE, checks=True)
    assert run(tmp_path, job) == {"a": "failed"}
    assert run(tmp_path, job) == {"a": "failed"}, "it is tried again"


def test_a_check_of_a_model_that_is_not_passed_is_a_failure(tmp_path: Path) -> None:
    """Catches days of training on a base whose vectors are wrong."""
    job = Job("a", "train", (str(tmp_path / "a"), "x", "1"), (), module=MODULE)
    (outcome,) = Runner(tmp_path, tmp_path / "data", lambda _: None).run([job], ("train",))
    assert (outcome.state, outcome.reason) == ("failed", "rows 3, limit 4")


def test_data_may_be_moved(tmp_path: Path) -> None:
    """Catches a folder named as a verb, or as the beginning of another, whose jobs begin anew."""
    out = tmp_path / "data"
    for home in ("data-1", "elsewhere"):
        job = Job("a", "data", ("data", str(tmp_path / home / "x"), "--data"), ())
        known = identify(job, {}, (out, tmp_path / home))
        bare = replace(job, words=("data", "<1>/x", "--data"))
        assert known == identify(bare, {}, ())


def test_the_clone_may_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a run that begins anew because the package is in another folder."""
    known = set()
    for home in ("one", "other"):
        monkeypatch.setattr(jobs, "ROOT", tmp_path / home)
        words = ("model", "--photos", str(tmp_path / home / "examples"))
        known.add(identify(Job("a", "evaluate", words, ()), {}, (tmp_path / "out",)))
    assert len(known) == 1


def test_a_folder_may_be_moved(tmp_path: Path) -> None:
    """Catches a run that begins anew because its folder has another name."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    run(before, make_job(before, "job"))
    before.rename(after)
    assert run(after, make_job(after, "job")) == {"job": "kept"}
