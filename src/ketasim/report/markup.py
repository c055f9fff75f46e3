"""Small pieces of HTML: tables, figures and text that is safe to print."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

from matplotlib.figure import Figure

from ketasim.report.style import DARK, figure_svg

__all__ = ["Cell", "bullets", "dark_rules", "details", "inline_figure", "paragraph", "table"]

#: A cell: its text, or its text and a class of the style sheet.
Cell = str | tuple[str, str]


def paragraph(text: str, kind: str = "") -> str:
    """Write a paragraph of plain text, with a class of the style sheet if given."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def bullets(texts: Iterable[str]) -> str:
    """Write a list of plain texts."""
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def table(heads: Sequence[Cell], rows: Iterable[Sequence[Cell]], caption: str = "") -> str:
    """Write a table with real heads; what is too wide for the page scrolls in its own box."""
    top = "".join(_cell(head, "th") for head in heads)
    body = "\n".join("<tr>" + "".join(_cell(cell, "td") for cell in row) + "</tr>" for row in rows)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        '<div class="scroll" tabindex="0" role="group" aria-label="table">'
        f"<table>{title}<thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )


def _cell(cell: Cell, tag: str) -> str:
    text, kind = (cell, "") if isinstance(cell, str) else cell
    mark = f' class="{kind}"' if kind else ""
    scope = ' scope="col"' if tag == "th" else ""
    return f"<{tag}{mark}{scope}>{escape(text)}</{tag}>"


def details(summary: str, inside: str) -> str:
    """Fold a part of the page behind a line of text."""
    return f"<details><summary>{escape(summary)}</summary>\n{inside}\n</details>"


def inline_figure(name: str, figure: Figure, says: str, caption: str) -> str:
    """Put a figure into the page as SVG that follows the page's colours.

    Parameters
    ----------
    name : str
        Sets the ids inside the drawing apart from those of other figures.
    figure : Figure
        The drawing.
    says : str
        One sentence for those who cannot see it.
    caption : str
        Text below it.
    """
    svg = figure_svg(figure)
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = svg.replace('href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")
    svg = re.sub(r'\s+xmlns(?::\w+)?="[^"]*"', "", svg).replace("xlink:href", "href")
    for index, light in enumerate(DARK):
        svg = svg.replace(light, f"var(--c{index})")
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{escape(says)}"', 1)
    return (
        f'<figure id="{name}"><p class="swipe">Swipe the figure sideways to see all of it.</p>'
        f'<div class="scroll" tabindex="0" role="group" aria-label="figure">{svg}</div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def dark_rules() -> str:
    """Write the style rules that give every colour of the figures its value by day and by night.

    The page is dark only on a screen that asks for it: paper is always light.
    """
    light = "; ".join(f"--c{index}: {colour}" for index, colour in enumerate(DARK))
    dark = "; ".join(f"--c{index}: {colour}" for index, colour in enumerate(DARK.values()))
    page = (
        "--paper: #121519; --surface: #191d22; --line: #2a2f36; --strong: #3a4149; --ink: #e9e6e0; "
        "--ink2: #b4bac2; --ink3: #8f969f; --accent: #8dbbea; --pass: #6cc5ac; --fail: #f08a6f"
    )
    return (
        f":root {{ {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {page}; {dark} }} }}\n"
        "@media print { :root { color-scheme: light; } body { background: #fff; font-size: 10.5pt; } "
        "main { max-width: none; padding: 0; } nav, .swipe { display: none; } "
        "figure { break-inside: avoid; border: 0; padding: 0; } .scroll { overflow: visible; } "
        ".scroll > svg { max-height: 18.5cm; } tr { break-inside: avoid; } h2, h3 { break-after: avoid; } "
        "details::details-content { content-visibility: visible; block-size: auto; } }"
    )
