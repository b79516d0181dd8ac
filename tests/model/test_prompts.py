r"""The paper's wordings, letter by letter.

The expected strings are those of the official code (paper, section 1.2 of our fact sheet), written
out in full: their double spaces, missing spaces and typos produce the published figures.
"""

import pytest

from e5v.errors import PromptError
from e5v.inputs import Image, Item, Text
from e5v.model.prompts import PROMPTS, TURNS, Prompt, ask, find_prompt

DOG = Text("A dog.")
RED = Text("make it red")
PHOTO = Image(b"not opened here")

TEXT = Item((DOG,))
IMAGE = Item((PHOTO,))
EDIT = Item((PHOTO, RED))


def worded(
    item: Item, prompt: str | Prompt, turn: str | None = None, image: str = "<image>"
) -> str:
    """Ask for an item, in a chat turn or bare, and write images as `image`."""
    request = ask(item, find_prompt(prompt))
    wrap = {known.name: known.wrap for known in TURNS}
    segments = wrap[turn](request) if turn else request.segments
    assert "" not in request.segments
    return "".join(
        image if isinstance(one, Image) else one.text if isinstance(one, Text) else one
        for one in segments
    )


@pytest.mark.parametrize(
    ("prompt", "item", "wording"),
    [
        ("retrieval", TEXT, "A dog.\nSummary above sentence in one word: "),
        ("retrieval", IMAGE, "<image>\nSummary above image in one word: "),
        ("rendered", IMAGE, "<image>\nSummary above image in one word: "),
        ("sts", TEXT, " A dog.\nSummary above sentence in one word:"),
        ("cirr", IMAGE, "<image>\n Describe this image in one word:"),
        (
            "cirr",
            EDIT,
            '<image>Modify this image with "make it red", desribe modified image in one word:',
        ),
        (
            "retrieval",
            EDIT,
            '<image>Modify this image with "make it red", desribe modified image in one word:',
        ),
        (
            "fashioniq-dress",
            IMAGE,
            "<image>\n Describe this dress in one word based on its style:",
        ),
        (
            "fashioniq-dress",
            EDIT,
            "<image> change the style of this dress to make it red\n"
            " Desribe this modified dress in one word based on its style:",
        ),
        (
            "fashioniq-shirt",
            IMAGE,
            "<image>\n Describe this shirt in one word based on its style:",
        ),
        (
            "fashioniq-shirt",
            EDIT,
            "<image> change the style of this shirt to make it red\n"
            " Desribe this modified shirt in one word based on its style:",
        ),
        (
            "fashioniq-toptee",
            IMAGE,
            "<image>\n Describe this shirt in one word based on its style:",
        ),
        (
            "fashioniq-toptee",
            EDIT,
            "<image> change the style of this shirt to make it red\n"
            " Desribe this modified shirt in one word based on its style:",
        ),
    ],
)
def test_the_paper_verbatim(prompt: str, item: Item, wording: str) -> None:
    """Catches a corrected typo or a lost space, each of which moves every published number."""
    assert worded(item, prompt) == wording


@pytest.mark.parametrize(
    ("turn", "prompt", "item", "string"),
    [
        (
            "llama3",
            "retrieval",
            TEXT,
            "<|start_header_id|>user<|end_header_id|>\n\n"
            "A dog.\nSummary above sentence in one word: "
            "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n \n",
        ),
        (
            "llama3",
            "retrieval",
            IMAGE,
            "<|start_header_id|>user<|end_header_id|>\n\n"
            "<image>\nSummary above image in one word: "
            "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n \n",
        ),
        (
            "llama3",
            "sts",
            TEXT,
            "<|start_header_id|>user<|end_header_id|>\n\n"
            " A dog.\nSummary above sentence in one word:"
            "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n \n",
        ),
        (
            "llama3",
            "cirr",
            EDIT,
            "<|start_header_id|>user<|end_header_id|>\n\n"
            '<image>Modify this image with "make it red", desribe modified image in one word:'
            "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n \n",
        ),
        (
            "mistral",
            "retrieval",
            TEXT,
            "[INST] A dog.\nSummary above sentence in one word: [/INST]",
        ),
        (
            "mistral",
            "retrieval",
            IMAGE,
            "[INST] <image>\nSummary above image in one word: [/INST]",
        ),
        (
            "mistral",
            "fashioniq-toptee",
            EDIT,
            "[INST] <image> change the style of this shirt to make it red\n"
            " Desribe this modified shirt in one word based on its style: [/INST]",
        ),
        (
            "phi3",
            "retrieval",
            TEXT,
            "<|user|>\nA dog.\nSummary above sentence in one word:<|end|>\n<|assistant|>\n",
        ),
        (
            "phi3",
            "retrieval",
            IMAGE,
            "<|user|>\n<|image_1|>\nSummary above image in one word:<|end|>\n<|assistant|>\n",
        ),
        (
            "phi3",
            "cirr",
            IMAGE,
            "<|user|>\n<|image_1|>\n Describe this image in one word: <|end|>\n<|assistant|>\n",
        ),
        (
            "phi3",
            "cirr",
            EDIT,
            '<|user|>\n<|image_1|>Modify this image with "make it red", '
            "desribe modified image in one word: <|end|>\n<|assistant|>\n",
        ),
        (
            "phi3",
            "fashioniq-dress",
            IMAGE,
            "<|user|>\n<|image_1|>\n Describe this dress in one word based on its style: "
            "<|end|>\n<|assistant|>\n",
        ),
        (
            "vicuna",
            "retrieval",
            TEXT,
            "USER: A dog.\nSummary above sentence in one word: ASSISTANT:",
        ),
    ],
)
def test_whole_turns_verbatim(turn: str, prompt: str, item: Item, string: str) -> None:
    """Catches another closing token than the one the paper pools, in any of its three models."""
    assert worded(item, prompt, turn, "<|image_1|>" if turn == "phi3" else "<image>") == string


