"""Everything that can be taken away opens, says what made it, and holds the numbers of the page."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

pytest.importorskip("fastapi", reason="the explorer needs the extra 'app'")
from PIL import Image
from tests.unit.app_client import Client, an_app
from tests.unit.app_trial_result import a_result

from ketasim.api.scenarios import Axis, default_axis
from ketasim.app.exports.about import Origin
from ketasim.app.exports.chain import caption
from ketasim.app.exports.clock_ticks import clock_names, clock_ticks, seam_text
from ketasim.app.exports.job_files import job_file, result_table
from ketasim.app.jobs.trial_plan import known_quantities
from ketasim.trials import Study

EXPORT = "/api/v1/export"
SCENARIOS = [
    {"regimen": "0.5 mg/kg ketamine iv over 40 min"},
    {"regimen": "84 mg esketamine intranasal, twice weekly x 2 weeks"},
]
AXIS = {
    "dose": 1,
    "knots_h": [-1.5, 0, 2, 24, 336, 672],
    "shares": [0.05, 0.25, 0.2, 0.26, 0.24],
    "columns": 60,
}
ROWS = ["ketamine_venous", "nmda_block_mean", "madrs"]
BODY = {"scenarios": SCENARIOS, "axis": AXIS, "variables": ROWS}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The explorer."""
    with an_app(tmp_path_factory.mktemp("state")) as made:
        yield made


def export(client: Client, kind: str, **more: Any) -> bytes:
    """Take scenarios away as a kind of file."""
    reply = client.post(EXPORT, json={"as": kind, **BODY, **more})
    assert reply.status_code == 200, reply.text
    assert "attachment" in reply.headers["content-disposition"]
    return reply.content


@pytest.fixture(scope="module")
def shown(client: Client) -> list[dict[str, Any]]:
    """What the page shows."""
    results: list[dict[str, Any]] = client.post("/api/v1/simulate", json=BODY).json()["results"]
    return results


def test_csv_has_units_in_its_heads_and_the_numbers_of_the_page(
    client: Client, shown: list[dict[str, Any]]
) -> None:
    text = export(client, "csv").decode("utf-8")
    head = [line for line in text.split("\n") if line.startswith("#")]
    assert "not for treating a person" in " ".join(head)
    assert re.search(r"model [0-9a-f]{16}, parameters [0-9a-f]{16}", " ".join(head))
    table = pd.read_csv(io.StringIO(text), comment="#")
    assert {"time [h]", "ketamine_venous [ng/mL]", "nmda_block_mean [%]", "madrs [points]"} <= set(table)
    for letter, result in zip("AB", shown, strict=True):
        own = table[(table["scenario"] == letter) & (table["arm"] == "drug")]
        for row in ROWS:
            unit = result["series"][row]["unit"]
            for part, word in (("mid", ""), ("hi", " highest")):
                assert own[f"{row}{word} [{unit}]"].to_numpy() == pytest.approx(result["series"][row][part])
        control = table[(table["scenario"] == letter) & (table["arm"] == "midazolam")]
        expected = result["control"]["series"]["madrs"]["mid"]
        assert control["madrs [points]"].to_numpy() == pytest.approx(expected)


def test_parquet_is_the_same_table_and_knows_its_axis(client: Client) -> None:
    written = pq.read_table(io.BytesIO(export(client, "parquet")))
    table = pd.read_csv(io.StringIO(export(client, "csv").decode("utf-8")), comment="#")
    assert written.num_rows == len(table)
    assert written.column_names == list(table)
    about = json.loads(written.schema.metadata[b"ketasim"])
    assert about["axis"]["knots_h"] == AXIS["knots_h"]
    assert "not for treating" in about["disclaimer"]


