"""What each stage is shown: batches by number, the same for the same seed.

scene + random numbers -> picture and labels, or conversations -> a batch
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from tyro.conf import Positional

from nano.architecture import image_tokens
from nano.art import FOLDER, Art, Style, load_art
from nano.captions import canonical, caption
from nano.changes import edit
from nano.concepts import CONCEPTS
from nano.conversations import (
    IMAGE,
    IMAGE_WORD,
    TEXT_WORD,
    Conversation,
    ConversationEncoder,
    RealSentences,
    Rows,
    Turn,
)
from nano.picture import SIDE, TILE, Drawing, draw
from nano.questions import Noun, describe, one_word, questions
from nano.scenes import Scene, Shape, flip, sample
from nano.text_images import LETTERED, letter, named_by

ASKED = 4  # questions per X
ENGLISH = 0.2  # share of the language stage's conversations
EDITED = 0.35  # share of its conversations about captions that hold an edit
ONE_WORD = 0.6  # share of conversations with the question in one word
STYLES: dict[Style, float] = {"noto": 0.65, "twemoji": 0.35}
RESTYLED = 0.8  # share of pictures whose art is restyled
RESTYLED_BY = 0.6  # of the vision stage's steps: it starts with plain ones
READ = 0.25  # share of captions that are learnt as plain text, too
LEARNT_BY = 0.7  # of the steps: when paraphrases have wholly taken over from canonical captions
GROUND = 0.2  # share of the background's patches that are learnt: most patches are background
SHAPES: dict[Shape, float] = {"square": 0.76, "wide": 0.12, "tall": 0.12}
EDIT_WORD = 'Modify this image with "{}", desribe modified image in one word:'  # sic: the paper's


@dataclass(frozen=True)
class Pictured:
    """Pictures of one shape, uint8 (n, h, w, 3), and conversations about them, in parts.

    `labels` is what each patch shows, as `Drawing` has it, (n, rows * SIDE, columns * SIDE);
    `learnt` is True where that is learnt.
    """

    pictures: Tensor
    labels: Tensor
    learnt: Tensor
    shape: Shape
    parts: list[Rows]


@dataclass(frozen=True)
class Plan:
    """How a stage of the base model is made, or the model assembled of them."""

    stage: Positional[Literal["vision", "language", "align", "assemble"]]
    folder: Path = FOLDER
    """Where the drawings and the tokenizer are, and stages are kept."""
    size: Literal["nano", "tiny"] = "nano"
    steps: int = 0
    batch: int = 64
    micro_batch: int = 16
    """Samples that are run at once."""
    matrix_rate: float = 2.5e-3
    other_rate: float = 2e-3
    letters: float = 0.0
    """Share of the align stage's batches that are captions as pictures."""
    english: tuple[Path, ...] = ()
    """Files of real sentences."""
    workers: int = 0
    device: str = "cpu"
    seed: int = 0


