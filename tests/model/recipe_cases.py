"""The prompts of published embedders, written out by hand from their authors' code and cards.

recipe -> a small checkpoint under the name of a published one -> items, strings, pictures

Nothing here is taken from `e5v.model.recipes`: a wording that is wrong there shows as a vector that
is another.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from e5v.inputs import Side

TEXT = "Two men in red shirts are playing football near the lake."
TASK = "Find an image that matches the given text"
CHAT = "<|im_start|>system\n{}<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
HELPFUL = "You are a helpful assistant."
PAD, SEEN = "<|image_pad|>", "<|vision_start|><|image_pad|><|vision_end|>"


@dataclass(frozen=True)
class Case:
    """An item, how it is asked for, and the string and pictures that plain code is given."""

    item: Any
    string: str
    pictures: tuple[Image.Image, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Published:
    """A published embedder in small: of which family, and with which patches (pixels).

    `pixels` are the limits that its authors give the image processor; `one_axis` says whether they
    count positions as in a text.
    """

    id: str
    family: str
    patch: int
    cases: Callable[[Image.Image, Image.Image], list[Case]]
    pixels: tuple[int, int] | None = None
    one_axis: bool = False


def _of(side: Side, instruction: str = "") -> dict[str, Any]:
    return {"side": side, "instruction": instruction}


def _unime(first: Image.Image, wide: Image.Image) -> list[Case]:
    word = "Summary above image in one word:"
    return [
        Case(TEXT, f"[INST] {TEXT}\nSummary above sentence in one word: [/INST]"),
        Case(first, f"[INST] <image>\n{word} [/INST]", (first,), _of("query")),
        Case(wide, f"[INST] <image>\n{word} [/INST]", (wide,)),
    ]


def _qwen3(first: Image.Image, wide: Image.Image) -> list[Case]:
    """Sizes are by the authors' rule, with 32 pixels to a token."""
    small, strip, thin = first.resize((64, 64)), wide.resize((192, 64)), wide.resize((400, 10))
    usual = "Represent the user's input."
    both = {"image": first, "text": TEXT}
    return [
        Case(TEXT, CHAT.format(usual, TEXT)),
        Case(TEXT, CHAT.format(f"{TASK}.", TEXT), (), _of("query", f" {TASK} ")),
        Case(TEXT, CHAT.format("Who?", TEXT), (), _of("document", "Who?")),
        Case(first, CHAT.format(usual, SEEN), (small,)),
        Case(wide, CHAT.format(f"{TASK}.", SEEN), (strip,), _of("query", TASK)),
        Case(both, CHAT.format(usual, SEEN + TEXT), (small,)),
        Case([TEXT, first], CHAT.format(usual, SEEN + TEXT), (small,), _of("query")),
        Case(
            [first, "a", wide, "b"],
            CHAT.format(usual, SEEN + SEEN + "ab"),
            (small, strip),
        ),
        Case(thin, CHAT.format(usual, SEEN), (thin.resize((384, 32)),)),
        Case({"text": TEXT, "instruction": TASK}, CHAT.format(f"{TASK}.", TEXT)),
        Case(
            [{"role": "system", "content": TASK}, {"role": "user", "content": TEXT}],
            CHAT.format(f"{TASK}.", TEXT),
        ),
    ]


def _bge(first: Image.Image, wide: Image.Image) -> list[Case]:
    square, flat = first.resize((512, 512)), wide.resize((512, 512))
    both = {"image": first, "text": TEXT}
    task = "Retrieve the target image that best meets the combined criteria: "
    asked = f"[INST] \n <instruct> {task} <query> "
    return [
        Case(TEXT, f"[INST]  {TEXT} \n [/INST]"),
        Case(first, "[INST]  <image> [/INST]", (square,)),
        Case(both, f"[INST]  {TEXT} \n <image> [/INST]", (square,), _of("document")),
        Case(TEXT, f"[INST] \n <instruct>  <query> {TEXT} \n [/INST]", (), _of("query")),
        Case(wide, "[INST] \n <instruct>  <query> <image> [/INST]", (flat,), _of("query")),
        Case(TEXT, f"{asked} {TEXT} \n [/INST]", (), _of("query", task)),
        Case(first, f"{asked} <image> [/INST]", (square,), _of("query", task)),
        Case(both, f"{asked} {TEXT} \n <image> [/INST]", (square,), {"instruction": task}),
    ]


