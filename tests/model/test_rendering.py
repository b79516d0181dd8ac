"""Requests become the model's own chat template, with the user's parts left open."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from e5v.errors import ModelError, PromptError
from e5v.inputs import Image, Item, Text
from e5v.model.prompts import TURNS, ask, find_prompt
from e5v.model.rendering import Renderer
from tests.families import FAMILIES, load_processor

PHOTO = Image(b"not opened here")


def as_string(renderer: Renderer, item: Item, prompt: str) -> str:
    """Render an item, images as the model's placeholder."""
    pieces = renderer.render(ask(item, find_prompt(prompt)))
    return "".join(
        renderer.image_token
        if isinstance(piece, Image)
        else piece.text
        if isinstance(piece, Text)
        else piece
        for piece in pieces
    )


@pytest.fixture(params=sorted(FAMILIES.keys() - {"llava_next_llama3"}))
def processor(request: pytest.FixtureRequest, checkpoints: Callable[[str], Path]) -> Any:
    """Give the processor of each family; LLaMA-3's has no chat template, as on the hub."""
    return load_processor(checkpoints(request.param))


def test_the_template_is_followed(processor: Any) -> None:
    """Catches a prompt other than the one the model was trained with."""
    renderer = Renderer(processor, None)
    for prompt, parts, content in (
        ("Topic of <text>:", (Text("a  dog"),), ["Topic of a  dog:"]),
        ("<image>\nIn a word:", (PHOTO,), [None, "\nIn a word:"]),
        ("See <image> but <text>.", (PHOTO, Text("red")), ["See ", None, " but red."]),
        ("<parts>!", (Text("a"), PHOTO, PHOTO), ["a\n", None, "\n", None, "!"]),
    ):
        message = {
            "role": "user",
            "content": [
                {"type": "image"} if words is None else {"type": "text", "text": words}
                for words in content
            ],
        }
        expected = processor.apply_chat_template([message], add_generation_prompt=True)
        assert as_string(renderer, Item(parts), prompt) == expected


def test_no_request_is_given_anothers_prompt(processor: Any) -> None:
    """Catches a remembered rendering that is served to a request of another wording."""
    renderer = Renderer(processor, None)
    item = Item((Text("dog"),))
    for prompt in ("Text<text>", "<text>Text", "<text>", "Text <text>", "<text>Text"):
        wording = prompt.replace("<text>", "dog")
        assert wording in as_string(renderer, item, prompt)
    assert as_string(renderer, Item((Text("cat"),)), "<text>Text").count("catText") == 1


def test_the_users_text_never_reaches_the_template(processor: Any) -> None:
    """Catches Jinja or placeholders in a user's text that are carried out, or trimmed away."""
    renderer = Renderer(processor, None)
    for words in (
        "{{ 7 * 7 }}",
        "{% raise %}",
        renderer.image_token,
        "  spaced  ",
        "\ue0000\ue001",
    ):
        pieces = renderer.render(ask(Item((Text(words),)), find_prompt("Say <text> now")))
        assert [piece.text for piece in pieces if isinstance(piece, Text)] == [words]


@pytest.mark.parametrize(
    ("template", "cause"),
    [
        ("{{ messages[0]['content'][1]['text'] }}", "kept 1 of 2 parts"),
        ("{{ raise_exception('roles must alternate') }}", "chat template failed"),
    ],
)
def test_a_template_that_takes_no_images(
    checkpoints: Callable[[str], Path], template: str, cause: str
) -> None:
    """Catches an image that leaves no trace in the prompt: every picture would get one vector."""
    processor = load_processor(checkpoints("qwen2_vl"))
    stub = SimpleNamespace(
        image_token=processor.image_token, chat_template=template, tokenizer=processor.tokenizer
    )
    request = ask(Item((PHOTO, Text("red"))), find_prompt("<image> <text>"))
    with pytest.raises(ModelError, match=cause):
        Renderer(stub, None).render(request)


def rendered_with(processor: Any, template: str) -> Renderer:
    """Return a renderer of another chat template."""
    stub = SimpleNamespace(
        image_token=processor.image_token, chat_template=template, tokenizer=processor.tokenizer
    )
    return Renderer(stub, None)


def test_a_prompt_does_not_tell_the_time(checkpoints: Callable[[str], Path]) -> None:
    """Catches templates that name the day: an index of yesterday would not match today's query."""
    template = (
        "{%- set today = strftime_now('%d %b %Y, %H:%M:%S.%f') if strftime_now is defined %}"
        "{{- 'It is ' + today + '. ' + messages[0]['content'][0]['text'] }}"
    )
    processor, item = load_processor(checkpoints("qwen2_vl")), Item((Text("A dog."),))
    prompts = {as_string(rendered_with(processor, template), item, "sts") for _ in range(3)}
    assert len(prompts) == 1
    assert prompts.pop().startswith("It is 17 Jul 2024, ")


