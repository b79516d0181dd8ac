"""The recipes of published embedders, one record each, and those whose models e5v cannot run.

A new embedder needs one record, here or in a file of its family, and a test that compares it with
the wording written out by hand. An embedder without one is asked as E5-V is.
"""

from dataclasses import dataclass
from difflib import get_close_matches

from e5v.errors import UsageError
from e5v.model.recipe import Recipe
from e5v.model.recipes_llava import BGE_VL, E5_V, UNIME, VLM2VEC_LLAVA
from e5v.model.recipes_qwen import (
    GME,
    LAMRA,
    LCO,
    NOMIC,
    OPS_MM,
    QWEN3_VL,
    UNIME_V2,
    VLM2VEC_QWEN2,
    VLM2VEC_V2,
)

RECIPES: tuple[Recipe, ...] = (
    E5_V,
    UNIME,
    QWEN3_VL,
    BGE_VL,
    VLM2VEC_LLAVA,
    OPS_MM,
    GME,
    LAMRA,
    UNIME_V2,
    NOMIC,
    VLM2VEC_QWEN2,
    VLM2VEC_V2,
    LCO,
)


@dataclass(frozen=True)
class Refused:
    """An embedder that is known, and whose authors' vectors e5v cannot give: `why`."""

    name: str
    ids: tuple[str, ...]
    why: str
    marks: tuple[str, ...] = ()


REFUSED: tuple[Refused, ...] = (
    Refused(
        "MoCa",
        ("moca-embed/MoCa-Qwen25VL-3B", "moca-embed/MoCa-Qwen25VL-7B"),
        "it attends in both directions and averages all tokens, and e5v pools the last one",
    ),
    Refused(
        "jina-embeddings-v4",
        ("jinaai/jina-embeddings-v4",),
        "it averages spans of tokens, and chooses an adapter for each task",
        ("JinaEmbeddingsV4", "jina_embeddings_v4"),
    ),
    Refused(
        "mmE5",
        ("intfloat/mmE5-mllama-11b-instruct",),
        "its language model attends to images by cross attention, which e5v does not run",
    ),
    Refused(
        "VLM2Vec with Phi-3.5-V",
        ("TIGER-Lab/VLM2Vec-Full", "TIGER-Lab/VLM2Vec-LoRA"),
        "transformers has no Phi-3.5-V",
    ),
    Refused(
        "UniME with Phi-3.5-V",
        ("DeepGlint-AI/UniME-Phi3.5-V-4.2B",),
        "transformers has no Phi-3.5-V",
    ),
)


def find_recipe(name: str) -> Recipe:
    """Return the recipe of a name.

    Raises:
        UsageError: there is none; the nearest is named.
    """
    for recipe in RECIPES:
        if name == recipe.name:
            return recipe
    names = [recipe.name for recipe in RECIPES]
    near = [one for one in names if name and one.startswith(name.lower())]
    near = near or get_close_matches(name.lower(), names, n=1, cutoff=0.4)
    meant = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(names)}"
    raise UsageError(f"there is no recipe {name!r}; {meant}", argument="recipe")
