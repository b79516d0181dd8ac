"""Tables 1 to 8 of the paper, with our rows beside the authors'.

published.json, e5v.evaluation -> what the paper says -+-> Table: rows of cells, ours judged
findings                       -> what was found here -+
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from e5v.evaluation.benchmarks import BENCHMARKS, MEANS
from e5v.evaluation.composed import CIRR_CUTOFFS, FASHIONIQ_CUTOFFS
from e5v.evaluation.published import COLUMNS, IMAGE_TEXT, MEAN, OTHERS, TUNED, UNTUNED, Key
from nano.findings import IMAGES, TEXTS, Sample, Verdict
from paper.findings import Findings, Side
from paper.settings import find_settings
from paper.ways import OLD, SHAPED

PUBLISHED: dict[str, dict[str, list[float | None]]] = json.loads(
    Path(__file__).with_name("published.json").read_text(encoding="utf-8")
)  # rows of others in Tables 1 to 5
CIRR = "CIRR val"
E5V_KEYS: Mapping[Key, float] = {
    **{
        (one.title, task, metric): value
        for one in BENCHMARKS
        for (task, metric), value in one.paper.items()
    },
    **{(one.title, "mean", one.metric): one.paper for one in MEANS},
}
RECALLS = (1, 5, 10)
SHORT = {"STSBenchmark": "STS-B", "SICKRelatedness": "SICK-R"}
TEXT, OLD_TEXT, SHAPED_TEXT = Side("text"), Side("text", way=OLD), Side("text", way=SHAPED)
[MIXED] = find_settings(("mixed",))


@dataclass(frozen=True)
class Column:
    """One column: the heading that it stands under, its own, and its figure."""

    group: str
    name: str
    key: Key


@dataclass(frozen=True)
class Cell:
    """One figure of ours, the paper's, and how the two stand."""

    ours: Sample | None
    paper: float | None
    verdict: Verdict | None = None

    @property
    def difference(self) -> float | None:
        """Percentage points above the paper's."""
        if self.ours is None or self.paper is None:
            return None
        return self.ours.mean - self.paper


@dataclass(frozen=True)
class Row:
    """One row: of the paper alone, or ours beside it; `note` says what is to be known."""

    title: str
    cells: tuple[Cell, ...]
    is_ours: bool = False
    note: str = ""


@dataclass(frozen=True)
class Entry:
    """What a row of ours is: its title, the paper's figures in the order of the columns.

    What is `ours_alone` is not in the paper, and shown only if it was measured.
    """

    title: str
    side: Side
    paper: Sequence[float | None] = ()
    note: str = ""
    ours_alone: bool = False


@dataclass(frozen=True)
class Layout:
    """A table before anything is measured; `decimals` are those of the paper."""

    name: str
    title: str
    columns: tuple[Column, ...]
    entries: tuple[Entry, ...]
    decimals: int = 1


@dataclass(frozen=True)
class Table:
    """A table as it is shown."""

    layout: Layout
    rows: tuple[Row, ...]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The headings over the columns, each with the number that stands under it."""
        counted: dict[str, int] = {}
        for one in self.layout.columns:
            counted[one.group] = counted.get(one.group, 0) + 1
        return list(counted.items())


def _make_retrieval(before: str, titles: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns of Table 1 or 4: recalls of both data sets, images first."""
    ways = ((IMAGES, "text to image"), (TEXTS, "image to text"))
    return tuple(
        Column(f"{before}{title.split()[0].removeprefix('I2I-')}, {way}", f"R@{k}", key)
        for task, way in ways
        for title in titles
        for k in RECALLS
        for key in [(title, task, f"R@{k}")]
    )


def _make_ablation() -> tuple[Column, ...]:
    """Return the columns of Tables 6 to 8."""
    columns = []
    for key in COLUMNS:
        title, task, metric = key
        way = {IMAGES: "T→I ", TEXTS: "I→T "}.get(task, "")
        columns.append(Column(title.removesuffix(" val"), f"{way}{metric}", key))
    return (*columns, Column("Avg.", "of 11", MEAN))


def _make_composed(title: str, task: str, cutoffs: Sequence[int]) -> tuple[Column, ...]:
    group = task if task == "CIRR" else task.capitalize().replace("Mean", "Average")
    return tuple(Column(group, f"R@{k}", (title, task, f"R@{k}")) for k in cutoffs)


def _look_up(columns: Sequence[Column]) -> tuple[float | None, ...]:
    return tuple(E5V_KEYS.get(one.key) for one in columns)


def _make_pair(columns: Sequence[Column], where: str = "") -> tuple[Entry, ...]:
    """Return E5-V's rows: with images cut as they should be, and as the pinned library cut them."""
    paper = _look_up(columns)
    return (
        Entry(f"E5-V{where}", TEXT, paper),
        Entry(f"E5-V{where}, images cut as by transformers 4.41", OLD_TEXT, paper, ours_alone=True),
    )


