"""The options of the verbs that can leave the model's weights to an engine."""

import os
from dataclasses import dataclass
from typing import Annotated, Literal

from tyro.conf import arg

from e5v.errors import UsageError
from e5v.model.engine_address import EngineAddress
from e5v.verbs.options import need_at_least_1

KEY = "E5V_ENGINE_KEY"


@dataclass(frozen=True)
class EngineOptions:
    """Where the model runs, if not here."""

    engine: Annotated[Literal["openai"] | None, arg(metavar="{openai}")] = None
    """Run the model on a server that embeds by OpenAI's protocol, such as vLLM: here are then only
    its tokenizer and image processor. E5V_ENGINE_KEY is sent as the key."""
    engine_url: Annotated[str | None, arg(metavar="URL")] = None
    """Address of the engine, such as http://gpu:8000."""
    engine_model: Annotated[str | None, arg(metavar="NAME")] = None
    """Name that the engine serves the model by; by default its only one."""

    def __post_init__(self) -> None:
        """Refuse options that do not go together.

        Raises:
            UsageError: names the option.
        """
        if self.engine and not self.engine_url:
            raise UsageError("--engine-url is missing; give one such as http://gpu:8000")
        if (self.engine_url or self.engine_model) and not self.engine:
            given = "--engine-url" if self.engine_url else "--engine-model"
            raise UsageError(f"{given} is of an engine; add --engine openai")
        self.address()

    def address(self) -> EngineAddress | None:
        """Return the engine's address; None if the model runs here.

        Raises:
            UsageError: the URL is not one of a server.
        """
        if self.engine is None or self.engine_url is None:
            return None
        return EngineAddress(self.engine_url, self.engine_model, os.environ.get(KEY) or None)


@dataclass(frozen=True)
class EncodeEngineOptions:
    """The engines of `e5v encode`: one that hands out parts, or one that runs the model."""

    engine: Annotated[Literal["ray", "openai"] | None, arg(metavar="{ray,openai}")] = None
    """ray: let Ray hand out the parts, with all cores and GPUs of this machine, or on the cluster
    that RAY_ADDRESS names. openai: run the model on a server that embeds by OpenAI's protocol, such
    as vLLM; E5V_ENGINE_KEY is sent as the key."""
    engine_actors: Annotated[int | None, arg(metavar="N")] = None
    """Models that Ray opens at the same time; by default one for each GPU, or for every four
    cores."""
    engine_url: Annotated[str | None, arg(metavar="URL")] = None
    """Address of the server, such as http://gpu:8000."""
    engine_model: Annotated[str | None, arg(metavar="NAME")] = None
    """Name that the server serves the model by; by default its only one."""

    def __post_init__(self) -> None:
        """Refuse options that are out of range or do not go together.

        Raises:
            UsageError: names the option.
        """
        need_at_least_1(self, "engine_actors")
        if self.engine_actors is not None and not self.ray:
            raise UsageError("--engine-actors is for Ray; give --engine ray")
        self.address()

    @property
    def ray(self) -> bool:
        """Whether Ray hands out the parts."""
        return self.engine == "ray"

    def address(self) -> EngineAddress | None:
        """Return the address of the server that runs the model; None if it runs here.

        Raises:
            UsageError: the URL is missing, or not one of a server.
        """
        server = None if self.engine == "ray" else self.engine
        return EngineOptions(server, self.engine_url, self.engine_model).address()
