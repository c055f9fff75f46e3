"""What is loaded when it is first used: public names of a package (PEP 562), and other libraries.

One person's course needs NumPy and the engine. Tables, figures, study files and equations that are
derived anew need libraries that take longer to load than that course to compute.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__all__ = ["lazy_loader", "lazy_module"]


def lazy_loader(package: str, homes: Mapping[str, Sequence[str]]) -> Callable[[str], object]:
    """Make the ``__getattr__`` of a package.

    Parameters
    ----------
    package : str
        Its full name.
    homes : mapping of str to sequence of str
        Modules, and the public names of the package that live in them.

    Returns
    -------
    function
        Takes a name and returns what it stands for; keeps it in the package, so that it is
        asked once. Raises AttributeError for any other name.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def load(name: str) -> object:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(home_of[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return load


class lazy_module:  # noqa: N801 - stands where an import would
    """A module that is imported when something of it is wanted, from whichever thread.

    Parameters
    ----------
    name : str
        Its full name.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self._name), name)
        setattr(self, name, value)
        return value
