"""The docs say what is so: the plan of the rooms, every option, every link."""

import re
from pathlib import Path

import pytest

import e5v
from docs.site_pages import PLAN, describe_http, list_help, list_public_names, write_plan
from e5v.model.recipe import Recipe
from e5v.model.recipes import RECIPES, REFUSED

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "e5v"
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
}
FOREIGN = {  # options of other programs, and the two that stand before a verb
    "--nproc-per-node",
    "--index-url",
    "--completion",
    "--rows",  # of nano.triplets
    *("--array", "--cpus-per-task", "--gres", "--wrap"),  # of sbatch
    *("--target", "--wait"),  # of docker
    *("--runner", "--trust-request-chat-template"),  # of vllm
    "--logdir",  # of tensorboard
    "--help",
    "--version",
    "--strict",
}
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
NAMED = re.compile(r"`(src/e5v/[^`]*)`")


def test_the_plan_of_the_rooms_is_that_of_the_source() -> None:
    """A plan that lacks a new file, or has one that is gone: `python -m docs.site_pages`."""
    kept = PLAN.search(PAGES["docs/architecture.md"])
    assert kept is not None
    assert kept[0] == write_plan(), "run python -m docs.site_pages"


def test_every_file_is_in_the_plan() -> None:
    """A file that the writer of the plan passes over, and a path that leads nowhere."""
    named = set(NAMED.findall(PAGES["docs/architecture.md"]))
    assert all((ROOT / path).exists() for path in named)
    folders = tuple(path for path in named if path.endswith("/"))
    for path in SOURCE.rglob("*"):
        written = path.relative_to(ROOT).as_posix()
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        room_title = path.name == "__init__.py" and path.parent != SOURCE
        assert written in named or written.startswith(folders) or room_title, written


def test_the_guide_lists_every_recipe() -> None:
    """A recipe that no user hears of, and a model, side or licence that is another's."""
    guide = PAGES["docs/guides/encode.md"]
    for recipe in RECIPES:
        ids = ", ".join(f"`{id}`" for id in recipe.ids if "/" in id)
        sides = [side for side in ("query", "document") if _takes_instruction(recipe, side)]
        told = {0: "none", 1: "queries", 2: "queries and documents"}[len(sides)]
        assert f"| `{recipe.name}` | {ids} | {told} | {recipe.licence} |\n" in guide
    assert all(refused.name in guide for refused in REFUSED)


def _takes_instruction(recipe: Recipe, side: str) -> bool:
    wording = getattr(recipe, side)
    return wording is not None and wording.instructed is not None


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file(page: str) -> None:
    """A link to a page that was moved."""
    for link in LINK.findall(FENCE.sub("", PAGES[page])):
        assert ((ROOT / page).parent / link).exists(), link


def test_every_option_that_the_docs_name_exists() -> None:
    """An option that was renamed, or a verb that is not in the reference."""
    shown = list_help()
    options = set(re.findall(r"--[a-z][a-z-]+", shown)) | FOREIGN
    verbs = set(re.findall(r"^## e5v (\w+)$", shown, re.MULTILINE))
    others = {"docs/miniature.md", "docs/paper.md"}  # whose options are those of nano/, paper/
    for page in PAGES.keys() - others:
        text = PAGES[page]
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= options, page
        assert set(re.findall(r"`e5v ([a-z]+)[ `]", text)) <= verbs, page


def test_the_references_are_complete() -> None:
    """A public name, or a route, that no page describes."""
    names = list_public_names()
    assert all(f"::: e5v.{name}\n" in f"{names}\n" for name in set(e5v.__all__) - {"__version__"})
    routes = describe_http()
    assert {"POST /v1/embeddings", "GET /metrics"} <= set(
        re.findall(r"^## (.*)$", routes, re.MULTILINE)
    )
    assert "&lt;text>" in routes, "a template's slot, which a browser would take for a tag"
