"""A note's Markdown as plain text, for saved results: the same rules as web/page/plain.js.

text of a .md file -> lines without marks
"""

import re

MARKDOWN = re.compile(r"\.(md|markdown|mdx)$", re.IGNORECASE)
LINES, ANY_CASE = re.MULTILINE, re.IGNORECASE
MARKS = tuple(  # in this order; each removes one kind of mark
    (re.compile(mark, flags), kept)
    for mark, kept, flags in (
        (r"\A---\n[\s\S]*?\n---\n", "", 0),  # front matter
        (r"<!--[\s\S]*?-->", "", 0),
        (r"^(```|~~~).*$", "", LINES),
        (r"</?[a-z][^<>]*>", "", ANY_CASE),  # HTML
        (r"!\[([^\]]*)\]\([^)]*\)", r"\1", 0),
        (r"\[([^\]]+)\]\([^)]*\)", r"\1", 0),
        (r"\[([^\]]+)\]\[[^\]]*\]", r"\1", 0),
        (r"^ {0,3}\[[^\]]+\]:[ \t].*$", "", LINES),  # where a link leads
        (r"^ {0,3}#{1,6}[ \t]+(.*?)[ \t]*#*[ \t]*$", r"\1", LINES),
        (r"^ {0,3}(=+|-{3,}|\*{3,}|_{3,})[ \t]*$", "", LINES),  # rules and underlined headings
        (r"^ {0,3}(> ?)+", "", LINES),
        (r"^([ \t]*)[-*+][ \t]+(\[[ xX]\][ \t]+)?", r"\1• ", LINES),
        (r"(\*\*|__)(?=\S)([\s\S]*?\S)\1", r"\2", 0),
        (r"(?<![\w*\\])\*(?=\S)([^*\n]*?\S)\*(?![\w*])", r"\1", 0),
        (r"(?<!\w)_(?=\S)([^_\n]*?\S)_(?!\w)", r"\1", 0),
        (r"~~(?=\S)([\s\S]*?\S)~~", r"\1", 0),
        (r"`+([^`\n]+)`+", r"\1", 0),
        (r"^\|?([ \t]*:?-+:?[ \t]*\|)+[ \t]*:?-*:?[ \t]*$", "", LINES),  # below the head of a table
        (r"\\([\\`*_{}\[\]()#+.!|>-])", r"\1", 0),
        (r"\n{3,}", "\n\n", 0),
    )
)


def to_plain_text(text: str, path: str) -> str:
    """Return the text of a file without the marks of Markdown, if it is of such a file."""
    if MARKDOWN.search(path):
        for mark, kept in MARKS:
            text = mark.sub(kept, text)
    return text.strip()
