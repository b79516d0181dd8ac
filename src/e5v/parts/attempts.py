"""How often each part was begun, so that one that kills its processes is not begun for ever.

the name of a part -> how often it was begun, this time counted; in a process of its own, and light
"""

from collections import Counter


class Attempts:
    """Counts in a process that outlives the workers."""

    def __init__(self) -> None:
        self._counts = Counter[str]()

    def begin(self, name: str) -> int:
        """Count one more, and return how many."""
        self._counts[name] += 1
        return self._counts[name]
