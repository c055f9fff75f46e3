"""A file that is sent: its name, its content and its kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["MEDIA", "File"]

#: Kind of content of each kind of file.
MEDIA: Mapping[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "svg": "image/svg+xml",
    "png": "image/png",
    "pdf": "application/pdf",
    "study": "application/yaml; charset=utf-8",
    "python": "text/x-python; charset=utf-8",
    "html": "text/html; charset=utf-8",
}
ENDINGS: Mapping[str, str] = {"study": "yaml", "python": "py"}


@dataclass(frozen=True)
class File:
    """A file that is sent: its name, its content and its kind."""

    name: str
    content: bytes
    media: str

    @classmethod
    def of(cls, stem: str, kind: str, content: bytes | str) -> File:
        """A file of a kind, with the ending that belongs to it."""
        data = content.encode("utf-8") if isinstance(content, str) else content
        return cls(f"{stem}.{ENDINGS.get(kind, kind)}", data, MEDIA[kind])
