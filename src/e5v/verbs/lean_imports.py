"""What a process of the command line does not import, although a library would.

import lancedb -> its client of namespaces, a generated one for a REST service -> placeholders

That client is 40 % of the time that importing LanceDB takes, and e5v opens tables in folders only.
Other programs may want it. Seen with lancedb 0.40.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

VERBS = ("search", "index", "serve", "demo")
OTHERS = ("--store", "--trust-remote-code")  # bring code that may need it
CLIENT = ("lance_namespace", "lance_namespace_urllib3_client")


def import_less(arguments: Sequence[str]) -> None:
    """Leave out what the verb does not need, if it is one of those that people wait for."""
    if arguments[:1] and arguments[0] in VERBS and not any(map(_is_other, arguments)):
        sys.meta_path.insert(0, _Finder())


def _is_other(argument: str) -> bool:
    return argument.partition("=")[0] in OTHERS


class _Finder(MetaPathFinder, Loader):
    """Finds the modules of the client; each has a class of any name, without content."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how a module of the client is loaded; None for any other."""
        del path, target
        if fullname.partition(".")[0] not in CLIENT:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Make a module without content."""
        return _Placeholders(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Run nothing."""


class _Placeholders(ModuleType):
    """A module that has a class of any public name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        made = type(name, (Exception,), {"__module__": self.__name__})
        setattr(self, name, made)
        return made
