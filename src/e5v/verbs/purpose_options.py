"""What items are for, as options: for models that take instructions, or word queries differently.

--instruction, --side -> the arguments of `E5V.encode`
"""

from dataclasses import dataclass
from typing import Annotated, Literal, TypedDict

from tyro.conf import arg

from e5v.errors import UsageError


class PurposeArguments(TypedDict):
    """The arguments of `E5V.encode` for what items are for."""

    instruction: str
    side: Literal["query", "document"] | None


@dataclass(frozen=True)
class PurposeOptions:
    """What the items are for."""

    instruction: Annotated[str | None, arg(metavar="TEXT")] = None
    """What the items are for, such as "Find an answer", for models that take an instruction; a
    JSON line may have its own: {"text": ..., "instruction": ...}."""
    side: Literal["query", "document"] | None = None
    """Whether the items are queries or documents, for models that word the two differently; by
    default, an item with an instruction is a query, and any other a document."""

    def refuse(self, work: str) -> None:
        """Refuse the options for work of a kind.

        Raises:
            UsageError: one is given.
        """
        for name in ("instruction", "side"):
            if getattr(self, name) is not None:
                raise UsageError(f"--{name} is not for {work}; leave it out")

    def arguments(self) -> PurposeArguments:
        """Return them as arguments of `E5V.encode`."""
        return {"instruction": self.instruction or "", "side": self.side}
