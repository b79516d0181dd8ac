"""The figures in the README, the guides and the other pages are those of committed results."""

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.encode import ST
from benchmarks.train import OFFICIAL
from e5v.model.bundled import NAMES, PAPER
from e5v.model.catalogue import MODELS
from e5v.verbs.models import format_count
from nano.findings import EDITS, IMAGES, NO_PROMPT, ONE_WORD, TEXTS, read_findings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text()
GUIDES = {path.stem: path.read_text() for path in (DOCS / "guides").glob("*.md")}
SPEED = (DOCS / "speed.md").read_text()
RESULTS = ROOT / "benchmarks" / "results"


def _result(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return found


def test_the_figures_are_the_measured_ones() -> None:
    """A table that was true of some other version, or of nobody's machine."""
    texts, others = _result("encode-cpu-texts"), _result("encode-cpu")
    counts = others["settings"]
    rows = (
        ("texts", f"{counts['texts']} sentences", texts),
        ("photos", f"{counts['photos']} photos", others),
        ("mixed", "both, shuffled", others),
    )
    for task, title, result in rows:
        times = result["comparisons"]["all in bfloat16"]["medians_over_e5v"][task]
        peers = ("official", "sentence-transformers, batches of 8")
        cells = " | ".join(f"{times[peer]:.1f}x" for peer in peers)
        assert f"| {title} | {cells} |" in SPEED
    shares = {
        (one["task"], one["contender"]): one["share_of_matmul_rate"]
        for result in (others, texts)
        for one in result["series"]
    }
    on_texts, on_photos = (round(100 * shares[task, "e5v"]) for task in ("texts", "photos"))
    assert f"{on_texts} % of the rate" in SPEED
    assert f"on photos {on_photos} %" in SPEED


def test_the_figures_of_the_miniature_are_the_measured_ones() -> None:
    """A gain that is not the one in docs/miniature.md."""
    found = read_findings(ROOT / "nano" / "results")
    asked = (("base", NO_PROMPT), ("base", ONE_WORD), ("text", ONE_WORD), ("pairs", ONE_WORD))
    for title, task in (
        ("text to image", IMAGES),
        ("image to text", TEXTS),
        ("image and edit to image", EDITS),
    ):
        cells = [str(found.figure(setting, task, "R@1", variant)) for setting, variant in asked]
        assert f"| {title} | {' | '.join(cells)} |" in GUIDES["train"]


def test_the_models_are_those_of_the_catalogue() -> None:
    """A model that is left out, or whose size, tokens or score is another one's."""
    lines = GUIDES["models"].splitlines()
    published = [one for one in MODELS if one.id not in (*NAMES, PAPER)]
    assert f"| {len(published)} published embedders" in README
    for one in MODELS:
        [row] = [line for line in lines if line.startswith(f"{one.id} ")]
        cells = [format_count(one.shape.parameters), f"{one.see().tokens:,}", one.licence]
        cells += [f"{score.benchmark} {score.value:g}" for score in one.scores]
        assert all(f" {cell} " in f"{row} " for cell in cells), row


def test_the_costs_of_image_budgets_are_the_measured_ones() -> None:
    """A limit that is said to save more, or to lose less, than it does."""
    result = _result("image-budget")
    costs = {(one["family"], one["budget"]): one for one in result["costs"]}
    lines = [line for line in GUIDES["encode"].splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    shown = [row for row in rows if len(row) == 4 and row[0] in {name for name, _ in costs}]
    assert {row[0] for row in shown} == {name for name, _ in costs}
    for family, limit, tokens, ratio in shown:
        one = costs[family, None if limit == "none" else int(limit.replace(",", ""))]
        assert (tokens, ratio) == (f"{one['tokens']:,}", f"{one['ratio']:.2f}")
    page = " ".join(GUIDES["encode"].split())
    for one in result["nano"]:
        found = [one["figures"][f"{kind} retrieval, R@1"] for kind in ("image", "text")]
        tokens = f"({one['tokens']:.0f}" if one["budget"] != 26 else "26, one tile"
        between = " from text to image and " if one["budget"] is None else " and "
        said = between.join(f"{figure:.1f}" for figure in found)
        assert re.search(re.escape(tokens) + r"[^;]* " + re.escape(said), page), said


def test_the_costs_of_weights_in_fewer_bits_are_the_measured_ones() -> None:
    """Bits that are said to cost less time, or less of what is found, than they do."""
    result = _result("weights-cpu")
    full = result["random"][0]
    for random, real in zip(result["random"], result["real"], strict=True):
        assert random["way"] == real["way"]
        times = [random[f"{kind}_seconds"] / full[f"{kind}_seconds"] for kind in ("text", "photo")]
        cosines = [random["mean_cosine"], real["mean_cosine"], real["lowest_cosine"]]
        names = ("image retrieval, R@5", "text retrieval, R@5", "pairs, Spearman")
        cells = [random["way"], f"{random['weights_mib']:,} MiB"]
        cells += [f"{one:.1f}" for one in times] + [f"{one:.3f}" for one in cosines]
        cells += [f"{real['figures'][name]:.1f}" for name in names]
        assert f"| {' | '.join(cells)} |" in GUIDES["encode"]


def test_the_first_answers_are_the_measured_ones() -> None:
    """A command that is said to be quicker than it was, or to import what it does without."""
    result = _result("first-answer-cpu")
    page = (ROOT / "docs" / "speed.md").read_text()
    found = {one["command"]: one for one in result["commands"]}
    rows = {
        "search, a server runs": "`e5v search`, a server of the index runs",
        "index, nothing changed": "`e5v index`, nothing changed",
        "search": "`e5v search` without a server",
    }
    for command, title in rows.items():
        one = found[command]
        assert f"| {title} | {one['wall_seconds']:.1f} s | {one['peak_mib']} MiB |" in page
    assert result["settings"]["files"] == 20_000
    assert found["search, a server runs"]["heavy"] == []
    assert "torch" not in found["index, nothing changed"]["heavy"]


def test_the_error_of_prices_is_the_measured_one() -> None:
    """A price that is said to be better than it was."""
    result = _result("prices-cpu")
    page = " ".join(GUIDES["models"].split())
    assert f"are off by {100 * result['median_error']:.0f} % in the median" in page
    worst = max(row["error"] for row in result["rows"])
    assert f"the worst of six by {100 * worst:.0f} %" in page
    assert {row["size"] for row in result["rows"]} == {"small", "500m", "2b"}
    assert result["median_error"] <= result["target"]


def test_the_figures_of_training_are_the_measured_ones() -> None:
    """A speed of learning, or a memory, that nobody measured."""
    result = _result("train-cpu")
    series = {one["contender"]: one for one in result["series"]}
    times = {contender: one["seconds_over_e5v"] for contender, one in series.items()}
    memory = {contender: one["peak_mib"] / 1024 for contender, one in series.items()}
    page = " ".join(GUIDES["train"].split())
    assert f"One step on {result['settings']['batch']} triplets takes" in page
    assert f"cached loss {times[ST]:.1f} times as long as e5v" in page
    assert f"official script's way {times[OFFICIAL]:.1f} times" in page
    assert (
        f"in {memory[ST]:.1f} GiB and {memory[OFFICIAL]:.1f} against our {memory['e5v']:.1f}"
        in page
    )


def test_the_figures_of_training_on_images_are_the_measured_ones() -> None:
    """A speed of learning from photographs, or a memory, that nobody measured."""
    result = _result("train-cpu-images")
    series = {one["contender"]: one for one in result["series"]}
    memory = {contender: one["peak_mib"] / 1024 for contender, one in series.items()}
    page = " ".join(GUIDES["train"].split())
    said = (
        f"On {result['settings']['batch']} pairs of a photograph and its caption, "
        f"sentence-transformers takes {series[ST]['seconds_over_e5v']:.1f} times as long, in "
        f"{memory[ST]:.1f} GiB against our {memory['e5v']:.1f}"
    )
    assert said in page


def test_the_figures_of_searching_are_the_measured_ones() -> None:
    """A speed of search that nobody measured, or one that is paid for with what is not found."""
    measured = [one for one in _result("search-cpu")["measured"] if one["world"] == "clustered"]
    last = measured[-1]
    said = (
        f"Among {last['rows']:,} vectors of {last['dim']:,} numbers, ten are found "
        f"{last['exact_p50'] / last['p50']:.0f} times as fast on 2 cores as by comparing all, "
        f"with a recall of {last['recall']:.3f}"
    )
    assert said in " ".join(GUIDES["search"].split())


def test_the_figures_of_a_large_index_are_the_measured_ones() -> None:
    """A memory that an index of ten million does not keep to, or a speed that nobody measured."""
    page = (ROOT / "docs" / "scale-out.md").read_text()
    for one in _result("search-large")["measured"]:
        search = one["search"]
        kinds = (search["opened"], search["memory"], one["run"]["memory"])
        assert max(kind["anonymous"] for kind in kinds) <= 2048
        own = [kind["anonymous"] - kind["at_start"] for kind in kinds]
        cells = [f"{one['rows']:,}", f"{one['mib_on_disk']:,.0f} MiB"]
        cells += [f"{value:,.0f} MiB" for value in own]
        cells += [f"1/{1 / one['search_to_exact']:.0f}"]
        cells += [f"{search[f'{who}_recall']:.3f}" for who in ("search", "ivf_rq")]
        assert f"| {' | '.join(cells)} |" in page
    said = f"{one['rows']:,} entries takes {own[0]:.0f} MiB of memory to open"
    guide = " ".join(GUIDES["search"].split())
    assert said in guide
    assert f"finds nothing changed takes {own[2]:.0f} MiB" in guide


def test_the_figures_of_serving_are_the_measured_ones() -> None:
    """A throughput that nobody measured."""
    times = {
        one["contender"]: f"{one['rate_of_e5v_over_this']:.1f} times as many as"
        for one in _result("serve-cpu")["series"]
        if one["clients"] == 32
    }
    said = f"{times['e5v, one at a time']} one at a time, and {times['sentence-transformers']}"
    page = " ".join(GUIDES["serve"].split())
    assert f"with 32 clients on 2 cores it answers {said} sentence" in page
