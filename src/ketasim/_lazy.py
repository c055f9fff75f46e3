"""Public names of a package that are loaded when they are first used (PEP 562).

One person's course needs NumPy, SymPy and the engine. Tables, figures and study files
need libraries that take longer to load than that course to compute.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

__all__ = ["lazy_loader"]


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
