"""Reads an OpenAPI description into what a page shows: operations, tables of fields, errors.

OpenAPI -> Operation: parameters, fields of the request, an example, fields of the reply, errors
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

EXAMPLES = {
    "/v1/embeddings": '{"input": ["a dog in the grass", {"text": "a cat"}]}',
    "/v2/embed": '{"texts": ["a dog in the grass"], "embedding_types": ["float", "int8"]}',
    "/v1/search": '{"text": "a dog in the snow", "without": "people", "k": 5}',
}


@dataclass(frozen=True)
class FieldRow:
    """A field: its name, its type in words, and what it means."""

    name: str
    kind: str
    meaning: str


@dataclass(frozen=True)
class FieldTable:
    """The fields of one schema; the title is empty for the schema of the body itself."""

    title: str
    rows: tuple[FieldRow, ...]


@dataclass(frozen=True)
class Operation:
    """One method of a path."""

    method: str
    path: str
    summary: str
    paragraphs: tuple[str, ...]
    parameters: FieldTable | None
    request: tuple[FieldTable, ...]
    example: str
    reply: str
    media_types: tuple[str, ...]  # those that are not JSON
    reply_fields: tuple[FieldTable, ...]
    errors: tuple[str, ...]


@dataclass(frozen=True)
class ApiDescription:
    """All operations, and what their errors look like and mean, by status code."""

    title: str
    about: str
    operations: tuple[Operation, ...]
    error_fields: tuple[FieldTable, ...]
    errors: Mapping[str, str]


def describe_api(openapi: Schema) -> ApiDescription:
    """Read an OpenAPI description."""
    found = [
        (method, path, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    ]
    errors = {
        code: response
        for *_, operation in found
        for code, response in operation["responses"].items()
        if code != "200"
    }
    schema = next(iter(errors.values()))["content"]["application/json"]["schema"]
    info = openapi["info"]
    return ApiDescription(
        title=f"{info['title']} {info['version']}",
        about=info["description"],
        operations=tuple(_describe_operation(*one, openapi) for one in found),
        error_fields=_describe_schemas(schema, openapi),
        errors={code: errors[code]["description"] for code in sorted(errors)},
    )


def _describe_operation(method: str, path: str, operation: Schema, openapi: Schema) -> Operation:
    parameters = operation.get("parameters")
    body = operation.get("requestBody")
    sent = body["content"]["application/json"]["schema"] if body else {}
    reply = operation["responses"]["200"]
    json_reply = reply["content"].get("application/json", {"schema": {}})
    return Operation(
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        paragraphs=tuple(filter(None, operation.get("description", "").split("\n\n"))),
        parameters=_describe_parameters(parameters) if parameters else None,
        request=_describe_schemas(sent, openapi, request=True),
        example=_write_example(path) if body else "",
        reply=reply["description"],
        media_types=tuple(kind for kind in reply["content"] if kind != "application/json"),
        reply_fields=_describe_schemas(json_reply["schema"], openapi),
        errors=tuple(code for code in operation["responses"] if code != "200"),
    )


def _describe_parameters(parameters: list[Schema]) -> FieldTable:
    return FieldTable(
        "",
        tuple(
            _describe_field(one["name"], {**one, **one["schema"]}, required=one["required"])
            for one in parameters
        ),
    )


def _describe_schemas(
    schema: Schema, openapi: Schema, *, request: bool = False
) -> tuple[FieldTable, ...]:
    """Return the fields of a schema, then those of the schemas that they refer to.

    Only a request marks required fields: a reply has all of them.
    """
    waiting, tables = list(_find_references(schema)), dict[str, FieldTable]()
    while waiting:
        name = waiting.pop(0)
        if name in tables:
            continue
        shape = openapi["components"]["schemas"][name]
        required = shape.get("required", []) if request else []
        rows = tuple(
            _describe_field(inner, field, required=inner in required)
            for inner, field in shape["properties"].items()
        )
        tables[name] = FieldTable(name if tables else "", rows)
        waiting += [
            one for field in shape["properties"].values() for one in _find_references(field)
        ]
    return tuple(tables.values())


def _find_references(field: Schema) -> Iterator[str]:
    """Yield the names of the schemas that a field refers to."""
    if "$ref" in field:
        yield field["$ref"].rpartition("/")[2]
    for inner in (*field.get("anyOf", ()), *([field["items"]] if "items" in field else [])):
        yield from _find_references(inner)


def _describe_field(name: str, field: Schema, *, required: bool) -> FieldRow:
    default = field.get("default")
    notes = [field.get("description", "")]
    notes += ["Required."] if required else []
    notes += [f"Default: {json.dumps(default)}."] if default is not None else []
    return FieldRow(name, _name_types(field), " ".join(note for note in notes if note))


def _name_types(field: Schema) -> str:
    return " | ".join(dict.fromkeys(_list_types(field)))


def _list_types(field: Schema) -> Iterator[str]:
    for inner in field.get("anyOf", ()):
        yield from _list_types(inner)
    if "const" in field:
        yield json.dumps(field["const"])
    elif "enum" in field:
        yield from map(json.dumps, field["enum"])
    elif field.get("type") == "array":
        yield f"list of {_name_types(field['items']) or 'anything'}"
    elif "type" in field and field["type"] != "null":
        yield field["type"]
    elif "$ref" in field:
        yield field["$ref"].rpartition("/")[2]


def _write_example(path: str) -> str:
    """Write a request by curl; empty for a path without an example."""
    if path not in EXAMPLES:
        return ""
    options = ("-H 'Content-Type: application/json'", f"-d '{EXAMPLES[path]}'")
    return " \\\n  ".join((f"curl http://localhost:8000{path}", *options))
