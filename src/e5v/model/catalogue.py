"""The published embedders that e5v asks as their authors do, and the bundled models.

a record for each: hub id, recipe, shape, how it cuts a photo, licence, download, published scores

What decides tokens and operations is derived from the shape (`e5v.model.catalogue_shapes`); nothing
is downloaded. A new model needs one record.
"""

import json
from dataclasses import dataclass

from e5v.model.bundled import ASSETS, NANO, PAPER, PHOTOS
from e5v.model.catalogue_shapes import (
    ANYRES,
    EFFICIENTNET,
    LLAMA_8B,
    MISTRAL_7B,
    OMNI_3B,
    OMNI_7B,
    QWEN2_2B,
    QWEN2_7B,
    QWEN2_GRID,
    QWEN3_2B,
    QWEN3_8B,
    QWEN3_GRID,
    QWEN25_3B,
    QWEN25_7B,
    SMOL_135M,
)
from e5v.model.photo_tokens import PHOTO, Rule, Seen, Tiles, Whole, see
from e5v.model.recipe import Recipe
from e5v.model.recipes import find_recipe
from e5v.model.resizing import Size
from e5v.model.shapes import Language, Shape, Tower, Work
from e5v.model.speeds import Kind

RANKED = "MMEB-V2 image"  # the benchmark by which models are compared: most have a score
QWEN = "README of QwenLM/Qwen3-VL-Embedding at 8ce3aab"
VLM2VEC = "README of TIGER-AI-Lab/VLM2Vec"
RZEN = "model card of RzenEmbed-v2-7B"
RESULTS = "embeddings-benchmark/results at f4cc6c8: mean over the 10 types of tasks"
BYTES = 2  # of a stored value, where the size of a download is not known: most have 16 bits
PROMPT_TOKENS = 20  # of a prompt, beside the image
TEXT_TOKENS = 32  # of a short text, in its prompt


@dataclass(frozen=True)
class Score:
    """A published figure in percent, and where it was published."""

    benchmark: str
    value: float
    source: str


@dataclass(frozen=True)
class CatalogueModel:
    """A model that can be named.

    Attributes:
        id: what it is opened by.
        recipe_name: of the recipe that it is asked by.
        shape: of its language model and vision tower.
        rule: how it cuts an image, but for what its recipe says.
        scores: published figures.
        download: bytes, where they are known.
        own_licence: of the weights, where it is not the recipe's.
    """

    id: str
    recipe_name: str
    shape: Shape
    rule: Rule
    scores: tuple[Score, ...] = ()
    download: int | None = None
    own_licence: str | None = None

    @property
    def recipe(self) -> Recipe:
        """How it is asked."""
        return find_recipe(self.recipe_name)

    @property
    def licence(self) -> str:
        """The licence of its weights."""
        return self.own_licence or self.recipe.licence

    @property
    def download_size(self) -> int:
        """Bytes to download: known, or 16 bits a value; 0 for what needs no hub."""
        return self.shape.parameters * BYTES if self.download is None else self.download

    @property
    def score(self) -> float | None:
        """The figure by which it is compared with others, if it has one."""
        return next((one.value for one in self.scores if one.benchmark == RANKED), None)

    def see(self, size: Size = PHOTO) -> Seen:
        """Return what it reads a photo of `size` (width, height) as."""
        return see(self.rule, self.recipe.resize, self.recipe.pixels, size)

    @property
    def widths(self) -> set[int]:
        """The widths of its matrices."""
        return {self.shape.language.width, self.shape.vision.width}

    def work(self, kind: Kind) -> dict[int, Work]:
        """Return what a photo or a short text takes, with its prompt, by the width of matrices."""
        language = self.shape.language
        if kind == "text":
            return {language.width: language.work(TEXT_TOKENS)}
        seen = self.see()
        return {
            self.shape.vision.width: self.shape.vision.work(seen.sequences),
            language.width: language.work(seen.tokens + PROMPT_TOKENS),
        }


