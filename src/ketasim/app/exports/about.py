"""What stands in every file that leaves the explorer: what made it, from what, and what it is not for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

from ketasim.report.purpose import PURPOSE

__all__ = ["Origin"]


@dataclass(frozen=True)
class Origin:
    """Where numbers come from.

    Parameters
    ----------
    model_hash, parameter_hash : str
        Equal on every computer with the same equations and values.
    version : str
        Version of Ketasim.
    """

    model_hash: str
    parameter_hash: str
    version: str = ""

    @classmethod
    def here(cls) -> Origin:
        """Origin of what is computed here."""
        from ketasim.api import scenarios

        return cls(scenarios.model_hash(), scenarios.parameter_hash(), version("ketasim"))

    @classmethod
    def of(cls, data: Mapping[str, object]) -> Origin:
        """That of a result that names its origin."""
        return cls(*(str(data.get(name, "")) for name in ("model_hash", "parameter_hash", "version")))

    @property
    def text(self) -> str:
        """In a sentence."""
        return f"Ketasim {self.version}, model {self.model_hash}, parameters {self.parameter_hash}."

    @property
    def lines(self) -> tuple[str, str]:
        """Origin, and what the numbers are not for."""
        return self.text, PURPOSE
