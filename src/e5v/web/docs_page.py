"""`/docs`: the OpenAPI description as one HTML page, without scripts or external files.

OpenAPI -> operations: fields, an example, the reply, errors -> HTML
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
<p>{about} <a href="/">Search page</a>, <a href="/openapi.json">OpenAPI</a>.</p>
{operations}
{errors}
</main>
</body>
</html>
"""
CODE = re.compile("`([^`]+)`")  # as marked in docstrings
JSON = "Content-Type: application/json"
EXAMPLES = {
    "/v1/embeddings": '{"input": ["a dog in the grass", {"text": "a cat"}]}',
    "/v2/embed": '{"texts": ["a dog in the grass"], "embedding_types": ["float", "int8"]}',
    "/v1/search": '{"text": "a dog in the snow", "without": "people", "k": 5}',
}


ERRORS = """<section><h2 id="errors">Errors</h2>
<p>Every error has this format, the same as OpenAI's.</p>
{fields}
<table><thead><tr><th>Status</th><th>Meaning</th></tr></thead><tbody>{rows}</tbody></table>
</section>"""


def docs_page(openapi: Schema) -> str:
    """Return the HTML page of an OpenAPI description."""
    operations = [
        (method, path, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    sections = [_section(*one, openapi) for one in operations]
    info = openapi["info"]
    title = f"{info['title']} {info['version']}"
    return PAGE.format(
        title=escape(title),
        about=escape(info["description"]),
        operations="\n".join(sections),
        errors=_errors([operation for *_, operation in operations], openapi),
    )


def _section(method: str, path: str, operation: Schema, openapi: Schema) -> str:
    """Write one operation."""
    parts = [
        f"<h2><code>{method.upper()} {escape(path)}</code></h2>",
        f"<p>{escape(operation['summary'])}.</p>",
    ]
    if about := operation.get("description"):
        parts += [f"<p>{_marked(one)}</p>" for one in about.split("\n\n")]
    if parameters := operation.get("parameters"):
        fields = {one["name"]: one | one["schema"] for one in parameters}
        parts.append(_table({"properties": fields, "required": list(fields)}))
    if body := operation.get("requestBody"):
        schema = body["content"]["application/json"]["schema"]
        parts += [_tables(schema, openapi, request=True), _example(path)]
    reply = operation["responses"]["200"]
    parts.append(f"<h3>Reply</h3><p>{_marked(reply['description'])}{_media(reply)}.</p>")
    if written := reply["content"].get("application/json"):
        parts.append(_tables(written["schema"], openapi))
    codes = ", ".join(code for code in operation["responses"] if code != "200")
    parts.append(f'<p>Errors: {codes}; see <a href="#errors">below</a>.</p>')
    return f"<section>{''.join(parts)}</section>"


def _errors(operations: list[Schema], openapi: Schema) -> str:
    """Write the fields of an error, and the status codes of all operations."""
    responses = {
        code: response
        for operation in operations
        for code, response in operation["responses"].items()
        if code != "200"
    }
    rows = "".join(
        f"<tr><td>{code}</td><td>{escape(response['description'])}.</td></tr>"
        for code, response in sorted(responses.items())
    )
    shape = next(iter(responses.values()))["content"]["application/json"]["schema"]
    return ERRORS.format(fields=_tables(shape, openapi), rows=rows)


def _media(reply: Schema) -> str:
    kinds = [kind for kind in reply["content"] if kind != "application/json"]
    return f" ({escape(' or '.join(kinds))})" if kinds else ""


def _tables(schema: Schema, openapi: Schema, *, request: bool = False) -> str:
    """Write the fields of a schema, then those of the schemas that they refer to.

    Only a request marks required fields: a reply has all of them.
    """
    waiting, written = list(_references(schema)), dict[str, str]()
    while waiting:
        name = waiting.pop(0)
        if name in written:
            continue
        shape = openapi["components"]["schemas"][name]
        title = f"<h4><code>{escape(name)}</code></h4>" if written else ""
        written[name] = title + _table(shape if request else {**shape, "required": []})
        waiting += [inner for field in shape["properties"].values() for inner in _references(field)]
    return "".join(written.values())


def _references(field: Schema) -> Iterator[str]:
    """Yield the names of the schemas that a field refers to."""
    if "$ref" in field:
        yield field["$ref"].rpartition("/")[2]
    inners = [*field.get("anyOf", ()), *([field["items"]] if "items" in field else [])]
    for inner in inners:
        yield from _references(inner)


def _table(shape: Schema) -> str:
    required = shape.get("required", [])
    rows = [
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_kind(field))}</td>"
        f"<td>{_marked(_meaning(field, required=name in required))}</td></tr>"
        for name, field in shape["properties"].items()
    ]
    head = "<tr><th>Field</th><th>Type</th><th>Meaning</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"


def _marked(text: str) -> str:
    """Escape a text and mark its code."""
    return CODE.sub(r"<code>\1</code>", escape(text))


def _meaning(field: Schema, *, required: bool) -> str:
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
    if "const" in field:
        yield json.dumps(field["const"])
    elif "enum" in field:
        yield from map(json.dumps, field["enum"])
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
