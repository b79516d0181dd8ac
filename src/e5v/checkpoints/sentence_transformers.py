"""Write the files with which SentenceTransformer(folder), and vLLM, pool as e5v does.

    prompts x kinds of item -> the whole prompt for this model -> one Jinja template
    modules.json            -> Transformer -> Pooling (last token) -> Normalize

The template is in sentence-transformers' own file; the model's chat template is unchanged.
sentence-transformers passes a prompt as a system message; here that is a prompt's name, as in
`E5V.encode(..., prompt=name)`. All literals are inside Jinja expressions: outside, Jinja strips a
final newline, and with it the token that is pooled.

Limits of a template: special tokens in a text are read as such, and an item must be one text, one
image, or an image followed by a text.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import PIL.Image

from e5v.errors import ModelError, PromptError
from e5v.inputs import Image, RawItem, Text, normalise
from e5v.model.loading import Loaded
from e5v.model.preparing import Preparer
from e5v.model.prompts import PROMPTS, Prompt
from e5v.model.recipe import Recipe
from e5v.model.recipes_llava import E5_V
from e5v.model.recognising import OURS, kept_recipe
from e5v.model.rendering import Renderer, literal_prompt
from e5v.model.special_tokens import adds_special_tokens, write_settings
from e5v.model.verify import picture

PLACEHOLDER = "\ue000"  # where the user's text goes
DEFAULT = "retrieval"
FORWARD = {"method": "forward", "method_output_name": "last_hidden_state"}
MODULES = (  # the older names: all versions of sentence-transformers and of vLLM know them
    ("", "sentence_transformers.models.Transformer"),
    ("1_Pooling", "sentence_transformers.models.Pooling"),
    ("2_Normalize", "sentence_transformers.models.Normalize"),
)
NAMES = (
    "modules.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    *(path for path, _ in MODULES if path),
)


def write_sentence_files(folder: Path, loaded: Loaded) -> bool:
    """Write the files into a checkpoint folder, if they give the same tokens as `E5V`.

    They do not if the model's processor names its image arrays differently (Phi-4), its chat
    template does not support an image with a text, or its recipe resizes images or counts positions
    in its own way. Returns whether they were written. The tokens
    that the tokenizer adds to a prompt are written to tokenizer.json in any case, and the name of
    the model's class to config.json if it has none: vLLM would take the class without a head.
    """
    write_settings(folder, loaded.processor.tokenizer)
    _complete_config(folder / "config.json", loaded)
    recipe = loaded.recipe
    if loaded.backbone.features != "get_image_features" or recipe.resize:
        return False
    if recipe.positions == "1d":  # which no other library would count so
        return False
    try:
        template = sentence_template(Renderer(loaded.processor, loaded.turn), recipe)
    except (ModelError, PromptError):
        return False
    if not _gives_same_ids(template, loaded):
        return False
    for name, content in _make_files(template, loaded.text_config.hidden_size).items():
        (folder / name).parent.mkdir(exist_ok=True)
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        (folder / name).write_text(text, encoding="utf-8")
    return True


def _complete_config(path: Path, loaded: Loaded) -> None:
    """Add to a config the model's class, if it has none, and how it is asked if not as E5-V."""
    config = json.loads(path.read_text(encoding="utf-8"))
    added: dict[str, object] = {}
    if not config.get("architectures"):
        added["architectures"] = [type(loaded.model).__name__]
    if recipe := kept_recipe(loaded):
        added[OURS] = recipe
    if added:
        written = json.dumps(config | added, indent=2, ensure_ascii=False)
        path.write_text(f"{written}\n", encoding="utf-8")


