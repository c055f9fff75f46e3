"""Every file that can be taken away opens, says what it is, and gives the same numbers."""

from __future__ import annotations

import io
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.browser.explorer import INFUSION, Explorer, link_of
from tests.browser.launch import KETASIM
from tests.browser.printed import printed

Opener = Callable[..., Explorer]

_SCENARIOS = [
    {"regimen": INFUSION, "person": {"weight": "82 kg"}},
    {"regimen": "84 mg esketamine intranasal, twice weekly x 4 weeks", "setting": {"control": "saline"}},
]
_CAPTION = ("not for treating a person", "Ketasim")


@pytest.fixture(scope="module")
def page(shared: Explorer) -> Iterator[Explorer]:
    shared.open(link_of(_SCENARIOS, bands="none", axis={"kind": "clocks", "dose": 1, "end_h": 672}))
    return shared


def take(explorer: Explorer, name: str) -> tuple[str, bytes]:
    """Export by the page's own dialog: name and content of the file."""
    explorer.page.get_by_role("button", name="Export", exact=True).click()
    dialog = explorer.page.get_by_role("dialog")
    dialog.locator("fieldset.forms label", has=explorer.page.locator("b", has_text=name)).first.locator(
        "input"
    ).check()
    with explorer.page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    content = download.value.path().read_bytes()
    dialog.get_by_role("button", name="Close").click()
    return download.value.suggested_filename, content


def test_csv_has_units_in_its_head_and_the_curves_of_the_page(page: Explorer) -> None:
    name, content = take(page, "CSV")
    assert name.endswith(".csv")
    text = content.decode("utf-8")
    assert _CAPTION[0] in text
    table = pd.read_csv(io.StringIO(text), comment="#")
    assert "ketamine_venous [ng/mL]" in table.columns
    assert "madrs [points]" in table.columns
    assert set(table["scenario"]) == {"A", "B"}
    own = table[(table["scenario"] == "A") & (table["arm"] == "drug")].reset_index(drop=True)
    assert len(own) == 480
    column = int(page.page.locator("#chain-time").get_attribute("aria-valuenow") or -1)
    assert printed(float(own["madrs [points]"][column])) == page.value("madrs")
    assert printed(float(own["tnf [×]"][column])) == page.value("tnf")


def test_parquet_has_the_same_table(page: Explorer) -> None:
    import pyarrow.parquet as pq

    _, content = take(page, "Parquet")
    read = pq.read_table(io.BytesIO(content))
    assert b"ketasim" in (read.schema.metadata or {})
    csv = pd.read_csv(io.StringIO(take(page, "CSV")[1].decode("utf-8")), comment="#")
    frame = read.to_pandas()
    assert list(frame.columns) == list(csv.columns)
    np.testing.assert_allclose(frame["madrs [points]"], csv["madrs [points]"], rtol=1e-5)


def test_png_is_a_picture_with_curves_and_caption(page: Explorer) -> None:
    name, content = take(page, "PNG")
    assert name.endswith(".png")
    image = Image.open(io.BytesIO(content))
    pixels = np.asarray(image.convert("RGB"), dtype=np.int16)
    assert min(image.size) > 500
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100
    coloured = (pixels.max(axis=2) - pixels.min(axis=2)) > 60
    assert coloured.mean() > 0.001
    # The caption is the last text: there is ink in the lowest tenth.
    foot = pixels[int(0.9 * len(pixels)) :]
    assert (foot.max(axis=2) < 140).mean() > 0.002
    page.picture("before_export")


def test_svg_is_a_drawing_with_caption_and_seams(page: Explorer) -> None:
    name, content = take(page, "SVG")
    assert name.endswith(".svg")
    root = ET.fromstring(content)
    assert root.tag.endswith("svg")
    paths = [node for node in root.iter() if node.tag.endswith("path")]
    assert len(paths) > 30
    text = content.decode("utf-8")
    for words in _CAPTION:
        assert words in text
    assert "<script" not in text


def test_pdf_opens(page: Explorer) -> None:
    name, content = take(page, "PDF")
    assert name.endswith(".pdf")
    assert content.startswith(b"%PDF-")
    assert b"%%EOF" in content[-64:]
    assert len(content) > 20_000


def test_report_is_one_page_with_rules_sources_and_purpose(page: Explorer) -> None:
    name, content = take(page, "Report")
    assert name.endswith(".html")
    text = content.decode("utf-8")
    assert "Supervision rules" in text
    assert _CAPTION[0] in text
    assert "http" not in text.partition("<body")[0]
    assert "<script" not in text


def test_python_runs_and_gives_the_numbers_of_the_table(page: Explorer, tmp_path: Path) -> None:
    name, content = take(page, "Python")
    assert name.endswith(".py")
    (tmp_path / "again.py").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "again.py"], capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    body = {"scenarios": _SCENARIOS, "variables": ["madrs"], "bands": "none"}
    results: list[dict[str, Any]] = page.server.call("/simulate", body)["results"]
    lines = done.stdout.splitlines()
    heads = [i for i, line in enumerate(lines) if line[:2] in ("A:", "B:")]
    assert len(heads) == 2
    compared = 0
    for result, first, last in zip(results, heads, [*heads[1:], len(lines)], strict=True):
        said = dict(line.strip().split(": ", 1) for line in lines[first + 1 : last])
        for metric in result["metrics"]:
            if metric["value"] is not None:
                assert float(said[metric["name"]].split()[0]) == metric["value"]
                compared += 1
    assert compared > 15


def test_study_file_runs(page: Explorer, tmp_path: Path) -> None:
    name, content = take(page, "Study file")
    assert name.endswith(".yaml")
    (tmp_path / name).write_bytes(content)
    command = [
        *KETASIM,
        "run",
        name,
        "--subjects",
        "4",
        "--workers",
        "1",
        "--out",
        "run",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "report.html").exists()
    assert "madrs" in done.stdout.lower()


def test_one_scenario_alone_can_be_taken(page: Explorer) -> None:
    page.page.get_by_role("button", name="Export", exact=True).click()
    dialog = page.page.get_by_role("dialog")
    dialog.locator(".segmented label", has_text="B").click()
    with page.page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    table = pd.read_csv(download.value.path(), comment="#")
    dialog.get_by_role("button", name="Close").click()
    assert "esketamine" in download.value.path().read_text("utf-8")
    assert set(table["scenario"]) == {"A"}