class Batches:
    """The batches of every stage."""

    def __init__(self, tokenizer: Any, plan: Plan) -> None:
        """Open the sentences; the art is opened when it is drawn with."""
        self._encoder = ConversationEncoder(tokenizer)
        self._opened = dict[Style, Art]()
        self._english = RealSentences(plan.english) if plan.english else None
        self._plan = plan

    def tiles(self, number: int) -> Pictured:
        """Return single tiles, cut from pictures of every shape."""
        rng = self._rng("tiles", number)
        restyled = RESTYLED * min(1.0, number / (RESTYLED_BY * self._plan.steps))
        drawn = []
        for _ in range(self._plan.batch):
            whole = self._draw(sample(rng, "train"), rng, restyled)
            place = [rng.randrange(side // SIDE) for side in whole.labels.shape]
            drawn.append(Drawing(_cut(whole.pixels, place, TILE), _cut(whole.labels, place, SIDE)))
        return _pictured(drawn, "square", [], rng)

    def conversations(self, number: int) -> list[Rows]:
        """Return conversations about captions, freer by the step, and real sentences."""
        rng = self._rng("talks", number)
        level = min(1.0, number / (LEARNT_BY * self._plan.steps))
        english = self._english
        conversations = [
            english.conversation(rng) if english and flip(rng, ENGLISH) else _about_text(rng, level)
            for _ in range(self._plan.batch)
        ]
        return self._encoder.encode(conversations, self._plan.micro_batch)

    def pictured(self, number: int) -> Pictured:
        """Return conversations about pictures of one shape, or about captions as pictures."""
        rng = self._rng("pictured", number)
        lettered = flip(rng, self._plan.letters)
        shape = LETTERED if lettered else rng.choices(tuple(SHAPES), tuple(SHAPES.values()))[0]
        scenes: list[Scene] = []
        while len(scenes) < self._plan.batch:
            scene = sample(rng, "train")
            if lettered or scene.shape == shape:
                scenes.append(scene)
        drawn = [
            letter(text := caption(scene, rng), rng, named=named_by(text, scene))
            if lettered
            else self._draw(scene, rng, RESTYLED)
            for scene in scenes
        ]
        conversations = [_about_picture(scene, rng) for scene in scenes]
        parts = self._encoder.encode(
            conversations, self._plan.micro_batch, image_tokens=image_tokens(shape)
        )
        return _pictured(drawn, shape, parts, rng)

    def _rng(self, what: str, number: int) -> random.Random:
        return random.Random(f"{self._plan.seed}/{what}/{number}")

    def _draw(self, scene: Scene, rng: random.Random, restyled: float) -> Drawing:
        style = rng.choices(tuple(STYLES), tuple(STYLES.values()))[0]
        if style not in self._opened:
            self._opened[style] = load_art(style, self._plan.folder)
        return draw(scene, rng, self._opened[style], augment=flip(rng, restyled))


def _cut(array: Any, place: Sequence[int], side: int) -> Any:
    row, column = (slice(start * side, (start + 1) * side) for start in place)
    return array[row, column]


def _pictured(
    drawn: Sequence[Drawing], shape: Shape, parts: list[Rows], rng: random.Random
) -> Pictured:
    """Stack pictures, and draw which patches of the background are learnt."""
    places = np.stack([one.labels for one in drawn])
    chosen = np.random.default_rng(rng.getrandbits(64)).random(places.shape) < GROUND
    learnt = torch.from_numpy((places >= 0) & ((places < len(CONCEPTS)) | chosen))
    pictures = torch.from_numpy(np.stack([one.pixels for one in drawn]))
    return Pictured(pictures, torch.from_numpy(places), learnt, shape, parts)


def _about_text(rng: random.Random, level: float) -> Conversation:
    """Ask about a caption; some of it in the words for images, which captions stand in for."""
    scene = sample(rng, "train")
    turns = list[Turn]()
    if flip(rng, ONE_WORD):
        turns.append(Turn(rng.choice((TEXT_WORD, TEXT_WORD, IMAGE_WORD)), one_word(scene, rng)))
    if flip(rng, EDITED):
        change = edit(scene, rng, "train")
        question = EDIT_WORD.format(change.instruction)
        turns.append(Turn(question, one_word(change.target, rng)))
    noun: Noun = rng.choice(("sentence", "sentence", "image"))
    turns += questions(scene, rng, level, noun)[: ASKED - len(turns)]
    text = caption(scene, rng) if flip(rng, level) else canonical(scene)
    return Conversation(text, tuple(turns), learn_x=flip(rng, READ))


def _about_picture(scene: Scene, rng: random.Random) -> Conversation:
    """Ask about a picture: always for all of it, never for one of very many wordings of it."""
    turns = [describe(scene, rng, "image")]
    if flip(rng, ONE_WORD):
        turns.append(Turn(IMAGE_WORD, one_word(scene, rng)))
    told = [
        turn
        for turn in questions(scene, rng, 1.0, "image")
        if "other words" not in turn.question and turn.answer != turns[0].answer
    ]
    turns += told[: ASKED - len(turns)]
    return Conversation(IMAGE, tuple(turns))
