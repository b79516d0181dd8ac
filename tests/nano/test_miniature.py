"""The document: what is a difference, what is said of it, and that it is what the results say."""

from pathlib import Path

import numpy as np
import pytest

from nano.export import make_gallery
from nano.findings import BOTH, Findings, Sample, compare, read_findings
from nano.miniature import (
    FILE,
    edits_by_seed,
    main,
    query_groups,
    write_document,
    write_effect,
)
from nano.study import RESULTS, SCENES, texts_of
from tests.nano.small import firsts, result, write_result

ROOT = Path(__file__).parents[2]


def findings(**recalls: float) -> Findings:
    """Give results by setting: base in three variants, the others in three seeds."""
    every = {
        name: [result(name, recall + seed, seed=seed) for seed in (-1, 0, 1)]
        for name, recall in recalls.items()
        if name != "base"
    }
    base = result("base", recalls["base"], variants=("no prompt", "prompt", "one word"))
    return Findings(every | {"base": [base]}, None)


def claim(every: Findings, paper: str) -> tuple[str, str]:
    """Return our figures and the verdict beside a claim of the paper, from the document."""
    rows = (line.split(" | ") for line in write_document("miniature", every).splitlines())
    return next(
        (ours, verdict[:-2])
        for told, ours, verdict in (
            row for row in rows if len(row) == 3 and row[0].startswith(f"| {paper}")
        )
    )


def recalls(*seeds: str) -> Sample:
    """Give a recall by the queries that each seed answers."""
    first = np.array([[*seed] for seed in seeds], dtype=np.float64)
    return Sample(list(100 * first.mean(1)), len(seeds[0]), first)


def test_a_difference_is_one_only_beyond_its_error() -> None:
    """A miniature that calls noise a reproduction is worth nothing."""
    noise = np.random.default_rng(1)

    def asked(share: float, queries: int) -> Sample:
        return recalls("".join(str(int(one)) for one in noise.random(queries) < share))

    assert compare(asked(0.8, 500), asked(0.6, 500)) == "above"
    assert compare(asked(0.6, 500), asked(0.8, 500)) == "below"
    assert compare(asked(0.8, 500), asked(0.79, 500)) == "level"
    assert compare(asked(0.8, 50_000), asked(0.78, 50_000)) == "above"
    wide = recalls(firsts(70, 50_000), firsts(90, 50_000))
    assert compare(wide, recalls(firsts(77, 50_000), firsts(77, 50_000))) == "level"


def test_the_same_queries_are_compared_one_by_one() -> None:
    """Three points are noise between strangers, and none where one answers all the other does."""
    more, fewer = recalls(firsts(80)), recalls(firsts(77))
    other = recalls(firsts(77)[::-1])
    assert compare(more, fewer) == "above"
    assert compare(more, other) == "level"


def test_correlations_are_compared_by_their_own_error() -> None:
    """A rank correlation has no queries that are right or wrong."""
    assert compare(Sample((91.0,), 600), Sample((84.0,), 600)) == "above"
    assert compare(Sample((91.0,), 600), Sample((90.0,), 600)) == "level"


def test_both_ways_are_one_query_of_a_scene() -> None:
    """Two ways of one scene, counted as two, would make every error too small."""
    every = findings(base=60.0)
    both = every.figure("base", BOTH)
    assert both is not None
    assert both.queries == 500
    assert both.first.mean() == pytest.approx(0.6)
    ways = every.results["base"][0]["scores"]["one word"]["figures"]
    ways["text retrieval"]["first"] = "".join(
        "10"[int(one)] for one in ways["image retrieval"]["first"]
    )
    both = every.figure("base", BOTH)
    assert both is not None
    assert set(both.first[0]) == {0.5}


def test_claims_hold_or_fail_as_the_numbers_do() -> None:
    """A sentence that stands whatever was measured is no result."""

    def verdict(text: float, pairs: float) -> str:
        return claim(findings(base=60.0, text=text, **{"pairs-bare": pairs}), "Text-only beats")[1]

    assert verdict(90.0, 70.0) == "reproduces"
    assert verdict(70.0, 90.0) == "**does not reproduce**"
    assert verdict(80.0, 80.5) == "cannot be told"


def test_composed_claims_are_of_rows_that_hold_no_edits() -> None:
    """The paper's rows hold none: texts with edits in them would win its Table 7 by another way."""
    every = findings(base=60.0, text=90.0, **{"text-plain": 70.0, "pairs-bare": 80.0})
    ours, verdict = claim(every, "... on composed")
    assert verdict == "**does not reproduce**"
    assert "70.0 ± 1.0" in ours


def test_the_first_metric_decides_and_the_other_stands_beside_it() -> None:
    """A verdict that takes whichever recall suits it."""
    every = findings(base=60.0, text=80.0)
    for one in every.results["text"]:
        for task in ("image retrieval", "text retrieval"):
            one["scores"]["one word"]["figures"][task]["R@5"] = 50.0
    ours, verdict = claim(every, "Tuning on text")
    assert verdict == "reproduces"
    assert "R@1 tuned 80.0 ± 1.0, untuned 60.0; R@5 tuned 50.0 ± 0.0, untuned 60.0" in ours


