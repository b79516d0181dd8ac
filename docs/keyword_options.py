"""Show `**options: Unpack[SomeTypedDict]` as the keyword arguments that it stands for.

griffe's own extension for it, `unpack_typeddict`, fails on a typed dict of another package, and
adds each key to the docstring's list a second time.
"""

from typing import Any

import griffe


class KeywordOptions(griffe.Extension):
    """Replace the parameter by one keyword argument for each key; a docstring may name them."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Called for each function of the package, once all of it is read."""
        for parameter in list(func.parameters):
            unpacked = parameter.annotation
            if not (
                isinstance(unpacked, griffe.ExprSubscript)
                and unpacked.canonical_path == "typing.Unpack"
                and isinstance(unpacked.slice, griffe.Expr)
                and unpacked.slice.canonical_path.startswith("e5v.")
            ):
                continue
            options = func.modules_collection[unpacked.slice.canonical_path]
            del func.parameters[parameter.name]
            for key in options.attributes.values():
                func.parameters[key.name] = griffe.Parameter(
                    key.name,
                    annotation=key.annotation,
                    kind=griffe.ParameterKind.keyword_only,
                    default="...",
                )
