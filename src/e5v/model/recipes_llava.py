r"""Recipes of embedders made of LLaVA-NeXT: E5-V itself, UniME, BGE-VL-MLLM and VLM2Vec.

Wordings are verbatim; odd spaces are the authors' and are marked `# sic`.
"""

from e5v.model.bundled import NAMES, PAPER
from e5v.model.recipe import Acceptance, Recipe, Templates, Wording
from e5v.model.resizing import Fixed

# Its prompts, by task, are in `e5v.model.prompts`, and its turns, one per language model, too.
E5_V = Recipe(
    name="e5-v",
    ids=(PAPER, *NAMES),
    model_types=(),
    licence="none stated",
    source="arXiv 2407.12580 and its code",
)

# Its authors word a text and an image exactly as E5-V does in Mistral's turn. They give no wording
# for both together: E5-V's is used.
UNIME = Recipe(
    name="unime-llava",
    ids=("DeepGlint-AI/UniME-LLaVA-1.6-7B",),
    model_types=("llava_next",),
    licence="none stated",
    source="README of the authors' repository",
)

# As in the code of the checkpoint, which resizes before it converts to RGB; the other way round
# differs for palettes only, and is what e5v does. Only queries have an instruction.
BGE_VL = Recipe(
    name="bge-vl-mllm",
    ids=(
        "BAAI/BGE-VL-MLLM-S1",
        "BAAI/BGE-VL-MLLM-S2",
        "BAAI/BGE-VL-v1.5-zs",
        "BAAI/BGE-VL-v1.5-mmeb",
    ),
    model_types=("llava_next",),
    marks=("LLaVANextForEmbedding", "modeling_llavanext_for_embedding"),
    licence="MIT",
    source="modeling_llavanext_for_embedding.py of the checkpoint",
    query=Wording(
        plain=Templates(
            text="[INST] \n <instruct>  <query> <text> \n [/INST]",  # sic
            image="[INST] \n <instruct>  <query> <image> [/INST]",  # sic
            both="[INST] \n <instruct>  <query> <text> \n <image> [/INST]",  # sic
            between_images=" ",
        ),
        instructed=Templates(
            text="[INST] \n <instruct> <instruction> <query>  <text> \n [/INST]",  # sic
            image="[INST] \n <instruct> <instruction> <query>  <image> [/INST]",  # sic
            both="[INST] \n <instruct> <instruction> <query>  <text> \n <image> [/INST]",  # sic
            between_images=" ",
        ),
    ),
    document=Wording(
        Templates(
            text="[INST]  <text> \n [/INST]",  # sic
            image="[INST]  <image> [/INST]",  # sic
            both="[INST]  <text> \n <image> [/INST]",  # sic
            between_images=" ",
        )
    ),
    turn="raw",
    resize=(Fixed(512, 512),),
)

# A text without an instruction is embedded as it is; the pooled token is then its own last one.
VLM2VEC_WORDING = Wording(
    plain=Templates(
        text="<text>",
        image="<image> Represent the given image.",
        both="<image> Represent the given image with the following question: <text>",
        between_images=" ",
    ),
    instructed=Templates(
        text="<instruction> <text>",
        image="<image> <instruction>",
        both="<image> <instruction> <text>",
        between_images=" ",
    ),
)

# The authors' evaluation resizes images to 1344x1344 pixels, their demonstration does not: this
# follows the demonstration, whose cosines are printed beside it.
VLM2VEC_LLAVA = Recipe(
    name="vlm2vec-llava-next",
    ids=("TIGER-Lab/VLM2Vec-LLaVa-Next",),
    model_types=("llava_next",),
    licence="Apache-2.0",
    source="examples/llava_next/demo.py of the authors' first branch",
    query=VLM2VEC_WORDING,
    document=VLM2VEC_WORDING,
    turn="raw",
    acceptance=(Acceptance("figures/example.jpg", (0.4414, 0.3555)),),
)