def _vlm2vec(mark: str) -> Callable[[Image.Image, Image.Image], list[Case]]:
    def cases(first: Image.Image, wide: Image.Image) -> list[Case]:
        plain = f"{mark} Represent the given image."
        asked = f"{mark} Represent the given image with the following question: {TEXT}"
        both = {"image": first, "text": TEXT}
        caption = "Find me an everyday image that matches the given caption:"
        return [
            Case(TEXT, TEXT),
            Case(TEXT, f"{caption} {TEXT}", (), _of("query", caption)),
            Case(first, plain, (first,)),
            Case(wide, f"{mark} {TASK}", (wide,), _of("query", TASK)),
            Case(both, asked, (first,), _of("query")),
            Case(both, f"{mark} {TASK} {TEXT}", (first,), _of("query", TASK)),
        ]

    return cases


def _end(system: str, user: str) -> str:
    return CHAT.format(system, user) + "<|endoftext|>"


def _gme(first: Image.Image, wide: Image.Image) -> list[Case]:
    """Sides are the authors' first resizing of 64x48 and 200x50 pixels, 28 to a token."""
    small, strip = first.resize((56, 56)), wide.resize((196, 56))
    both = {"image": first, "text": TEXT}
    return [
        Case(TEXT, _end(HELPFUL, TEXT)),
        Case(first, _end(HELPFUL, SEEN), (small,)),
        Case(both, _end(HELPFUL, SEEN + TEXT), (small,), _of("query")),
        Case(TEXT, _end(TASK, TEXT), (), _of("query", TASK)),
        Case(wide, _end(TASK, SEEN), (strip,), {"instruction": TASK}),
    ]


def _ops(first: Image.Image, wide: Image.Image) -> list[Case]:
    small = first.resize((56, 56))
    return [*_gme(first, wide), Case(first, _end(TASK, SEEN), (small,), _of("document", TASK))]


def _lamra(first: Image.Image, wide: Image.Image) -> list[Case]:
    def chat(user: str) -> str:
        return CHAT.format(HELPFUL, user)

    both = {"image": first, "text": TEXT}
    sentence = "\nSummarize above sentence in one word: "
    mixed = "\nSummarize above image and sentence in one word: "
    return [
        Case(TEXT, chat(f"{TEXT}{sentence}")),
        Case(TEXT, chat(f"{TASK} {TEXT}{sentence}"), (), _of("query", TASK)),
        Case(first, chat(f"{SEEN}\nSummarize above image in one word: "), (first,)),
        Case(wide, chat(f"{SEEN}{TASK}{mixed}"), (wide,), _of("query", TASK)),
        Case(both, chat(f"{SEEN}{TEXT}{mixed}"), (first,)),
        Case(both, chat(f"{SEEN}{TASK} {TEXT}{mixed}"), (first,), _of("query", TASK)),
    ]


def _unime_v2(first: Image.Image, wide: Image.Image) -> list[Case]:
    def chat(user: str) -> str:
        return CHAT.format(HELPFUL, user)

    del wide
    square = first.resize((1344, 1344))
    caption = "Find an image caption describing the given image."
    return [
        Case(TEXT, chat(TEXT)),
        Case(TEXT, chat(f"{TASK}\n{TEXT}"), (), _of("query", TASK)),
        Case(first, chat(f"{SEEN}{caption}"), (square,)),
    ]


def _nomic(first: Image.Image, wide: Image.Image) -> list[Case]:
    described = f"<|im_start|>user\n{SEEN}Describe the image.<|im_end|><|endoftext|>"
    return [
        Case(TEXT, TEXT + 10 * "<|endoftext|>", (), _of("query")),
        Case(first, described, (first,)),
        Case(wide, described, (wide,)),
    ]


