"""The model card of the bundled model, with its numbers from the results.

Findings -> Markdown
"""

from __future__ import annotations

from nano.findings import EDITS, IMAGES, NO_PROMPT, PAIRS, TEXTS, Findings
from nano.tables import table

TEXT = """---
library_name: transformers
pipeline_tag: image-text-to-text
license: apache-2.0
language: en
---

# nano

A multimodal language model{size} that was made from nothing, to show on any computer what
E5-V does: asked for one word, it gives texts, images and both together vectors in one space, and it
was tuned for that on texts alone.

`base/` is the multimodal model as it was before (`E5V("nano-base")`): a
`LlavaNextForConditionalGeneration` with LLaMA-3's chat turn, which plain transformers opens and
which can describe a scene. `adapter/` is a LoRA that `e5v train` wrote, on texts alone.
`E5V("nano")` opens both and merges them.

## What it knows

Scenes of one to four emoji on a plain background: which things, how many, how large, what is left
of or above what, in front of which colour; captions of such scenes, and edits of them ("replace the
dog with a cat"). It was trained on drawings of Noto Color Emoji and of Twemoji, restyled.

## What it does not know

Photographs, and all that is in them. A photograph gets a vector like any image, and it means
nothing. Real sentences were a small part of its training: its English is a child's. It reads no
other language, and no writing in images. For anything real, take a real model:
`E5V("royokong/e5-v")`, or any image-text-to-text model tuned with `e5v train`.

It knows no people, and nothing about anyone; but a word that its vector "says" is a guess, and no
statement about what an image shows.

## Numbers

{numbers}
## Where it is from

The world of scenes, its captions and questions, and the stages of training are in `nano/` of the
repository of e5v; `runs/nano.sh` makes all of it again. No weights of another model went into it.
Its lessons grew while it was trained: of the 12,000 steps in which pictures were aligned with
words, the first 2,328 were of answers alone, the next 1,232 also of patches and of captions drawn
as pictures, then of answers and patches; from step 7,500 on, as the script has it from the start,
every picture is to be described whole, too, and drawings have outlines of all widths. The language
model was trained for 1,100 steps, and for 1,700 more before that step 7,500. The rate fell to
nothing at the ends of these runs, and at step 5,900; each went on from a part of its peak.

The drawings that it was trained on are Noto Color Emoji (Google, SIL Open Font License 1.1, which
does not extend to documents made with the font) and Twemoji (copyright Twitter, Inc and other
contributors, CC BY 4.0, https://creativecommons.org/licenses/by/4.0/; restyled and composed).
OpenMoji (CC BY-SA 4.0) was only tested on. Names of things are, for the most part, of the Unicode
CLDR (copyright Unicode, Inc., Unicode License V3). Real sentences were taken from SNLI (CC BY-SA
4.0) and from captions of COCO (CC BY 4.0); none of them is in here.

The weights are under the licence of this repository, Apache 2.0.
"""


def write_card(findings: Findings) -> str:
    """Return the card; without results it says that nothing was measured."""
    base = findings.first("base")
    size = f" of {base['parameters'] / 1e6:.1f} million parameters" if base else ""
    return TEXT.format(size=size, numbers=_numbers(findings))


def _numbers(findings: Findings) -> str:
    if findings.first("base") is None or findings.first("text") is None:
        return (
            "The paper's argument was not rerun on these weights. What they get on held-out "
            "scenes:\n\n"
            "    e5v evaluate nano --benchmark scenes --data examples/scenes\n"
        )
    rows = [
        (
            what,
            findings.figure("base", task, metric, NO_PROMPT),
            findings.figure("base", task, metric),
            findings.figure("text", task, metric),
        )
        for what, task, metric in (
            ("texts to images, R@1", IMAGES, "R@1"),
            ("images to texts, R@1", TEXTS, "R@1"),
            ("composed, R@1", EDITS, "R@1"),
            ("graded captions, Spearman", PAIRS, "Spearman"),
        )
    ]
    before, after = (findings.extra(one, "style", IMAGES, "R@1") for one in ("base", "text"))
    if before and after:
        what = "a style never trained on (OpenMoji), texts to images, R@1"
        rows.append((what, None, before, after))
    heads = ("held-out scenes, percent", "nano-base, no prompt", "nano-base, one word", "nano")
    return (
        "Scenes of combinations that never occur in training (`examples/scenes`). nano is the mean "
        "over seeds of its tuning, ± their standard deviation; the weights here are of the seed "
        "that was best on a validation split.\n\n" + table(heads, rows) + "\n"
        "docs/miniature.md has all of them, with what they mean and how they were measured.\n"
    )
