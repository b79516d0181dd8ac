"""`verify` must pass on a good model and fail, by name, on each kind of broken one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e5v.inputs import Text
from e5v.model import encoder, last_layer, tokens
from e5v.model.packing import Pack
from e5v.model.verify import Check, verify

Checkpoints = Callable[[str], Path]


def _checks(folder: Path) -> dict[str, Check]:
    return {check.name: check for check in verify(str(folder), dtype="float32")}


def test_a_good_model_passes(checkpoints: Checkpoints) -> None:
    """A check that cries wolf."""
    checks = _checks(checkpoints("llava_next_llama3"))
    assert [check.name for check in checks.values() if not check.passed] == []
    assert len(checks) == 9


def test_half_precision_has_its_own_limit(checkpoints: Checkpoints) -> None:
    """A model in bfloat16 held to what only float32 can keep."""
    checks = list(verify(str(checkpoints("qwen3_vl")), dtype="bfloat16"))
    assert all(check.passed for check in checks)
    assert "cosine" in checks[-1].limit


def test_a_wrong_pooled_position_fails(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commonest silent failure of embedders: pooling beside the last token."""
    last = Pack.last.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(Pack, "last", property(lambda self: [n - 1 for n in last(self)]))
    checks = _checks(checkpoints("llava_next_llama3"))
    assert not checks["plain path, text"].passed
    assert not checks["plain path, image"].passed


def test_a_neighbour_that_leaks_fails(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attention that sees the sequence beside it."""
    monkeypatch.setattr(encoder, "shared_tokens", lambda sequences: min(map(len, sequences)) - 1)
    checks = _checks(checkpoints("llava_next_llama3"))
    assert not checks["alone or in any batch"].passed


def test_a_cut_prompt_fails(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    """Truncation that takes the closing tokens instead of the user's text."""

    def cut_the_end(self: Any, pieces: Any, expansions: Any) -> tokens.Tokens:
        texts = [piece.text for piece in pieces if isinstance(piece, Text)]
        ids = self._encode_plain(pieces, texts, expansions).ids[: self.max_tokens]
        return tokens.Tokens(ids, cut=False)

    monkeypatch.setattr(tokens.PromptTokenizer, "encode", cut_the_end)
    assert not _checks(checkpoints("llava_next_llama3"))["prompt tail intact"].passed


def test_a_layer_that_forgets_its_keys_fails(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A last layer of ours that computes other keys than the model's own."""
    given = last_layer._keys_values

    def swapped(*arguments: Any) -> Any:
        keys, values = given(*arguments)
        return values, keys

    monkeypatch.setattr(last_layer, "_keys_values", swapped)
    assert not _checks(checkpoints("llava_next_llama3"))["plain path, mixture"].passed
