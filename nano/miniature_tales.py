"""The parts of docs/miniature.md that are for reading: words, cost, and queries in free English.

Findings -> paragraphs and tables
"""

from collections.abc import Iterator, Sequence

from nano.findings import Findings, Record
from nano.tables import table

SAID = 2  # words of an item that are shown


def words(findings: Findings) -> Iterator[str]:
    """Say what images and captions say, before and after."""
    base, text = findings.first("base"), findings.first("text")
    if base is None or text is None or "words" not in base or "words" not in text:
        return
    yield "## The one word\n"
    yield (
        "Figure 1 of the paper: what a vector says if the language model may go on. Probabilities "
        "in brackets; tuned is the first seed of text-only training.\n"
    )
    rows = [
        (
            before["caption"],
            _said(before["image says"]),
            _said(before["caption says"]),
            _said(after["image says"]),
            _said(after["caption says"]),
        )
        for before, after in zip(base["words"], text["words"], strict=True)
    ]
    heads = ("caption", "image, untuned", "caption, untuned", "image, tuned", "caption, tuned")
    yield table(heads, rows)
    agreed = [_agreed(one["words"]) for one in (base, text)]
    yield (
        f"Image and caption say the same first word in {agreed[0]} of {len(rows)} untuned, and in "
        f"{agreed[1]} tuned.\n"
    )


def _said(words: Sequence[Record]) -> str:
    return ", ".join(f"{one['word']} ({one['probability']:.2f})" for one in words[:SAID])


def _agreed(rows: Sequence[Record]) -> int:
    firsts = [[one[side][:1] for side in ("image says", "caption says")] for one in rows]
    return sum(
        bool(image and text) and image[0]["word"] == text[0]["word"] for image, text in firsts
    )


def cost(findings: Findings) -> Iterator[str]:
    """Say what text-only training saves, by the tokens of an image."""
    if findings.cost is None:
        return
    ours, papers = findings.cost["nano"], findings.cost["llava-next-8b"]
    photo = next(one for one in papers["images"] if one["image_tokens"] == 2340)  # noqa: PLR2004
    yield "## Why the paper saves 95.7 %\n"
    yield (
        "The saving is a matter of tokens per image. A step goes forward once and back once, over "
        "the same captions, with a picture in the anchor's place or without. At the paper's size "
        f"it is arithmetic alone: a sentence in its prompt is {papers['text_tokens']} tokens, a "
        f"photo of 640 x 480 {photo['image_tokens']:,}, which makes "
        f"{photo['saved_flops_without_negatives']:.1f} % without hard negatives and "
        f"{photo['saved_flops']:.1f} % with them, beside the "
        f"{papers['paper_saved_hours']:.1f} % of the paper's hours. Here a picture of one tile, "
        f"seen twice as LLaVA-NeXT does, is {ours['images'][0]['image_tokens']} tokens, and "
        f"{ours['images'][0]['saved_flops']:.0f} % of the operations are saved.\n"
    )
    rows = [
        ("here", one["tiles"], one["image_tokens"], _percent(one["saved_flops"]), _cpu(one))
        for one in ours["images"]
    ]
    rows += [
        ("LLaVA-NeXT-8B", one["tiles"], one["image_tokens"], _percent(one["saved_flops"]), "")
        for one in papers["images"]
    ]
    heads = ("", "tiles", "tokens of an image", "operations saved", "CPU time saved")
    yield table(heads, rows)


def _percent(value: float) -> str:
    return f"{value:.1f} %"


def _cpu(one: Record) -> str:
    return f"{_percent(one['saved_cpu'])} ({one['cpu_seconds']:.2f} s a step)"


def english(findings: Findings) -> Iterator[str]:
    """Say what ten queries find that are worded as the world never words anything."""
    text = findings.first("text")
    if text is None or "english" not in text:
        return
    yield "## Queries in free English\n"
    yield (
        "In words that the scenes' captions are not made of, and what the first seed of "
        "text-only training finds first among the images, by the captions of these. Good and bad "
        "alike; nothing was picked.\n"
    )
    rows = [(one["query"], *one["found"]) for one in text["english"]]
    yield table(("query", "first", "second", "third"), rows)


def measured(findings: Findings) -> Iterator[str]:
    """Say what all this was measured with."""
    base = findings.first("base")
    assert base is not None
    versions = ", ".join(f"{name} {base['versions'][name]}" for name in ("torch", "transformers"))
    yield (
        f"Measured on {base['device']}, {base['machine']['cpu']}, in {base['dtype']}, with "
        f"{versions}. The machine of each result is named in its file.\n"
    )
