"""How often something is so."""

import random


def chance(rng: random.Random, often: float) -> bool:
    """Whether it is so this time; `often` of all times, on average."""
    return rng.random() < often
