"""An `E5V` as an mteb model (extra `eval`), to run any of mteb's tasks.

task -> batches of columns "text", "image" -> items -> the task's prompt -> E5V -> unit rows

mteb.evaluate(MTEBModel(E5V("royokong/e5-v")), mteb.get_tasks(tasks=["CIRRIT2IRetrieval"]))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from e5v.errors import UsageError
from e5v.extras import imported
from e5v.inputs import Item, Text, normalise
from e5v.model.bundled import NAMES
from e5v.model.embedder import E5V
from e5v.model.fingerprint import fingerprint
from e5v.model.prompts import Prompt, find_prompt

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models import ModelMeta
    from mteb.types import Array, BatchedInput, EncodeKwargs, PromptType
    from torch.utils.data import DataLoader

# The paper's prompts, by the name or type of a task; all other tasks use "retrieval".
# The paper's prompt for FashionIQ names the category, but mteb's FashionIQ mixes the categories.
PROMPTS = {
    "CIRRIT2IRetrieval": "cirr",
    "EDIRIT2IRetrieval": "cirr",
    "FashionIQIT2IRetrieval": "cirr",
    "STS": "sts",
}


class MTEBModel:
    """An `E5V` with the interface of mteb's encoders (`mteb.models.EncoderProtocol`).

    A text, or an image, gets the paper's prompt for one word. An image with a text gets the edit
    prompt if it is a query that searches for images, otherwise (a document, or a search for texts)
    the mixture prompt.

    Ignored, of what mteb passes besides the items:

    - a task's instruction (`TaskMetadata.prompt`): the model was tuned with prompts of its own. An
      instruction that belongs to a single query is part of the query's text;
    - whether an item is a query or a document, except for an image with a text, and for a model
      whose recipe words the two differently;
    - the split, the subset, and the batch size: batches are planned by tokens.

    Args:
        model: the model to evaluate.
        name: "organisation/model" for mteb's results; by default the hub id, or the folder's name
            after "local/". The revision is the fingerprint, so other weights have other results.
        prompts: replacements for some of e5v's prompts, by name.

    Raises:
        MissingExtraError: the package `mteb` is not installed.
        UsageError: the name has no organisation.
    """

    def __init__(
        self,
        model: E5V,
        *,
        name: str | None = None,
        prompts: Mapping[str, Prompt] | None = None,
    ) -> None:
        self.model = model
        self.prompts = dict(prompts or {})
        self.mteb_model_meta = _describe_model(
            model, name or _make_name(model), _describe_experiment(self)
        )

    def encode(
        self,
        inputs: DataLoader[BatchedInput],
        *,
        task_metadata: TaskMetadata,
        hf_split: str,
        hf_subset: str,
        prompt_type: PromptType | None = None,
        **kwargs: Unpack[EncodeKwargs],
    ) -> NDArray[np.float32]:
        """Embed the rows of a task: (n, d) unit rows, in the order given.

        Raises:
            UsageError: the task has audio or video, or the precision is not float32.
            ItemError: an image cannot be read.
        """
        if kwargs.get("precision", "float32") != "float32":
            raise UsageError(
                f'precision is "{kwargs["precision"]}"; expected "float32"; for others, '
                "wrap the model in mteb's CompressionWrapper"
            )
        rows: NDArray[np.float32] = self.model.encode(
            _Items(inputs),
            prompt=self._find_prompt(task_metadata, prompt_type),
            side="query" if prompt_type == "query" else "document",
            progress=kwargs.get("show_progress_bar", True),
        )
        return rows

    def similarity(self, embeddings1: Array, embeddings2: Array) -> Array:
        """Cosine of every row with every row."""
        from mteb.similarity_functions import cos_sim

        return cos_sim(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Array, embeddings2: Array) -> Array:
        """Cosine of each row with the same row."""
        from mteb.similarity_functions import pairwise_cos_sim

        return pairwise_cos_sim(embeddings1, embeddings2)

    def _find_prompt(self, task: TaskMetadata, prompt_type: PromptType | None) -> Prompt:
        name = PROMPTS.get(task.name) or PROMPTS.get(task.type) or "retrieval"
        prompt = self.prompts.get(name) or find_prompt(name)
        composed = prompt_type == "query" and (task.category or "").endswith("2i")
        return prompt if composed else replace(prompt, edit=prompt.mixture)


@dataclass(frozen=True)
class _Items:
    """The rows of a loader as items, and how many there are."""

    batches: DataLoader[BatchedInput]

    def __len__(self) -> int:
        return len(self.batches.dataset)  # type: ignore[arg-type]  # mteb's have a length

    def __iter__(self) -> Iterator[Item]:
        rows = chain.from_iterable(_read_rows(batch) for batch in self.batches)
        return (row.item(position) for position, row in enumerate(rows))


@dataclass(frozen=True)
class _Row:
    image: object
    text: str | None

    def item(self, position: int) -> Item:
        """Return the item to embed.

        Documents of mteb may be empty: an empty text beside an image is dropped; alone it is
        embedded like any other, since every row must have a vector.
        """
        alone = self.image is None and self.text is not None
        parts = () if alone else normalise({"image": self.image}, position).parts
        if self.text is None or (parts and not self.text.strip()):
            return Item(parts)
        return Item((*parts, Text(self.text)))  # never read as a path


def _read_rows(batch: Mapping[str, Sequence[Any]]) -> Iterator[_Row]:
    """Read mteb's columns of images and texts; it has joined titles to texts."""
    known, others = {"image", "text"} & batch.keys(), {"audio", "video"} & batch.keys()
    if others or not known:
        raise UsageError(
            f"a task of mteb gives the columns {', '.join(sorted(batch))}; expected text or image, "
            "and neither audio nor video"
        )
    count = len(batch[min(known)])
    images, texts = (batch.get(name, [None] * count) for name in ("image", "text"))
    return (_Row(image, text) for image, text in zip(images, texts, strict=True))


