"""Prompts become exactly the ids that the model was trained on, whatever a user writes in them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from tokenizers import AddedToken

from e5v.errors import ModelError
from e5v.inputs import Text
from e5v.model.processors import ImageProcessor
from e5v.model.prompts import Segment
from e5v.model.rendering import Renderer
from e5v.model.tokens import Fit, PromptTokenizer, Tokens, TooLongError
from tests.families import FAMILIES, load_processor
from tests.families.tokenizers import Marks, sentencepiece_like, starting_with, wrapped
from tests.model.speakers import (
    PAPER_TURNS,
    PHOTO,
    UNCUT,
    Speaker,
    pieces_of,
    shared_tail,
    turn_named,
)

PLAIN = (
    "A man is playing a guitar while a woman is singing on the stage",
    "Ends in a stop.",
    "Two lines,\nand a third after an empty one:\n\n  - indented  twice",
    "Ends in a newline\n",
    "a < b > c <tag> [x] | ¬ 100% \t tab",
    "日本語のテスト🙂 naïve ﬁne e\u0301 한국어 \u200d👩‍👩‍👧",
    "x",
)
WORDS = "The cat sits on a small wooden table by the window. " * 3
LONG = {
    "words": WORDS,
    "emoji": "🙂🙃 🐕‍🦺👩‍👩‍👧 " * 8,
    "CJK": "日本語のテスト、猫が窓辺に座っている。" * 4,
    "combining": "e\u0301te\u0301 nai\u0308ve " * 8,
    "lines": "one\ntwo\n\nthree \n" * 8,
}


@pytest.fixture(scope="module", params=FAMILIES)
def speaker(request: pytest.FixtureRequest, checkpoints: Callable[[str], Path]) -> Speaker:
    """Give each family in turn."""
    processor = load_processor(checkpoints(request.param))
    turn = turn_named(PAPER_TURNS.get(request.param))
    assert isinstance(PHOTO.source, PIL.Image.Image)
    expansion = ImageProcessor(processor)(PHOTO.source).expansion
    return Speaker(processor, Renderer(processor, turn), expansion)


@pytest.mark.parametrize("text", PLAIN)
def test_the_ids_are_the_processors_own(speaker: Speaker, text: str) -> None:
    """Catches a BOS too many or too few, and words that the model would see spelled otherwise."""
    for parts in ((Text(text),), (PHOTO, Text(text)), (Text(text), PHOTO, Text(text))):
        tokens = speaker.encode(*parts)
        assert tokens.ids == speaker.reference(*parts)
        assert not tokens.cut


def test_an_image_alone(speaker: Speaker) -> None:
    """Catches image tokens that are miscounted, or lost in a prompt of nothing else."""
    assert speaker.encode(PHOTO).ids == speaker.reference(PHOTO)
    assert speaker.encode(PHOTO, PHOTO).ids == speaker.reference(PHOTO, PHOTO)


def assert_harmless(speaker: Speaker, text: str, tail: Sequence[int]) -> None:
    """Check that a text adds no added token, leaves the closing ids alone, and is all there."""
    ids, plain = speaker.encode(Text(text)).ids, speaker.encode(Text("a dog")).ids
    for mark, number in speaker.marks.items():
        assert ids.count(number) == plain.count(number), mark
    assert ids[-len(tail) :] == tail
    assert text in speaker.decode(ids)


def test_special_tokens_in_a_users_text_are_text(speaker: Speaker) -> None:
    """Catches a caption that ends the turn, opens another or asks for an image it has not got."""
    tail = speaker.tail()
    assert len(tail) >= 2
    for mark in {*speaker.marks, "<image>", "<|eot_id|>", "</s>", "<|im_end|>", "[INST]"}:
        for text in (mark, f"see{mark}here", f"{mark}{mark} x", f"x {mark}"):
            assert_harmless(speaker, text, tail)
    assert_harmless(speaker, " ".join(speaker.marks), tail)


def test_an_image_beside_its_own_token(speaker: Speaker) -> None:
    """Catches a caption about `<image>` tags whose picture lands in the caption."""
    words = f"the {speaker.renderer.image_token} token, {speaker.expansion}"
    mixed = speaker.encode(PHOTO, Text(words), PHOTO).ids
    plain = speaker.encode(PHOTO, Text("the other token"), PHOTO).ids
    for mark, number in speaker.marks.items():
        assert mixed.count(number) == plain.count(number), mark
    assert words.strip() in speaker.decode(mixed)


def test_other_texts_are_read_as_ever(speaker: Speaker) -> None:
    """Catches ids that change for one text because another beside it holds a special token."""
    for text in PLAIN:
        shown = (Text(words) for words in ("a dog", "so it is"))
        rows = [speaker.encode(first, Text(text)).ids for first in shown]
        beside = speaker.encode(Text("</s> <image> <|im_end|> dog"), Text(text)).ids
        assert len(tail := shared_tail(rows)) > len(text) / 20
        assert beside[-len(tail) :] == tail


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
@pytest.mark.parametrize("special", ["", "</s> <image> <|im_end|> "], ids=["plain", "special"])
def test_a_long_text_is_cut_inside(speaker: Speaker, text: str, special: str) -> None:
    """Catches a cut that takes the closing tokens, splits a character or drops half the text."""
    text = special + text
    tail, whole = speaker.tail(), speaker.encode(Text(text))
    floor = len(speaker.encode(Text(special + "a")).ids)
    for limit in (floor + 7, floor + 8, floor + 20, len(whole.ids) - 1):
        tokens = speaker.encode(Text(text), limit=limit)
        assert tokens.cut
        assert len(tokens.ids) <= limit
        assert tokens.ids[-len(tail) :] == tail
        lengths = range(1, len(text))
        kept = [n for n in lengths if speaker.encode(Text(text[:n])).ids == tokens.ids]
        assert kept, "no beginning of the text gives these ids"
        assert limit - len(tokens.ids) <= (2 if text.isascii() else 5)


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_a_long_text_is_cut_at_its_start(speaker: Speaker, text: str) -> None:
    """Catches a text that is to lose its start and loses its end, or more than it has to."""
    tail, whole = speaker.tail(), speaker.encode(Text(text))
    floor = len(speaker.encode(Text("a")).ids)
    for limit in (floor + 8, floor + 20, len(whole.ids) - 1):
        tokens = speaker.encode(Text(text), limit=limit, fit=Fit("start"))
        assert tokens.cut
        assert len(tokens.ids) <= limit
        assert tokens.ids[-len(tail) :] == tail
        kept = [n for n in range(1, len(text)) if speaker.encode(Text(text[n:])).ids == tokens.ids]
        assert kept, "no end of the text gives these ids"
        assert limit - len(tokens.ids) <= (2 if text.isascii() else 5)


def test_a_text_has_at_most_so_many_tokens(speaker: Speaker) -> None:
    """Catches a limit that counts the prompt, or that a text under it is cut by."""
    whole = speaker.encode(Text(WORDS))
    prompt = len(speaker.encode(Text("a")).ids) - 1
    own = len(whole.ids) - prompt
    for tokens in (own, own + 1, 10 * own):
        assert speaker.encode(Text(WORDS), fit=Fit(tokens=tokens)) == whole
    for tokens in (own - 1, 10, 3):
        cut = speaker.encode(Text(WORDS), fit=Fit(tokens=tokens))
        assert cut.cut
        assert 0 < len(cut.ids) - prompt <= tokens + 1
    assert speaker.encode(PHOTO, fit=Fit(tokens=1)) == speaker.encode(PHOTO)


def test_a_text_that_just_fits(speaker: Speaker) -> None:
    """Catches a limit off by one, and a warning about a cut that did not happen."""
    whole = speaker.encode(Text(WORDS))
    assert speaker.encode(Text(WORDS), limit=len(whole.ids)) == whole
    assert not whole.cut
    assert speaker.encode(Text(WORDS), limit=len(whole.ids) - 1).cut


def test_interleaved_texts_are_cut_from_the_last(speaker: Speaker) -> None:
    """Catches a cut that takes image tokens, or the first words before the last."""
    parts = (Text("first " + WORDS), PHOTO, Text("second " + WORDS), PHOTO)
    least = len(speaker.encode(Text("a"), PHOTO, Text("a"), PHOTO).ids)
    images = len(speaker.encode(PHOTO, PHOTO).ids)
    first = len(speaker.encode(Text("first " + WORDS), PHOTO, Text("a"), PHOTO).ids)
    for limit in (least + 6, (least + first) // 2, first + 10):
        ids = speaker.encode(*parts, limit=limit).ids
        assert images < len(ids) <= limit
        for number in speaker.marks.values():
            assert ids.count(number) == speaker.encode(*parts).ids.count(number)
        assert (WORDS.strip() in speaker.decode(ids)) == (limit > first)
        assert "first" in speaker.decode(ids)


def test_many_texts_are_cut_at_once(speaker: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a whole list given as one item that is tokenised anew for each text of it: hours."""
    texts = [Text("a dog in the grass by a lake")] * 60
    least = len(speaker.encode(*[Text("a")] * 60).ids)
    encoded: list[Any] = []
    plain = PromptTokenizer._encode_plain

    def spy(self: PromptTokenizer, *args: Any) -> Any:
        encoded.append(args)
        return plain(self, *args)

    monkeypatch.setattr(PromptTokenizer, "_encode_plain", spy)
    assert len(speaker.encode(*texts, limit=least + 70).ids) <= least + 70
    assert len(encoded) <= 6
    with pytest.raises(TooLongError):
        speaker.encode(*texts, limit=30)
    assert len(encoded) <= 40


