"""Where an engine is, without importing torch.

URL, name, key -> EngineAddress
"""

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from e5v.errors import UsageError


@dataclass(frozen=True)
class EngineAddress:
    """Where an engine is, and what to ask it for.

    Args:
        url: its address, such as "http://gpu:8000", with or without "/v1".
        model: the name that it serves the model by; by default its only one.
        key: sent as a bearer token.
        seconds: that one request may take.

    Raises:
        UsageError: the URL is not one of a server.
    """

    url: str
    model: str | None = None
    key: str | None = field(default=None, repr=False)
    seconds: float = 60.0

    def __post_init__(self) -> None:
        """Check the URL."""
        try:
            parts = urlsplit(self.url)
            good = parts.scheme in {"http", "https"} and parts.hostname and not parts.query
        except ValueError:  # an open bracket
            good = False
        if not good:
            raise UsageError(
                f"{self.url!r} is not the URL of an engine; expected one such as http://gpu:8000",
                argument="engine_url",
            )

    @property
    def base(self) -> str:
        """The URL that routes are added to."""
        return self.url.rstrip("/").removesuffix("/v1") + "/v1"
