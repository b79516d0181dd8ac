"""What a step that fails says."""

from pathlib import Path

import pytest

from e5v.errors import TrainingError
from e5v.training.contents import identify
from e5v.training.run_folder import RunFolder
from e5v.training.step_errors import step_errors


def test_an_image_that_goes_during_a_step(tmp_path: Path) -> None:
    """A file that vanishes before the loss compares items: told without its step and checkpoint."""
    folder = RunFolder(tmp_path / "run")
    gone = {"image": tmp_path / "gone.png"}
    with (
        pytest.raises(TrainingError, match=r"step 5: .*gone\.png does not exist.*resume the run"),
        step_errors(4, "a model", folder),
    ):
        identify(gone)
