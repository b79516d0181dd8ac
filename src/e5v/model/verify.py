"""Verify on any model that e5v gives the same vectors as plain transformers code.

a few items -> E5V.encode, and plain transformers code one by one -> checks, each with a limit
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Unpack

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray

from e5v.errors import first_line
from e5v.inputs import RawItem, normalise
from e5v.model.embedder import E5V
from e5v.model.head import has_head
from e5v.model.images import decode
from e5v.model.opening import OpenOptions
from e5v.model.processors import tokenizer_config
from e5v.model.prompts import RETRIEVAL
from e5v.model.recipe import ANY, Purpose
from e5v.model.rendering import literal_prompt
from e5v.model.resizing import patch_factor, resize
from e5v.model.special_tokens import adds_special_tokens
from e5v.vectors import unit

TEXTS = (
    "A dog runs.",
    "Two men in red shirts are playing football on a wet field near the lake.",
    "日本語のテスト🙂 and 12,345 numbers",
    "<image> and </s> are words here, not orders <|eot_id|>",
)
SIZES = ((320, 240), (150, 400), (97, 97), (640, 120))  # pixels; several tilings
FP32_LIMIT = 1e-5  # largest absolute difference between two unit vectors
COSINE_LIMIT = 0.999  # for half precisions


@dataclass(frozen=True)
class Check:
    """One check: the measured figure and the limit for it."""

    name: str
    passed: bool
    figure: str
    limit: str


def verify(
    model: str,
    **options: Unpack[OpenOptions],
) -> Iterator[Check]:
    """Open a model, with `options` as in `E5V`, and yield each check as it finishes.

    Raises:
        ModelError: the model cannot be opened.
    """
    yield from check(E5V(model, **options))


def check(embedder: E5V) -> Iterator[Check]:
    """Yield each check of an open model as it finishes."""
    unexpected = embedder.loaded.unexpected
    figure = f"{len(unexpected)} left over" + (f" ({unexpected[0]}, ...)" if unexpected else "")
    yield Check("all weights loaded", not unexpected, figure, "0")
    yield _run_check("recipe", "its marks are tokens", partial(_check_recipe, embedder))
    images = [picture(*size, seed=seed) for seed, size in enumerate(SIZES)]
    mixtures: list[RawItem] = _list_mixtures(embedder, images)
    asked = _asks_for_bos(embedder)
    limit = "1 (add_bos_token is set)" if asked else "at most 1"
    yield _run_check(
        "first token", limit, partial(_check_first_token, embedder, [TEXTS[0], images[0]], asked)
    )
    yield _run_check("prompt tail intact", "1 ending", partial(_check_closing, embedder))
    yield _run_check("image tokens agree", "equal", partial(_check_image_tokens, embedder, images))
    queries: list[RawItem] = [TEXTS[1], images[0]] if embedder.loaded.recipe.has_sides else []
    kinds: tuple[tuple[str, Sequence[RawItem], Purpose], ...] = (
        ("text", TEXTS[:3], ANY),
        ("image", images, ANY),
        ("mixture", mixtures, ANY),
        ("query", queries, Purpose(side="query")),
    )
    for kind, items, purpose in kinds:
        if items:
            attempt = partial(_check_plain, embedder, items, purpose)
            yield _run_check(f"plain path, {kind}", _limit(embedder), attempt)
    everything: list[RawItem] = [*TEXTS, *images, *mixtures]
    yield _run_check(
        "alone or in any batch", _limit(embedder), partial(_check_alone, embedder, everything)
    )


def _list_mixtures(embedder: E5V, images: Sequence[PIL.Image.Image]) -> list[RawItem]:
    """List items of texts and images, if the model's recipe has a wording for them."""
    mixtures: list[RawItem] = [
        {"image": images[0], "text": TEXTS[1]},
        [TEXTS[0], images[2], TEXTS[1], images[1]],
    ]
    own = embedder.loaded.recipe.document
    return mixtures if own is None or own.plain.both else []


def plain_vector(embedder: E5V, item: RawItem, purpose: Purpose = ANY) -> NDArray[np.float32]:
    """Embed one item as a model card would: processor, whole model, `hidden_states[-1][:, -1]`.

    *Shape:* (d,), unit. Only for items whose text contains no special token: plain code would read
    it as one.
    """
    loaded, renderer = embedder.loaded, embedder.renderer
    recipe, processor = loaded.recipe, loaded.processor
    whole = normalise(item)
    pieces = renderer.render(recipe.ask(whole, RETRIEVAL, purpose))
    string = literal_prompt(pieces, renderer.image_token)
    factor = patch_factor(processor.image_processor)
    pictures = [resize(decode(image), recipe.resize, factor) for image in whole.images]
    inputs = processor(
        text=[string],
        images=pictures or None,
        add_special_tokens=adds_special_tokens(processor.tokenizer.bos_token, string),
        return_tensors="pt",
    ).to(embedder.device)
    cast = {k: v.to(embedder.dtype) if v.is_floating_point() else v for k, v in inputs.items()}
    if recipe.positions == "1d" and loaded.backbone.rotary > 1:
        count = torch.arange(inputs["input_ids"].shape[1], device=embedder.device)
        cast["position_ids"] = count.expand(loaded.backbone.rotary, 1, -1)
    with torch.inference_mode():
        if has_head(loaded.model):
            states = loaded.model(**cast, output_hidden_states=True).hidden_states[-1]
        else:
            states = loaded.model.base_model(**cast).last_hidden_state
    vector: NDArray[np.float32] = unit(states[:, -1].float().cpu().numpy())[0]
    return vector


