"""What makes a checkpoint folder open in SentenceTransformer(folder) with the same vectors.

    prompts + Llama-3 turn -> chat template -> text or image as a chat message
    modules.json           -> Transformer -> Pooling(lasttoken) -> Normalize

A Jinja template loses its last line end, and with it the token that is pooled, unless the literal
stands inside an expression: every literal here does.
"""

import json
from pathlib import Path

from e5v.model.prompts import RETRIEVAL, TURNS

FORWARD = {"method": "forward", "method_output_name": "last_hidden_state"}
MODULES = (
    ("", "sentence_transformers.base.modules.transformer.Transformer"),
    ("1_Pooling", "sentence_transformers.sentence_transformer.modules.pooling.Pooling"),
    ("2_Normalize", "sentence_transformers.base.modules.normalize.Normalize"),
)


def chat_template() -> str:
    """Return the Jinja template of one user message that is a text or an image."""
    turn = next(turn for turn in TURNS if turn.name == "llama3")
    text = RETRIEVAL.text.replace("<text>", "' + part['text'] + '")
    body = (
        "{% for part in messages[0]['content'] %}"
        "{% if part['type'] == 'image' %}" + _literal(RETRIEVAL.image) + "{% else %}"
        "{{ '" + _escaped(text) + "' }}{% endif %}{% endfor %}"
    )
    return _literal(turn.before) + body + _literal(turn.after)


def _escaped(text: str) -> str:
    return text.replace("\n", "\\n")


def _literal(text: str) -> str:
    return "{{ '" + _escaped(text) + "' }}"


def add_sentence_files(folder: Path, width: int) -> None:
    """Write the files that sentence-transformers reads; `width` is d of the vectors."""
    (folder / "chat_template.jinja").write_text(chat_template())
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": kind}
        for number, (path, kind) in enumerate(MODULES)
    ]
    transformer = {
        "transformer_task": "feature-extraction",
        "modality_config": {
            "text": FORWARD,
            "image": FORWARD,
            "message": FORWARD | {"format": "structured"},
        },
        "module_output_name": "token_embeddings",
    }
    pooling = {"embedding_dimension": width, "pooling_mode": "lasttoken", "include_prompt": True}
    normalize = {"module_input_name": "sentence_embedding"}
    _write(folder / "modules.json", modules)
    _write(folder / "sentence_bert_config.json", transformer)
    _write(folder / "1_Pooling" / "config.json", pooling)
    _write(folder / "2_Normalize" / "config.json", normalize)


def _write(file: Path, content: object) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content, indent=2))
