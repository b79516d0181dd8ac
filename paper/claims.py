"""The paper's claims beside what was found: each is reproduced, is not, or cannot be told.

QUESTIONS -> two of our rows, or one and a published figure -> nano.findings' rule -> Claim
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from e5v.evaluation.published import MEAN, Key
from e5v.evaluation.report_text import duration
from nano.findings import IMAGES, NO_PROMPT, ONE_WORD, PROMPT, TEXTS, Verdict
from paper.costs import TrainingCost
from paper.findings import Findings, Side
from paper.tables import CIRR, LAYOUTS, PUBLISHED, TEXT, Layout

COCO, FASHION = "COCO 5K", "FashionIQ"
NARROWER = 0.9  # of a distance that counts as narrowed
MIXED = 0.6  # share told right up to which images and texts count as mixed
CHEAPER = 0.1  # of the cost that counts as far cheaper
FLIPPED: Mapping[Verdict, Verdict] = {"above": "below", "below": "above", "level": "level"}
EVA, CLIP = "EVA-02-CLIP 5B", "CLIP ViT-L"


@dataclass(frozen=True)
class Claim:
    """A claim: its number in the list of the paper's, what the paper says, what was found.

    `verdict` is above for what is reproduced, below for what is not, level for what cannot be told,
    and None for what was not measured. What is `timed` is another figure in every run.
    """

    number: int
    paper: str
    ours: str
    verdict: Verdict | None
    timed: bool = False


@dataclass(frozen=True)
class Against:
    """The paper says that E5-V is ahead of a published figure, or behind it."""

    number: int
    paper: str
    table: str
    rival: str
    key: Key
    ahead: bool = True


@dataclass(frozen=True)
class Between:
    """The paper says that one of its own rows is ahead of another, on average."""

    number: int
    paper: str
    one: Side
    other: Side
    key: Key = MEAN


def _ask(number: int, table: str, rival: str, key: Key, *, ahead: bool = True) -> Against:
    """Ask of one figure in a table, whose column gives its name."""
    layout = next(one for one in LAYOUTS if one.name == table)
    column = next(one for one in layout.columns if one.key == key)
    where = f"{FASHION if key[0].startswith(FASHION) else ''} {column.group}, {column.name}".strip()
    return Against(
        number, f"{where}: {'ahead of' if ahead else 'behind'} {rival}", table, rival, key, ahead
    )


UNTUNED = Side("untuned", ONE_WORD)
QUESTIONS: tuple[Against | Between, ...] = (
    *(
        _ask(1, "Table 1", rival, (title, IMAGES, "R@1"))
        for title in ("Flickr30K 1K", COCO)
        for rival in (CLIP, EVA)
    ),
    *(
        _ask(1, "Table 1", EVA, (title, TEXTS, "R@1"), ahead=False)
        for title in ("Flickr30K 1K", COCO)
    ),
    _ask(3, "Table 3", "iSEARLE-XL", ("FashionIQ val", "mean", "R@10")),
    _ask(3, "Table 3", "iSEARLE-XL", ("FashionIQ val", "mean", "R@50")),
    _ask(3, "Table 3", "CIReVL", ("FashionIQ val", "dress", "R@10"), ahead=False),
    *(
        _ask(4, "Table 4", EVA, (title, task, "R@1"))
        for title in ("I2I-Flickr30K", "I2I-COCO")
        for task in (IMAGES, TEXTS)
    ),
    _ask(5, "Table 5", "PromptEOL", ("STS", "mean", "Spearman")),
    Between(
        6,
        'untuned, one word is far better than without "in one word" (61.9 against 10.3)',
        UNTUNED,
        Side("untuned", PROMPT),
    ),
    Between(
        6,
        "untuned, one word is far better than no prompt (61.9 against 9.2)",
        UNTUNED,
        Side("untuned", NO_PROMPT),
    ),
    Between(
        6,
        'tuned, it is still better than without "in one word" (80.7 against 75.6)',
        TEXT,
        Side("prompt"),
    ),
    Between(
        6, "tuned, it is still better than no prompt (80.7 against 68.2)", TEXT, Side("no-prompt")
    ),
    Between(6, "tuning on texts alone makes all of it better (61.9 becomes 80.7)", TEXT, UNTUNED),
    Between(
        7,
        "training on texts is better than training on images and texts (80.7 against 73.1)",
        TEXT,
        Side("image-text"),
    ),
    Between(
        8,
        "it holds for LLaVA-1.6 Mistral (60.5 becomes 79.3)",
        Side("mistral-text"),
        Side("mistral-untuned"),
    ),
    Between(
        8, "it holds for Phi-3-vision (64.2 becomes 78.3)", Side("phi3-text"), Side("phi3-untuned")
    ),
)


def make_claims(findings: Findings, costs: Mapping[str, TrainingCost]) -> list[Claim]:
    """Return all claims, those of one number together."""
    claims = [_judge(findings, one) for one in QUESTIONS]
    claims += [_tell_of_server(findings), _compare_costs(costs), *_measure_gap(findings)]
    return sorted(claims, key=lambda one: one.number)


def _judge(findings: Findings, asked: Against | Between) -> Claim:
    if isinstance(asked, Between):
        ours = [findings.sample(side, asked.key) for side in (asked.one, asked.other)]
        verdict = findings.compare(asked.one, asked.other, asked.key)
        told = "" if verdict is None else f"{ours[0]} against {ours[1]}"
        return Claim(asked.number, asked.paper, told, verdict)
    layout = next(one for one in LAYOUTS if one.name == asked.table)
    published = _find_published(asked, layout)
    sample = findings.sample(TEXT, asked.key)
    verdict = findings.judge_against(TEXT, asked.key, published)
    if verdict is not None and not asked.ahead:
        verdict = FLIPPED[verdict]
    told = "" if sample is None else f"{sample} against {published:.{layout.decimals}f}"
    return Claim(asked.number, asked.paper, told, verdict)


def _find_published(asked: Against, layout: Layout) -> float:
    keys = [column.key for column in layout.columns]
    value = PUBLISHED[asked.table][asked.rival][keys.index(asked.key)]
    assert value is not None  # the tests ask every question
    return value


def _tell_of_server(findings: Findings) -> Claim:
    """Say of CIRR's test set, whose answers only its server has, what is known."""
    sample = findings.sample(TEXT, (CIRR, "CIRR", "R@5"))
    told = "the server alone can tell: send it evaluate/text-*/CIRR-recall.json"
    if sample is not None:
        told = f"on the validation set R@5 {sample} (the paper 66.6); of the test, {told}"
    return Claim(2, "CIRR test, R@1 and R@5: 8.5 and 10.1 ahead of iSEARLE-XL", told, None)