def _run_check(name: str, limit: str, attempt: Callable[[], tuple[bool, str]]) -> Check:
    try:
        passed, figure = attempt()
    except Exception as error:  # from any library: the check has failed
        return Check(name, False, first_line(error), limit)  # noqa: FBT003
    return Check(name, passed, figure, limit)


def _limit(embedder: E5V) -> str:
    exact = embedder.dtype == torch.float32
    return f"difference <= {FP32_LIMIT:.0e}" if exact else f"cosine >= {COSINE_LIMIT}"


def _compare(
    embedder: E5V, ours: NDArray[np.float32], theirs: NDArray[np.float32]
) -> tuple[bool, str]:
    if embedder.dtype == torch.float32:
        worst = float(np.abs(ours - theirs).max())
        return worst <= FP32_LIMIT, f"{worst:.1e}"
    lowest = float((ours * theirs).sum(-1).min())
    return lowest >= COSINE_LIMIT, f"{lowest:.5f}"


def _check_recipe(embedder: E5V) -> tuple[bool, str]:
    """Check that each special token in the recipe's templates is one of the vocabulary."""
    loaded = embedder.loaded
    vocabulary = loaded.processor.tokenizer.get_vocab()
    missing = sorted(mark for mark in loaded.recipe.tokens if mark not in vocabulary)
    by = loaded.recipe_by or "assumed: no published one is known"
    figure = f"{loaded.recipe.name}, {by}"
    return not missing, f"{figure}; not in the vocabulary: {missing[0]}" if missing else figure


def _check_plain(embedder: E5V, items: Sequence[RawItem], purpose: Purpose) -> tuple[bool, str]:
    theirs = np.stack([plain_vector(embedder, item, purpose) for item in items])
    ours = embedder.encode(items, side=purpose.side)
    return _compare(embedder, ours, theirs)


def _check_alone(embedder: E5V, items: Sequence[RawItem]) -> tuple[bool, str]:
    alone = np.concatenate([embedder.encode([item]) for item in items])
    mixed = embedder.encode([*items[::-1], "a neighbour that was not there"])[:-1][::-1]
    return _compare(embedder, mixed, alone)


def _asks_for_bos(embedder: E5V) -> bool:
    """Check whether tokenizer_config.json asks for a first token (BOS) before every prompt."""
    tokenizer = embedder.loaded.processor.tokenizer
    try:
        config = tokenizer_config(tokenizer.name_or_path)
    except OSError:  # its folder is gone, or it never had one
        return False
    return bool(config.get("add_bos_token")) and tokenizer.bos_token is not None


def _check_first_token(embedder: E5V, items: Sequence[RawItem], asked: bool) -> tuple[bool, str]:  # noqa: FBT001
    """Check that BOS begins each prompt at most once, and exactly once where asked for."""
    tokenizer = embedder.loaded.processor.tokenizer
    counts = set()
    for item in items:
        ids = embedder.prepare(item).prompted.ids
        bos = itertools.takewhile(lambda number: number == tokenizer.bos_token_id, ids)
        counts.add(len(list(bos)))
    found = " and ".join(map(str, sorted(counts)))
    figure = f"{found} {tokenizer.bos_token!r}" if tokenizer.bos_token else found
    return counts <= ({1} if asked else {0, 1}), figure


def _check_closing(embedder: E5V) -> tuple[bool, str]:
    """Check that every prompt, however odd or long its text, has the same closing tokens."""
    texts = [*TEXTS, "a very long text " * embedder.max_tokens]
    ids = [embedder.prepare(text).prompted.ids for text in texts]
    closing = _closing_ids(embedder)
    if not closing:
        return True, "none: the text's own last token is pooled"
    tails = {tuple(one[-len(closing) :]) for one in ids}
    last = embedder.loaded.processor.tokenizer.decode([closing[-1]])
    fits = max(map(len, ids)) <= embedder.max_tokens
    return tails == {closing} and fits, f"{len(tails)}, pooled at {closing[-1]} {last!r}"


def _closing_ids(embedder: E5V) -> tuple[int, ...]:
    """Return the ids that close every prompt: the common suffix over texts with various endings.

    The token after the text may merge with it ("." and a newline can be one token).
    """
    ids = [embedder.prepare(text).prompted.ids[::-1] for text in ("yes", "12", "Stop.", "🙂", "a)")]
    common = itertools.takewhile(lambda column: len(set(column)) == 1, zip(*ids, strict=False))
    return tuple(column[0] for column in common)[::-1]


def _check_image_tokens(embedder: E5V, images: Sequence[PIL.Image.Image]) -> tuple[bool, str]:
    counts = [sum(embedder.prepare(image).prompted.counts) for image in images]
    embedder.encode(images)  # raises if the vision tower gives another number
    return True, " ".join(map(str, counts))


def picture(width: int, height: int, *, seed: int) -> PIL.Image.Image:
    """Draw coloured noise on a gradient; sizes in pixels."""
    noise = np.random.default_rng(seed).integers(0, 80, (height, width, 3))
    slope = np.linspace(0, 170, width)[None, :, None] * np.array([1.0, 0.6, 0.2 * seed])
    return PIL.Image.fromarray((noise + slope).astype(np.uint8))
