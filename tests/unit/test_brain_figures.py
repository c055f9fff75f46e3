"""Figures of the whole brain: matrices, networks in space, dose curves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from ketasim.brain.connectome import NETWORKS, Connectome
from ketasim.brain.criticality import EIGENVALUE_LIMIT
from ketasim.brain.synthetic import synthetic_connectome
from ketasim.errors import ModelError
from ketasim.report.brain_dose_figure import PANELS, dose_figure
from ketasim.report.brain_matrix_figure import matrix_figure
from ketasim.report.brain_network_figure import network_figure
from ketasim.report.brain_style import NETWORK_STYLES, network_order, upper
from ketasim.report.style import figure_svg

BRAIN = synthetic_connectome(20)


def correlations(seed: int, shift: float = 0.3) -> np.ndarray:
    """Make up a symmetric matrix with different entries, around a mean."""
    half = np.triu(np.random.default_rng(seed).uniform(-0.2, 0.2, (20, 20)) + shift, 1)
    return half + half.T + np.eye(20)


def outside(figure: Figure) -> list[str]:
    """Texts that do not lie wholly on the figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    found = []
    for text in figure.findobj(lambda item: hasattr(item, "get_text") and item.get_visible()):
        if not text.get_text():
            continue
        box = text.get_window_extent(renderer)
        # A tick beyond the limits of its axis is not drawn, and has an empty box at the origin.
        inside = box.x0 >= -1.0 and box.y0 >= -1.0 and box.x1 <= figure.bbox.x1 + 1.0
        if not (inside and box.y1 <= figure.bbox.y1 + 1.0):
            found.append(text.get_text())
    return found


def images(figure: Figure) -> list[Any]:
    """Matrices of a figure; the colour bars have none."""
    return [ax.images[0] for ax in figure.axes if ax.images]


def test_regions_are_ordered_by_network_and_then_by_hemisphere() -> None:
    order = network_order(BRAIN)
    assert sorted(order) == list(range(20))
    keys = [(NETWORKS.index(BRAIN.networks[k]), BRAIN.hemispheres[k] == "right") for k in order]
    assert keys == sorted(keys)


def test_matrices_are_reordered_and_differ_from_the_reference_below() -> None:
    first, second = correlations(1), correlations(2)
    shown = images(matrix_figure({"before": first, "during": second}, BRAIN, "before", "made up"))
    assert len(shown) == 3
    order = network_order(BRAIN)
    off = ~np.eye(20, dtype=bool)
    wanted = (first, second, second - first)
    for image, matrix in zip(shown, wanted, strict=True):
        array = np.ma.filled(image.get_array(), np.nan)
        np.testing.assert_array_equal(array[off], matrix[np.ix_(order, order)][off])
        # The diagonal says nothing and is left out.
        assert np.isnan(array[~off]).all()


def test_all_matrices_share_a_scale_and_all_differences_another() -> None:
    matrices = {"a": correlations(1), "b": correlations(2), "c": correlations(3, shift=0.25)}
    shown = images(matrix_figure(matrices, BRAIN, "a", "made up"))
    values, differences = [shown[0], shown[1], shown[3]], [shown[2], shown[4]]
    limits = {(image.norm.vmin, image.norm.vmax) for image in values}
    assert len(limits) == 1
    low, high = limits.pop()
    # Sequential from 0, and wide enough for nearly all pairs.
    assert low == 0.0
    assert np.quantile(np.concatenate([upper(matrix) for matrix in matrices.values()]), 0.99) <= high <= 1.0
    span = {(image.norm.vmin, image.norm.vmax) for image in differences}
    assert len(span) == 1
    down, up = span.pop()
    assert down == -up
    # Zero is the middle of the colours, and a quarter of the largest stands half way: the square root.
    shares = np.asarray(differences[0].norm([0.0, up / 4.0, -up / 4.0]))
    np.testing.assert_allclose(shares, [0.5, 0.75, 0.25], atol=1e-12)


def test_negative_correlations_get_a_scale_about_zero() -> None:
    shown = images(matrix_figure({"a": correlations(1, shift=0.0)}, BRAIN, "a", "made up"))
    assert len(shown) == 1
    assert shown[0].norm.vmin == -shown[0].norm.vmax < 0.0


