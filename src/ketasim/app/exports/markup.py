"""The frame of an HTML page that stands by itself."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template

from ketasim.report.markup import dark_rules

__all__ = ["page"]


def page(title: str, body: Sequence[str]) -> str:
    """Write a whole page with the style of the reports inside.

    Parameters
    ----------
    title : str
        Plain text.
    body : sequence of str
        HTML.
    """
    files = resources.files("ketasim.report")
    style = (files / "report.css").read_text(encoding="utf-8") + dark_rules()
    frame = Template((files / "page.html").read_text(encoding="utf-8"))
    return frame.substitute(title=escape(title), style=style, body="\n".join(body))
