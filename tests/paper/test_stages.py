"""Every job is a command that its verb understands, after the jobs that it needs."""

from dataclasses import replace
from pathlib import Path

from e5v.cli import import_record
from e5v.verbs.usage import parse
from paper.bases import BASES
from paper.settings import SETTINGS, Numbers, find_settings
from paper.stages import Plan, list_jobs

PLAN = Plan(Path("out"), Path("data"), tuple(SETTINGS), (0, 1), BASES)


def test_commands_are_those_of_the_verbs() -> None:
    """Catches an option that a verb does not have, found after hours of training."""
    numbers = Numbers(chunk_tokens=4096, recompute=True, four_bit=True)
    for plan in (PLAN, replace(PLAN, numbers=numbers, device="cpu", dtype="float32")):
        jobs = list_jobs(plan)
        for job in jobs:
            if job.module == "e5v.cli":
                parse(import_record(job.words[0]), job.words[0], job.words[1:])
    assert {job.words[0] for job in jobs if job.module == "e5v.cli"} == {
        "data",
        "convert",
        "verify",
        "train",
        "merge",
        "evaluate",
    }


def test_jobs_come_after_those_they_need() -> None:
    """Catches a need that is no job, or one that comes too late."""
    seen: set[str] = set()
    for job in list_jobs(PLAN):
        assert seen.issuperset(job.needs), job.label
        assert job.label not in seen
        seen.add(job.label)


def test_a_model_is_asked_as_it_was_trained() -> None:
    """Catches a model trained without a prompt that is measured with one."""
    jobs = {job.label: str(job) for job in list_jobs(PLAN)}
    assert "--prompts no-prompt" in jobs["evaluate-no-prompt-0"]
    assert "--prompt '<text>'" in jobs["train-no-prompt-0"]
    assert "--prompts" not in jobs["evaluate-text-0"]
    assert "--template faithful --mask faithful" in jobs["train-faithful-0"]
    assert "llava-pretrain/captions.jsonl" in jobs["train-image-text-0"]
    assert "nli_for_simcse" not in jobs["train-image-text-0"]
    assert "--ablate prompt" in jobs["evaluate-untuned"]
    assert "--tiling transformers-4.41" in jobs["evaluate-text-1-transformers-4.41"]
    mixed = jobs["train-mixed-0"]
    assert "nli_for_simcse.csv:0.5 data/llava-pretrain/captions.jsonl:0.5 --model" in mixed
    assert ":0.5" not in jobs["train-image-text-0"]


def test_captions_are_drawn_both_ways_where_they_can_be() -> None:
    """Catches a Table 4 of one layout alone, or a run that fails where Pillow has no raqm."""
    assert not any("raqm" in str(job) for job in list_jobs(PLAN))
    jobs = {job.label: job for job in list_jobs(replace(PLAN, layouts=("basic", "raqm")))}
    shaped = {label for label in jobs if "raqm" in label}
    assert shaped == {"evaluate-text-0-raqm", "evaluate-text-1-raqm"}
    job = jobs["evaluate-text-0-raqm"]
    assert "--benchmark i2i-flickr30k i2i-coco --data" in str(job)
    assert "--layout raqm" in str(job)
    assert "evaluate-text-0" in job.needs, "the photos are in its cache"
    assert "--cache out/evaluate/text-0/vectors.sqlite" in str(job)


def test_only_what_is_needed_is_made() -> None:
    """Catches a base that is downloaded, or 27 GB of images that are fetched, for nothing."""
    plan = replace(PLAN, settings=tuple(find_settings(["mistral-text"])), seeds=(0,))
    labels = {job.label for job in list_jobs(plan)}
    assert "data-nli" in labels
    assert not {"data-llava-pretrain", "convert-llama3", "verify-llama3"} & labels
    assert "evaluate-mistral-text-0" in labels


def test_what_cannot_be_run_has_no_job() -> None:
    """Catches a run that fails at the end of the night on a model that was never there."""
    assert not any("phi3" in job.label for job in list_jobs(PLAN))
    assert BASES["phi3"].missing
