"""A notice about the limits of the bundled models."""

BUNDLED = frozenset({"nano", "nano-base"})


def notice(model: str) -> str | None:
    """Return a notice of one line if the model is a bundled one, else None."""
    if model not in BUNDLED:
        return None
    return (
        "the bundled model knows emoji scenes only; for photos and texts of any kind use "
        "royokong/e5-v, with an index of its own"
    )
