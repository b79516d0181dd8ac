r"""Recipes of embedders made of Qwen's models: Qwen3-VL-Embedding, GME, LCO, LamRA and others.

Wordings are verbatim. An image token that stands alone, or one count of positions, are the authors'
too: their versions of transformers read such prompts so, newer ones would not.
"""

from e5v.model.recipe import INSTRUCTION, Acceptance, Recipe, Templates, Wording
from e5v.model.recipes_llava import VLM2VEC_WORDING
from e5v.model.resizing import Fixed, Smart

QWEN2, QWEN2_5, QWEN3 = ("qwen2_vl",), ("qwen2_5_vl",), ("qwen3_vl",)
OMNI = ("qwen2_5_omni_thinker",)
TOKEN = 28 * 28  # pixels of an image token
HELPFUL = "You are a helpful assistant."

_QWEN3 = Templates(
    text="<text>", image="<image>", both="<image><text>", system=INSTRUCTION, between_texts=""
)
_QWEN3_WORDING = Wording(
    plain=_QWEN3, instructed=_QWEN3, default="Represent the user's input.", full_stop=True
)
# The authors give no instruction to documents unless one is asked for; so does this. Their resizing
# is that of their vision utilities; the limits are set for the image processor, too, which then
# finds nothing to do.
QWEN3_VL = Recipe(
    name="qwen3-vl-embedding",
    ids=("Qwen/Qwen3-VL-Embedding-2B", "Qwen/Qwen3-VL-Embedding-8B"),
    model_types=QWEN3,
    marks=("Qwen3VLForEmbedding",),
    licence="Apache-2.0",
    source="src/models/qwen3_vl_embedding.py of the authors' repository",
    query=_QWEN3_WORDING,
    document=_QWEN3_WORDING,
    turn="template",
    resize=(Smart(4_096, 1_843_200),),
    pixels=(4_096, 1_843_200),
    max_tokens=8_192,
)


def _chat(system: str) -> Templates:
    """Return GME's whole prompts; the last token, <|endoftext|>, is the pooled one."""
    before = f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n"
    image = "<|vision_start|><image><|vision_end|>"
    after = "<|im_end|>\n<|im_start|>assistant\n<|endoftext|>"
    return Templates(
        text=f"{before}<text>{after}",
        image=f"{before}{image}{after}",
        both=f"{before}{image}<text>{after}",
        between_images="<|vision_end|><|vision_start|>",
    )


_GME_QUERY = Wording(plain=_chat(HELPFUL), instructed=_chat(INSTRUCTION), default=HELPFUL)
_GME_RESIZE = (Smart(4 * TOKEN, 16_384 * TOKEN),)
_GME_PIXELS = (256 * TOKEN, 1_280 * TOKEN)

# The authors' code passes no positions of images, and in the versions of transformers that it
# requires these are then counted as in a text. Some evaluations take 4 instead of 256 tokens as the
# least of an image: this follows the checkpoint's own code.
GME = Recipe(
    name="gme-qwen2-vl",
    ids=("Alibaba-NLP/gme-Qwen2-VL-2B-Instruct", "Alibaba-NLP/gme-Qwen2-VL-7B-Instruct"),
    model_types=QWEN2,
    marks=("GmeQwen2VL", "gme_inference"),
    licence="Apache-2.0",
    source="gme_inference.py and modeling_gme_qwen2vl.py of the checkpoint",
    query=_GME_QUERY,
    document=Wording(_chat(HELPFUL)),
    turn="raw",
    positions="1d",
    resize=_GME_RESIZE,
    pixels=_GME_PIXELS,
    max_tokens=1_800,
)

# GME's prompt; but documents may have an instruction, and images have positions in three axes.
OPS_MM = Recipe(
    name="ops-mm-embedding",
    ids=("OpenSearch-AI/Ops-MM-embedding-v1-2B", "OpenSearch-AI/Ops-MM-embedding-v1-7B"),
    model_types=QWEN2,
    marks=("ops_mm_embedding", "OpsMMEmbedding"),
    licence="Apache-2.0",
    source="ops_mm_embedding_v1.py of the checkpoint",
    query=_GME_QUERY,
    document=_GME_QUERY,
    turn="raw",
    resize=_GME_RESIZE,
    pixels=_GME_PIXELS,
)

_LAMRA = Templates(
    text="<text>\nSummarize above sentence in one word: ",
    image="<image>\nSummarize above image in one word: ",
    both="<image><text>\nSummarize above image and sentence in one word: ",
)
# The authors pool the state before their token <emb>, which is the last of the generation prompt.
# Two ways of theirs disagree on positions: this follows the code of the training and evaluation,
# which counts them as in a text; their demonstration, in newer versions of transformers, does not.
LAMRA = Recipe(
    name="lamra-ret",
    ids=("code-kunkun/LamRA-Ret",),
    model_types=QWEN2,
    marks=("Qwen2VLRetForConditionalGeneration",),
    licence="none stated",
    source="models/qwen2_vl.py and the data sets of the authors' repository",
    query=Wording(
        plain=_LAMRA,
        instructed=Templates(
            text="<instruction> <text>\nSummarize above sentence in one word: ",
            image="<image><instruction>\nSummarize above image and sentence in one word: ",
            both="<image><instruction> <text>\nSummarize above image and sentence in one word: ",
        ),
    ),
    document=Wording(_LAMRA),
    turn="template",
    positions="1d",
)