def test_every_prompt_serves_every_kind_of_item() -> None:
    """Catches a named prompt that fails on a gallery of texts and images together."""
    for name in PROMPTS:
        for parts in ((DOG,), (PHOTO,), (PHOTO, RED), (DOG, PHOTO), (DOG, PHOTO, PHOTO, RED)):
            wording = worded(Item(parts), name)
            assert wording.count("<image>") == sum(isinstance(part, Image) for part in parts)
            assert all(part.text in wording for part in parts if isinstance(part, Text))


def test_a_mixture_stands_in_its_order() -> None:
    """Catches "left: A right: B" sent to the model with the pictures in each other's place."""
    wording = worded(Item((DOG, PHOTO, RED, PHOTO)), "retrieval")
    assert wording.startswith("A dog.\n<image>\nmake it red\n<image>\n")
    assert worded(Item((RED, PHOTO)), "retrieval").startswith("make it red\n<image>\n")
    assert worded(Item((PHOTO, PHOTO)), "retrieval").startswith("<image>\n<image>\n")


def test_a_wording_of_ones_own() -> None:
    """Catches a user's wording that is changed on the way, or used for some kinds of items only."""
    assert worded(TEXT, "Topic of '<text>':") == "Topic of 'A dog.':"
    assert worded(EDIT, "<text>, but like <image> ") == "make it red, but like <image> "
    assert worded(Item((DOG, PHOTO)), "<parts> =") == "A dog.\n<image> ="
    assert worded(Item((DOG, DOG, RED)), "<text>: <text>!") == "A dog.: A dog.\nmake it red!"
    own = Prompt(text="t <text>", image="i <image>", edit="e <text><image>", mixture="m <parts>")
    assert find_prompt(own) is own
    assert [worded(item, own)[0] for item in (TEXT, IMAGE, EDIT)] == ["t", "i", "e"]
    assert worded(Item((DOG, PHOTO)), own)[0] == "m"


def test_a_slot_in_the_users_text_is_text() -> None:
    """Catches a caption about HTML, "<image>" in it, that swallows the picture beside it."""
    assert worded(Item((PHOTO, Text("the <image> tag"))), "<image> <text>") == (
        "<image> the <image> tag"
    )
    assert worded(Item((Text("a <text> b"),)), "<text>.") == "a <text> b."


@pytest.mark.parametrize(
    ("prompt", "item", "cause"),
    [
        ("Say <text>:", EDIT, r"no <image> slot"),
        ("Say <text>:", IMAGE, r"no <image> slot, but the item has 1 image\(s\); add <image>"),
        ("<image> <text>:", IMAGE, r"1 <text> slot\(s\), but the item has 0"),
        ("Say <image>:", TEXT, r"no <text> slot, but the item has 1 text\(s\); add <text>"),
        ("Say <image>:", EDIT, r"no <text> slot"),
        ("Say\n<image> <text>:", TEXT, r"1 <image> slot\(s\), but the item has 0"),
        ("<image> <image> <text>:", EDIT, r"2 <image> slot\(s\), but the item has 1"),
        ("<parts> and <text>", TEXT, "<parts> and other slots; use <parts> alone"),
    ],
)
def test_a_slot_too_few_or_too_many(prompt: str, item: Item, cause: str) -> None:
    """Catches a part of the item left out of the vector, or a hole left in the prompt."""
    with pytest.raises(PromptError, match=cause) as caught:
        ask(item, find_prompt(prompt))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "prompt", ["retreival", "", "Summary above\nsentence:", "<sent>", "<Text>"]
)
def test_an_unknown_prompt(prompt: str) -> None:
    """Catches a typo in a prompt's name that becomes the prompt of every item."""
    with pytest.raises(
        PromptError, match=r"not a known name; .*put <text>.* or name one of retrieval"
    ):
        find_prompt(prompt)


def test_which_models_speak_which_turn() -> None:
    """Catches Vicuna asked as if it were LLaMA-3, and a model of another family asked as either."""

    def spoken(language_model: str, *tokens: str) -> list[str]:
        return [turn.name for turn in TURNS if turn.fits(language_model, tokens.__contains__)]

    header = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
    phi = ("<|user|>", "<|end|>", "<|assistant|>")
    assert spoken("llama", *header)[0] == "llama3"
    assert spoken("llama", *header[:2]) == ["vicuna"]
    assert spoken("mistral") == ["mistral"]
    assert spoken("phi3", *phi) == ["phi3"]
    assert spoken("phi3") == spoken("qwen2", *header, *phi) == []