def _read_nano() -> CatalogueModel:
    """Read the bundled model's shape from its config."""
    config = json.loads((ASSETS / NANO / "base" / "config.json").read_text(encoding="utf-8"))
    text, seen = config["text_config"], config["vision_config"]
    language = Language(
        text["num_hidden_layers"],
        text["hidden_size"],
        text["intermediate_size"],
        text["num_attention_heads"],
        text["num_key_value_heads"],
        text["vocab_size"],
        tied=text["tie_word_embeddings"],
        head_width=text["head_dim"],
    )
    width, side, patch = seen["hidden_size"], seen["image_size"], seen["patch_size"]
    tower = Tower(
        seen["num_hidden_layers"],
        width,
        seen["intermediate_size"],
        3 * patch**2,
        ((width, language.width), (language.width,) * 2),
        places=(side // patch) ** 2 + 1,
    )
    pinpoints = tuple((high, wide) for high, wide in config["image_grid_pinpoints"])
    rule = Tiles(side, patch, pinpoints)
    return CatalogueModel(
        NANO, "e5-v", Shape(language, tower), rule, download=0, own_licence="Apache-2.0"
    )


def _score(value: float, source: str = QWEN) -> tuple[Score, ...]:
    return (Score(RANKED, value, source),)


def _mmeb(value: float, source: str) -> tuple[Score, ...]:
    return (Score("MMEB", value, source),)


MODELS: tuple[CatalogueModel, ...] = (
    CatalogueModel(
        "Qwen/Qwen3-VL-Embedding-8B", "qwen3-vl-embedding", QWEN3_8B, QWEN3_GRID, _score(80.1)
    ),
    CatalogueModel(
        "Qwen/Qwen3-VL-Embedding-2B", "qwen3-vl-embedding", QWEN3_2B, QWEN3_GRID, _score(75.0)
    ),
    CatalogueModel(
        "OpenSearch-AI/Ops-MM-embedding-v1-7B",
        "ops-mm-embedding",
        QWEN2_7B,
        QWEN2_GRID,
        _score(72.7),
    ),
    CatalogueModel(
        "OpenSearch-AI/Ops-MM-embedding-v1-2B",
        "ops-mm-embedding",
        QWEN2_2B,
        QWEN2_GRID,
        _score(69.0, RZEN),
    ),
    CatalogueModel("VLM2Vec/VLM2Vec-V2.0", "vlm2vec-v2", QWEN2_2B, QWEN2_GRID, _score(64.9)),
    CatalogueModel(
        "TIGER-Lab/VLM2Vec-Qwen2VL-7B",
        "vlm2vec-qwen2-vl",
        QWEN2_7B,
        QWEN2_GRID,
        _mmeb(65.8, VLM2VEC),
    ),
    CatalogueModel(
        "TIGER-Lab/VLM2Vec-Qwen2VL-2B",
        "vlm2vec-qwen2-vl",
        QWEN2_2B,
        QWEN2_GRID,
        _score(59.7) + _mmeb(60.1, VLM2VEC),
    ),
    CatalogueModel(
        "Alibaba-NLP/gme-Qwen2-VL-7B-Instruct", "gme-qwen2-vl", QWEN2_7B, QWEN2_GRID, _score(56.0)
    ),
    CatalogueModel(
        "Alibaba-NLP/gme-Qwen2-VL-2B-Instruct",
        "gme-qwen2-vl",
        QWEN2_2B,
        QWEN2_GRID,
        _score(51.9),
        download=8_850_000_000,  # in 32 bits
    ),
    CatalogueModel("TianchengGu/UniME-V2-Qwen2VL-7B", "unime-v2-qwen2-vl", QWEN2_7B, QWEN2_GRID),
    CatalogueModel(
        "TianchengGu/UniME-V2-Qwen2VL-2B",
        "unime-v2-qwen2-vl",
        QWEN2_2B,
        QWEN2_GRID,
        _mmeb(63.6, "arXiv 2510.13515"),
    ),
    CatalogueModel("BAAI/BGE-VL-MLLM-S1", "bge-vl-mllm", MISTRAL_7B, ANYRES),
    CatalogueModel(
        "BAAI/BGE-VL-MLLM-S2",
        "bge-vl-mllm",
        MISTRAL_7B,
        ANYRES,
        _mmeb(64.1, "arXiv 2412.14475, fine-tuned on its training sets"),
    ),
    CatalogueModel("BAAI/BGE-VL-v1.5-zs", "bge-vl-mllm", MISTRAL_7B, ANYRES),
    CatalogueModel("BAAI/BGE-VL-v1.5-mmeb", "bge-vl-mllm", MISTRAL_7B, ANYRES),
    CatalogueModel("TIGER-Lab/VLM2Vec-LLaVa-Next", "vlm2vec-llava-next", MISTRAL_7B, ANYRES),
    CatalogueModel("DeepGlint-AI/UniME-LLaVA-1.6-7B", "unime-llava", MISTRAL_7B, ANYRES),
    CatalogueModel("code-kunkun/LamRA-Ret", "lamra-ret", QWEN2_7B, QWEN2_GRID),
    CatalogueModel(
        "nomic-ai/nomic-embed-multimodal-7b",
        "nomic-embed-multimodal",
        QWEN25_7B,
        QWEN2_GRID,
        own_licence="Apache-2.0",
    ),
    CatalogueModel(
        "nomic-ai/nomic-embed-multimodal-3b",
        "nomic-embed-multimodal",
        QWEN25_3B,
        QWEN2_GRID,
        own_licence="none stated",
    ),
    CatalogueModel(
        "LCO-Embedding/LCO-Embedding-Omni-7B",
        "lco-embedding-omni",
        OMNI_7B,
        QWEN2_GRID,
        own_licence="MIT",
    ),
    CatalogueModel(
        "LCO-Embedding/LCO-Embedding-Omni-3B",
        "lco-embedding-omni",
        OMNI_3B,
        QWEN2_GRID,
        own_licence="MIT",
    ),
    CatalogueModel(
        "LCO-Embedding/LCO-Embedding-Omni-3B-2605",
        "lco-embedding-omni",
        OMNI_3B,
        QWEN2_GRID,
        own_licence="Apache-2.0",
    ),
    CatalogueModel(
        PAPER,
        "e5-v",
        LLAMA_8B,
        ANYRES,
        (Score("MIEB-Lite", 51.9, RESULTS),),
    ),
    CatalogueModel(
        PHOTOS,
        "e5-v",
        Shape(SMOL_135M, EFFICIENTNET),
        Whole(9),
        download=110_000_000,  # the parts that it is assembled of
        own_licence="Apache-2.0",
    ),
    _read_nano(),
)


def find_model(name: str) -> CatalogueModel | None:
    """Return the record of a model; None for other names."""
    return next((one for one in MODELS if one.id.lower() == name.lower()), None)
