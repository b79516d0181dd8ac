"""The help of a verb, and that of all: plain text that fits a terminal of 80 columns.

a record's docstring, and tyro's list of options -> without boxes and empty defaults -> text
"""

import inspect
import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping

WIDEST = 100  # columns
DEFAULT = re.compile(r"\s*\(default:\s*(?:None|False|\{\})?\s*\)")
BOX = re.compile("[╭╮╰╯│─]")
TITLE = re.compile(r"^ (\S.*)$", re.MULTILINE)
MARK = "\0"  # ends an option whose description begins beside it
OPTION_INDENT = 2  # spaces before an option; its description stands further in
TITLES = {
    "positional arguments": "Arguments",
    "options": "Options",
    "recipe options": "Training options",
    "objective options": "Loss options",
    "rule options": "Options of the choice",
    "opening options": "Model loading options",
    "purpose options": "Instruction options",
    "engines options": "Engine options",
    "remote options": "Engine options",
}


def list_verbs(verbs: Mapping[str, type[object]], *, head: str, foot: str) -> str:
    """Return the help of the command line: a line for each verb, by its docstring's first line."""
    width = max(map(len, verbs)) + 2
    lines = [
        f"  {name:<{width}}{inspect.getdoc(record) or ''}".splitlines()[0].rstrip(".")
        for name, record in verbs.items()
    ]
    return "\n".join([head, "", *lines, "", foot, ""])


def plain_help(record: type[object], name: str, shown: str) -> str:
    """Return the help of a verb from its docstring and from what tyro shows of its options."""
    usage = next((line for line in shown.splitlines() if line.startswith("usage:")), "")
    head = re.sub(r"\[-h\] ?|[A-Z]+ (?=OPTIONS\])", "", usage).rstrip()
    return "\n\n".join([head, *_wrap_paragraphs(record), _format_options(shown).strip()]) + "\n"


def _wrap_paragraphs(record: type[object]) -> Iterator[str]:
    """Wrap the docstring's paragraphs; what is indented stays as it is."""
    width = min(shutil.get_terminal_size().columns, WIDEST)
    for paragraph in (inspect.getdoc(record) or "").split("\n\n"):
        indented = any(line.startswith(" ") for line in paragraph.splitlines())
        yield paragraph if indented else textwrap.fill(paragraph, width, break_on_hyphens=False)


def _format_options(shown: str) -> str:
    """Return tyro's lists of options without rules and boxes, and without empty defaults.

    Tyro draws boxes for a terminal and rules for everything else; a title has one space before it.
    """
    lines = []
    for drawn in shown.splitlines():
        line = BOX.sub(" ", drawn).rstrip()
        if line.strip(" -"):
            lines.append(line)
        elif lines and lines[-1]:
            lines.append("")
    first = next((place for place, line in enumerate(lines) if TITLE.fullmatch(line)), len(lines))
    text = DEFAULT.sub("", _wrap_descriptions("\n".join(lines[first:])))
    text = text.replace("{None,", "{")
    text = TITLE.sub(lambda title: f"{_name_group(title[1])}:", text)
    return re.sub(r":\n\n", ":\n", text)


def _wrap_descriptions(listed: str) -> str:
    """Fill the descriptions of options anew: tyro keeps the line breaks of the source."""
    width = min(shutil.get_terminal_size().columns, WIDEST)
    indents = {len(line) - len(line.lstrip()) for line in listed.splitlines() if line}
    deep = min((indent for indent in indents if indent > OPTION_INDENT), default=0)
    margin = " " * deep

    def fill(block: re.Match[str]) -> str:
        words = " ".join(block[0].split())
        return textwrap.fill(
            words, width, initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False
        )

    lines: list[str] = []
    for line in listed.splitlines():
        beside = line[:deep].strip() and len(line) > deep > 0 and line[deep - 2 : deep] == "  "
        lines += [line[:deep].rstrip() + MARK, margin + line[deep:]] if beside else [line]
    pattern = rf"^{margin}\S.*(?:\n{margin}\S.*)*"
    filled = re.sub(pattern, fill, "\n".join(lines), flags=re.MULTILINE) if deep else listed
    return re.sub(rf"(.*){MARK}\n {{{deep}}}", lambda head: f"{head[1]:<{deep}}", filled)


def _name_group(title: str) -> str:
    """Name a group of options by its record alone: "recipe.adapter options" is of the adapter."""
    group = title.rpartition(".")[2]
    return TITLES.get(group, group.capitalize())
