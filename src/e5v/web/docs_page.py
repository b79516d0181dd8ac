"""`/docs`: the OpenAPI description as a page that needs no script and no other site.

OpenAPI -> operations -> HTML
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

Schema = Mapping[str, Any]

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/docs.css">
</head>
<body>
<main>
<h1>{title}</h1>
<p>{about} <a href="/">The page</a>, <a href="/openapi.json">OpenAPI</a>.</p>
{operations}
</main>
</body>
</html>
"""
CODE = re.compile("`([^`]+)`")  # as docstrings mark it
JSON = "Content-Type: application/json"
EXAMPLES = {
    "/v1/embeddings": '{"input": ["a dog in the grass", {"text": "a cat"}]}',
    "/v2/embed": '{"texts": ["a dog in the grass"], "embedding_types": ["float", "int8"]}',
    "/v1/search": '{"text": "a dog in the snow", "without": "people", "k": 5}',
}


def docs_page(openapi: Schema) -> str:
    """Return the page of an OpenAPI description."""
    operations = [
        _operation(method, path, operation, openapi)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    info = openapi["info"]
    title = f"{info['title']} {info['version']}"
    about = escape(info["description"])
    return PAGE.format(title=escape(title), about=about, operations="\n".join(operations))


def _operation(method: str, path: str, operation: Schema, openapi: Schema) -> str:
    parts = [
        f"<h2><code>{method.upper()} {escape(path)}</code></h2>",
        f"<p>{escape(operation['summary'])}.</p>",
    ]
    if told := operation.get("description"):
        marked = CODE.sub(r"<code>\1</code>", escape(told))
        parts.append(f"<p>{marked}</p>")
    if body := operation.get("requestBody"):
        reference = body["content"]["application/json"]["schema"]["$ref"]
        schema = openapi["components"]["schemas"][reference.rpartition("/")[2]]
        parts += [_fields(schema), _example(path)]
    return f"<section>{''.join(parts)}</section>"


def _fields(schema: Schema) -> str:
    required = schema.get("required", [])
    rows = [
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_kind(field))}</td>"
        f"<td>{escape(_told(field, required=name in required))}</td></tr>"
        for name, field in schema["properties"].items()
    ]
    head = "<tr><th>Field</th><th>Type</th><th>Meaning</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def _told(field: Schema, *, required: bool) -> str:
    default = field.get("default")
    notes = [field.get("description", "")]
    notes += ["Required."] if required else []
    notes += [f"Default: {json.dumps(default)}."] if default is not None else []
    return " ".join(note for note in notes if note)


def _kind(field: Schema) -> str:
    return " | ".join(dict.fromkeys(_kinds(field)))


def _kinds(field: Schema) -> Iterator[str]:
    for inner in field.get("anyOf", ()):
        yield from _kinds(inner)
    if "enum" in field:
        yield from map(str, field["enum"])
    elif field.get("type") == "array":
        yield f"list of {_kind(field['items']) or 'anything'}"
    elif "type" in field and field["type"] != "null":
        yield field["type"]
    elif "$ref" in field:
        yield field["$ref"].rpartition("/")[2]


def _example(path: str) -> str:
    body = EXAMPLES.get(path)
    if not body:
        return ""
    lines = (f"curl http://localhost:8000{path}", f"-H '{JSON}'", f"-d '{body}'")
    sent = " \\\n  ".join(lines)
    return f"<pre><code>{escape(sent)}</code></pre>"
