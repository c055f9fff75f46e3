"""The look of all figures: quiet paper, one ink, colour only where it means something."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from ketasim.trials.study import Study

__all__ = [
    "DARK",
    "DRUG",
    "EXPECTANCY",
    "FAIL",
    "INK",
    "INK2",
    "INK3",
    "LINE",
    "OVERVIEW_DPI",
    "PAPER",
    "SMALL",
    "STAGE_COLOURS",
    "STRONG",
    "SURFACE",
    "TEXT",
    "WIDTH",
    "ArmStyle",
    "arm_styles",
    "bare",
    "figure_pdf",
    "figure_png",
    "figure_svg",
    "label_arms",
    "new_figure",
    "save_figure",
    "stacked_png",
    "thin_out",
]

FloatArray = npt.NDArray[np.float64]

INK, INK2, INK3 = "#1c2127", "#4e555e", "#697079"
LINE, STRONG = "#e4e0d8", "#d2cdc2"
PAPER, SURFACE = "#f7f5f1", "#ffffff"
FAIL = "#b3371f"
DRUG, EXPECTANCY = "#2d54a0", "#d8a13c"
_ARMS = ("#0072b2", "#d55e00", "#008f68", "#b8578f", "#8a6d00")
_DASHES: tuple[tuple[float, ...], ...] = ((), (5.0, 2.0), (7.0, 2.0, 1.5, 2.0), (2.0, 1.6), (10.0, 2.0))

#: Hue of each stage, from cool (drug) to warm (mood).
STAGE_COLOURS: Mapping[str, str] = {
    "pharmacokinetics": "#2d54a1",
    "receptors": "#1775ae",
    "circuit": "#00627a",
    "glutamate": "#0a7e83",
    "ampa": "#066a5b",
    "neurotrophin": "#3f8254",
    "translation": "#516725",
    "synapses": "#897311",
    "networks": "#7e5312",
    "inflammation": "#6e5161",
    "symptoms": "#a43e13",
    "safety": "#802d7c",
}

#: What each colour becomes on dark paper.
DARK: Mapping[str, str] = {
    INK: "#e9e6e0",
    INK2: "#b4bac2",
    INK3: "#8f969f",
    LINE: "#2a2f36",
    STRONG: "#3a4149",
    PAPER: "#15191e",
    SURFACE: "#191d22",
    FAIL: "#f08a6f",
    DRUG: "#759ee9",
    EXPECTANCY: "#c08f35",
    "#0072b2": "#5ab4e8",
    "#d55e00": "#f08a4b",
    "#008f68": "#3ccba0",
    "#b8578f": "#e3a1c4",
    "#8a6d00": "#dac46d",
    "#2d54a1": "#759ee9",
    "#1775ae": "#7cbff2",
    "#00627a": "#58abc7",
    "#0a7e83": "#6ac9ce",
    "#066a5b": "#5cb4a1",
    "#3f8254": "#89cd9b",
    "#516725": "#99b36c",
    "#897311": "#dac46d",
    "#7e5312": "#d2a061",
    "#6e5161": "#bea1b1",
    "#a43e13": "#f08d6a",
    "#802d7c": "#d285cb",
}

#: Width of every figure in inches, and its two sizes of text in points.
WIDTH, TEXT, SMALL = 9.2, 10.0, 9.0

_SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "axes.unicode_minus": True,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "ketasim",
    "svg.image_inline": True,
    "path.simplify": True,
    "path.simplify_threshold": 0.2,
    "hatch.linewidth": 0.8,
}

_DPI = 150
#: Coarser, so that a picture for a front page stays small.
OVERVIEW_DPI = 120


@dataclass(frozen=True)
class ArmStyle:
    """How an arm is drawn: a colour, a dash pattern (points) and whether it is a control."""

    colour: str
    dash: tuple[float, ...]
    control: bool

    def line(self, width: float = 1.7) -> dict[str, Any]:
        """Keywords of a line of this arm."""
        # Butt caps keep short dashes apart.
        style = (0, self.dash) if self.dash else "-"
        return {"color": self.colour, "linestyle": style, "linewidth": width, "dash_capstyle": "butt"}


def arm_styles(study: Study, *, first: bool = False) -> dict[str, ArmStyle]:
    """Give each arm a style: grey for controls, hue and dash for active arms.

    Colour never carries an arm alone: each has its own dash too, and stands in words beside it.
    With ``first`` only the arms to which patients are randomised at the start.
    """
    found = {}
    active = controls = 0
    for arm in study.first_arms if first else study.arms:
        if arm.active:
            dash = _DASHES[(active + active // len(_ARMS)) % len(_DASHES)]
            found[arm.id] = ArmStyle(_ARMS[active % len(_ARMS)], dash, False)
            active += 1
        else:
            found[arm.id] = ArmStyle(INK3, _DASHES[(3 * controls) % len(_DASHES)], True)
            controls += 1
    return found


def new_figure(height: float) -> Figure:
    """Make an empty figure of the common width (inches), on the surface colour."""
    with mpl.rc_context(_SETTINGS):
        return Figure(figsize=(WIDTH, height), facecolor=SURFACE)


def bare(ax: Axes, *, bottom: bool = True) -> None:
    """Take away what carries no information: frame, tick marks, background."""
    ax.set_facecolor(SURFACE)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_visible(bottom)
    ax.spines["bottom"].set_color(STRONG)
    ax.tick_params(length=0, labelsize=SMALL, colors=INK2)


def label_arms(
    ax: Axes, arms: Sequence[tuple[str, ArmStyle]], *, y: float = 1.02, extra: Sequence[Line2D] = ()
) -> int:
    """Put a key above an axes: a sample of each arm's line, and its name.

    Returns
    -------
    int
        Its number of lines.
    """
    handles = [Line2D([], [], label=name, **style.line()) for name, style in arms]
    handles += list(extra)
    columns = _columns([len(str(handle.get_label())) for handle in handles], len(arms))
    # The key is filled column by column; so ordered, it reads row by row.
    handles = [handle for column in range(columns) for handle in handles[column::columns]]
    legend = ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, y),
        ncols=columns,
        frameon=False,
        fontsize=SMALL,
        handlelength=2.6,
        columnspacing=1.4,
        borderaxespad=0.0,
        borderpad=0.0,
        labelcolor=INK,
    )
    legend.set_in_layout(False)
    return math.ceil(len(handles) / columns)


def _columns(lengths: Sequence[int], first: int) -> int:
    """Columns of a key, read row by row, that fit the width of a figure: for few rows, many.

    With as many columns as the ``first`` labels, these have a row for themselves: that is taken if
    it needs no more rows.
    """

    def fits(columns: int) -> bool:
        widest = [max(lengths[column::columns]) for column in range(columns)]
        # A letter, and a sample of line with the space around it, in inches.
        return sum(0.078 * length + 0.72 for length in widest) < 0.9 * WIDTH

    count = len(lengths)
    most = next((columns for columns in range(count, 1, -1) if fits(columns)), 1)
    apart = 1 < first < most and fits(first) and math.ceil(count / first) == math.ceil(count / most)
    return first if apart else most


def thin_out(places: FloatArray, values: FloatArray, columns: int = 700) -> tuple[FloatArray, FloatArray]:
    """Keep the lowest and the highest point of each column of the drawing.

    Parameters
    ----------
    places : array, shape (n,)
        Increasing places from 0 to 1.
    values : array, shape (n,)
        The curve.
    columns : int
        Columns over the whole width.

    Returns
    -------
    places, values : arrays, shape (m,)
        At most four points a column, in order; every extreme is among them.
    """
    column = np.minimum((places * columns).astype(int), columns - 1)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    ends = np.append(starts[1:], len(places))
    keep: set[int] = set()
    for first, after in zip(starts.tolist(), ends.tolist(), strict=True):
        part = values[first:after]
        keep |= {first, after - 1, first + int(np.argmin(part)), first + int(np.argmax(part))}
    chosen = np.array(sorted(keep), dtype=int)
    return places[chosen], values[chosen]


def figure_svg(figure: Figure) -> str:
    """Draw a figure as SVG text; the same figure gives the same text."""
    # The file says nothing of when or by whom it was made, so that equal runs give equal files.
    return _drawn(figure, "svg", {"Date": None, "Creator": None}).decode("utf-8")


def figure_png(figure: Figure, dpi: float = _DPI) -> bytes:
    """Draw a figure as a PNG file."""
    return _drawn(figure, "png", {"Software": None}, dpi)


def figure_pdf(figure: Figure) -> bytes:
    """Draw a figure as a PDF file with text that can be searched."""
    return _drawn(figure, "pdf", {"CreationDate": None})


def _drawn(figure: Figure, kind: str, metadata: dict[str, None], dpi: float = 72.0) -> bytes:
    buffer = BytesIO()
    with mpl.rc_context(_SETTINGS):
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def save_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write a figure as SVG and as PNG.

    Returns
    -------
    list of Path
        Both files.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    svg, png = folder / f"{name}.svg", folder / f"{name}.png"
    svg.write_text(figure_svg(figure), encoding="utf-8")
    png.write_bytes(figure_png(figure))
    return [svg, png]


def stacked_png(figures: Sequence[Figure], dpi: float) -> bytes:
    """Draw figures of the common width below each other as one PNG.

    Parameters
    ----------
    figures : sequence of Figure
        From top to bottom.
    dpi : float
        Dots per inch.

    Returns
    -------
    bytes
        The PNG file.
    """
    parts = [np.asarray(Image.open(BytesIO(figure_png(figure, dpi))).convert("RGB")) for figure in figures]
    buffer = BytesIO()
    # A palette is enough for lines on paper, and makes the file a third as large.
    Image.fromarray(np.concatenate(parts)).quantize(256, dither=Image.Dither.NONE).save(
        buffer, format="png", optimize=True
    )
    return buffer.getvalue()
