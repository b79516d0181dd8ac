"""The style of a page that stands alone: colours and fonts of the page of `e5v serve`, and its own.

package, name of a style sheet -> CSS for the head of an HTML page
"""

from importlib.resources import files


def read_style(package: str, name: str) -> str:
    """Return the shared colours and fonts, and after them a style sheet of a package."""
    shared = files("e5v").joinpath("assets/page/tokens.css").read_text(encoding="utf-8")
    return shared + files(package).joinpath(name).read_text(encoding="utf-8")