_UNIME_V2 = Wording(
    plain=Templates(
        text="<text>",
        image="<image>Find an image caption describing the given image.",
        both="<image><text>",
    ),
    instructed=Templates(
        text="<instruction>\n<text>",
        image="<image><instruction>",
        both="<image><instruction>\n<text>",
    ),
)
# As in the model card and in mteb, by chat template. The pixel limits are those of the authors'
# code, which resizes to 1344x1344 first.
UNIME_V2 = Recipe(
    name="unime-v2-qwen2-vl",
    ids=("TianchengGu/UniME-V2-Qwen2VL-2B", "TianchengGu/UniME-V2-Qwen2VL-7B"),
    model_types=QWEN2,
    licence="Apache-2.0",
    source="model card, and Embedding/src of the authors' repository",
    query=_UNIME_V2,
    document=_UNIME_V2,
    turn="template",
    resize=(Fixed(1_344, 1_344),),
    pixels=(256 * TOKEN, 1_280 * TOKEN),
)

_NOMIC = Wording(
    Templates(
        text="<text>" + "<|endoftext|>" * 10,
        image="<|im_start|>user\n<|vision_start|><image><|vision_end|>"
        "Describe the image.<|im_end|><|endoftext|>",
        both=None,
        between_images="<|vision_end|><|vision_start|>",
    )
)
# Texts are worded as queries on both sides: the authors word no other texts.
NOMIC = Recipe(
    name="nomic-embed-multimodal",
    ids=("nomic-ai/nomic-embed-multimodal-3b", "nomic-ai/nomic-embed-multimodal-7b"),
    model_types=QWEN2_5,
    marks=("BiQwen2_5",),
    licence="Apache-2.0 (7b)",
    source="colpali_engine: BiQwen2_5 and its processor",
    query=_NOMIC,
    document=_NOMIC,
    turn="raw",
)

# Positions are counted as in a text: the authors' model counts images by <|vision_start|>, which
# their prompts do not have.
VLM2VEC_QWEN2 = Recipe(
    name="vlm2vec-qwen2-vl",
    ids=("TIGER-Lab/VLM2Vec-Qwen2VL-2B", "TIGER-Lab/VLM2Vec-Qwen2VL-7B"),
    model_types=QWEN2,
    licence="none stated",
    source="examples and src/model of the authors' first branch",
    query=VLM2VEC_WORDING,
    document=VLM2VEC_WORDING,
    turn="raw",
    positions="1d",
    acceptance=(Acceptance("figures/example.jpg", (0.3301, 0.2891)),),
)

# Without an instruction, as the first version; the authors name the ones for documents: "Find a
# document image that matches the given query:" and "Understand the content of the provided document
# image."
VLM2VEC_V2 = Recipe(
    name="vlm2vec-v2",
    ids=("VLM2Vec/VLM2Vec-V2.0",),
    model_types=QWEN2,
    licence="Apache-2.0",
    source="src/arguments.py and src/processor.py of the authors' repository",
    query=VLM2VEC_WORDING,
    document=VLM2VEC_WORDING,
    turn="raw",
    positions="1d",
    resize=(Fixed(56, 56, below=28),),
    pixels=(4 * TOKEN, 1_280 * TOKEN),
)

_LCO = Wording(
    Templates(
        text="<text>\nSummarize the above text in one word:",
        image="<image>\nSummarize the above image in one word:",
        both="<text><image>\nSummarize the above in one word:",
    )
)
# As in the authors' evaluation on MIEB, which limits the pixels after the resizing of their vision
# utilities, and puts a text before an image. mteb's code, and the chat template for
# sentence-transformers beside the weights, ask for an image with a text as for an image. Texts are
# not cut to 300 tokens, as that evaluation does to save memory.
LCO = Recipe(
    name="lco-embedding-omni",
    ids=(
        "LCO-Embedding/LCO-Embedding-Omni-3B",
        "LCO-Embedding/LCO-Embedding-Omni-7B",
        "LCO-Embedding/LCO-Embedding-Omni-3B-2605",
    ),
    model_types=OMNI,
    marks=("modeling_lco_omni",),
    licence="MIT; Apache-2.0 (3B-2605)",
    source="README and Evaluation/MTEB-MIEB of the authors' repository",
    query=_LCO,
    document=_LCO,
    turn="template",
    resize=_GME_RESIZE,
    pixels=(4 * TOKEN, 1_280 * TOKEN),
)