def _lco(first: Image.Image, wide: Image.Image) -> list[Case]:
    """Sizes are the authors' first resizing, as GME's."""

    def chat(user: str) -> str:
        return CHAT.format(HELPFUL, user)

    small, strip = first.resize((56, 56)), wide.resize((196, 56))
    seen = "<|vision_bos|><|IMAGE|><|vision_eos|>"
    fused = chat(f"{TEXT}{seen}\nSummarize the above in one word:")
    shown = "\nSummarize the above image in one word:"
    return [
        Case(TEXT, chat(f"{TEXT}\nSummarize the above text in one word:")),
        Case(first, chat(f"{seen}{shown}"), (small,)),
        Case(wide, chat(f"{seen}{shown}"), (strip,), _of("query")),
        Case([wide, first], chat(f"{seen}{seen}{shown}"), (strip, small)),
        Case({"image": wide, "text": TEXT}, fused, (strip,)),
        Case([TEXT, first], fused, (small,), _of("query")),
    ]


def _vlm2vec_v2(first: Image.Image, wide: Image.Image) -> list[Case]:
    tiny = first.resize((20, 40))
    plain = f"{PAD} Represent the given image."
    return [*_vlm2vec(PAD)(first, wide), Case(tiny, plain, (tiny.resize((56, 56)),))]


TOKEN = 28 * 28
PUBLISHED = {
    "unime-llava": Published("DeepGlint-AI/UniME-LLaVA-1.6-7B", "llava_next_mistral", 7, _unime),
    "qwen3-vl-embedding": Published(
        "Qwen/Qwen3-VL-Embedding-2B", "qwen3_vl", 16, _qwen3, (4_096, 1_843_200)
    ),
    "bge-vl-mllm": Published("BAAI/BGE-VL-MLLM-S1", "llava_next_mistral", 7, _bge),
    "vlm2vec-llava-next": Published(
        "TIGER-Lab/VLM2Vec-LLaVa-Next", "llava_next_mistral", 7, _vlm2vec("<image>")
    ),
    "ops-mm-embedding": Published(
        "OpenSearch-AI/Ops-MM-embedding-v1-2B", "qwen2_vl", 14, _ops, (256 * TOKEN, 1_280 * TOKEN)
    ),
    "gme-qwen2-vl": Published(
        "Alibaba-NLP/gme-Qwen2-VL-2B-Instruct",
        "qwen2_vl",
        14,
        _gme,
        (256 * TOKEN, 1_280 * TOKEN),
        one_axis=True,
    ),
    "lamra-ret": Published("code-kunkun/LamRA-Ret", "qwen2_vl", 14, _lamra, one_axis=True),
    "unime-v2-qwen2-vl": Published(
        "TianchengGu/UniME-V2-Qwen2VL-2B",
        "qwen2_vl",
        14,
        _unime_v2,
        (256 * TOKEN, 1_280 * TOKEN),
    ),
    "nomic-embed-multimodal": Published(
        "nomic-ai/nomic-embed-multimodal-3b", "qwen2_5_vl", 14, _nomic
    ),
    "lco-embedding-omni": Published(
        "LCO-Embedding/LCO-Embedding-Omni-3B-2605",
        "qwen2_5_omni",
        14,
        _lco,
        (4 * TOKEN, 1_280 * TOKEN),
    ),
    "vlm2vec-qwen2-vl": Published(
        "TIGER-Lab/VLM2Vec-Qwen2VL-2B", "qwen2_vl", 14, _vlm2vec(PAD), one_axis=True
    ),
    "vlm2vec-v2": Published(
        "VLM2Vec/VLM2Vec-V2.0",
        "qwen2_vl",
        14,
        _vlm2vec_v2,
        (4 * TOKEN, 1_280 * TOKEN),
        one_axis=True,
    ),
}