def test_svg_has_its_caption_and_the_axis_in_its_metadata(client: Client) -> None:
    text = export(client, "svg").decode("utf-8")
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    found = re.search(r"<dc:description>(.*?)</dc:description>", text, re.DOTALL)
    assert found is not None
    about = json.loads(found[1].replace("&quot;", '"').replace("&gt;", ">").replace("&lt;", "<"))
    assert about["axis"]["shares"] == AXIS["shares"]
    assert about["scenarios"] == SCENARIOS
    # Text is drawn as shapes, so that it looks alike everywhere; there are many of them.
    assert text.count("<path") > 50


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_png_is_drawn_in_both_themes(client: Client, theme: str) -> None:
    image = Image.open(io.BytesIO(export(client, "png", theme=theme))).convert("RGB")
    pixels = np.asarray(image).reshape(-1, 3)
    corner = pixels[0].mean()
    assert (corner > 200) == (theme == "light")
    # Not blank: a good part of it is ink, and some of that has the hue of mood.
    assert (np.abs(pixels - pixels[0]).max(axis=1) > 60).mean() > 0.005
    assert (pixels[:, 0].astype(int) - pixels[:, 2] > 90).sum() > 100


def test_pdf_is_one_page_with_text_that_can_be_searched(client: Client) -> None:
    data = export(client, "pdf")
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert data.count(b"/Type /Page\n") == 1 or data.count(b"/Type /Page ") == 1


def test_a_study_file_is_one_that_check_study_reads(client: Client) -> None:
    study = Study.parse(export(client, "study").decode("utf-8"), "exported", known_quantities())
    assert len(study.first_arms) == 3


def test_html_stands_alone(client: Client) -> None:
    text = export(client, "html").decode("utf-8")
    assert "<svg" in text
    assert "not for treating a person" in text
    # Nothing is fetched from anywhere.
    assert not re.search(r'(?:src|href)="(?!#)', text)
    assert "<script" not in text
    for scenario in SCENARIOS:
        assert scenario["regimen"] in text


def test_the_program_prints_the_numbers_of_the_page(
    client: Client, shown: list[dict[str, Any]], tmp_path: Path
) -> None:
    path = tmp_path / "scenarios.py"
    path.write_bytes(export(client, "python"))
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=True)
    cmax = next(item["value"] for item in shown[0]["metrics"] if item["id"] == "cmax")
    numbers = [float(text) for text in re.findall(r"-?\d+\.?\d*(?:e[+-]?\d+)?", done.stdout)]
    assert any(number == pytest.approx(cmax, rel=1e-4) for number in numbers)


@pytest.mark.parametrize("kind", ["csv", "study", "python", "html"])
def test_a_failed_rule_stays_with_the_file(client: Client, kind: str) -> None:
    # More than the label allows, and more than it allows at first.
    body = {**BODY, "scenarios": [{"regimen": "140 mg esketamine intranasal"}]}
    rules = client.post("/api/v1/simulate", json=body).json()["results"][0]["rules"]
    failed = [rule["title"] for rule in rules if rule["state"] == "fail"]
    assert failed
    text = export(client, kind, **body).decode("utf-8")
    assert all(title in text for title in failed)
    assert re.search(r"fails \d supervision rule|>Fails<", text)


def test_healthy_people_have_a_page_without_a_number_needed_to_treat(client: Client) -> None:
    healthy = {"regimen": SCENARIOS[0]["regimen"], "person": {"illness": "healthy"}}
    text = export(client, "html", scenarios=[healthy], people=10).decode("utf-8")
    assert "Number needed to treat" not in text
    assert "Nausea" in text


def test_what_cannot_be_exported_is_refused(client: Client) -> None:
    for body, status in (
        ({"as": "gif", **BODY}, 422),
        ({"as": "csv"}, 422),
        ({"as": "csv", "job": "../../x"}, 422),
        ({"as": "csv", "job": "j0123456789abcdef"}, 404),
        ({"as": "csv", "job": "j0123456789abcdef", **BODY}, 422),
        ({"as": "csv", **BODY, "scenarios": [{"regimen": "nothing known"}]}, 422),
        ({"as": "csv", **BODY, "axis": {**AXIS, "columns": 100_000}}, 413),
        ({"as": "csv", **BODY, "variables": ["no_such_row"]}, 422),
        ({"as": "csv", **BODY, "file": "/etc/passwd"}, 422),
    ):
        reply = client.post(EXPORT, json=body)
        assert reply.status_code == status, (body, reply.text)
        assert reply.headers["content-type"] == "application/problem+json"