def sentence_template(renderer: Renderer, recipe: Recipe = E5_V) -> str:
    """Return the template: a system message names the prompt, a user message has the item.

    Raises:
        ModelError: the model's own chat template drops a part of an item.
        PromptError: the recipe has no wording for a kind of item.
    """
    table = {name: _render_prompts(renderer, recipe, prompt) for name, prompt in PROMPTS.items()}
    return (
        "{% set prompts = " + json.dumps(table, ensure_ascii=False) + " %}"
        "{% set named = messages[0]['role'] == 'system' %}"
        "{% set name = messages[0]['content'][0]['text'] if named else '" + DEFAULT + "' %}"
        "{% set parts = messages[-1]['content'] %}"
        "{% set kind = parts | map(attribute='type') | join('+') %}"
        "{% if messages | length > (2 if named else 1) %}{{ raise_exception('a conversation of ' ~ "
        "messages | length ~ ' messages; expected one item') }}{% endif %}"
        "{% if name not in prompts %}{{ raise_exception('prompt is ' + name + '; expected one of '"
        " + prompts | join(', ')) }}{% endif %}"
        "{% if kind not in prompts[name] %}{{ raise_exception('item is ' + kind + "
        "'; expected one of ' + prompts[name] | join(', ')) }}{% endif %}"
        "{{ prompts[name][kind] | replace('" + PLACEHOLDER + "', parts[-1]['text']) }}"
    )


def _render_prompts(renderer: Renderer, recipe: Recipe, prompt: Prompt) -> dict[str, str]:
    """Return the whole prompt of each kind of item, with a placeholder for its text."""
    picture, text = Image(b""), Text(PLACEHOLDER)
    kinds: Mapping[str, list[RawItem]] = {
        "text": [text],
        "image": [picture],
        "image+text": [picture, text],
    }
    return {
        kind: literal_prompt(renderer.render(recipe.ask(item, prompt)), renderer.image_token)
        for kind, item in ((kind, normalise(parts)) for kind, parts in kinds.items())
    }


def _gives_same_ids(template: str, loaded: Loaded) -> bool:
    """Check that the template gives the ids of `E5V`, for every prompt and kind of item."""
    preparer = Preparer(loaded, 2**20)
    image = picture(97, 64, seed=1)
    items: tuple[RawItem, ...] = ("A dog runs.", image, {"image": image, "text": "but black"})
    return all(
        preparer.prepare(item, 0, prompt).prompted.ids == _make_ids(template, loaded, item, name)
        for name, prompt in PROMPTS.items()
        for item in items
    )


def _make_ids(template: str, loaded: Loaded, item: RawItem, name: str) -> list[int]:
    """Return the ids of an item as sentence-transformers makes them."""
    parts = normalise(item).parts
    content = [
        {"type": "text", "text": part.text} if isinstance(part, Text) else {"type": "image"}
        for part in parts
    ]
    messages = [
        {"role": "system", "content": [{"type": "text", "text": name}]},
        {"role": "user", "content": content},
    ]
    tokenizer = loaded.processor.tokenizer
    string = tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False)
    adds = adds_special_tokens(tokenizer.bos_token, string)
    images = [part.source for part in parts if isinstance(part, Image)]
    assert all(isinstance(image, PIL.Image.Image) for image in images)
    inputs = loaded.processor(text=[string], images=images or None, add_special_tokens=adds)
    ids: list[int] = list(inputs["input_ids"][0])
    return ids


def _make_files(template: str, width: int) -> dict[str, object]:
    """Return the content of each file; `width` is d of the vectors."""
    message = FORWARD | {"format": "structured"}
    return {
        "modules.json": [
            {"idx": number, "name": str(number), "path": path, "type": kind}
            for number, (path, kind) in enumerate(MODULES)
        ],
        "sentence_bert_config.json": {
            "transformer_task": "feature-extraction",
            "modality_config": {"text": FORWARD, "image": FORWARD, "message": message},
            "module_output_name": "token_embeddings",
            "processing_kwargs": {"chat_template": {"chat_template": template}},
        },
        "1_Pooling/config.json": {
            "embedding_dimension": width,
            "pooling_mode": "lasttoken",
            "pooling_mode_lasttoken": True,  # for vLLM, which reads the first that is true
            "include_prompt": True,
        },
        "2_Normalize/config.json": {"module_input_name": "sentence_embedding"},
        "config_sentence_transformers.json": {
            "model_type": "SentenceTransformer",
            "similarity_fn_name": "cosine",
            "prompts": {name: name for name in PROMPTS},
            "default_prompt_name": None,
            "requirements": {"sentence-transformers": ">=5.4"},
        },
    }
