"""`/docs`: the OpenAPI description as one HTML page, without scripts or external files.

OpenAPI -> ApiDescription -> docs.html.jinja, which escapes all text -> HTML
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from e5v.web.api_description import describe_api

CODE = re.compile("`([^`]+)`")  # as marked in docstrings


def render_docs_page(openapi: Mapping[str, object]) -> str:
    """Return the HTML page of an OpenAPI description."""
    return _load_template().render(api=describe_api(openapi))


@cache
def _load_template() -> Template:
    environment = Environment(
        loader=PackageLoader("e5v.web", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        lstrip_blocks=True,
    )
    environment.filters["mark_code"] = mark_code
    return environment.get_template("docs.html.jinja")


def mark_code(text: str) -> Markup:
    """Escape a text and mark its code, which stands between backticks."""
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))
