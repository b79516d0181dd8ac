"""What tests of data share: a hub to ask, and small data."""

from collections.abc import Callable

import pytest
from huggingface_hub import constants


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Ask a hub at another address."""

    def ask(url: str) -> None:
        monkeypatch.setattr(constants, "ENDPOINT", url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 5)

    return ask
