"""What every report says of itself."""

from __future__ import annotations

__all__ = ["PURPOSE"]

#: Said once in every report.
PURPOSE = "Ketasim is a research and teaching instrument and not for treating a person."
