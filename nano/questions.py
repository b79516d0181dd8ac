"""What is asked about a scene, and the short answers: the batches of pretraining.

Scene -> a few questions that apply to it -> turns
"""

import random
from collections.abc import Callable
from typing import Literal

from nano.captions import canonical, caption, name_of
from nano.concepts import CONCEPTS
from nano.conversations import Turn
from nano.edits import ENDS, edit
from nano.nouns import NUMBERS, article, singular
from nano.scenes import Relation, Scene, flip, may_meet, neighbours, split_of

Modality = Literal["text", "image"]
NOUNS: dict[Modality, str] = {"text": "sentence", "image": "image"}
TURNS = 4


Asker = Callable[[Scene, random.Random], Turn | None]
AFTER: dict[Relation, str] = {"left": "to the right of", "above": "below"}
BEFORE: dict[Relation, str] = {"left": "to the left of", "above": "above"}


def questions(
    scene: Scene, rng: random.Random, level: float, x: Modality = "text", turns: int = TURNS
) -> list[Turn]:
    """Return questions about a scene, each to be asked by itself.

    At level 0 it is descriptions and relations alone; at level 1 everything, at its natural rate.
    """
    noun = NOUNS[x]
    found: list[Turn] = []
    if flip(rng, 1 - level / 2):
        found.append(describe(scene, rng, noun))
    while len(found) < turns:
        turn = _any(scene, rng, level, noun, x)
        if turn is not None and _is_new(turn, found):
            found.append(turn)
    rng.shuffle(found)
    return found


def describe(scene: Scene, rng: random.Random, noun: str) -> Turn:
    """Ask for everything, in the one plain way."""
    said = rng.choice(("describe the {}:", "describe above {}:", "what does the {} show?"))
    return Turn(said.format(noun), canonical(scene))


def _is_new(turn: Turn, found: list[Turn]) -> bool:
    """Whether it was not asked yet, nor its answer, where that is a whole sentence, given."""
    asked = {one.question for one in found}
    said = {one.answer for one in found if " on a" in one.answer}
    return turn.question not in asked and turn.answer not in said


def _any(scene: Scene, rng: random.Random, level: float, noun: str, x: Modality) -> Turn | None:
    """Ask one thing; what does not apply to the scene is not asked."""
    if flip(rng, 1 - level) and len(scene.things) > 1:
        return _relation(scene, rng)
    asker = rng.choices(tuple(ASKED), tuple(ASKED.values()))[0]
    if asker == "describe":
        return describe(scene, rng, noun)
    if asker == "paraphrase":
        return _paraphrase(scene, rng, noun) if flip(rng, level) else describe(scene, rng, noun)
    if asker == "edit":
        return _edit(scene, rng, noun) if x == "text" else None
    return ASKERS[asker](scene, rng)


ASKED = {
    "describe": 2,
    "paraphrase": 2,
    "edit": 4,
    "relation": 5,
    "background": 2,
    "category": 2,
    "number": 2,
    "size": 3,
    "list": 2,
    "yes": 0.5,
}


def _paraphrase(scene: Scene, rng: random.Random, noun: str) -> Turn:
    said = rng.choice(("say it in other words:", "describe above {} in other words:"))
    return Turn(said.format(noun), caption(scene, rng))


def _edit(scene: Scene, rng: random.Random, noun: str) -> Turn | None:
    split = split_of(scene)
    if split is None:
        return None
    asked = edit(scene, rng, split)
    said = rng.choice(
        (
            'modify this {0} with "{1}", describe modified {0}:',
            'modify this {0} with "{1}", describe modified {0}:',
            "{1}. what does the {0} show then?",
        )
    )
    return Turn(said.format(noun, asked.instruction), canonical(asked.target))


def _relation(scene: Scene, rng: random.Random) -> Turn | None:
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


def _background(scene: Scene, rng: random.Random) -> Turn:
    asked = ("what color is the background?", "what is the background?", "which background?")
    return Turn(rng.choice(asked), scene.background)


def _category(scene: Scene, rng: random.Random) -> Turn:
    thing = rng.choice(scene.things)
    name = name_of(thing, rng)
    asked = (f"what kind of thing is the {name}?", f"the category of the {name}:")
    return Turn(rng.choice(asked), CONCEPTS[thing.concept].category)


def _number(scene: Scene, rng: random.Random) -> Turn:
    asked = ("how many things are there?", "how many?", "count the things:")
    return Turn(rng.choice(asked), NUMBERS[scene.count])


def _size(scene: Scene, rng: random.Random) -> Turn:
    thing = rng.choice(scene.things)
    name = name_of(thing, rng)
    return Turn(rng.choice((f"how big is the {name}?", f"the size of the {name}:")), thing.size)


def _list(scene: Scene, rng: random.Random) -> Turn:
    names = ", ".join(CONCEPTS[thing.concept].name for thing in scene.things)
    return Turn(rng.choice(("name the objects:", "what can be seen?", "list the objects:")), names)


def _yes(scene: Scene, rng: random.Random) -> Turn | None:
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


ASKERS: dict[str, Asker] = {
    "relation": _relation,
    "background": _background,
    "category": _category,
    "number": _number,
    "size": _size,
    "list": _list,
    "yes": _yes,
}


def one_word(scene: Scene, rng: random.Random) -> str:
    """Return the narrow answer to "in one word": one thing that is there, or what it is."""
    concept = CONCEPTS[rng.choice(scene.things).concept]
    return concept.name if flip(rng, 0.7) else concept.category