REQUEST = {"kind": "trial", "study": "murrough2013", "n": 4, "replicates": 2, "seed": 3}


@pytest.mark.parametrize("kind", ["csv", "parquet", "svg", "png", "pdf", "study", "python", "html"])
def test_every_file_of_a_run_opens(kind: Any) -> None:
    result = a_result()
    file = job_file(kind, REQUEST, result)
    assert file.name.startswith("ketasim-trial.")
    if kind == "csv":
        table = pd.read_csv(io.StringIO(file.content.decode("utf-8")), comment="#")
        assert len(table) == len(result_table(result))
        mood = table[(table["quantity"] == "madrs") & (table["time_h"] == 24.0)]
        assert mood["value"].tolist() == [20.0, 20.0]
        assert b"Preliminary" in file.content
    elif kind == "parquet":
        assert (
            json.loads(pq.read_table(io.BytesIO(file.content)).schema.metadata[b"ketasim"])["request"]
            == REQUEST
        )
    elif kind == "png":
        assert np.asarray(Image.open(io.BytesIO(file.content)).convert("L")).std() > 5.0
    elif kind == "svg":
        assert ElementTree.fromstring(file.content.decode("utf-8")).tag.endswith("svg")
    elif kind == "pdf":
        assert file.content.startswith(b"%PDF-")
    elif kind == "study":
        assert Study.parse(file.content.decode("utf-8"), "exported", known_quantities()).id == "murrough2013"
        assert b"ketasim run murrough2013 --subjects 4 --replicates 2 --seed 3" in file.content
    elif kind == "python":
        compile(file.content, "trial.py", "exec")
        assert b"replicates=2, seed=3, subjects=4" in file.content
    else:
        text = file.content.decode("utf-8")
        assert "&lt;Mine &amp; yours&gt;" in text
        assert "<Mine" not in text
        assert not re.search(r'(?:src|href)="(?!#)', text)


def test_a_study_of_scenarios_names_the_parameters_that_it_needs() -> None:
    scenario = {"regimen": SCENARIOS[0]["regimen"], "mechanism": {"parameters": {"clearance": "60 L/h"}}}
    request = {"kind": "trial", "scenarios": [scenario], "replicates": 2}
    text = job_file("study", request, a_result()).content.decode("utf-8")
    assert "# clearance,60.0,L/h\n" in text
    assert yaml.safe_load(text)["id"] == "explorer_trial"
    program = job_file("python", request, a_result()).content.decode("utf-8")
    compile(program, "trial.py", "exec")
    assert "parameters=parameters" in program


def test_ticks_stand_in_order_with_seams_in_bold() -> None:
    axis = default_axis()
    ticks = clock_ticks(axis)
    places = [tick.place for tick in ticks]
    assert places == sorted(places)
    assert [tick.text for tick in ticks if tick.seam] == ["0", "2 h", "1 d", "2 wk", "4 wk"]
    assert [name for _, name in clock_names(axis)] == ["minutes", "hours", "days", "weeks"]
    assert all(float(axis.time(tick.place)) >= 0.0 for tick in ticks)
    # No two texts stand closer than a narrow one is wide.
    assert np.diff(places).min() > 0.03


def test_one_clock_has_no_names_and_says_nothing_of_seams() -> None:
    axis = Axis((0.0, 672.0), (1.0,))
    assert clock_names(axis) == []
    assert len(clock_ticks(axis)) > 2
    origin = Origin("m", "p", "0")
    assert "scale" not in caption(axis, 0.0, origin)
    assert "changes at 2 h, 1 d, 2 wk" in caption(default_axis(), 0.0, origin)
    assert "the dose at 1 wk" not in caption(default_axis(), 168.0, origin)


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        (0.0, "0"),
        (0.5, "30 min"),
        (2.0, "2 h"),
        (24.0, "1 d"),
        (336.0, "2 wk"),
        (400.0, "16.7 d"),
        (-3.0, "−3 h"),
    ],
)
def test_times_are_written_in_their_unit(hours: float, text: str) -> None:
    assert seam_text(hours) == text