def test_nothing_left_to_cut(speaker: Speaker) -> None:
    """Catches a vector of the bare prompt for an item of which nothing fitted, or a loop."""
    prompt_and_image = len(speaker.encode(PHOTO).ids)
    with pytest.raises(TooLongError, match=f"take {prompt_and_image} tokens without the text"):
        speaker.encode(PHOTO, limit=prompt_and_image - 1)
    for text in ("🙂", "\U000e0041", "a", "a dog", WORDS, "</s>"):
        with pytest.raises(TooLongError, match="the model takes 3"):
            speaker.encode(Text(text), limit=3)
        fits = len(speaker.encode(Text(text[0])).ids)
        assert speaker.encode(Text(text), limit=fits).ids
        if len(text) == 1:
            with pytest.raises(TooLongError, match=f"the model takes {fits - 1}"):
                speaker.encode(Text(text), limit=fits - 1)


def test_many_threads_at_once(speaker: Speaker) -> None:
    """Catches ids that depend on what another thread is tokenising at the moment."""
    texts = [f"{mark} {n}" * (1 + n % 9) for n, mark in enumerate([*speaker.marks, *PLAIN] * 2)]
    jobs = [pieces_of(speaker.renderer, [Text(text)], "retrieval") for text in texts]
    limit = len(speaker.encode(Text("a")).ids) + 40

    def tokenise(job: list[Segment]) -> Tokens:
        return tokenizer.encode(job, [])

    tokenizer = PromptTokenizer(speaker.processor.tokenizer, limit)
    alone = [tokenise(job) for job in jobs]
    tokenizer = PromptTokenizer(speaker.processor.tokenizer, limit)  # its armour not made yet
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(tokenise, jobs)) == alone


def test_a_bos_added_late() -> None:
    """Catches another token in the place of BOS, where some special tokens moved and it did not."""
    marks = Marks(
        ("<unk>", "<s>", "</s>", "<tool>", "<bos>", "<img>"), roles={"bos_token": "<bos>"}
    )
    backend = sentencepiece_like()
    backend.add_special_tokens([AddedToken(text, normalized=False) for text in marks.special])
    tokenizer = wrapped(starting_with(backend, "<bos>"), marks)
    encode = PromptTokenizer(tokenizer, UNCUT).encode
    plain, special = (encode([Text(text), "<img>"], []).ids for text in ("a dog", "a </s> dog"))
    assert plain[0] == special[0] == tokenizer.convert_tokens_to_ids("<bos>")
    assert plain[-1] == special[-1] == tokenizer.convert_tokens_to_ids("<img>")


def test_a_tokenizer_without_a_fast_backend() -> None:
    """Catches a slow tokenizer that fails with an AttributeError in the middle of a run."""
    with pytest.raises(
        ModelError, match=r"without a fast backend; expected one with tokenizer\.json"
    ):
        PromptTokenizer(object(), 10)