def test_wordings_do_not_pile_up(checkpoints: Callable[[str], Path]) -> None:
    """Catches a server that keeps every wording a client ever sent, until its memory is full."""
    template = "{{ messages[0]['content'][0]['text'] }}"
    renderer = rendered_with(load_processor(checkpoints("qwen2_vl")), template)
    for n in range(2_000):
        assert as_string(renderer, Item((Text("dog"),)), f"{n}: <text>") == f"{n}: dog"
    assert len(renderer._skeletons) < 1_500


def test_a_turn_goes_before_the_template(checkpoints: Callable[[str], Path]) -> None:
    """Catches the paper's model asked by a chat template with a system turn of its own."""
    processor = load_processor(checkpoints("llava_next_mistral"))
    mistral = next(turn for turn in TURNS if turn.name == "mistral")
    prompt = as_string(Renderer(processor, mistral), Item((Text("A dog."),)), "retrieval")
    assert prompt == "[INST] A dog.\nSummary above sentence in one word: [/INST]"


def test_a_system_turn_is_the_templates_own(processor: Any) -> None:
    """Catches the task of a chat message embedded as part of what the user said."""
    renderer = Renderer(processor, None)
    item = Item((PHOTO, Text("red")), "Find the {{ same }} colour.")
    messages = [
        {"role": "system", "content": [{"type": "text", "text": item.system}]},
        {
            "role": "user",
            "content": [{"type": "image"}, {"type": "text", "text": "\nbut red."}],
        },
    ]
    expected = processor.apply_chat_template(messages, add_generation_prompt=True)
    assert as_string(renderer, item, "<image>\nbut <text>.") == expected
    assert item.system in expected
    for system in (None, "", "another"):
        other = Item(item.parts, system)
        rendered = as_string(renderer, other, "<image>\nbut <text>.")
        assert rendered != expected
        assert "{{ same }}" not in rendered


STRING = (
    "{% for message in messages %}{% if message['role'] == 'system' %}"
    "<|system|>{{ message['content'] }}<|end|>{% else %}"
    "<|user|>{{ message['content'][0]['text'] }}<|end|>{% endif %}{% endfor %}"
)
ADDED = STRING.replace(
    "<|system|>{{ message['content'] }}", "{{ '<|system|>' + message['content'] }}"
)


@pytest.mark.parametrize("template", [STRING, ADDED])
def test_a_system_turn_as_a_string(checkpoints: Callable[[str], Path], template: str) -> None:
    """Catches the list of parts written out in the prompt, where a template takes a string."""
    renderer = rendered_with(load_processor(checkpoints("qwen2_vl")), template)
    prompt = as_string(renderer, Item((Text("A dog."),), "Be brief."), "<text>")
    assert prompt == "<|system|>Be brief.<|end|><|user|>A dog.<|end|>"


@pytest.mark.parametrize(
    "template",
    [
        "{% for m in messages if m['role'] == 'user' %}{{ m['content'][0]['text'] }}{% endfor %}",
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}"
        "{% endif %}{{ messages[0]['content'][0]['text'] }}",
    ],
)
def test_a_template_without_a_system_turn(
    checkpoints: Callable[[str], Path], template: str
) -> None:
    """Catches an instruction that is dropped without a word."""
    renderer = rendered_with(load_processor(checkpoints("qwen2_vl")), template)
    assert as_string(renderer, Item((Text("A dog."),)), "<text>") == "A dog."
    with pytest.raises(PromptError, match="chat template does not support: remove it"):
        renderer.render(ask(Item((Text("A dog."),), "Be brief."), find_prompt("<text>")))


def test_a_turn_of_the_paper_has_no_system_turn(checkpoints: Callable[[str], Path]) -> None:
    """Catches an instruction that the paper's turn has no place for, dropped or embedded."""
    mistral = next(turn for turn in TURNS if turn.name == "mistral")
    renderer = Renderer(load_processor(checkpoints("llava_next_mistral")), mistral)
    with pytest.raises(PromptError, match=r"mistral prompt does not support: remove it"):
        renderer.render(ask(Item((Text("A dog."),), "Be brief."), find_prompt("retrieval")))
    assert as_string(renderer, Item((Text("A dog."),), ""), "<text>") == "[INST] A dog. [/INST]"
