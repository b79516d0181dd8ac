"""How a verb opens a model: the options that every verb has."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import arg

if TYPE_CHECKING:
    from e5v.model.embedder import E5V

MODEL = "royokong/e5-v"  # the paper's own


@dataclass(frozen=True)
class Opening:
    """How a model is opened."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """What the model computes in; auto is bfloat16 where the machine is fast at it."""
    device: Annotated[str | None, arg(metavar="NAME")] = None
    """cpu, cuda, mps, ...; by default the fastest at hand."""
    trust_remote_code: bool = False
    """Run Python code that comes with the checkpoint."""

    def open(self, model: str, *, max_tokens: int | None = None) -> "E5V":
        """Open a model, which takes a moment: torch is imported here.

        Raises:
            ModelError: it cannot be opened.
        """
        from e5v.model.locating import find_model

        find_model(model)  # what is no model is found out before torch is imported
        from e5v.model.embedder import E5V

        return E5V(model, max_tokens=max_tokens, **asdict(self))
