"""How much work a query is: images decoded, images seen by the vision tower, forward passes."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from e5v.model import encoder, preparing
from e5v.model.encoder import Encoder
from e5v.model.images import decode
from e5v.model.vision import image_tokens

STATES = Encoder.states


def count_work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count from now on what the models of this process do."""
    done: Counter[str] = Counter()

    def count_decoded(*given: Any) -> Any:
        done["decoded"] += 1
        return decode(*given)

    def count_seen(model: Any, images: Sequence[Any], *rest: Any) -> Any:
        done["seen"] += len(images)
        return image_tokens(model, images, *rest)

    def count_pass(self: Encoder, batch: Sequence[Any]) -> Any:
        done["passes"] += 1
        done["items"] += len(batch)
        return STATES(self, batch)

    monkeypatch.setattr(preparing, "decode", count_decoded)
    monkeypatch.setattr(encoder, "image_tokens", count_seen)
    monkeypatch.setattr(Encoder, "states", count_pass)
    return done
