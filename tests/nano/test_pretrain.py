"""How the bundled model is pretrained: rows, towers, and a stage that is killed and goes on."""

import random
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from e5v import E5V
from nano.architecture import SIZES, answers, image_tokens, look, new_model, new_processor
from nano.batches import Batches, Plan
from nano.concepts import CONCEPTS
from nano.conversations import (
    IGNORED,
    Conversation,
    ConversationEncoder,
    RealSentences,
    Rows,
    Turn,
)
from nano.picture import GRIDS, SIDE, TILE
from nano.pretrain import Stage, assemble, language_stage, run
from nano.scenes import Shape
from nano.tokenizer import learn_tokenizer
from tests.nano.small import gray

TALK = Conversation(
    "a dog on a blue background",
    (Turn("Summary above sentence in one word: ", "dog"), Turn("how many?", "one")),
)


@cache
def tokenizer() -> Any:
    """Return one of few words."""
    return learn_tokenizer([TALK.x, "Summary above sentence in one word: ", "how many? one"])


@cache
def model() -> Any:
    """Return one of random weights."""
    made = new_model("tiny", tokenizer(), seed=1).eval()
    made.set_attn_implementation("eager")
    return made


def rows_of(conversation: Conversation) -> Rows:
    """Write one conversation."""
    return ConversationEncoder(tokenizer()).encode([conversation], 1)[0]


def test_each_question_is_learnt_as_if_it_were_the_only_one() -> None:
    """Questions that saw one another would be learnt as later turns, and asked as first ones."""
    together = answers(model(), rows_of(TALK))
    apart = [answers(model(), rows_of(replace(TALK, turns=(turn,)))) for turn in TALK.turns]
    assert together.count == sum(one.count for one in apart)
    torch.testing.assert_close(together.loss, sum(one.loss for one in apart))


def test_only_answers_are_learnt_and_padding_is_not_seen() -> None:
    """Learning the questions would teach to ask; seen padding would make a row hang on others."""
    rows = rows_of(TALK)
    learnt = rows.tokens[rows.labels != IGNORED]
    assert tokenizer().decode(learnt) == "dog<|eot_id|>one<|eot_id|>"
    longer = replace(TALK, x=TALK.x * 3)
    part = ConversationEncoder(tokenizer()).encode([TALK, longer], 2)[0]
    first = part.places.index(0)
    tensors = (part.tokens, part.positions, part.branches, part.labels)
    alone = Rows((0,), *(tensor[first : first + 1] for tensor in tensors))
    torch.testing.assert_close(answers(model(), alone).loss, answers(model(), rows).loss)


def test_a_text_is_cut_alike_whatever_is_asked_of_it() -> None:
    """A full stop that swallows the line break would make training's tokens not those of use."""
    backend = tokenizer().backend_tokenizer
    text = "A dog, a cat.\nSummary above sentence in one word: "
    whole = backend.encode(text, add_special_tokens=False).ids
    cut = text.index("\n")
    parts = [backend.encode(one, add_special_tokens=False).ids for one in (text[:cut], text[cut:])]
    assert whole == parts[0] + parts[1]


@pytest.mark.parametrize("shape", GRIDS)
def test_pictures_are_packed_as_the_real_class_packs_them(shape: Shape) -> None:
    """Trained on another order of tokens, the model would not know its own pictures in use."""
    rows, columns = GRIDS[shape]
    picture = np.random.default_rng(0).integers(0, 255, (rows * TILE, columns * TILE, 3), np.uint8)
    blurred = Image.fromarray(picture).resize((8, 8)).resize(picture.shape[1::-1])
    arrays = new_processor(tokenizer()).image_processor(blurred, return_tensors="pt")
    with torch.no_grad():
        ours = look(model(), torch.from_numpy(np.array(blurred))[None], shape)[0][0]
        theirs = model().get_image_features(**arrays).pooler_output[0]
    assert len(ours) == image_tokens(shape)
    grid = slice(SIDE * SIDE, None)
    torch.testing.assert_close(ours[grid], theirs[grid], atol=1e-4, rtol=0)
    # the base tile of a pair of tiles is made smaller by torch here and by PIL there
    assert torch.cosine_similarity(ours, theirs).min() > 0.99


