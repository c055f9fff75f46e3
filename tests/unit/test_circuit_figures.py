"""Figures of the spiking circuit and of its ensemble."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ketasim.circuit.formulas import CLASSES, OUTPUTS
from ketasim.circuit.measures import NetworkActivity
from ketasim.errors import ModelError
from ketasim.report.circuit_ensemble_figure import SignShare, circuit_ensemble_figure, weighted_quantiles
from ketasim.report.circuit_figure import raster_figure, spectrum_figure
from ketasim.report.style import figure_svg

SIZES = (80, 8, 7, 5)
WARM, COUNTED = 500, 1000


def activity(seed: int, *, scale: float = 1.0, silent: str = "", hertz: float = 40.0) -> NetworkActivity:
    """Make up a run: Poisson cells, and a field that swings at a frequency."""
    rng = np.random.default_rng(seed)
    edges = np.concatenate([[0], np.cumsum(SIZES)])
    rate = np.repeat([4.0, 12.0, 8.0, 8.0], SIZES) * scale
    if silent:
        index = CLASSES.index(silent)
        rate[edges[index] : edges[index + 1]] = 0.0
    spikes = rng.poisson(rate * COUNTED / 1000.0)
    cell = np.repeat(np.arange(edges[-1]), spikes)
    step = np.sort(rng.integers(WARM * 10, (WARM + COUNTED) * 10, len(cell)))
    kind = np.searchsorted(edges, cell, side="right") - 1
    population = np.zeros((WARM + COUNTED, 4), dtype=np.int32)
    np.add.at(population, (step // 10, kind), 1)
    time = np.arange(WARM + COUNTED) / 1000.0
    currents = np.zeros((len(time), 4), dtype=np.float32)
    currents[:, 0] = (
        100.0 + 20.0 * scale * np.sin(2.0 * np.pi * hertz * time) + rng.normal(0.0, 1.0, len(time))
    )
    currents[:, 2] = -50.0
    return NetworkActivity(
        edges=edges,
        counted_ms=float(COUNTED),
        warm_ms=float(WARM),
        spikes=spikes,
        burst_spikes=np.zeros_like(spikes),
        currents=currents,
        population=population,
        raster=np.stack([step, cell], axis=1).astype(np.int32),
        voltage=np.zeros(4),
        open_conductance=np.ones(4),
        block=np.zeros(4),
    )


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


def test_a_raster_has_a_mark_for_each_spike_of_the_cells_shown() -> None:
    run = activity(1)
    figure = raster_figure({"no drug": run}, "made up")
    raster = figure.axes[0]
    assert len(raster.lines) == len(CLASSES)
    for index, line in enumerate(raster.lines):
        # Fewer cells of each class than are shown at most: all are there.
        own = (run.raster[:, 1] >= run.edges[index]) & (run.raster[:, 1] < run.edges[index + 1])
        x = np.asarray(line.get_xdata(), dtype=float)
        assert np.isnan(x).sum() == own.sum() > 0
        # Times begin where counting begins.
        np.testing.assert_allclose(x[::3], run.raster[own, 0] * 0.1 - WARM, rtol=1e-12)
        assert x[::3].min() >= 0.0
        assert x[::3].max() <= COUNTED


def test_classes_do_not_overlap_in_a_raster() -> None:
    lines = raster_figure({"no drug": activity(1)}, "made up").axes[0].lines
    spans = [(np.nanmin(line.get_ydata()), np.nanmax(line.get_ydata())) for line in lines]  # type: ignore[arg-type]
    assert all(above[1] < below[0] for above, below in pairwise(spans))


def test_the_strip_below_shows_the_mean_rate_of_pyramidal_cells() -> None:
    run = activity(2)
    strip = raster_figure({"no drug": run}, "made up").axes[1]
    path = strip.collections[0].get_paths()[0].vertices
    # The area below the steps, by the shoelace formula, over a second: the mean rate.
    x, y = path[:, 0], path[:, 1]
    area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / COUNTED
    assert area == pytest.approx(run.rates[0], rel=1e-9)


def test_a_spectrum_is_the_mean_over_runs_and_peaks_where_the_field_does() -> None:
    runs = {
        "no drug": [activity(1), activity(2)],
        "mean block 0.24": [activity(3, hertz=60.0), activity(4, hertz=60.0)],
    }
    figure = spectrum_figure(runs, "no drug", "made up")
    line, known = figure.axes[1].lines
    frequency, power = (np.asarray(part, dtype=float) for part in line.get_data())
    both = [run.spectrum()[1] for run in runs["mean block 0.24"]]
    np.testing.assert_allclose(power, np.mean(both, axis=0)[1 : len(power) + 1], rtol=1e-12)
    # Within a bin of the spectrum, which is 1000 / 512 Hz wide.
    assert frequency[power.argmax()] == pytest.approx(60.0, abs=2.0)
    assert frequency[np.asarray(known.get_ydata()).argmax()] == pytest.approx(40.0, abs=2.0)


def test_rates_stand_at_their_ratio_to_the_reference() -> None:
    runs = {"no drug": [activity(1), activity(2)], "twice": [activity(3, scale=2.0), activity(4, scale=2.0)]}
    rates = spectrum_figure(runs, "no drug", "made up").axes[-1]
    marks = [line for line in rates.lines if line.get_marker() not in ("None", "_", "|")]
    assert len(marks) == 2 * len(CLASSES)
    before, after = (np.array([run.rates for run in runs[label]]) for label in ("no drug", "twice"))
    shown = [float(np.asarray(mark.get_xdata())[0]) for mark in marks]
    np.testing.assert_allclose(shown[:4], 1.0, rtol=1e-12)
    np.testing.assert_allclose(shown[4:], (after / before).mean(axis=0), rtol=1e-12)


def test_a_silent_class_is_left_out_and_breaks_nothing() -> None:
    runs = {"no drug": [activity(1)], "mean block 0.9": [activity(2, silent="sst")]}
    rates = spectrum_figure(runs, "no drug", "made up").axes[-1]
    marks = [line for line in rates.lines if line.get_marker() not in ("None", "_", "|")]
    assert len(marks) == 2 * len(CLASSES) - 1


@pytest.mark.parametrize("settings", [1, 9])
def test_all_text_lies_on_the_figures(settings: int) -> None:
    labels = ["no drug", *(f"block 0.25 / 0.45 / 0.35 / 0.{place}5" for place in range(1, settings))]
    runs = {label: [activity(place)] for place, label in enumerate(labels)}
    assert outside(raster_figure({label: many[0] for label, many in runs.items()}, "made up")) == []
    assert outside(spectrum_figure(runs, "no drug", "made up")) == []
    # The same look finds a title that is too long.
    assert outside(spectrum_figure(runs, "no drug", "long " * 40)) != []


def test_equal_runs_give_equal_files() -> None:
    first, again = (figure_svg(raster_figure({"no drug": activity(1)}, "made up")) for _ in range(2))
    assert first == again


def test_weighted_quantiles_by_hand() -> None:
    values, weights = np.array([[2.0], [0.0], [1.0]]), np.array([2.0, 1.0, 1.0])
    # Half-way weights of 0, 1 and 2 are at 0.125, 0.375 and 0.75.
    found = weighted_quantiles(values, weights, (0.0, 0.125, 0.25, 0.5, 0.75, 1.0))[:, 0]
    np.testing.assert_allclose(found, [0.0, 0.0, 0.5, 4.0 / 3.0, 2.0, 2.0], rtol=1e-14)


def test_weighted_quantiles_do_not_care_for_order_scale_or_rows_without_weight() -> None:
    rng = np.random.default_rng(3)
    values, weights = rng.normal(size=(9, 4)), rng.random(9)
    levels = (0.05, 0.5, 0.95)
    found = weighted_quantiles(values, weights, levels)
    assert (np.diff(found, axis=0) >= 0.0).all()
    order = rng.permutation(9)
    np.testing.assert_allclose(
        weighted_quantiles(values[order], 7.0 * weights[order], levels), found, rtol=1e-12
    )
    more, none = np.vstack([values, np.full((1, 4), 99.0)]), np.append(weights, 0.0)
    np.testing.assert_allclose(weighted_quantiles(more, none, levels), found, rtol=1e-12)
    # With equal weights the median is that of numpy for an odd number of rows.
    np.testing.assert_allclose(weighted_quantiles(values, np.ones(9), (0.5,))[0], np.median(values, axis=0))


@pytest.mark.parametrize(
    ("values", "weights", "said"),
    [
        (np.ones((3, 2)), np.ones(2), "one weight for each row"),
        (np.ones(3), np.ones(3), "one weight for each row"),
        (np.full((3, 2), np.nan), np.ones(3), "not finite"),
        (np.ones((3, 2)), np.zeros(3), "sum above 0"),
        (np.ones((3, 2)), np.array([1.0, -1.0, 1.0]), "not negative"),
    ],
)
def test_weights_that_cannot_be_used(values: np.ndarray, weights: np.ndarray, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        weighted_quantiles(values, weights, (0.5,))


def ensemble() -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(5)
    dose = np.linspace(0.0, 0.8, 9)
    curves = {output: np.exp(rng.normal(0.3, 0.5, (20, 1)) * dose) for output in OUTPUTS}
    return dose, curves, rng.dirichlet(np.ones(20))


SIGNS = [
    SignShare("pyramidal cells fire more", 0.7, 0.5, 0.85),
    SignShare("the rise is lost " * 5, 0.0, 0.0, 0.14),
]


def test_the_ensemble_shows_weighted_medians_and_every_sign() -> None:
    dose, curves, weights = ensemble()
    figure = circuit_ensemble_figure(dose, curves, weights, SIGNS, "made up")
    assert len(figure.axes) == len(OUTPUTS) + 1
    assert outside(figure) == []
    for ax, output in zip(figure.axes, OUTPUTS, strict=False):
        thick = max(ax.lines, key=lambda line: line.get_linewidth())
        expected = np.exp(weighted_quantiles(np.log(curves[output]), weights, (0.5,))[0])
        np.testing.assert_allclose(np.asarray(thick.get_ydata(), dtype=float), expected, rtol=1e-12)
        # Each circuit is there, and the median and the line at 1.
        assert len(ax.lines) == len(weights) + 2
    signs = figure.axes[-1]
    dots = [float(np.asarray(line.get_xdata())[0]) for line in signs.lines if line.get_marker() == "o"]
    assert dots == [0.7, 0.0]


def test_an_ensemble_without_signs_has_no_panel_for_them() -> None:
    dose, curves, weights = ensemble()
    assert len(circuit_ensemble_figure(dose, curves, weights, [], "made up").axes) == len(OUTPUTS)


def test_an_ensemble_that_does_not_fit_is_refused() -> None:
    dose, curves, weights = ensemble()
    with pytest.raises(ModelError, match="nearest valid name is 'pv_rate'"):
        circuit_ensemble_figure(dose, {**curves, "pv_rat": curves["pv_rate"]}, weights, [], "made up")
    with pytest.raises(ModelError, match="lack vip_rate"):
        circuit_ensemble_figure(
            dose, {name: curves[name] for name in OUTPUTS if name != "vip_rate"}, weights, [], "made up"
        )
    with pytest.raises(ModelError, match=r"need \(19, 9\)"):
        circuit_ensemble_figure(dose, curves, weights[:19], [], "made up")


@pytest.mark.parametrize(
    ("share", "low", "high"), [(0.5, 0.6, 0.7), (1.2, 0.9, 1.3), (float("nan"), 0.0, 1.0)]
)
def test_a_share_outside_its_interval_is_refused(share: float, low: float, high: float) -> None:
    with pytest.raises(ModelError, match="0 <= low"):
        SignShare("a sign", share, low, high)