def _compare_costs(costs: Mapping[str, TrainingCost]) -> Claim:
    paper = "... and far cheaper: 1.5 hours against 34.9 on 32 GPUs (4 %)"
    one, other = costs.get("text"), costs.get("image-text")
    if one is None or other is None:
        return Claim(7, paper, "", None, timed=True)
    share = one.seconds / other.seconds
    took = f"{duration(one.seconds)} against {duration(other.seconds)}"
    told = f"{took} on one device ({100 * share:.0f} %)"
    return Claim(7, paper, told, "above" if share <= CHEAPER else "below", timed=True)


def _measure_gap(findings: Findings) -> Iterator[Claim]:
    """Judge Figure 3, which the paper draws of the untuned model and gives no numbers for."""
    before, after = (
        findings.gap_mean(Side("untuned", prompt), COCO, "centroid_distance")
        for prompt in (NO_PROMPT, ONE_WORD)
    )
    apart = findings.gap_mean(UNTUNED, COCO, "separability")
    narrowed, removed = (
        "the prompt narrows the modality gap (Figure 3)",
        "... and removes it, to the eye (Figure 3)",
    )
    if before is None or after is None or apart is None:
        yield from (Claim(6, paper, "", None) for paper in (narrowed, removed))
        return
    told = f"distance of the centroids: {before:.2f} without a prompt, {after:.2f} with it"
    yield Claim(6, narrowed, told, "above" if after < NARROWER * before else "below")
    told = f"a plane tells {100 * apart:.0f} % of held-out vectors right (50 % if mixed)"
    yield Claim(6, removed, told, "above" if apart < MIXED else "below")