def test_the_patches_that_are_learnt_are_of_the_batch(tmp_path: Path) -> None:
    """Drawn anew by each process, a run that was killed would go on to another end."""
    levels: dict[str, Any] = {str(level): rows for level, rows in gray().levels.items()}
    emoji = np.array([concept.emoji for concept in CONCEPTS])
    for style in ("noto", "twemoji"):
        np.savez(tmp_path / f"{style}.npz", emoji=emoji, **levels)
    plan = Plan("vision", tmp_path, steps=9, batch=40)
    first, again, other = (Batches(tokenizer(), plan).tiles(number) for number in (3, 3, 4))
    assert torch.equal(first.learnt, again.learnt)
    assert not torch.equal(first.learnt, other.learnt)
    ground = first.labels >= len(CONCEPTS)
    assert first.learnt[~ground].all()
    assert first.learnt[ground].float().mean() == pytest.approx(0.2, abs=0.06)


def test_rare_words_are_asked_for_in_one_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set of words would give another order, and so other answers, in each process."""
    monkeypatch.setattr("nano.conversations.COMMON", 0)
    file = tmp_path / "captions.jsonl"
    file.write_text('{"captions": ["zebra yak wolf viper toad snake rat"]}\n' * 4)
    sentences = RealSentences([file])
    talks = [sentences.conversation(random.Random(number)) for number in range(60)]
    asked = {turn.answer for talk in talks for turn in talk.turns[1:]}
    assert asked == {"rat", "snake", "toad"}


class Killed(Exception):
    """What stands for the end of a process."""


def stage(batches: Batches, last: int = 10**9) -> Stage:
    """Return a language stage at its start, always the same, that ends before a step."""
    made = new_model("tiny", tokenizer(), seed=2)
    made.set_attn_implementation("eager")

    def batch(number: int) -> list[Rows]:
        """Ask about something else at each step."""
        if number == last:
            raise Killed
        x = random.Random(number).choice(("a cat", "a dog", "a red car"))
        return ConversationEncoder(tokenizer()).encode([replace(TALK, x=x)], 1)

    return replace(language_stage(made, batches), batch=batch)


def test_a_stage_that_is_killed_goes_on_to_the_same_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that lost its optimiser or its place in the data would end as another model."""
    monkeypatch.setattr("nano.pretrain.SAVE_EVERY", 0)
    plan = Plan("language", tmp_path, steps=6, batch=1, matrix_rate=1e-2, other_rate=1e-2)
    batches = Batches(tokenizer(), plan)
    run(stage(batches), plan, tmp_path / "whole.pt")
    with pytest.raises(Killed):
        run(stage(batches, 3), plan, tmp_path / "parts.pt")
    run(stage(batches), plan, tmp_path / "parts.pt")
    whole, parts = (torch.load(tmp_path / f"{name}.pt")["masters"] for name in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_what_is_assembled_opens_as_an_embedder_and_generates(tmp_path: Path) -> None:
    """A base that plain transformers or the package cannot open is of no use to anyone."""
    tokenizer().save_pretrained(tmp_path / "tokenizer")
    assemble(tmp_path, "tiny")
    embedder = E5V(tmp_path / "base", dtype="float32")
    picture = Image.new("RGB", (2 * TILE, TILE), "red")
    vectors = embedder.encode(["a dog", picture, {"image": picture, "text": "make it blue"}])
    assert vectors.shape == (3, SIZES["tiny"]["text"]["hidden_size"])
    ids = embedder.prepare("a dog").prompted.ids
    assert ids == tokenizer().encode(
        "<|start_header_id|>user<|end_header_id|>\n\na dog\nSummary above sentence in one word: "
        "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n \n"
    )
    made = embedder.loaded.model.generate(torch.tensor([ids]), max_new_tokens=3, do_sample=False)
    assert made.shape[1] > len(ids)