@pytest.mark.parametrize("count", [1, 3, 6])
def test_words_of_a_matrix_figure_lie_on_it(count: int) -> None:
    matrices = {f"mean block 0.2{k}": correlations(k) for k in range(count)}
    figure = matrix_figure(matrices, BRAIN, "mean block 0.20", "synthetic (100 regions), depressed brain")
    assert outside(figure) == []


def test_what_is_no_matrix_of_this_brain_is_told() -> None:
    with pytest.raises(ModelError, match="no matrix is called 'c'; there are a"):
        matrix_figure({"a": correlations(1)}, BRAIN, "c", "")
    with pytest.raises(ModelError, match=r"'a' has shape .3, 3.; the connectome has 20"):
        matrix_figure({"a": np.eye(3)}, BRAIN, "a", "")
    with pytest.raises(ModelError, match=r"'a' has shape .3, 3.; the connectome has 20"):
        network_figure({"a": np.eye(3)}, BRAIN, "")


def lines(figure: Figure) -> list[list[LineCollection]]:
    """Lines between and within networks of each view, view by view."""
    return [[item for item in ax.collections if isinstance(item, LineCollection)] for ax in figure.axes]


def test_lines_are_the_pairs_above_one_threshold() -> None:
    matrices = {"before": correlations(1), "during": correlations(1) - 0.05, "after": correlations(2)}
    figure = network_figure(matrices, BRAIN, "made up", share=0.1)
    threshold = np.quantile(upper(matrices["before"]), 0.9)
    views = lines(figure)
    assert len(views) == 9
    for place, matrix in enumerate(matrices.values()):
        rows, columns = np.nonzero(np.triu(matrix, 1) > threshold)
        same = sum(BRAIN.networks[i] == BRAIN.networks[j] for i, j in zip(rows, columns, strict=True))
        for between, within in views[3 * place : 3 * place + 3]:
            assert len(between.get_segments()) == len(rows) - same
            assert len(within.get_segments()) == same
    # A tenth of 190 pairs, and weaker connectivity has fewer.
    counts = [sum(len(item.get_segments()) for item in view) for view in views[::3]]
    assert counts[0] == 19
    assert counts[1] < counts[0]
    assert any(text.get_text().startswith("19 pairs above") for text in figure.texts)


def test_lines_join_the_places_of_their_regions_and_are_thicker_for_stronger_pairs() -> None:
    matrix = np.eye(20)
    default = BRAIN.members("default")
    pairs = {(default[0], default[1]): 0.9, (default[1], default[2]): 0.6}
    for (i, j), value in pairs.items():
        matrix[i, j] = matrix[j, i] = value
    figure = network_figure({"a": matrix}, BRAIN, "made up", share=0.02)
    within = lines(figure)[0][1]
    assert BRAIN.positions is not None
    # The weakest is drawn first; from above, x and y are right and anterior.
    for segment, (i, j) in zip(within.get_segments(), reversed(pairs), strict=True):
        np.testing.assert_allclose(segment, BRAIN.positions[[i, j], :2])
    assert np.diff(within.get_linewidths()) > 0.0
    assert same_color(within.get_colors()[0][:3], NETWORK_STYLES["default"][0])
    # From the left the front is on the left.
    seen = lines(figure)[2][1].get_segments()[0]
    np.testing.assert_allclose(seen, BRAIN.positions[[default[1], default[2]]][:, [1, 2]] * [-1.0, 1.0])


def test_each_network_has_a_colour_and_a_mark_of_its_own() -> None:
    for part in (0, 1):
        assert len({style[part] for style in NETWORK_STYLES.values()}) == len(NETWORK_STYLES)
    ax = network_figure({"a": correlations(1)}, BRAIN, "made up").axes[0]
    drawn = {(line.get_color(), line.get_marker(), len(line.get_xdata())) for line in ax.lines}  # type: ignore[arg-type]
    assert drawn == {
        (*NETWORK_STYLES[name], len(BRAIN.members(name))) for name in NETWORKS if len(BRAIN.members(name))
    }


