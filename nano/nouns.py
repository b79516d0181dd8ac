"""How a thing is named in English: its article, its plural, its measure.

"apple" -> "an apple", "two apples"; "bread" -> "a loaf of bread"; "jeans" -> "two pairs of jeans"
"""

import re

_MEASURED = {  # what is not counted by itself
    "ball": ("yarn",),
    "bar": ("soap",),
    "bolt": ("lightning",),
    "bowl": ("noodles", "ramen", "salad"),
    "box": ("french fries", "fries", "popcorn", "juice"),
    "bunch": ("grapes",),
    "cup": ("coffee", "soda"),
    "ear": ("corn", "maize"),
    "glass": ("milk", "wine", "whiskey", "scotch"),
    "head": ("broccoli", "lettuce", "cabbage"),
    "loaf": ("bread",),
    "mug": ("beer",),
    "pair": (
        *("glasses", "eyeglasses", "spectacles", "sunglasses", "shades"),
        *("jeans", "pants", "trousers", "gloves", "socks"),
        *("scissors", "headphones", "earphones"),
    ),
    "piece": ("cheese", "sushi"),
    "roll": ("toilet paper",),
    "shaker": ("salt",),
    "strip": ("bacon",),
}
MEASURES = {word: measure for measure, words in _MEASURED.items() for word in words}
UNCHANGED = ("deer", "dice", "fish", "blowfish", "pufferfish", "sheep", "squid")
IN_ES = ("potato", "tomato", "tornado", "volcano", "mango")
PLURALS = (
    {"cactus": "cacti", "knife": "knives", "leaf": "leaves", "loaf": "loaves", "scarf": "scarves"}
    | {name: name for name in UNCHANGED}
    | {name: f"{name}es" for name in IN_ES}
)
NUMBERS = ("zero", "one", "two", "three", "four")
_AN = re.compile(r"[aeio]|u(?!fo|ni)|hourglass")


def article(words: str) -> str:
    """Put "a" or "an" before words."""
    return f"an {words}" if _AN.match(words) else f"a {words}"


def singular(name: str) -> str:
    """Return the words for one: "apple", "loaf of bread"."""
    measure = MEASURES.get(name)
    return f"{measure} of {name}" if measure else name


def plural(name: str) -> str:
    """Return the words for several: "apples", "loaves of bread"."""
    if name in MEASURES:
        return f"{_plural(MEASURES[name])} of {name}"
    first, of, rest = name.partition(" of ")
    return f"{_plural(first)}{of}{rest}"


def _plural(name: str) -> str:
    head, space, last = name.rpartition(" ")
    if last in PLURALS:
        return f"{head}{space}{PLURALS[last]}"
    if re.search(r"(s|x|z|ch|sh)$", last):
        return f"{name}es"
    if re.search(r"[^aeiou]y$", last):
        return f"{name[:-1]}ies"
    return f"{name}s"
