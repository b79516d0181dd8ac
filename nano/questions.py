"""What is asked about a scene, and the short answers: the batches of pretraining.

Scene -> a few questions that apply to it -> turns
"""

import random
from collections.abc import Callable
from typing import Literal

from nano.captions import canonical, caption, name_of
from nano.changes import ENDS, edit
from nano.concepts import CONCEPTS, NUMBERS, WORDINGS, article, singular
from nano.conversations import Turn
from nano.scenes import Relation, Scene, Thing, flip, may_meet, neighbours, split_of

Noun = Literal["sentence", "image"]  # what the question is about
TURNS = 4
RATES: dict[str, float] = WORDINGS["rates"]
AFTER: dict[Relation, str] = {"left": "to the right of", "above": "below"}
BEFORE: dict[Relation, str] = {"left": "to the left of", "above": "above"}
OF_SCENE: dict[str, Callable[[Scene], str]] = {  # the answers
    "describe": canonical,
    "background": lambda scene: scene.background,
    "number": lambda scene: NUMBERS[scene.count],
    "list": lambda scene: ", ".join(CONCEPTS[thing.concept].name for thing in scene.things),
}
OF_THING: dict[str, Callable[[Thing], str]] = {
    "category": lambda thing: CONCEPTS[thing.concept].category,
    "size": lambda thing: thing.size,
}


def questions(
    scene: Scene, rng: random.Random, level: float, noun: Noun = "sentence"
) -> list[Turn]:
    """Return questions about a scene, each to be asked by itself.

    At level 0 it is descriptions and relations alone; at level 1 everything, at its natural rate.
    """
    found: list[Turn] = []
    if flip(rng, 1 - level / 2):
        found.append(describe(scene, rng, noun))
    while len(found) < TURNS:
        turn = _any(scene, rng, level, noun)
        if turn is not None and _is_new(turn, found):
            found.append(turn)
    rng.shuffle(found)
    return found


def describe(scene: Scene, rng: random.Random, noun: Noun) -> Turn:
    """Ask for everything, in the one plain way."""
    return Turn(_wording("describe", rng).format(noun=noun), canonical(scene))


def one_word(scene: Scene, rng: random.Random) -> str:
    """Return the narrow answer to "in one word": one thing that is there, or what it is."""
    concept = CONCEPTS[rng.choice(scene.things).concept]
    return concept.name if flip(rng, 0.7) else concept.category


def _is_new(turn: Turn, found: list[Turn]) -> bool:
    """Return whether neither the question nor an answer that is a whole sentence came before."""
    asked = {one.question for one in found}
    said = {one.answer for one in found if " on a" in one.answer}
    return turn.question not in asked and turn.answer not in said


def _wording(kind: str, rng: random.Random) -> str:
    wordings: list[str] = WORDINGS["questions"][kind]
    return rng.choice(wordings)


def _any(scene: Scene, rng: random.Random, level: float, noun: Noun) -> Turn | None:
    """Ask one thing; what does not apply to the scene is not asked."""
    if flip(rng, 1 - level) and len(scene.things) > 1:
        return _relation(scene, rng, noun)
    kind = rng.choices(tuple(RATES), tuple(RATES.values()))[0]
    if kind == "paraphrase" and not flip(rng, level):
        kind = "describe"
    if kind in OF_SCENE:
        return Turn(_wording(kind, rng).format(noun=noun), OF_SCENE[kind](scene))
    if kind in OF_THING:
        thing = rng.choice(scene.things)
        name = name_of(thing, rng)
        return Turn(_wording(kind, rng).format(name=name), OF_THING[kind](thing))
    return ASKERS[kind](scene, rng, noun)


def _paraphrase(scene: Scene, rng: random.Random, noun: Noun) -> Turn:
    return Turn(_wording("paraphrase", rng).format(noun=noun), caption(scene, rng))


def _edit(scene: Scene, rng: random.Random, noun: Noun) -> Turn | None:
    split = split_of(scene)
    if noun == "image" or split is None:
        return None
    asked = edit(scene, rng, split)
    question = _wording("edit", rng).format(noun=noun, edit=asked.instruction)
    return Turn(question, canonical(asked.target))


def _relation(scene: Scene, rng: random.Random, _: Noun) -> Turn | None:
    """Ask for a neighbour, for what stands at an end, or for where one stands."""
    near = neighbours(scene)
    if not near:
        return None
    (first, second), relation = rng.choice(list(near.items()))
    name, other = (CONCEPTS[scene.things[place].concept].name for place in (first, second))
    asked, asked_other = (name_of(scene.things[place], rng) for place in (first, second))
    turns = [
        Turn(f"what is {AFTER[relation]} the {asked}?", other),
        Turn(f"what is {BEFORE[relation]} the {asked_other}?", name),
    ]
    if scene.kind == "pair":
        start, end = ENDS[relation]
        turns += [
            Turn(f"what is {start}?", name),
            Turn(f"what is {end}?", other),
            Turn(f"where is the {asked}?", start),
            Turn(f"where is the {asked_other}?", end),
        ]
    return rng.choice(turns)


def _yes(scene: Scene, rng: random.Random, _: Noun) -> Turn | None:
    """Ask whether something is there: as often it is as not."""
    there = {thing.concept for thing in scene.things}
    if flip(rng, 0.5):
        asked = name_of(rng.choice(scene.things), rng)
        return Turn(f"is there {article(singular(asked))}?", "yes")
    split = split_of(scene) or "train"
    other = rng.choice([one for one in range(len(CONCEPTS)) if one not in there])
    if not may_meet({*there, other}, split):
        return None
    return Turn(f"is there {article(singular(CONCEPTS[other].name))}?", "no")


ASKERS: dict[str, Callable[[Scene, random.Random, Noun], Turn | None]] = {
    "paraphrase": _paraphrase,
    "edit": _edit,
    "relation": _relation,
    "yes": _yes,
}