RETRIEVED = _make_retrieval("", ("Flickr30K 1K", "COCO 5K"))
DRAWN = _make_retrieval("I2I-", ("I2I-Flickr30K", "I2I-COCO"))
CIRR_COLUMNS = _make_composed(CIRR, "CIRR", CIRR_CUTOFFS)
FASHION = tuple(
    column
    for task in ("shirt", "dress", "toptee", "mean")
    for column in _make_composed("FashionIQ val", task, FASHIONIQ_CUTOFFS)
)
SENTENCES = (
    *(
        Column("STS", SHORT.get(one.title, one.title), (one.title, one.title, "Spearman"))
        for one in BENCHMARKS
        if one.table == "Table 5"
    ),
    Column("STS", "Avg.", ("STS", "mean", "Spearman")),
)
ABLATED = _make_ablation()
LAYOUTS: tuple[Layout, ...] = (
    Layout("Table 1", "Text and image retrieval, zero-shot", RETRIEVED, _make_pair(RETRIEVED)),
    Layout(
        "Table 2",
        "Composed image retrieval on CIRR: the paper's on the test server, ours on validation",
        CIRR_COLUMNS,
        _make_pair(CIRR_COLUMNS, ", validation set"),
        2,
    ),
    Layout("Table 3", "Composed image retrieval on FashionIQ", FASHION, _make_pair(FASHION), 2),
    Layout(
        "Table 4",
        "Retrieval of captions drawn as images",
        DRAWN,
        (
            *_make_pair(DRAWN),
            Entry(
                "E5-V, captions drawn with raqm",
                SHAPED_TEXT,
                _look_up(DRAWN),
                "as the official code draws them where Pillow has raqm",
                ours_alone=True,
            ),
        ),
    ),
    Layout(
        "Table 5",
        "Sentence similarity, Spearman's correlation",
        SENTENCES,
        (Entry("E5-V", TEXT, _look_up(SENTENCES)),),
        2,
    ),
    Layout(
        "Table 6",
        "The prompt, before and after tuning on texts",
        ABLATED,
        (
            *(
                Entry(f"untuned, {prompt}", Side("untuned", prompt), UNTUNED[prompt])
                for prompt in UNTUNED
            ),
            Entry(
                "untuned, one word, images cut as by transformers 4.41",
                Side("untuned", way=OLD),
                UNTUNED["one word"],
                ours_alone=True,
            ),
            Entry("tuned, no prompt", Side("no-prompt"), TUNED["no prompt"]),
            Entry("tuned, prompt", Side("prompt"), TUNED["prompt"]),
            Entry("tuned, one word: E5-V", TEXT, TUNED["one word"]),
            Entry(
                "tuned, one word, with the script's template and mask",
                Side("faithful"),
                TUNED["one word"],
                "the released script trains so; whether the paper's model was is not known",
                ours_alone=True,
            ),
        ),
    ),
    Layout(
        "Table 7",
        "What is trained on",
        ABLATED,
        (
            Entry("images and texts", Side("image-text"), IMAGE_TEXT),
            Entry("texts alone: E5-V", TEXT, TUNED["one word"]),
            Entry(
                "both, mixed",
                Side("mixed"),
                (),
                f"not in the paper: {MIXED.mixture} in every batch",
                ours_alone=True,
            ),
        ),
    ),
    Layout(
        "Table 8",
        "Other models",
        ABLATED,
        (
            Entry("Phi-3-vision, untuned", Side("phi3-untuned"), OTHERS["phi3"]["untuned"]),
            Entry("Phi-3-vision, tuned", Side("phi3-text"), OTHERS["phi3"]["tuned"]),
            Entry(
                "LLaVA-1.6 Mistral, untuned", Side("mistral-untuned"), OTHERS["mistral"]["untuned"]
            ),
            Entry("LLaVA-1.6 Mistral, tuned", Side("mistral-text"), OTHERS["mistral"]["tuned"]),
            Entry("LLaVA-NeXT LLaMA-3, untuned", Side("untuned"), UNTUNED["one word"]),
            Entry("LLaVA-NeXT LLaMA-3, tuned", TEXT, TUNED["one word"]),
        ),
    ),
)


def build_tables(findings: Findings) -> list[Table]:
    """Return all tables; what was not measured is an empty cell."""
    return [Table(one, tuple(_build_rows(one, findings))) for one in LAYOUTS]


def _build_rows(layout: Layout, findings: Findings) -> Iterator[Row]:
    for title, values in PUBLISHED.get(layout.name, {}).items():
        yield Row(title, tuple(Cell(None, value) for value in values))
    for entry in layout.entries:
        papers = entry.paper or (None,) * len(layout.columns)
        cells = tuple(
            _make_cell(findings, entry.side, column.key, paper)
            for column, paper in zip(layout.columns, papers, strict=True)
        )
        if not entry.ours_alone or any(cell.ours for cell in cells):
            yield Row(entry.title, cells, is_ours=True, note=entry.note)


def _make_cell(findings: Findings, side: Side, key: Key, paper: float | None) -> Cell:
    verdict = None if paper is None else findings.judge_against(side, key, paper)
    return Cell(findings.sample(side, key), paper, verdict)