def _make_name(model: E5V) -> str:
    name = model.loaded.name
    if name in NAMES or not Path(name).is_dir():
        return f"e5v/{name}" if name in NAMES else name
    return f"local/{Path(name).resolve().name}"


def _describe_experiment(wrapper: MTEBModel) -> dict[str, object] | None:
    """Return settings that affect the vectors but not the fingerprint, for mteb's results."""
    settings: dict[str, object] = {}
    if wrapper.prompts:
        settings["prompts"] = {name: str(prompt) for name, prompt in wrapper.prompts.items()}
    if wrapper.model.max_tokens < wrapper.model.loaded.context:
        settings["max_tokens"] = wrapper.model.max_tokens
    return settings or None


def _describe_model(model: E5V, name: str, experiment: dict[str, object] | None) -> ModelMeta:
    """Describe the model by what it shows; leave unset what only its makers know."""
    with imported("a model of mteb"):
        from mteb.models import model_meta
        from mteb.types import OutputDType
    if "/" not in name:
        raise UsageError(f'name is "{name}"; expected "organisation/model", as mteb requires')
    weights = list(model.loaded.model.parameters())
    return model_meta.ModelMeta(
        loader=None,
        name=name,
        revision=fingerprint(model.loaded, model.encoder.readout),
        n_parameters=sum(weight.numel() for weight in weights),
        n_embedding_parameters=model.loaded.model.get_input_embeddings().weight.numel(),
        memory_usage_mb=sum(weight.nbytes for weight in weights) / 2**20,
        max_tokens=model.max_tokens,
        embed_dim=model.width,
        modalities=["image", "text"],
        similarity_fn_name=model_meta.ScoringFunction.COSINE,
        use_instructions=True,
        framework=["PyTorch", "Transformers"],
        output_dtypes=OutputDType.FLOAT32,
        experiment_kwargs=experiment,
        release_date=None,
        languages=None,
        license=None,
        open_weights=None,
        public_training_code=None,
        public_training_data=None,
        training_datasets=None,
    )
