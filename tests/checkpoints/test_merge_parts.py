"""An adapter of more than the language model is merged as peft merges it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from e5v.checkpoints.merge import merge
from tests.adapters import write_adapter

WEIGHTS = "model.safetensors"


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("llava_next_llama3", {"target_modules": "all-linear"}),
        ("qwen3_vl", {"target_modules": "all-linear", "use_dora": True}),
        ("smolvlm", {"target_modules": ".*(text_model|connector).*proj"}),
        ("llava_next_llama3", {"target_modules": ["q_proj", "lm_head"]}),
        ("qwen2_5_vl", {"target_modules": ["q_proj"], "modules_to_save": ["merger", "norm"]}),
    ],
)
def test_an_adapter_of_the_other_parts_too(
    name: str, more: dict[str, object], checkpoints: Callable[[str], Path], tmp_path: Path
) -> None:
    """Catches a vision tower, a projector or a head that is left as it was, or merged elsewhere."""
    source = checkpoints(name)
    run = write_adapter(tmp_path / "run", source, tmp_path / "peft", **more)
    merged = merge(run, tmp_path / "ours", source)
    ours, theirs, before = (
        load_file(folder / WEIGHTS) for folder in (merged.folder, tmp_path / "peft", source)
    )
    assert ours.keys() == theirs.keys()
    for key, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[key], rtol=0, atol=1e-6, msg=key)
        assert torch.equal(tensor, before[key]) or key in merged.changed, key
    assert len({key.split(".")[0] for key in merged.changed}) > 1 or name != "llava_next_llama3"