def test_words_of_a_network_figure_lie_on_it() -> None:
    figure = network_figure({"no drug": correlations(1), "24 h after": correlations(2)}, BRAIN, "synthetic")
    assert outside(figure) == []


def test_a_brain_without_positions_or_a_share_of_nothing_is_refused() -> None:
    flat: Connectome = replace(BRAIN, positions=None)
    with pytest.raises(ModelError, match="has no positions"):
        network_figure({"a": correlations(1)}, flat, "")
    with pytest.raises(ModelError, match="share of connections is 0"):
        network_figure({"a": correlations(1)}, BRAIN, "", share=0.0)


def record(level: float, *, subgenual: bool = True) -> dict[str, Any]:
    """Make up what the command records of one dose."""
    readouts = {path[1]: level for _, path in PANELS if path[0] == "readouts"}
    return {
        "readouts": {**readouts, "dmn_subgenual": level if subgenual else None},
        "communication_loss": 1.0 - level,
        "rate_ratios": {"excitatory": 1.0 + level, "inhibitory": 1.0 - level},
        "eigenvalue_per_s": -3.0 * level,
        "rate_change_5_percent": 0.1 * level,
    }


BLOCKS = np.array([0.0, 0.4, 0.8])


def test_curves_show_the_records_and_gaps_where_the_network_is_unstable() -> None:
    curves = {"healthy brain": [record(1.0), None, record(0.5)], "depressed brain": [record(0.9)] * 3}
    figure = dose_figure(BLOCKS, curves, 0.24, "made up")
    assert len(figure.axes) == len(PANELS)
    panels = {ax.get_title(loc="left"): ax for ax in figure.axes}
    healthy, ill = panels["within DMN"].lines[-2:]
    np.testing.assert_array_equal(healthy.get_xdata(), BLOCKS)
    np.testing.assert_array_equal(healthy.get_ydata(), [1.0, np.nan, 0.5])
    np.testing.assert_array_equal(ill.get_ydata(), [0.9] * 3)
    # Told apart without colour too.
    assert healthy.get_linestyle() != ill.get_linestyle()
    np.testing.assert_array_equal(panels["loss of communication"].lines[-1].get_ydata(), [1.0 - 0.9] * 3)
    levels = [np.asarray(line.get_ydata(), dtype=float) for line in panels["leading eigenvalue, 1/s"].lines]
    assert any((level == EIGENVALUE_LIMIT).all() for level in levels)
    assert outside(figure) == []


def test_a_read_out_that_the_parcellation_lacks_says_so() -> None:
    figure = dose_figure(BLOCKS, {"healthy brain": [record(1.0, subgenual=False)] * 3}, 0.24, "made up")
    panels = {ax.get_title(loc="left"): ax for ax in figure.axes}
    assert [text.get_text() for text in panels["DMN to subgenual"].texts] == ["not in this\nparcellation"]
    assert len(panels["DMN to subgenual"].lines) == 0
    assert outside(figure) == []


def test_a_network_without_rest_under_more_weight_leaves_a_gap() -> None:
    broken = {**record(1.0), "rate_change_5_percent": float("inf")}
    figure = dose_figure(BLOCKS, {"healthy brain": [record(1.0), broken, broken]}, 0.24, "made up")
    panels = {ax.get_title(loc="left"): ax for ax in figure.axes}
    shown = panels["5 % more local weight"].lines[-1].get_ydata()
    np.testing.assert_array_equal(shown, [0.1, np.nan, np.nan])


def test_wrong_curves_are_told() -> None:
    with pytest.raises(ModelError, match="0 dose curves; give 1 to 2"):
        dose_figure(BLOCKS, {}, 0.24, "")
    with pytest.raises(ModelError, match="'a' has 2 points for 3 blocks"):
        dose_figure(BLOCKS, {"a": [record(1.0)] * 2}, 0.24, "")


def test_the_same_figure_gives_the_same_file() -> None:
    matrices = {"a": correlations(1), "b": correlations(2)}
    both = [figure_svg(network_figure(matrices, BRAIN, "made up")) for _ in range(2)]
    assert both[0] == both[1]