def test_a_query_counts_under_what_its_scene_holds_and_its_edit_changes() -> None:
    """Queries under another kind than theirs would explain the wrong thing."""
    gallery = make_gallery("test")
    alone = "".join("01"[scene.kind == "one"] for scene in gallery.scenes)
    moved = "".join(
        "01"[gallery.scenes[place].background != one.target.background]
        for place, one in gallery.edits
    )
    of = {"scenes": texts_of(SCENES)}
    every = Findings(
        {name: [result(name, 60.0, of=of)] for name in ("base", "text", "pairs")}, None
    )
    figures = every.results["text"][0]["scores"]["one word"]["figures"]
    figures["image retrieval"]["first"] = figures["text retrieval"]["first"] = alone
    figures["edits"]["first"] = moved
    groups = query_groups(every)
    every_group = [one for group in groups for one in group]
    assert sum(one["queries"] for one in every_group) == 500 + 200
    recalled = {one["kind"]: str(one["recalls"][1]) for one in every_group}
    right = {kind for kind, recall in recalled.items() if recall == "100.0"}
    assert right == {"one", "background"}
    assert {recall for kind, recall in recalled.items() if kind not in right} == {"0.0"}
    every.results["base"][0]["of"] = {"scenes": "others"}
    assert query_groups(every) == []


def test_a_seed_that_fails_is_told_beside_the_others() -> None:
    """A mean over seeds hides that one of them learnt less, and of what."""
    of = {"scenes": texts_of(SCENES)}
    results = {"base": [result("base", 60.0, of=of)]}
    for name, seeds in (("text", 3), ("text-sizes", 1)):
        results[name] = [
            result(name, 90.0, seed=n, of=of, trained={"sizes": 0.3}) for n in range(seeds)
        ]
    figures = results["text"][0]["scores"]["one word"]["figures"]
    figures["edits"] |= {"R@1": 0.0, "first": "0" * 500}
    ours, sized = edits_by_seed(Findings(results, None))
    assert [str(row[0]) for row in ours["seeds"]] == ["0.0", "90.0", "90.0"]
    assert set(ours["first"]) == {"below"}
    assert sized["first"] == []
    assert set(sized["ours"]) == {"above"}  # beside the first seed alone, as it has no other
    document = write_document("miniature", Findings(results, None))
    assert "_text_ is behind on which things there are, how many," in document
    assert "Beside _text_ of the same seed, it is ahead on which things there are" in document


def test_what_was_not_measured_is_not_spoken_of(tmp_path: Path) -> None:
    """A document made of half the results must not claim the other half."""
    alone = write_document("miniature", findings(base=60.0))
    assert "Tuning on text alone" not in alone
    assert "official script" not in alone
    whole = write_document(
        "miniature", findings(base=60.0, text=80.0, pairs=70.0, **{"faithful-template": 79.0})
    )
    assert "Tuning on text alone" in whole
    assert "_Text_ is ahead of _pairs_ on retrieval (80.0 ± 1.0 against 70.0 ± 1.0" in whole
    assert "_Text_ is not told apart from _faithful-template_" in whole
    with pytest.raises(SystemExit, match="make it with"):
        main(tmp_path)


def test_seeds_are_told_as_mean_and_spread(tmp_path: Path) -> None:
    """The best seed in place of their mean would be a number that nobody gets again."""
    for seed, recall in enumerate((78.0, 80.0, 82.0)):
        write_result(tmp_path, f"text-{seed}", result("text", recall, seed=seed))
    kept = read_findings(tmp_path)
    assert str(kept.figure("text", "image retrieval", "R@1")) == "80.0 ± 2.0"
    assert kept.figure("text", "image retrieval", "R@1", "no prompt") is None
    assert kept.cost_of("text", "cpu_seconds") == 90.0


def test_seconds_of_another_processor_are_left_out(tmp_path: Path) -> None:
    """A mean over two machines says how long neither took."""
    write_result(tmp_path, "base", result("base", 70.0, seed=0))
    write_result(tmp_path, "text-0", result("text", 78.0, seed=0))
    slow = result("text", 80.0, seed=1)
    slow["cost"] = slow["cost"] | {"cpu_seconds": 3000.0}
    slow["machine"] = slow["machine"] | {"cpu": "another"}
    write_result(tmp_path, "text-1", slow)
    kept = read_findings(tmp_path)
    assert kept.cost_of("text", "cpu_seconds") == 90.0
    assert [one["seed"] for one in kept.elsewhere] == [1]
    assert str(kept.figure("text", "image retrieval", "R@1")) == "79.0 ± 1.4"


def test_a_cell_does_not_break_its_table() -> None:
    """A caption with a bar in it would shift every cell after it."""
    says = [{"word": "dog", "probability": 0.5}]
    row = {"caption": "x|y", "image says": says, "caption says": says}
    results = [result(name, 60.0, words=[row]) for name in ("base", "text")]
    every = Findings({one["setting"]: [one] for one in results}, None)
    assert "| x\\|y | dog (0.50) | dog (0.50) |" in write_document("miniature", every)


def test_the_document_says_what_the_results_say() -> None:
    """Numbers in the document that no committed result has."""
    if not (RESULTS / "base.json").exists() and not FILE.exists():
        pytest.skip("there are no results and no document yet")
    assert FILE.read_text(encoding="utf-8") == write_document(
        "miniature", read_findings(RESULTS)
    ), "run python -m nano.miniature"


@pytest.mark.parametrize("name", ["README.md", "docs/guides/train.md"])
def test_the_table_of_the_effect_is_of_the_results(name: str) -> None:
    """A table in the README or the guide that is of other numbers."""
    table = write_effect(read_findings(RESULTS))
    assert len(table.splitlines()) == 5
    assert table in (ROOT / name).read_text(encoding="utf-8"), f"put this into {name}:\n{table}"
